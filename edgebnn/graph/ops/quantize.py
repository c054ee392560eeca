"""Changes of representation: QUANTIZE, DEQUANTIZE and CAST."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgebnn.arithmetic import quantization
from edgebnn.arithmetic.fixed_point import multiply_by_quantized_multiplier, quantize_multiplier
from edgebnn.graph.opdef import Axes, Limits, OpDef, OpView
from edgebnn.graph.types import Array, DType, Options, Tensor

from .batch_axis import kept
from .enums import TensorType
from .view import NoOptions, bad_input, bad_values, input_tensor, same_shape, scale_and_zero_point, value


@dataclass(frozen=True)
class CastOptions(Options):
    """What the file declares; the tensors' own types decide."""

    in_data_type: TensorType = TensorType.FLOAT32
    out_data_type: TensorType = TensorType.FLOAT32


def _quantize_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    """float32 is divided by the scale in float32 and rounded half away from zero; integers are requantized with
    double rounding, by the ratio of the scales in double."""
    x, source, target = value(view, values, 0), input_tensor(view, 0), view.outputs[0]
    scale, zero_point = scale_and_zero_point(view, target)
    if source.dtype == DType.FLOAT32:
        if np.isnan(x).any():
            raise bad_values(view, "cannot quantize NaN")
        return (quantization.quantize(x, scale, zero_point, target.dtype.numpy),)
    source_scale, source_zero_point = scale_and_zero_point(view, source)
    multiplier = quantize_multiplier(float(source_scale) / float(scale))
    scaled = multiply_by_quantized_multiplier(x.astype(np.int64) - source_zero_point, *multiplier)
    limits = np.iinfo(target.dtype.numpy)
    return (np.clip(scaled + zero_point, limits.min, limits.max).astype(target.dtype.numpy),)


def _along_axis(view: OpView, tensor: Tensor) -> tuple[Array, Array]:
    """Scales and zero points of ``tensor``, shaped to broadcast against it."""
    if tensor.quantization is None:
        raise bad_input(view, f"needs a quantization of {tensor.name!r}")
    scales = np.asarray(tensor.quantization.scale, np.float32)
    zero_points = np.asarray(tensor.quantization.zero_point, np.int64)
    if tensor.quantization.per_tensor:
        return scales[0], zero_points[0]
    shape = [1] * len(tensor.shape)
    shape[tensor.quantization.axis] = scales.size
    return scales.reshape(shape), np.broadcast_to(zero_points, scales.shape).reshape(shape)


def _dequantize_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    x, source = value(view, values, 0), input_tensor(view, 0)
    if source.dtype == DType.FLOAT16:
        return (x.astype(np.float32),)
    scales, zero_points = _along_axis(view, source)
    return (quantization.dequantize(x, scales, zero_points),)


def _dequantize_batch(view: OpView, axes: Axes) -> Axes | None:
    quantization = input_tensor(view, 0).quantization
    own_scales = quantization is not None and not quantization.per_tensor and quantization.axis == axes[0]
    return None if own_scales else kept(view, axes)


def _cast_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    """Real numbers lose their fraction; bool becomes 0 and 1, and anything but 0 becomes True."""
    with np.errstate(invalid="ignore"):
        return (value(view, values, 0).astype(view.outputs[0].dtype.numpy),)


_INTEGER_TYPES = (DType.INT8, DType.UINT8)
_CAST_TYPES = tuple(
    (a, b)
    for a in (DType.FLOAT32, DType.INT8, DType.UINT8, DType.INT16, DType.INT32, DType.INT64, DType.BOOL)
    for b in (DType.FLOAT32, DType.INT8, DType.UINT8, DType.INT16, DType.INT32, DType.INT64, DType.BOOL)
)

OPS = (
    OpDef(
        "QUANTIZE",
        NoOptions,
        same_shape,
        _quantize_run,
        schema="QuantizeOptions",
        types=tuple((a, b) for a in (DType.FLOAT32, *_INTEGER_TYPES) for b in _INTEGER_TYPES),
        batch=kept,
        limits=Limits(scaled=True, bounded=True),
    ),
    OpDef(
        "DEQUANTIZE",
        NoOptions,
        same_shape,
        _dequantize_run,
        schema="DequantizeOptions",
        types=tuple((a, DType.FLOAT32) for a in (*_INTEGER_TYPES, DType.INT16, DType.FLOAT16)),
        batch=_dequantize_batch,
        limits=Limits(scaled=True),
    ),
    OpDef("CAST", CastOptions, same_shape, _cast_run, schema="CastOptions", types=_CAST_TYPES, batch=kept),
)
