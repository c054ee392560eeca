"""1-bit weights with 8-bit activations: EdgebnnConv2dW1A8 and EdgebnnDenseW1A8 (docs/w1a8_format.md).

Both give bit for bit what the int8 op gives whose weights are ``magnitude * w``, w = -1 or +1, per output channel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgebnn.arithmetic.fixed_point import wrap_int32
from edgebnn.arithmetic.packing import packed_channels, unpack
from edgebnn.arithmetic.rounding import round_half_away
from edgebnn.arithmetic.w1a8 import folded_bias, signed_sums
from edgebnn.graph.opdef import Axes, Loops, Macs, OpDef, OpView
from edgebnn.graph.types import Array, DType, Options, Shape

from .batch_axis import images, kept_but_last, rows
from .conv import accumulate, activated_int8, requantize_channels
from .enums import Activation, Padding
from .view import (
    bad_input,
    input_tensor,
    optional_value,
    options,
    require_rank,
    scale_and_zero_point,
    unsupported,
    value,
)
from .windows import Window, output_shape, sliding_loops, window

FORMAT_VERSION = 1


@dataclass(frozen=True)
class EdgebnnConv2dW1A8Options(Options):
    """``channels_in`` counts all groups together; ``depthwise`` is 0 or 1."""

    version: int = FORMAT_VERSION
    channels_in: int = 0
    groups: int = 1
    depthwise: int = 0
    padding: Padding = Padding.SAME
    stride_height: int = 1
    stride_width: int = 1
    dilation_height_factor: int = 1
    dilation_width_factor: int = 1
    fused_activation_function: Activation = Activation.NONE


@dataclass(frozen=True)
class EdgebnnDenseW1A8Options(Options):
    """``keep_num_dims`` is 0 or 1."""

    version: int = FORMAT_VERSION
    channels_in: int = 0
    keep_num_dims: int = 0
    fused_activation_function: Activation = Activation.NONE


def _check_version(view: OpView, version: int) -> None:
    if version != FORMAT_VERSION:
        raise unsupported(view, f"version {version} of its format", f"version {FORMAT_VERSION}")


def _outputs(view: OpView) -> int:
    (outputs,) = require_rank(view, input_tensor(view, 2), 1)
    return outputs


def _check_filter(view: OpView, expected: Shape) -> None:
    shape = require_rank(view, input_tensor(view, 1), len(expected))
    if shape != expected:
        raise bad_input(view, f"has a filter of shape {list(shape)}, expected {list(expected)}")


def conv_window(view: OpView) -> Window:
    """The window of a convolution, once its operands are found to fit each other. Raises InputError if not."""
    opts = options(view, EdgebnnConv2dW1A8Options)
    _check_version(view, opts.version)
    _, height, width, channels = require_rank(view, input_tensor(view, 0), 4)
    _, filter_height, filter_width, _ = require_rank(view, input_tensor(view, 1), 4)
    outputs, groups = _outputs(view), channels if opts.depthwise else opts.groups
    if channels != opts.channels_in or groups < 1 or channels < 1 or channels % groups or outputs % groups:
        raise bad_input(view, f"has {opts.channels_in} channels in {groups} groups for {channels} and {outputs}")
    signs, first = (outputs, 1) if opts.depthwise else (channels // groups, outputs)
    _check_filter(view, (first, filter_height, filter_width, packed_channels(signs)))
    return window(
        view,
        (height, width),
        (filter_height, filter_width),
        (opts.stride_height, opts.stride_width),
        opts.padding,
        (opts.dilation_height_factor, opts.dilation_width_factor),
    )


def _conv_infer(view: OpView) -> tuple[Shape, ...]:
    return (output_shape(input_tensor(view, 0).shape[0], conv_window(view), _outputs(view)),)


def _conv_macs(view: OpView) -> Macs:
    opts = options(view, EdgebnnConv2dW1A8Options)
    _, height, width, _ = input_tensor(view, 1).shape
    depth = 1 if opts.depthwise else opts.channels_in // opts.groups
    return Macs(w1a8=view.outputs[0].elements * height * width * depth)


def _conv_loops(view: OpView) -> Loops:
    opts, x = options(view, EdgebnnConv2dW1A8Options), input_tensor(view, 0).shape
    groups = x[3] if opts.depthwise else opts.groups
    return sliding_loops(x, conv_window(view), groups, _outputs(view), _conv_macs(view))


def _int8_weights(view: OpView, values: tuple[Array | None, ...], signs: NDArray[np.bool_]) -> NDArray[np.int8]:
    """The weights of the int8 op: signs [O, ...] (True: minus) times the magnitude of each channel."""
    magnitude = value(view, values, 3).astype(np.int8).reshape(-1, *[1] * (signs.ndim - 1))
    return np.where(signs, -magnitude, magnitude)


def channel_factors(view: OpView, values: tuple[Array | None, ...]) -> list[float]:
    """What the accumulators of each output channel are scaled by."""
    input_scale, _ = scale_and_zero_point(view, input_tensor(view, 0))
    output_scale, _ = scale_and_zero_point(view, view.outputs[0])
    return [float(input_scale) * float(s) / float(output_scale) for s in value(view, values, 2)]


def conv_signs(view: OpView, words: Array) -> NDArray[np.bool_]:
    """The filter ``words`` as [channels_out, height, width, channels of a group], True for -1."""
    opts = options(view, EdgebnnConv2dW1A8Options)
    if opts.depthwise:
        return np.moveaxis(unpack(words[0], _outputs(view)), -1, 0)[..., None]
    return unpack(words, opts.channels_in // opts.groups)


def _conv_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    opts = options(view, EdgebnnConv2dW1A8Options)
    win = conv_window(view)
    signs = conv_signs(view, value(view, values, 1))
    _, zero_point = scale_and_zero_point(view, input_tensor(view, 0))
    sums = accumulate(value(view, values, 0), zero_point, _int8_weights(view, values, signs), win)
    bias = optional_value(values, 4)
    return (requantize_channels(view, sums, bias, channel_factors(view, values), opts.fused_activation_function),)


def _dense_infer(view: OpView) -> tuple[Shape, ...]:
    opts = options(view, EdgebnnDenseW1A8Options)
    _check_version(view, opts.version)
    x, outputs, depth = input_tensor(view, 0), _outputs(view), opts.channels_in
    if depth < 1 or x.elements % depth or (opts.keep_num_dims and x.shape[-1:] != (depth,)):
        raise bad_input(view, f"has {depth} weights a channel for an input of shape {list(x.shape)}")
    _check_filter(view, (outputs, packed_channels(depth)))
    return ((*x.shape[:-1], outputs) if opts.keep_num_dims else (x.elements // depth, outputs),)


def _dense_batch(view: OpView, axes: Axes) -> Axes | None:
    keep = options(view, EdgebnnDenseW1A8Options).keep_num_dims
    return kept_but_last(view, axes) if keep else rows(view, axes)


def _dense_macs(view: OpView) -> Macs:
    return Macs(w1a8=view.outputs[0].elements * options(view, EdgebnnDenseW1A8Options).channels_in)


def _dense_loops(view: OpView) -> Loops:
    outputs, depth = _outputs(view), options(view, EdgebnnDenseW1A8Options).channels_in
    return Loops(1, view.outputs[0].elements // outputs, outputs, depth, _dense_macs(view))


def _dense_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    """The zero point is folded into the bias; rounded once, as FULLY_CONNECTED is (:mod:`edgebnn.graph.ops.dense`)."""
    opts = options(view, EdgebnnDenseW1A8Options)
    (shape,) = _dense_infer(view)
    minus = unpack(value(view, values, 1), opts.channels_in)
    _, zero_point = scale_and_zero_point(view, input_tensor(view, 0))
    magnitude = value(view, values, 3).astype(np.int64)
    signed = signed_sums(value(view, values, 0).reshape(-1, opts.channels_in), minus)
    sums = wrap_int32(magnitude * signed + folded_bias(optional_value(values, 4), magnitude, zero_point, minus))
    scaled = round_half_away(sums.astype(np.float64) * np.asarray(channel_factors(view, values)))
    return (activated_int8(view, scaled.astype(np.int64), opts.fused_activation_function).reshape(shape),)


_TYPES = ((DType.INT8, DType.INT8),)

OPS = (
    OpDef(
        "EdgebnnConv2dW1A8",
        EdgebnnConv2dW1A8Options,
        _conv_infer,
        _conv_run,
        _conv_macs,
        _conv_loops,
        custom=True,
        types=_TYPES,
        batch=images,
    ),
    OpDef(
        "EdgebnnDenseW1A8",
        EdgebnnDenseW1A8Options,
        _dense_infer,
        _dense_run,
        _dense_macs,
        _dense_loops,
        custom=True,
        types=_TYPES,
        batch=_dense_batch,
    ),
)
