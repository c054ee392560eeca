"""Convolutions of int8 tensors: CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from edgebnn.converters.c_package import leads
from edgebnn.converters.c_package.program import Step, Struct, geometry
from edgebnn.graph.opdef import OpView
from edgebnn.graph.ops.conv import (
    Conv2DOptions,
    DepthwiseConv2DOptions,
    TransposeConvOptions,
    check_operands,
    conv_window,
    symmetric_factors,
    transpose_window,
)
from edgebnn.graph.ops.view import input_tensor, optional_input, options
from edgebnn.graph.ops.windows import Window
from edgebnn.graph.types import DType
from edgebnn.kernels.cores import Core

from .int8 import (
    NarrowRescaling,
    Rescaling,
    constant_data,
    narrow_rescaling,
    optional_bias,
    rescaling,
    sum_range,
    zero_point_of,
)

QUAD = 4
"""Weights in a word."""
MOST_AT_ONCE = 96
"""Weights of a channel that cores without the DSP extension take at once: words for four pixels are 1.5 KiB."""


@dataclass(frozen=True)
class Convolution:
    """A layer as its kernels need it.

    weights: [groups, output channels of a group, filter height, filter width, input channels of a group].
    bias:    [output channels].
    narrow:  the rescaling in the form that fast kernels compute, where the sums have it.
    """

    window: Window
    batches: int
    size: tuple[int, int]
    weights: NDArray[np.int8]
    bias: NDArray[np.int64]
    zero_point: int
    rescaling: Rescaling
    narrow: NarrowRescaling | None

    @property
    def taps(self) -> int:
        """Weights of an output channel."""
        return int(np.prod(self.weights.shape[2:]))

    @property
    def quads(self) -> int:
        return -(-self.taps // QUAD)

    @property
    def folded_bias(self) -> NDArray[np.int64]:
        """The bias with the zero point's part, [output channels]."""
        return np.asarray(self.bias - self.zero_point * self.weights.astype(np.int64).sum(axis=(2, 3, 4)).reshape(-1))

    @property
    def part(self) -> int:
        """Weights of a channel that are taken at once: as many each time, about."""
        parts = -(-self.taps // MOST_AT_ONCE)
        return -(-self.taps // (parts * QUAD)) * QUAD

    def layer(self, weights: NDArray[np.int8], constants: NDArray[np.int64], part: int = 0) -> Struct:
        return Struct(
            "eb_conv_int8_layer",
            {
                "geometry": geometry(self.window, self.batches, self.size),
                "groups": self.weights.shape[0],
                "group_in": self.weights.shape[4],
                "group_out": self.weights.shape[1],
                "input_zero_point": self.zero_point,
                "output_zero_point": self.rescaling.zero_point,
                "low": self.rescaling.low,
                "high": self.rescaling.high,
                "part": part,
                "weights": weights,
                "constants": wrapped(constants),
            },
        )


def wrapped(values: NDArray[np.int64]) -> NDArray[np.int32]:
    """Modulo 2**32: what a register holds."""
    return values.astype(np.int32)


def convolution(view: OpView) -> Convolution:
    """Raises UnsupportedOpError if weights or bias are computed, or not symmetric."""
    opts = options(view, Conv2DOptions)
    x, weights = input_tensor(view, 0), input_tensor(view, 1)
    check_operands(view, weights, optional_input(view, 2))
    w = constant_data(view, 1)
    outputs, groups = w.shape[0], x.shape[3] // w.shape[3]
    bias, zero_point = optional_bias(view, 2, outputs), zero_point_of(view, x)
    scales = rescaling(view, symmetric_factors(view, x, weights), outputs, opts.fused_activation_function)
    return Convolution(
        window=conv_window(view, depthwise=False),
        batches=x.shape[0],
        size=(x.shape[1], x.shape[2]),
        weights=w.reshape(groups, outputs // groups, *w.shape[1:]),
        bias=bias,
        zero_point=zero_point,
        rescaling=scales,
        narrow=narrow_rescaling(scales, *sum_range(w, bias, zero_point)),
    )


def _plain(conv: Convolution) -> Struct:
    scales = conv.rescaling
    return conv.layer(conv.weights, np.stack([conv.bias, scales.multiplier, scales.shift], axis=1))


def _dsp(conv: Convolution) -> Struct:
    """Pairs of output channels, and quads of weights; the zero point's part in the bias."""
    assert conv.narrow is not None
    groups, outputs = conv.weights.shape[:2]
    pairs = -(-outputs // 2)
    rows = conv.weights.reshape(groups, outputs, conv.window.filter[0], -1)
    whole = rows.shape[3] // QUAD * QUAD
    flat = np.concatenate(
        [part.reshape(groups, outputs, -1) for part in (rows[..., :whole], rows[..., whole:])], axis=2
    )
    weights = np.zeros((groups, pairs * 2, conv.quads * QUAD), np.int8)
    weights[:, :outputs, : conv.taps] = flat
    weights = weights.reshape(groups, pairs, 2, conv.quads, QUAD).transpose(0, 1, 3, 2, 4)

    def paired(values: NDArray[np.int64], fill: int) -> NDArray[np.int64]:
        whole = np.full((groups, pairs * 2), fill, np.int64)
        whole[:, :outputs] = values.reshape(groups, outputs)
        return whole.reshape(groups, pairs, 2)

    bias = paired(conv.folded_bias, 0)
    of_each = [
        paired(conv.narrow.multiplier, 0),
        paired(conv.narrow.addend, 0),
        paired(conv.narrow.shift, 1),
    ]
    constants = np.concatenate([bias, np.stack(of_each, axis=3).reshape(groups, pairs, 6)], axis=2)
    return conv.layer(np.ascontiguousarray(weights), constants)


def _words(conv: Convolution) -> Struct:
    """Parts of at most ``part`` weights of every channel, one behind the other."""
    assert conv.narrow is not None
    groups, outputs = conv.weights.shape[:2]
    flat = conv.weights.reshape(groups, outputs, conv.taps)
    parts = []
    for start in range(0, conv.taps, conv.part):
        piece = flat[:, :, start : start + conv.part]
        parts.append(np.pad(piece, ((0, 0), (0, 0), (0, -piece.shape[2] % QUAD))).reshape(groups, -1))
    narrow = conv.narrow
    constants = np.stack([conv.folded_bias, narrow.multiplier, narrow.addend, narrow.shift], axis=1)
    return conv.layer(np.concatenate(parts, axis=1), constants, conv.part)


def _dsp_scratch(conv: Convolution) -> int:
    bytes_first = conv.weights.shape[4] % QUAD != 0
    return 16 * conv.quads + (QUAD * conv.quads if bytes_first else 0)


@dataclass(frozen=True)
class _Kernel:
    """A variant.

    applies: whether it is for this core and layer.
    layer:   the layer in its order.
    scratch: bytes that it needs.
    begun:   pixels of the output that may be written in part while their windows are still read.
    """

    applies: Callable[[Core, Convolution], bool]
    function: str
    source: str
    layer: Callable[[Convolution], Struct]
    scratch: Callable[[Convolution], int]
    begun: Callable[[Convolution], int]


_KERNELS = (
    _Kernel(
        lambda core, conv: core.dsp and conv.narrow is not None,
        "eb_conv_int8_dsp",
        "cortex_m/conv_int8_dsp.c",
        _dsp,
        _dsp_scratch,
        lambda conv: 0 if conv.weights.shape[0] == 1 else 2,
    ),
    _Kernel(
        lambda core, conv: not core.dsp and core.cpu != "" and conv.narrow is not None,
        "eb_conv_int8_words",
        "cortex_m/conv_int8_words.c",
        _words,
        lambda conv: 16 * (conv.weights.shape[1] + conv.part),
        lambda conv: 0 if conv.weights.shape[0] == 1 else 4,
    ),
    _Kernel(lambda core, conv: True, "eb_conv_int8", "core/conv_int8.c", _plain, lambda conv: 0, lambda conv: 1),
)


def conv(view: OpView, core: Core) -> Step:
    """The step of a CONV_2D."""
    made = convolution(view)
    kernel = next(kernel for kernel in _KERNELS if kernel.applies(core, made))
    in_pixel, out_pixel = input_tensor(view, 0).shape[3], view.outputs[0].shape[3]
    lead = leads.sliding(made.window, made.batches, made.size, in_pixel, out_pixel) + kernel.begun(made) * out_pixel
    return Step(
        function=kernel.function,
        header="core/conv_int8.h",
        sources=(kernel.source,),
        layer=kernel.layer(made),
        inputs=(0,),
        scratch_bytes=kernel.scratch(made),
        leads={0: lead},
    )


@dataclass(frozen=True)
class _Depthwise:
    """A depthwise layer as its kernels need it. weights: [filter height, filter width, output channels]."""

    weights: NDArray[np.int8]
    bias: NDArray[np.int64]
    channels: int
    zero_point: int
    rescaling: Rescaling
    narrow: NarrowRescaling | None

    @property
    def taps(self) -> int:
        return self.weights.shape[0] * self.weights.shape[1]


def _depthwise_plain(made: _Depthwise) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    return made.weights, np.stack([made.bias, made.rescaling.multiplier, made.rescaling.shift], axis=1)


def _folded_bias(made: _Depthwise) -> NDArray[np.int64]:
    return np.asarray(made.bias - made.zero_point * made.weights.astype(np.int64).sum(axis=(0, 1)))


def _depthwise_words(made: _Depthwise) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """One channel behind the other."""
    assert made.narrow is not None
    narrow = made.narrow
    constants = np.stack([_folded_bias(made), narrow.multiplier, narrow.addend, narrow.shift], axis=1)
    return np.ascontiguousarray(made.weights.transpose(2, 0, 1)), constants


def _depthwise_dsp(made: _Depthwise) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """Four channels side by side."""
    assert made.narrow is not None
    flat = made.weights.reshape(made.taps, -1, 4)
    of_each = np.stack([made.narrow.multiplier, made.narrow.addend, made.narrow.shift], axis=1)
    constants = np.concatenate([_folded_bias(made).reshape(-1, 4), of_each.reshape(-1, 12)], axis=1)
    return np.ascontiguousarray(flat.transpose(1, 0, 2)), constants


@dataclass(frozen=True)
class _DepthwiseKernel:
    """A variant: whether it is for this core and layer, its C, weights and constants in its order, and its scratch."""

    applies: Callable[[Core, _Depthwise], bool]
    function: str
    source: str
    pack: Callable[[_Depthwise], tuple[NDArray[np.int8], NDArray[np.int64]]]
    scratch: Callable[[_Depthwise], int]


_DEPTHWISE_KERNELS = (
    _DepthwiseKernel(
        lambda core, made: (
            core.dsp and made.narrow is not None and made.channels % 4 == 0 and made.weights.shape[2] == made.channels
        ),
        "eb_depthwise_int8_dsp",
        "cortex_m/depthwise_int8_dsp.c",
        _depthwise_dsp,
        lambda made: made.taps * made.channels,
    ),
    _DepthwiseKernel(
        lambda core, made: core.cpu != "" and not core.dsp and made.narrow is not None,
        "eb_depthwise_int8_words",
        "cortex_m/depthwise_int8_words.c",
        _depthwise_words,
        lambda made: made.taps * made.channels + 4 * made.weights.shape[2],
    ),
    _DepthwiseKernel(
        lambda core, made: True, "eb_depthwise_int8", "core/depthwise_int8.c", _depthwise_plain, lambda made: 0
    ),
)


def depthwise(view: OpView, core: Core) -> Step:
    """The step of a DEPTHWISE_CONV_2D."""
    opts = options(view, DepthwiseConv2DOptions)
    x, weights = input_tensor(view, 0), input_tensor(view, 1)
    check_operands(view, weights, optional_input(view, 2))
    w = constant_data(view, 1)[0]
    outputs, size, window = w.shape[2], (x.shape[1], x.shape[2]), conv_window(view, depthwise=True)
    scales = rescaling(view, symmetric_factors(view, x, weights), outputs, opts.fused_activation_function)
    bias, zero_point = optional_bias(view, 2, outputs), zero_point_of(view, x)
    narrow = narrow_rescaling(scales, *sum_range(w.reshape(-1, outputs).T, bias, zero_point))
    made = _Depthwise(w, bias, x.shape[3], zero_point, scales, narrow)
    kernel = next(kernel for kernel in _DEPTHWISE_KERNELS if kernel.applies(core, made))
    packed, constants = kernel.pack(made)
    lead = leads.sliding(window, x.shape[0], size, x.shape[3], outputs) + outputs  # of a pixel that is written in part
    return Step(
        function=kernel.function,
        header="core/depthwise_int8.h",
        sources=(kernel.source,),
        layer=Struct(
            "eb_depthwise_int8_layer",
            {
                "geometry": geometry(window, x.shape[0], size),
                "channels": x.shape[3],
                "multiplicity": outputs // x.shape[3],
                "input_zero_point": zero_point,
                "output_zero_point": scales.zero_point,
                "low": scales.low,
                "high": scales.high,
                "weights": packed,
                "constants": wrapped(constants),
            },
        ),
        inputs=(0,),
        scratch_bytes=kernel.scratch(made),
        leads={0: lead},
    )


def transpose_conv(view: OpView, core: Core) -> Step:
    """The step of a TRANSPOSE_CONV."""
    opts = options(view, TransposeConvOptions)
    weights, x, y = input_tensor(view, 1), input_tensor(view, 2), view.outputs[0]
    check_operands(view, weights, optional_input(view, 3))
    w = constant_data(view, 1)
    scales = rescaling(view, symmetric_factors(view, x, weights), w.shape[0], opts.fused_activation_function)
    constants = np.stack([optional_bias(view, 3, w.shape[0]), scales.multiplier, scales.shift], axis=1)
    return Step(
        function="eb_transpose_conv_int8",
        header="core/transpose_conv_int8.h",
        sources=("core/transpose_conv_int8.c",),
        layer=Struct(
            "eb_transpose_conv_int8_layer",
            {
                "geometry": geometry(transpose_window(view), y.shape[0], (y.shape[1], y.shape[2])),
                "channels_in": x.shape[3],
                "channels_out": y.shape[3],
                "input_zero_point": zero_point_of(view, x),
                "output_zero_point": scales.zero_point,
                "low": scales.low,
                "high": scales.high,
                "weights": w,
                "constants": wrapped(constants),
            },
        ),
        inputs=(2,),
    )


OPS: Mapping[tuple[str, DType], Callable[[OpView, Core], Step]] = MappingProxyType(
    {
        ("CONV_2D", DType.INT8): conv,
        ("DEPTHWISE_CONV_2D", DType.INT8): depthwise,
        ("TRANSPOSE_CONV", DType.INT8): transpose_conv,
    }
)
