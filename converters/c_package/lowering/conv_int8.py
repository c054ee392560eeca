"""Convolutions of int8 tensors: CONV_2D, TRANSPOSE_CONV."""

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
from edgebnn.kernels.schedules import TileSizes

from .choices import NO_TILES, Choices, Costs, Kernel, Tiles, taps_inside, windows_inside
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
    def pixels(self) -> int:
        """Of the output, all images together."""
        return self.batches * self.window.output[0] * self.window.output[1]

    @property
    def gathered_runs(self) -> int:
        """Runs of bytes that a window's values of one group lie in."""
        whole_rows = self.weights.shape[0] == 1 and self.window.dilation[1] == 1
        return self.window.filter[0] * (1 if whole_rows else self.window.filter[1])

    def step(self, suffix: str, room: str, layer: Struct, scratch: int, begun: int) -> Step:
        """``begun``: of several groups, pixels that may be written in part while their windows are still read."""
        groups, outputs = self.weights.shape[:2]
        in_pixel, out_pixel = groups * self.weights.shape[4], groups * outputs
        lead = leads.sliding(self.window, self.batches, self.size, in_pixel, out_pixel)
        partly = begun if groups > 1 or not suffix else 0  # the plain kernel writes channel by channel
        return Step(
            function=f"eb_conv_int8{suffix}",
            header="core/conv_int8.h",
            sources=(f"{room}/conv_int8{suffix}.c",),
            layer=layer,
            inputs=(0,),
            scratch_bytes=scratch,
            leads={0: lead + partly * out_pixel},
        )

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


def _words(conv: Convolution, part: int) -> Struct:
    """Parts of at most ``part`` weights of every channel, one behind the other."""
    assert conv.narrow is not None
    groups, outputs = conv.weights.shape[:2]
    flat = conv.weights.reshape(groups, outputs, conv.taps)
    parts = []
    for start in range(0, conv.taps, part):
        piece = flat[:, :, start : start + part]
        parts.append(np.pad(piece, ((0, 0), (0, 0), (0, -piece.shape[2] % QUAD))).reshape(groups, -1))
    narrow = conv.narrow
    constants = np.stack([conv.folded_bias, narrow.multiplier, narrow.addend, narrow.shift], axis=1)
    return conv.layer(np.concatenate(parts, axis=1), constants, part)


def _dsp_scratch(conv: Convolution, tiles: Tiles) -> int:
    bytes_first = conv.weights.shape[4] % QUAD != 0
    return 16 * conv.quads + (QUAD * conv.quads if bytes_first else 0)


def _words_scratch(conv: Convolution, tiles: Tiles) -> int:
    return 16 * (conv.weights.shape[1] + tiles["weights"])


def _no_tiles(conv: Convolution) -> Mapping[str, TileSizes]:
    return NO_TILES


def _parts(conv: Convolution) -> Mapping[str, TileSizes]:
    """Weights of a channel that are taken at once: more take more scratch, fewer load and store sums more often."""
    return {"weights": TileSizes(QUAD, conv.quads * QUAD)}


def _gathering(conv: Convolution, windows: int) -> dict[str, float]:
    """Windows are brought to halves of words, by one of three ways (conv_int8_dsp.c), those at the edges by pieces."""
    height, width = conv.window.filter
    edges = windows - windows * windows_inside(conv.window, conv.size) * conv.batches / conv.pixels
    if conv.weights.shape[4] % QUAD == 0:
        return {
            "quad runs": windows * conv.gathered_runs,
            "quads": windows * conv.quads,
            "edge rows": edges * height,
        }
    if (height, conv.weights.shape[4] * width, conv.weights.shape[0]) == (3, 9, 1):
        return {"nines": windows, "edge nines": edges}
    rows, run = windows * conv.gathered_runs, conv.taps // conv.gathered_runs
    return {
        "words": rows * (run // QUAD),
        "bytes": rows * (run % QUAD),
        "edge bytes": edges * conv.taps,
        "edge byte rows": edges * height,
    }


def _dsp_work(conv: Convolution, tiles: Tiles) -> Mapping[str, float]:
    blocks, groups, outputs = -(-conv.pixels // 2), conv.weights.shape[0], conv.weights.shape[1]
    return {
        **_gathering(conv, 2 * blocks * groups),
        "pair quads": blocks * groups * (outputs // 2) * conv.quads,
        "pairs": blocks * groups * (outputs // 2),
        "single quads": blocks * groups * (outputs % 2) * conv.quads,
        "blocks": blocks * groups,
    }


def _words_work(conv: Convolution, tiles: Tiles) -> Mapping[str, float]:
    blocks, groups, outputs = -(-conv.pixels // 4), conv.weights.shape[0], conv.weights.shape[1]
    parts = -(-conv.taps // tiles["weights"])
    return {
        "weights": blocks * groups * outputs * conv.quads * QUAD,
        "channel parts": blocks * groups * outputs * parts,
        "channels": blocks * groups * outputs,
        "gathered": blocks * groups * 4 * conv.taps,
        "gathered parts": blocks * groups * 4 * parts,
        "gathered runs": blocks * groups * 4 * conv.gathered_runs,
    }


def _plain_work(conv: Convolution, tiles: Tiles) -> Mapping[str, float]:
    outputs, taps = conv.weights.shape[0] * conv.weights.shape[1], taps_inside(conv.window, conv.size)
    return {
        "macs": conv.batches * taps * outputs * conv.weights.shape[4],
        "taps": conv.batches * taps * outputs,
        "taps outside": (conv.pixels * conv.window.filter[0] * conv.window.filter[1] - conv.batches * taps) * outputs,
        "outputs": conv.pixels * outputs,
    }


DSP_COSTS: Costs = {
    "quad runs": (8.7, 0.0),
    "quads": (3.1, 0.0),
    "edge rows": (76.6, 0.0),
    "nines": (0.7, 0.0),
    "edge nines": (313.5, 0.0),
    "words": (3.6, 0.0),
    "bytes": (15.7, 0.0),
    "edge bytes": (8.9, 0.0),
    "edge byte rows": (24.5, 0.0),
    "pair quads": (14.5, 0.0),
    "pairs": (36.7, 0.0),
    "single quads": (16.1, 0.0),
    "blocks": (236.0, 0.0),
}
WORDS_COSTS: Costs = {
    "weights": (6.4, 11.1),
    "channel parts": (17.2, 18.0),
    "channels": (113.0, 252.0),
    "gathered": (3.0, 3.6),
    "gathered parts": (133.1, 158.8),
    "gathered runs": (89.2, 108.0),
}
PLAIN_COSTS: Costs = {
    "macs": (5.6, 7.6),
    "taps": (43.7, 67.3),
    "taps outside": (14.9, 25.7),
    "outputs": (82.7, 142.2),
}

CONVOLUTIONS = (
    Kernel(
        "conv_int8_dsp",
        "os",
        lambda core, conv: core.dsp and conv.narrow is not None,
        _no_tiles,
        _dsp_work,
        DSP_COSTS,
        _dsp_scratch,
        lambda conv, tiles: conv.step("_dsp", "cortex_m", _dsp(conv), _dsp_scratch(conv, tiles), 2),
    ),
    Kernel(
        "conv_int8_words",
        "os",
        lambda core, conv: not core.dsp and core.cpu != "" and conv.narrow is not None,
        _parts,
        _words_work,
        WORDS_COSTS,
        _words_scratch,
        lambda conv, tiles: conv.step(
            "_words", "cortex_m", _words(conv, tiles["weights"]), _words_scratch(conv, tiles), 4
        ),
    ),
    Kernel(
        "conv_int8",
        "os",
        lambda core, conv: True,
        _no_tiles,
        _plain_work,
        PLAIN_COSTS,
        lambda conv, tiles: 0,
        lambda conv, tiles: conv.step("", "core", _plain(conv), 0, 1),
    ),
)


def conv(view: OpView, core: Core) -> Choices:
    """The kernels that there are for a CONV_2D."""
    return Choices(view.name, convolution(view), core, CONVOLUTIONS)


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


OPS: Mapping[tuple[str, DType], Callable[[OpView, Core], Step | Choices]] = MappingProxyType(
    {
        ("CONV_2D", DType.INT8): conv,
        ("TRANSPOSE_CONV", DType.INT8): transpose_conv,
    }
)
