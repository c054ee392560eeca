"""Convolutions, float32 and int8 (with int32 accumulators): CONV_2D, grouped too, DEPTHWISE_CONV_2D, TRANSPOSE_CONV."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebnn.arithmetic.exact import exact_dtype, sum_bound
from edgebnn.arithmetic.fixed_point import multiply_by_quantized_multiplier, quantize_multiplier, wrap_int32
from edgebnn.graph.opdef import Axes, Limits, Loops, Macs, OpDef, OpView
from edgebnn.graph.types import Array, DType, Options, Shape, Tensor

from .batch_axis import images, only
from .enums import Activation, Padding, TensorType
from .fused import activate, integer_bounds
from .view import (
    bad_input,
    input_tensor,
    optional_input,
    optional_value,
    options,
    require_rank,
    scale_and_zero_point,
    shape_argument,
    unsupported,
    value,
)
from .windows import Window, chunks, output_shape, padded, sliding_loops, taps, unfold, window

INT8_SPAN = 255
"""Largest |q - zero_point| of int8 values."""


@dataclass(frozen=True)
class Conv2DOptions(Options):
    padding: Padding = Padding.SAME
    stride_w: int = 0
    stride_h: int = 0
    fused_activation_function: Activation = Activation.NONE
    dilation_w_factor: int = 1
    dilation_h_factor: int = 1
    quantized_bias_type: TensorType = TensorType.FLOAT32


@dataclass(frozen=True)
class DepthwiseConv2DOptions(Options):
    padding: Padding = Padding.SAME
    stride_w: int = 0
    stride_h: int = 0
    depth_multiplier: int = 0
    fused_activation_function: Activation = Activation.NONE
    dilation_w_factor: int = 1
    dilation_h_factor: int = 1


@dataclass(frozen=True)
class TransposeConvOptions(Options):
    padding: Padding = Padding.SAME
    stride_w: int = 0
    stride_h: int = 0
    fused_activation_function: Activation = Activation.NONE
    quantized_bias_type: TensorType = TensorType.FLOAT32


def macs_of(weights: Tensor, count: int) -> Macs:
    """``count`` multiply-accumulates at the precision of ``weights``."""
    return Macs(int8=count) if weights.dtype in (DType.INT8, DType.UINT8) else Macs(float=count)


def check_operands(view: OpView, weights: Tensor, bias: Tensor | None) -> None:
    """Weights and bias of a float32 layer are float32; of an int8 layer int8 and int32."""
    expected = {DType.FLOAT32: (DType.FLOAT32, DType.FLOAT32), DType.INT8: (DType.INT8, DType.INT32)}
    wanted_weights, wanted_bias = expected[view.outputs[0].dtype]
    if weights.dtype != wanted_weights or (bias is not None and bias.dtype != wanted_bias):
        found = weights.dtype.value + (f" weights and {bias.dtype.value} bias" if bias else " weights")
        raise unsupported(view, found, "float32 input, weights and bias, or int8 input and weights with int32 bias")


def correlate(
    x: NDArray[np.floating[Any]], weights: NDArray[np.floating[Any]], win: Window
) -> NDArray[np.floating[Any]]:
    """Padded ``x`` [N, H, W, G * I] with ``weights`` [G * O, KH, KW, I] -> [N, OH, OW, G * O], chunk by chunk."""
    n, _, _, channels = x.shape
    outputs, _, _, depth = weights.shape
    groups = channels // depth
    per_group = outputs // groups
    matrices = weights.reshape(groups, per_group, -1)
    result = np.empty((n, *win.output, outputs), x.dtype)
    unfolded_bytes = int(np.prod(win.output)) * matrices.shape[2] * x.itemsize
    for part in chunks(n, unfolded_bytes):
        for group in range(groups):
            products = unfold(x[part, :, :, group * depth : (group + 1) * depth], win) @ matrices[group].T
            result[part, :, :, group * per_group : (group + 1) * per_group] = products.reshape(
                -1, *win.output, per_group
            )
    return result


def accumulate(q: Array, zero_point: int, weights: NDArray[np.int8], win: Window) -> NDArray[np.int64]:
    """Sum of w * (q - zero_point) over each window, exact; padding adds nothing."""
    dtype = exact_dtype(sum_bound(weights, INT8_SPAN))
    centred = (q.astype(np.int16) - np.int16(zero_point)).astype(dtype)
    return correlate(padded(centred, win, 0), weights.astype(dtype), win).astype(np.int64)


def requantize_channels(
    view: OpView,
    accumulators: NDArray[np.int64],
    bias: Array | None,
    factors: list[float],
    activation: Activation,
) -> Array:
    """int32 accumulators [..., O] -> int8: bias, factor per channel (or one for all), zero point, activation.

    The sum wraps at 32 bits like the C kernels' accumulators.
    """
    multipliers = [quantize_multiplier(f) for f in factors]
    scaled = multiply_by_quantized_multiplier(
        biased(accumulators, bias), [m.value for m in multipliers], [m.shift for m in multipliers]
    )
    return activated_int8(view, scaled, activation)


def biased(accumulators: NDArray[np.int64], bias: Array | None) -> NDArray[np.int64]:
    """The sum in an int32 register."""
    return wrap_int32(accumulators if bias is None else accumulators + bias)


def activated_int8(view: OpView, scaled: NDArray[np.int64], activation: Activation) -> Array:
    """Output steps -> int8: zero point, then the activation's range."""
    _, zero_point = scale_and_zero_point(view, view.outputs[0])
    low, high = integer_bounds(view, activation)
    return np.clip(scaled + zero_point, low, high).astype(np.int8)


def channel_factors(view: OpView, x: Tensor, weights: Tensor) -> list[float]:
    """input scale * weight scale / output scale in double, per output channel (one factor if per tensor)."""
    if weights.quantization is None:
        raise bad_input(view, f"needs a quantization of {weights.name!r}")
    input_scale, _ = scale_and_zero_point(view, x)
    output_scale, _ = scale_and_zero_point(view, view.outputs[0])
    return [float(input_scale) * float(np.float32(s)) / float(output_scale) for s in weights.quantization.scale]


def symmetric_factors(view: OpView, x: Tensor, weights: Tensor) -> list[float]:
    """:func:`channel_factors` of weights whose zero points are 0, as TFLite's specification demands of convolutions."""
    if weights.quantization is not None and any(weights.quantization.zero_point):
        raise unsupported(view, f"weights {weights.name!r} that are not symmetric", "int8 weights with zero point 0")
    return channel_factors(view, x, weights)


def conv_window(view: OpView, depthwise: bool) -> Window:
    opts = view.op.options
    assert isinstance(opts, (Conv2DOptions, DepthwiseConv2DOptions))
    _, height, width, channels = require_rank(view, input_tensor(view, 0), 4)
    weights = require_rank(view, input_tensor(view, 1), 4)
    if depthwise:
        if weights[0] != 1 or channels == 0 or weights[3] % channels:
            raise bad_input(view, f"has weights {list(weights)} for {channels} channels")
    elif 0 in (channels, weights[3]) or channels % weights[3] or weights[0] % (channels // weights[3]):
        raise bad_input(view, f"has weights {list(weights)} for {channels} channels")
    return window(
        view,
        (height, width),
        (weights[1], weights[2]),
        (opts.stride_h, opts.stride_w),
        opts.padding,
        (opts.dilation_h_factor, opts.dilation_w_factor),
    )


def _conv_infer(view: OpView) -> tuple[Shape, ...]:
    options(view, Conv2DOptions)
    win = conv_window(view, depthwise=False)
    return (output_shape(input_tensor(view, 0).shape[0], win, input_tensor(view, 1).shape[0]),)


def _conv_macs(view: OpView) -> Macs:
    weights = input_tensor(view, 1)
    return macs_of(weights, view.outputs[0].elements * weights.elements // max(1, weights.shape[0]))


def _conv_loops(view: OpView) -> Loops:
    x, weights = input_tensor(view, 0).shape, input_tensor(view, 1).shape
    return sliding_loops(x, conv_window(view, depthwise=False), x[3] // weights[3], weights[0], _conv_macs(view))


def _convolved(
    view: OpView,
    values: tuple[Array | None, ...],
    win: Window,
    activation: Activation,
    real: Callable[[Array, Array, Window], Array],
    integer: Callable[[Array, int, Array, Window], NDArray[np.int64]],
) -> tuple[Array, ...]:
    """The output from ``real`` (padded float input, weights) or ``integer`` (int8 input, its zero point, weights)."""
    x, weights, bias = input_tensor(view, 0), input_tensor(view, 1), optional_input(view, 2)
    check_operands(view, weights, bias)
    q, w, b = value(view, values, 0), value(view, values, 1), optional_value(values, 2)
    if x.dtype == DType.FLOAT32:
        y = real(padded(q, win, 0.0), w, win)
        return (activate(view, y if b is None else y + b, activation),)
    _, zero_point = scale_and_zero_point(view, x)
    factors = symmetric_factors(view, x, weights)
    return (requantize_channels(view, integer(q, zero_point, w, win), b, factors, activation),)


def _conv_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    activation = options(view, Conv2DOptions).fused_activation_function
    return _convolved(view, values, conv_window(view, depthwise=False), activation, correlate, accumulate)


def _depthwise_infer(view: OpView) -> tuple[Shape, ...]:
    options(view, DepthwiseConv2DOptions)
    win = conv_window(view, depthwise=True)
    return (output_shape(input_tensor(view, 0).shape[0], win, input_tensor(view, 1).shape[3]),)


def _depthwise_macs(view: OpView) -> Macs:
    weights = input_tensor(view, 1)
    return macs_of(weights, view.outputs[0].elements * weights.shape[1] * weights.shape[2])


def _depthwise_loops(view: OpView) -> Loops:
    x, weights = input_tensor(view, 0).shape, input_tensor(view, 1).shape
    return sliding_loops(x, conv_window(view, depthwise=True), x[3], weights[3], _depthwise_macs(view))


def _depthwise_sums(x: Array, weights: Array, win: Window) -> Array:
    """Padded ``x`` [N, H, W, C] with ``weights`` [1, KH, KW, C * M] -> [N, OH, OW, C * M] in the type of ``x``."""
    channels = x.shape[3]
    per_tap = weights[0].reshape(*win.filter, channels, -1)
    sums = np.zeros((x.shape[0], *win.output, channels, per_tap.shape[3]), x.dtype)
    for row, column, tap in taps(x, win):
        sums += tap[..., None] * per_tap[row, column]
    return sums.reshape(*sums.shape[:3], -1)


def _depthwise_accumulate(q: Array, zero_point: int, weights: Array, win: Window) -> NDArray[np.int64]:
    centred = q.astype(np.int32) - np.int32(zero_point)
    return _depthwise_sums(padded(centred, win, 0), weights.astype(np.int32), win).astype(np.int64)


def _depthwise_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    activation = options(view, DepthwiseConv2DOptions).fused_activation_function
    win = conv_window(view, depthwise=True)
    return _convolved(view, values, win, activation, _depthwise_sums, _depthwise_accumulate)


def _transpose_infer(view: OpView) -> tuple[Shape, ...]:
    options(view, TransposeConvOptions)
    transpose_window(view)
    return (shape_argument(view, 0),)


def transpose_window(view: OpView) -> Window:
    """The window of the convolution this op is the gradient of: it slides over the output."""
    opts = options(view, TransposeConvOptions)
    shape = shape_argument(view, 0)
    if len(shape) != 4:
        raise bad_input(view, f"needs an output shape of 4 numbers, not {list(shape)}")
    weights, x = require_rank(view, input_tensor(view, 1), 4), require_rank(view, input_tensor(view, 2), 4)
    win = window(view, (shape[1], shape[2]), (weights[1], weights[2]), (opts.stride_h, opts.stride_w), opts.padding)
    if weights[3] != x[3] or weights[0] != shape[3] or win.output != x[1:3] or x[0] != shape[0]:
        raise bad_input(view, f"has weights {list(weights)}, input {list(x)} and output shape {list(shape)}")
    return win


def _transpose_batch(view: OpView, axes: Axes) -> Axes | None:
    """The output shape may be computed from the number of samples."""
    return (0,) if axes[2] == 0 and only(axes[1:], 1) == 0 else None


def _transpose_macs(view: OpView) -> Macs:
    weights = input_tensor(view, 1)
    return macs_of(weights, input_tensor(view, 2).elements * weights.elements // max(1, weights.shape[3]))


def _scatter(
    x: NDArray[np.floating[Any]], weights: NDArray[np.floating[Any]], win: Window, size: Shape
) -> NDArray[np.floating[Any]]:
    """Every input pixel adds its weighted filter into the output [N, H, W, O]."""
    n, height, width, outputs = size
    (top, left), (bottom, right) = win.before, win.after
    canvas = np.zeros((n, top + height + bottom, left + width + right, outputs), x.dtype)
    for row, column, target in taps(canvas, win):
        target += x @ weights[:, row, column].T
    return canvas[:, top : top + height, left : left + width]


def _transpose_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    opts = options(view, TransposeConvOptions)
    weights, x, bias = input_tensor(view, 1), input_tensor(view, 2), optional_input(view, 3)
    check_operands(view, weights, bias)
    win = transpose_window(view)
    size = view.outputs[0].shape
    w, q, b = value(view, values, 1), value(view, values, 2), optional_value(values, 3)
    if x.dtype == DType.FLOAT32:
        y = _scatter(q, w, win, size)
        return (activate(view, y if b is None else y + b, opts.fused_activation_function),)
    _, zero_point = scale_and_zero_point(view, x)
    factors = symmetric_factors(view, x, weights)
    dtype = exact_dtype(sum_bound(w, INT8_SPAN))
    centred = (q.astype(np.int16) - np.int16(zero_point)).astype(dtype)
    sums = _scatter(centred, w.astype(dtype), win, size).astype(np.int64)
    return (requantize_channels(view, sums, b, factors, opts.fused_activation_function),)


_TYPES = ((DType.FLOAT32, DType.FLOAT32), (DType.INT8, DType.INT8))

OPS = (
    OpDef(
        "CONV_2D",
        Conv2DOptions,
        _conv_infer,
        _conv_run,
        _conv_macs,
        _conv_loops,
        schema="Conv2DOptions",
        types=_TYPES,
        batch=images,
        limits=Limits(required=2, scaled=True),
    ),
    OpDef(
        "DEPTHWISE_CONV_2D",
        DepthwiseConv2DOptions,
        _depthwise_infer,
        _depthwise_run,
        _depthwise_macs,
        _depthwise_loops,
        schema="DepthwiseConv2DOptions",
        types=_TYPES,
        batch=images,
        limits=Limits(required=2, scaled=True),
    ),
    OpDef(
        "TRANSPOSE_CONV",
        TransposeConvOptions,
        _transpose_infer,
        _transpose_run,
        _transpose_macs,
        schema="TransposeConvOptions",
        types=((DType.INT32, DType.FLOAT32), (DType.INT32, DType.INT8)),
        batch=_transpose_batch,
        limits=Limits(required=3, scaled=True),
    ),
)
