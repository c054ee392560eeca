"""Activation functions as ops of their own: the RELU family, PRELU, LEAKY_RELU, ELU, GELU, HARD_SWISH, LOGISTIC, TANH,
SOFTMAX and LOG_SOFTMAX; and L2_NORMALIZATION."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebnn.arithmetic.fixed_functions import DIFFERENCE_BITS, hard_swish_int8, inverse_square_root, softmax_int8
from edgebnn.arithmetic.fixed_point import (
    INT32_MAX,
    Multiplier,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
)
from edgebnn.arithmetic.quantization import quantized_bounds
from edgebnn.graph.opdef import Limits, OpDef, OpView
from edgebnn.graph.types import Array, DType, Options, Shape, Tensor

from .batch_axis import aligned, kept, kept_but_last
from .enums import Activation
from .fused import Bounds
from .types import FLOAT, FLOAT_OR_INT8
from .unary import Run, rounded, runner
from .view import (
    NoOptions,
    bad_input,
    broadcast,
    input_tensor,
    options,
    same_shape,
    scale_and_zero_point,
    unsupported,
    value,
)


@dataclass(frozen=True)
class LeakyReluOptions(Options):
    alpha: float = 0.0


@dataclass(frozen=True)
class SoftmaxOptions(Options):
    beta: float = 0.0


@dataclass(frozen=True)
class GeluOptions(Options):
    approximate: bool = False


@dataclass(frozen=True)
class L2NormOptions(Options):
    fused_activation_function: Activation = Activation.NONE


def _centred(view: OpView, tensor: Tensor, q: Array) -> tuple[np.float32, NDArray[np.int64]]:
    scale, zero_point = scale_and_zero_point(view, tensor)
    return scale, q.astype(np.int64) - zero_point


def _rescaled(x: NDArray[np.int64], factor: np.float32) -> NDArray[np.int64]:
    """``x`` times a factor that was computed in float32 and may be negative."""
    magnitude = multiply_by_quantized_multiplier(x, *quantize_multiplier(abs(float(factor))))
    return magnitude if factor >= 0 else -magnitude


def _to_int8(view: OpView, x: NDArray[np.int64]) -> Array:
    _, zero_point = scale_and_zero_point(view, view.outputs[0])
    return np.clip(x + zero_point, -128, 127).astype(np.int8)


def _clamp(bounds: Bounds) -> Run:
    """A member of the RELU family; int8 is requantized by the ratio of the scales, then clamped."""

    def run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
        x = value(view, values, 0)
        if x.dtype == np.float32:
            return (np.clip(x, *bounds).astype(np.float32, copy=False),)
        scale, centred = _centred(view, input_tensor(view, 0), x)
        output_scale, zero_point = scale_and_zero_point(view, view.outputs[0])
        low, high = quantized_bounds(*bounds, output_scale, zero_point, np.dtype(np.int8))
        return (np.clip(_rescaled(centred, scale / output_scale) + zero_point, low, high).astype(np.int8),)

    return run


def _leaky_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    x, alpha = value(view, values, 0), np.float32(options(view, LeakyReluOptions).alpha)
    if x.dtype == np.float32:
        return (np.where(x > 0, x, x * alpha),)
    scale, centred = _centred(view, input_tensor(view, 0), x)
    output_scale, _ = scale_and_zero_point(view, view.outputs[0])
    y = np.where(
        centred >= 0, _rescaled(centred, scale / output_scale), _rescaled(centred, scale * alpha / output_scale)
    )
    return (_to_int8(view, y),)


def _prelu_infer(view: OpView) -> tuple[Shape, ...]:
    shape = input_tensor(view, 0).shape
    if broadcast(view, shape, input_tensor(view, 1).shape) != shape:
        raise bad_input(view, f"has slopes {list(input_tensor(view, 1).shape)} for an input of {list(shape)}")
    return (shape,)


def _prelu_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    x, alpha = value(view, values, 0), value(view, values, 1)
    if alpha.dtype != x.dtype:
        raise unsupported(view, f"{alpha.dtype} slopes for {x.dtype} values", "slopes of the input's type")
    if x.dtype == np.float32:
        return (np.where(x >= 0, x, x * alpha),)
    scale, centred = _centred(view, input_tensor(view, 0), x)
    alpha_scale, slopes = _centred(view, input_tensor(view, 1), alpha)
    output_scale, _ = scale_and_zero_point(view, view.outputs[0])
    y = np.where(
        centred >= 0,
        _rescaled(centred, scale / output_scale),
        _rescaled(centred * slopes, scale * alpha_scale / output_scale),
    )
    return (_to_int8(view, y),)


def _hard_swish_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    x = value(view, values, 0)
    if x.dtype == np.float32:
        return (x * np.clip(x + np.float32(3), np.float32(0), np.float32(6)) / np.float32(6),)
    scale, centred = _centred(view, input_tensor(view, 0), x)
    output_scale, zero_point = scale_and_zero_point(view, view.outputs[0])
    fine = scale * np.float32(1 / 128)
    output_scaling = quantize_multiplier(float(fine / output_scale))
    if output_scaling.shift > 0:
        raise unsupported(view, "an output scale below 1/128 of the input's", "coarser output scales")
    relu_scaling = quantize_multiplier(float(fine / (np.float32(3) / np.float32(32768))))
    return (hard_swish_int8(centred, zero_point, output_scaling, relu_scaling),)


def _softmax_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    x, beta = value(view, values, 0), options(view, SoftmaxOptions).beta
    if x.dtype == np.float32:
        exponentials = np.exp((x - x.max(axis=-1, keepdims=True)) * np.float32(beta))
        return (exponentials / exponentials.sum(axis=-1, keepdims=True),)
    return (softmax_int8(x, softmax_multiplier(view)),)


def softmax_multiplier(view: OpView) -> Multiplier:
    """What takes a difference of two int8 values to Q5.26."""
    beta = options(view, SoftmaxOptions).beta
    scale, _ = scale_and_zero_point(view, input_tensor(view, 0))
    output_scale, zero_point = scale_and_zero_point(view, view.outputs[0])
    if zero_point != -128 or abs(float(output_scale) * 256 - 1) > 1e-3:
        raise unsupported(view, f"output scale {output_scale} and zero point {zero_point}", "1/256 and -128")
    return quantize_multiplier(
        min(float(np.float32(beta)) * float(scale) * 2.0 ** (31 - DIFFERENCE_BITS), float(INT32_MAX))
    )


def _log_softmax_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    shifted = value(view, values, 0)
    shifted = shifted - shifted.max(axis=-1, keepdims=True)
    return (shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)),)


def _logistic(x: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(1 / (1 + rounded(np.exp)(-x)))


def _elu(x: NDArray[Any]) -> NDArray[Any]:
    return np.where(x < 0, rounded(np.expm1)(np.minimum(x, 0)), x)


_erf = np.vectorize(math.erf, otypes=[np.float64])  # NumPy has none


def _gelu_exact(x: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(0.5 * x * (1 + _erf(x * math.sqrt(0.5))))


def _gelu_tanh(x: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))))


def _gelu_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    """x times the normal distribution function of x, or its approximation by a hyperbolic tangent."""
    function = _gelu_tanh if options(view, GeluOptions).approximate else _gelu_exact
    return runner(rounded(function))(view, values)


_SMALLEST_NORM = np.float32(1e-6)
UNIT_SCALE = 1 / 128


def _l2_norm_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    """Each vector along the last axis divided by its length; in int8 in fixed point, the output's scale being 1/128."""
    activation = options(view, L2NormOptions).fused_activation_function
    if activation != Activation.NONE:
        raise unsupported(view, f"fused activation {activation.name}", "none")
    x = value(view, values, 0)
    if x.dtype == np.float32:
        norm = np.sqrt(np.square(x).sum(axis=-1, keepdims=True, dtype=np.float32))
        return (x / np.maximum(norm, _SMALLEST_NORM),)
    output_scale, zero_point = scale_and_zero_point(view, view.outputs[0])
    if output_scale != np.float32(UNIT_SCALE) or zero_point != 0:
        raise unsupported(view, f"output scale {output_scale} and zero point {zero_point}", "1/128 and 0")
    _, centred = _centred(view, input_tensor(view, 0), x)
    result = np.zeros(x.shape, np.int64)
    for position in np.ndindex(x.shape[:-1]):
        length = inverse_square_root(int(np.square(centred[position]).sum()))
        result[position] = multiply_by_quantized_multiplier(centred[position], length.value, length.shift + 7)
    return (np.clip(result, -128, 127).astype(np.int8),)


OPS = (
    OpDef(
        "RELU", NoOptions, same_shape, _clamp((0.0, None)), types=FLOAT_OR_INT8, batch=kept, limits=Limits(scaled=True)
    ),
    OpDef(
        "RELU6", NoOptions, same_shape, _clamp((0.0, 6.0)), types=FLOAT_OR_INT8, batch=kept, limits=Limits(scaled=True)
    ),
    OpDef(
        "RELU_N1_TO_1",
        NoOptions,
        same_shape,
        _clamp((-1.0, 1.0)),
        types=FLOAT_OR_INT8,
        batch=kept,
        limits=Limits(scaled=True),
    ),
    OpDef("RELU_0_TO_1", NoOptions, same_shape, _clamp((0.0, 1.0)), types=FLOAT_OR_INT8, batch=kept),
    OpDef(
        "LEAKY_RELU",
        LeakyReluOptions,
        same_shape,
        _leaky_run,
        schema="LeakyReluOptions",
        types=FLOAT_OR_INT8,
        batch=kept,
        limits=Limits(scaled=True),
    ),
    OpDef("PRELU", NoOptions, _prelu_infer, _prelu_run, types=FLOAT_OR_INT8, batch=aligned, limits=Limits(scaled=True)),
    OpDef(
        "ELU",
        NoOptions,
        same_shape,
        runner(_elu),
        types=FLOAT_OR_INT8,
        batch=kept,
        no_reference=(DType.FLOAT32, DType.INT8),
        limits=Limits(scaled=True),
    ),
    OpDef("GELU", GeluOptions, same_shape, _gelu_run, schema="GeluOptions", types=FLOAT_OR_INT8, batch=kept),
    OpDef(
        "L2_NORMALIZATION",
        L2NormOptions,
        same_shape,
        _l2_norm_run,
        schema="L2NormOptions",
        types=FLOAT_OR_INT8,
        batch=kept_but_last,
        limits=Limits(scaled=True),
    ),
    OpDef(
        "HARD_SWISH",
        NoOptions,
        same_shape,
        _hard_swish_run,
        schema="HardSwishOptions",
        types=FLOAT_OR_INT8,
        batch=kept,
        limits=Limits(scaled=True),
    ),
    OpDef(
        "LOGISTIC",
        NoOptions,
        same_shape,
        runner(_logistic),
        types=FLOAT_OR_INT8,
        batch=kept,
        limits=Limits(scaled=True),
    ),
    OpDef(
        "TANH",
        NoOptions,
        same_shape,
        runner(rounded(np.tanh)),
        types=FLOAT_OR_INT8,
        batch=kept,
        limits=Limits(scaled=True),
    ),
    OpDef(
        "SOFTMAX",
        SoftmaxOptions,
        same_shape,
        _softmax_run,
        schema="SoftmaxOptions",
        types=FLOAT_OR_INT8,
        batch=kept_but_last,
        limits=Limits(scaled=True),
    ),
    OpDef(
        "LOG_SOFTMAX",
        NoOptions,
        same_shape,
        _log_softmax_run,
        schema="LogSoftmaxOptions",
        types=FLOAT,
        batch=kept_but_last,
        limits=Limits(scaled=True, axes=1),
    ),
)
