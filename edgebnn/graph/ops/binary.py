"""The four ops of the Larq Compute Engine: sign bits in 32-bit words (see :mod:`edgebnn.arithmetic.packing`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgebnn.arithmetic.binary import float_output, int8_output, output_transform, packed_output, signs
from edgebnn.arithmetic.exact import exact_dtype
from edgebnn.arithmetic.packing import WORD_BITS, pack, packed_channels, unpack
from edgebnn.arithmetic.rounding import round_half_away
from edgebnn.graph.opdef import Loops, Macs, OpDef, OpView
from edgebnn.graph.types import Array, DType, Options, Shape

from .batch_axis import images, kept_but_last
from .conv import correlate
from .enums import Activation, Padding
from .fused import real_bounds
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
from .windows import Window, output_shape, padded, sliding_loops, taps, window


@dataclass(frozen=True)
class LceQuantizeOptions(Options):
    pass


@dataclass(frozen=True)
class LceDequantizeOptions(Options):
    pass


@dataclass(frozen=True)
class LceBconv2dOptions(Options):
    """``pad_values`` is what SAME padding pads with, 0 or 1; ``channels_in`` counts all groups together."""

    channels_in: int = 0
    dilation_height_factor: int = 1
    dilation_width_factor: int = 1
    fused_activation_function: Activation = Activation.NONE
    pad_values: int = 0
    padding: Padding = Padding.SAME
    stride_height: int = 1
    stride_width: int = 1


@dataclass(frozen=True)
class LceBMaxPool2dOptions(Options):
    padding: Padding = Padding.SAME
    stride_width: int = 1
    stride_height: int = 1
    filter_width: int = 1
    filter_height: int = 1


def _quantize_infer(view: OpView) -> tuple[Shape, ...]:
    shape = input_tensor(view, 0).shape
    if not shape:
        raise bad_input(view, "needs a tensor with channels, not a scalar")
    return ((*shape[:-1], packed_channels(shape[-1])),)


def _quantize_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    """Bit 1 for x < 0 (float32), q < zero point (int8), False (bool); so 0, -0 and NaN count as +1."""
    x = value(view, values, 0)
    if x.dtype == np.bool_:
        return (pack(~x),)
    threshold = 0
    if x.dtype == np.int8:
        _, threshold = scale_and_zero_point(view, input_tensor(view, 0))
    return (pack(np.asarray(x < threshold)),)


def _dequantize_infer(view: OpView) -> tuple[Shape, ...]:
    """The number of channels is only known from the output: words do not tell how many of their bits count."""
    words, channels = input_tensor(view, 0).shape, view.outputs[0].shape[-1:]
    if not words or not channels or packed_channels(channels[0]) != words[-1]:
        raise bad_input(view, f"cannot unpack shape {list(words)} to {list(view.outputs[0].shape)}")
    return ((*words[:-1], *channels),)


def _dequantize_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    """+1 and -1; int8: zero point plus or minus the rounded reciprocal of the scale, saturated."""
    output = view.outputs[0]
    negative = unpack(value(view, values, 0).astype(np.int32), output.shape[-1])
    if output.dtype == DType.BOOL:
        return (~negative,)
    if output.dtype == DType.FLOAT32:
        return (np.where(negative, np.float32(-1), np.float32(1)),)
    plus, minus = dequantized_signs(view)
    return (np.where(negative, np.int8(minus), np.int8(plus)),)


def dequantized_signs(view: OpView) -> tuple[int, int]:
    """What +1 and -1 become under the scale and zero point of an LceDequantize's int8 output."""
    scale, zero_point = scale_and_zero_point(view, view.outputs[0])
    one = int(round_half_away(np.asarray(np.float32(1) / scale)))
    return min(127, zero_point + one), max(-128, zero_point - one)


@dataclass(frozen=True)
class BconvGeometry:
    window: Window
    groups: int
    group_channels: int
    channels_out: int

    @property
    def products(self) -> int:
        """K: products of one output, padding counted."""
        return self.window.filter[0] * self.window.filter[1] * self.group_channels


def bconv_geometry(view: OpView) -> BconvGeometry:
    """The window and the sizes of an LceBconv2d.

    Raises:
        InputError: its tensors do not fit together.
    """
    opts = options(view, LceBconv2dOptions)
    _, height, width, words = require_rank(view, input_tensor(view, 0), 4)
    outputs, filter_height, filter_width, group_words = require_rank(view, input_tensor(view, 1), 4)
    if opts.channels_in < 1 or words != packed_channels(opts.channels_in):
        raise bad_input(view, f"has channels_in = {opts.channels_in} for an input of {words} words")
    groups = words // group_words if group_words and words % group_words == 0 else 0
    if groups < 1 or opts.channels_in % groups or outputs % groups:
        raise bad_input(view, f"has a filter of {outputs} x {group_words} words for an input of {words} words")
    if groups > 1 and (opts.channels_in // groups) % WORD_BITS:
        raise bad_input(view, f"has {opts.channels_in // groups} channels a group, not a multiple of {WORD_BITS}")
    if opts.pad_values not in (0, 1):
        raise unsupported(view, f"pad_values = {opts.pad_values}", "0 and 1")
    win = window(
        view,
        (height, width),
        (filter_height, filter_width),
        (opts.stride_height, opts.stride_width),
        opts.padding,
        (opts.dilation_height_factor, opts.dilation_width_factor),
    )
    return BconvGeometry(win, groups, opts.channels_in // groups, outputs)


def _bconv_infer(view: OpView) -> tuple[Shape, ...]:
    geometry = bconv_geometry(view)
    packed = view.outputs[0].dtype == DType.INT32
    channels = packed_channels(geometry.channels_out) if packed else geometry.channels_out
    return (output_shape(input_tensor(view, 0).shape[0], geometry.window, channels),)


def _bconv_macs(view: OpView) -> Macs:
    geometry = bconv_geometry(view)
    pixels = input_tensor(view, 0).shape[0] * geometry.window.output[0] * geometry.window.output[1]
    return Macs(binary=pixels * geometry.channels_out * geometry.products)


def _bconv_loops(view: OpView) -> Loops:
    geometry, channels = bconv_geometry(view), options(view, LceBconv2dOptions).channels_in
    x = (*input_tensor(view, 0).shape[:3], channels)
    return sliding_loops(x, geometry.window, geometry.groups, geometry.channels_out, _bconv_macs(view))


def _dots(view: OpView, values: tuple[Array | None, ...], geometry: BconvGeometry, pad_value: int) -> NDArray[np.int64]:
    """Sums of products of signs [N, OH, OW, O]; padding adds ``pad_value`` times the weight.

    Matrix products of +1 and -1 in float32 are exact while K <= 2**24, in float64 up to 2**53.
    """
    opts = options(view, LceBconv2dOptions)
    dtype = exact_dtype(geometry.products)
    x = signs(value(view, values, 0).astype(np.int32), opts.channels_in, dtype)
    weights = signs(value(view, values, 1).astype(np.int32), geometry.group_channels, dtype)
    return correlate(padded(x, geometry.window, pad_value), weights, geometry.window).astype(np.int64)


def _bconv_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    """Zero padding counts in the integer sum, as in LCE's reference kernel, except for float output without activation.

    There, LCE's optimised kernels, its default, pad with ones and take that back from the float32 result.
    """
    opts, output, geometry = options(view, LceBconv2dOptions), view.outputs[0], bconv_geometry(view)
    bounds = real_bounds(view, opts.fused_activation_function)
    zero_padding = opts.padding == Padding.SAME and opts.pad_values == 0
    dots = _dots(view, values, geometry, opts.pad_values)
    twice_accumulators = geometry.products - dots
    if output.dtype == DType.INT32:
        if zero_padding and geometry.group_channels % 2:
            raise unsupported(view, "zero padding, packed output and an odd number of channels", "even channels")
        return (pack(packed_output(twice_accumulators >> 1, _per_channel(view, values, 4, geometry))),)
    multiplier, bias = (_per_channel(view, values, i, geometry).astype(np.float32) for i in (2, 3))
    if output.dtype == DType.FLOAT32:
        transform = output_transform(multiplier, bias, geometry.products, bounds)
        if zero_padding and opts.fused_activation_function == Activation.NONE:
            padded_with_ones = _dots(view, values, geometry, 1)
            result = float_output(geometry.products - padded_with_ones, transform)
            return (result + transform.multiplier * (padded_with_ones - dots).astype(np.float32),)
        return (float_output(twice_accumulators, transform),)
    scale, zero_point = scale_and_zero_point(view, output)
    transform = output_transform(multiplier, bias, geometry.products, bounds, float(scale), zero_point)
    return (int8_output(twice_accumulators, transform),)


def _per_channel(view: OpView, values: tuple[Array | None, ...], index: int, geometry: BconvGeometry) -> Array:
    """Multiplier, bias or threshold: one number per output channel."""
    array = optional_value(values, index)
    if array is None or array.shape != (geometry.channels_out,):
        what = ("multiplier", "bias", "threshold")[index - 2]
        raise bad_input(view, f"needs a {what} for each of its {geometry.channels_out} output channels")
    return array


def bmaxpool_window(view: OpView) -> Window:
    """The window of an LceBMaxPool2d."""
    opts = options(view, LceBMaxPool2dOptions)
    _, height, width, _ = require_rank(view, input_tensor(view, 0), 4)
    return window(
        view,
        (height, width),
        (opts.filter_height, opts.filter_width),
        (opts.stride_height, opts.stride_width),
        opts.padding,
    )


def _pool_infer(view: OpView) -> tuple[Shape, ...]:
    shape = input_tensor(view, 0).shape
    return (output_shape(shape[0], bmaxpool_window(view), shape[3]),)


def _pool_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    """The maximum is -1 only where all are -1: the bitwise AND of the window's words."""
    x, win = value(view, values, 0), bmaxpool_window(view)
    y = np.full((x.shape[0], *win.output, x.shape[3]), -1, np.int32)
    for _, _, tap in taps(padded(x, win, -1), win):
        y &= tap.astype(np.int32, copy=False)
    return (y,)


_PACKED = DType.INT32

OPS = (
    OpDef(
        "LceQuantize",
        LceQuantizeOptions,
        _quantize_infer,
        _quantize_run,
        custom=True,
        types=((DType.FLOAT32, _PACKED), (DType.INT8, _PACKED), (DType.BOOL, _PACKED)),
        batch=kept_but_last,
    ),
    OpDef(
        "LceDequantize",
        LceDequantizeOptions,
        _dequantize_infer,
        _dequantize_run,
        custom=True,
        types=((_PACKED, DType.FLOAT32), (_PACKED, DType.INT8), (_PACKED, DType.BOOL)),
        batch=kept_but_last,
    ),
    OpDef(
        "LceBconv2d",
        LceBconv2dOptions,
        _bconv_infer,
        _bconv_run,
        _bconv_macs,
        _bconv_loops,
        custom=True,
        types=((_PACKED, DType.FLOAT32), (_PACKED, DType.INT8), (_PACKED, _PACKED)),
        batch=images,
    ),
    OpDef(
        "LceBMaxPool2d",
        LceBMaxPool2dOptions,
        _pool_infer,
        _pool_run,
        custom=True,
        types=((_PACKED, _PACKED),),
        batch=images,
    ),
)
