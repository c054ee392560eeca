"""Matrix products: FULLY_CONNECTED (float32, int8) and BATCH_MATMUL (float32, int8)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgebnn.arithmetic.exact import exact_dtype, sum_bound
from edgebnn.arithmetic.rounding import round_half_away
from edgebnn.graph.opdef import Axes, Limits, Loops, Macs, OpDef, OpView
from edgebnn.graph.types import Array, DType, Options, Shape

from .batch_axis import aligned_axis, kept_but_last, rows
from .conv import (
    INT8_SPAN,
    activated_int8,
    biased,
    channel_factors,
    check_operands,
    macs_of,
    requantize_channels,
)
from .enums import Activation, TensorType, WeightsFormat
from .fused import activate
from .view import (
    bad_input,
    broadcast,
    input_tensor,
    optional_input,
    optional_value,
    options,
    require_rank,
    scale_and_zero_point,
    unsupported,
    value,
)


@dataclass(frozen=True)
class FullyConnectedOptions(Options):
    fused_activation_function: Activation = Activation.NONE
    weights_format: WeightsFormat = WeightsFormat.DEFAULT
    keep_num_dims: bool = False
    asymmetric_quantize_inputs: bool = False
    quantized_bias_type: TensorType = TensorType.FLOAT32


@dataclass(frozen=True)
class BatchMatMulOptions(Options):
    adj_x: bool = False
    adj_y: bool = False
    asymmetric_quantize_inputs: bool = False


def _dense_infer(view: OpView) -> tuple[Shape, ...]:
    opts = options(view, FullyConnectedOptions)
    x = input_tensor(view, 0)
    outputs, depth = require_rank(view, input_tensor(view, 1), 2)
    if depth == 0 or x.elements % depth:
        raise bad_input(view, f"has weights [{outputs}, {depth}] for an input of shape {list(x.shape)}")
    if opts.keep_num_dims:
        if x.shape[-1:] != (depth,):
            raise bad_input(view, f"keeps dimensions, but its input {list(x.shape)} does not end in {depth}")
        return ((*x.shape[:-1], outputs),)
    return ((x.elements // depth, outputs),)


def _dense_batch(view: OpView, axes: Axes) -> Axes | None:
    keep = options(view, FullyConnectedOptions).keep_num_dims
    return kept_but_last(view, axes) if keep else rows(view, axes)


def _dense_macs(view: OpView) -> Macs:
    weights = input_tensor(view, 1)
    return macs_of(weights, view.outputs[0].elements * weights.shape[1])


def _dense_loops(view: OpView) -> Loops:
    outputs, depth = input_tensor(view, 1).shape
    return Loops(1, view.outputs[0].elements // outputs, outputs, depth, _dense_macs(view))


def _dense_int8(view: OpView, rows: Array, w: Array, b: Array | None) -> Array:
    """LiteRT scales these accumulators in double and rounds once, halves away from zero, since release 1.4.

    Up to 1.2, as TensorFlow 2.16 still does, it rounded twice like convolutions: found by running both, and releases
    2.0 to 2.3. Also unlike convolutions, it heeds the zero point of weights that are quantized as a whole.
    """
    x, weights = input_tensor(view, 0), input_tensor(view, 1)
    _, zero_point = scale_and_zero_point(view, x)
    centred_weights = w.astype(np.int16)
    if weights.quantization is not None and weights.quantization.per_tensor:
        centred_weights -= np.int16(weights.quantization.zero_point[0])
    dtype = exact_dtype(sum_bound(centred_weights, INT8_SPAN))
    centred = (rows.astype(np.int16) - np.int16(zero_point)).astype(dtype)
    sums = biased((centred @ centred_weights.T.astype(dtype)).astype(np.int64), b)
    scaled = round_half_away(sums.astype(np.float64) * np.asarray(channel_factors(view, x, weights)))
    activation = options(view, FullyConnectedOptions).fused_activation_function
    return activated_int8(view, scaled.astype(np.int64), activation)


def _dense_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    opts = options(view, FullyConnectedOptions)
    if opts.weights_format != WeightsFormat.DEFAULT:
        raise unsupported(view, f"weights in {opts.weights_format.name} format", "row-major weights")
    x, weights = input_tensor(view, 0), input_tensor(view, 1)
    check_operands(view, weights, optional_input(view, 2))
    w, b = value(view, values, 1), optional_value(values, 2)
    rows = value(view, values, 0).reshape(-1, w.shape[1])
    if x.dtype == DType.FLOAT32:
        y = rows @ w.T
        y = activate(view, y if b is None else y + b, opts.fused_activation_function)
    else:
        y = _dense_int8(view, rows, w, b)
    return (y.reshape(_dense_infer(view)[0]),)


def operand_shapes(view: OpView) -> tuple[Shape, Shape]:
    """Shapes [..., M, K] and [..., K, N] after the adjoints that the options ask for."""
    opts = options(view, BatchMatMulOptions)
    x, y = input_tensor(view, 0).shape, input_tensor(view, 1).shape
    if min(len(x), len(y)) < 2:
        raise bad_input(view, f"needs matrices, not shapes {list(x)} and {list(y)}")
    x = (*x[:-2], x[-1], x[-2]) if opts.adj_x else x
    y = (*y[:-2], y[-1], y[-2]) if opts.adj_y else y
    if x[-1] != y[-2]:
        raise bad_input(view, f"cannot multiply {list(x)} by {list(y)}")
    return x, y


def _matmul_infer(view: OpView) -> tuple[Shape, ...]:
    x, y = operand_shapes(view)
    return ((*broadcast(view, x[:-2], y[:-2]), x[-2], y[-1]),)


def _matmul_batch(view: OpView, axes: Axes) -> Axes | None:
    """Samples lie along an axis in front of the matrices, or are rows of the first or columns of the second."""
    opts = options(view, BatchMatMulOptions)
    shapes = (input_tensor(view, 0).shape, input_tensor(view, 1).shape)
    rank = len(view.outputs[0].shape)
    if any(axis is not None and axis >= len(shape) - 2 for axis, shape in zip(axes, shapes, strict=True)):
        row = len(shapes[0]) - (1 if opts.adj_x else 2)
        column = len(shapes[1]) - (2 if opts.adj_y else 1)
        return (rank - 2,) if axes == (row, None) else (rank - 1,) if axes == (None, column) else None
    axis = aligned_axis(axes, (shapes[0][:-2], shapes[1][:-2]), rank - 2)
    return None if axis is None else (axis,)


def _matmul_macs(view: OpView) -> Macs:
    return macs_of(input_tensor(view, 1), view.outputs[0].elements * operand_shapes(view)[0][-1])


def _matmul_loops(view: OpView) -> Loops:
    """One nest for each product of two matrices: rows of the first are samples, columns of the second channels."""
    (rows, depth), (_, columns) = (shape[-2:] for shape in operand_shapes(view))
    return Loops(math.prod(view.outputs[0].shape[:-2]), rows, columns, depth, _matmul_macs(view))


def _matmul_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    opts = options(view, BatchMatMulOptions)
    x, y = input_tensor(view, 0), input_tensor(view, 1)
    if x.dtype != y.dtype:
        raise unsupported(view, f"{x.dtype.value} times {y.dtype.value}", "two float32 or two int8 operands")
    a, b = value(view, values, 0), value(view, values, 1)
    a = a.swapaxes(-1, -2) if opts.adj_x else a
    b = b.swapaxes(-1, -2) if opts.adj_y else b
    if x.dtype == DType.FLOAT32:
        return (a @ b,)
    centred = []
    for tensor, q in ((x, a), (y, b)):
        _, zero_point = scale_and_zero_point(view, tensor)
        centred.append(q.astype(np.int16) - np.int16(zero_point))
    return (_int8_product(view, centred[0], centred[1]),)


def _int8_product(view: OpView, a: NDArray[np.int16], b: NDArray[np.int16]) -> Array:
    dtype = exact_dtype(INT8_SPAN * INT8_SPAN * a.shape[-1])
    sums = (a.astype(dtype) @ b.astype(dtype)).astype(np.int64)
    return requantize_channels(view, sums, None, [product_factor(view)], Activation.NONE)


def product_factor(view: OpView) -> float:
    """The scale of BATCH_MATMUL's sums in units of the output: both operands' multiplied in float32, as TFLite does."""
    first, second = (scale_and_zero_point(view, input_tensor(view, i))[0] for i in (0, 1))
    output_scale, _ = scale_and_zero_point(view, view.outputs[0])
    return float(first * second) / float(output_scale)


_TYPES = ((DType.FLOAT32, DType.FLOAT32), (DType.INT8, DType.INT8))

OPS = (
    OpDef(
        "FULLY_CONNECTED",
        FullyConnectedOptions,
        _dense_infer,
        _dense_run,
        _dense_macs,
        _dense_loops,
        schema="FullyConnectedOptions",
        types=_TYPES,
        batch=_dense_batch,
        limits=Limits(required=2, scaled=True),
    ),
    OpDef(
        "BATCH_MATMUL",
        BatchMatMulOptions,
        _matmul_infer,
        _matmul_run,
        _matmul_macs,
        _matmul_loops,
        schema="BatchMatMulOptions",
        types=_TYPES,
        batch=_matmul_batch,
        limits=Limits(required=2, scaled=True, bounded=True),
    ),
)
