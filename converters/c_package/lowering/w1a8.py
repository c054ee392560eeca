"""Layers with 1-bit weights and int8 activations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from edgebnn.arithmetic.multiply_shift import MultiplyShift
from edgebnn.arithmetic.packing import unpack
from edgebnn.arithmetic.w1a8 import accumulator_range, folded_bias
from edgebnn.converters.c_package import leads
from edgebnn.converters.c_package.program import Step, Struct, Value, geometry
from edgebnn.graph.opdef import OpView
from edgebnn.graph.ops.enums import Activation
from edgebnn.graph.ops.fused import integer_bounds
from edgebnn.graph.ops.view import input_tensor, optional_value, options, scale_and_zero_point, value
from edgebnn.graph.ops.w1a8 import (
    EdgebnnConv2dW1A8Options,
    EdgebnnDenseW1A8Options,
    channel_factors,
    conv_signs,
    conv_window,
)
from edgebnn.graph.ops.windows import Window
from edgebnn.graph.types import Array
from edgebnn.kernels.cores import Core

from .dense_int8 import Dense, int8_layer, proven
from .int8 import constant_data
from .w1a8_outputs import Channels
from .w1a8_packing import VECTOR_BYTES, bytes_by_shift, signs_by_filter, signs_by_vector, taps_by_shift

PIXELS = 4
"""Pixels that the fast kernels take at a time (EB_W1A8_PIXELS)."""
TABLES_BYTES = 1024
HALVES_HOLD = 256
"""Inputs whose sums fit in 16 bits."""
_SHARED = ("cortex_m/gather_w1a8.c", "cortex_m/outputs_w1a8.c")


@dataclass(frozen=True)
class _Conv:
    """A convolution, depthwise or not."""

    view: OpView
    window: Window
    groups: int
    depthwise: bool
    words: Array
    outputs: Channels

    @property
    def size(self) -> tuple[int, int]:
        _, height, width, _ = input_tensor(self.view, 0).shape
        return height, width

    @property
    def batches(self) -> int:
        return input_tensor(self.view, 0).shape[0]

    @property
    def channels_in(self) -> int:
        return input_tensor(self.view, 0).shape[3]

    @property
    def depth(self) -> int:
        return self.channels_in // self.groups

    @property
    def filters(self) -> int:
        """Of a group."""
        return self.outputs.count // self.groups

    @property
    def pixels(self) -> int:
        return self.batches * self.window.output[0] * self.window.output[1]

    @property
    def window_bytes(self) -> int:
        """Of one group."""
        return self.window.filter[0] * self.window.filter[1] * self.depth

    def lead(self, pixels_behind: int) -> int:
        """``pixels_behind``: by how many pixels at most what is read lies behind what is written already."""
        channels = self.outputs.count
        first = leads.sliding(self.window, self.batches, self.size, self.channels_in, channels)
        return first + pixels_behind * channels

    @cached_property
    def geometry(self) -> Struct:
        return geometry(self.window, self.batches, self.size)


def _constants(op: OpView) -> tuple[Array | None, ...]:
    """The inputs behind the first, which must be constant."""
    given = (i for i, tensor in enumerate(op.inputs) if i > 0 and tensor is not None)
    found = {i: constant_data(op, i) for i in given}
    return tuple(found.get(i) for i in range(len(op.inputs)))


def _channels(
    op: OpView, signs: NDArray[np.bool_], values: tuple[Array | None, ...], activation: Activation
) -> Channels:
    factors = tuple(channel_factors(op, values))
    bias = optional_value(values, 4)
    return Channels(
        signs.reshape(len(factors), -1),
        value(op, values, 3).astype(np.int64),
        np.zeros(len(factors), np.int32) if bias is None else bias.astype(np.int32),
        factors,
        (scale_and_zero_point(op, input_tensor(op, 0))[1], scale_and_zero_point(op, op.outputs[0])[1]),
        integer_bounds(op, activation),
    )


def _conv_of(op: OpView) -> _Conv:
    opts = options(op, EdgebnnConv2dW1A8Options)
    window, values = conv_window(op), _constants(op)
    words = value(op, values, 1)
    outputs = _channels(op, conv_signs(op, words), values, opts.fused_activation_function)
    depthwise = bool(opts.depthwise)
    groups = opts.channels_in if depthwise else opts.groups
    return _Conv(op, window, groups, depthwise, words, outputs)


@dataclass(frozen=True)
class Variant:
    """A kernel of convolutions: a C file and a line of :data:`CONVOLUTIONS`.

    runs_on: cores that have its instructions.
    fits:    layers that it computes.
    make:    its step.
    """

    name: str
    runs_on: Callable[[Core], bool]
    fits: Callable[[_Conv], bool]
    make: Callable[[_Conv], Step]


def _is_cortex_m(core: Core) -> bool:
    return bool(core.cpu)


def _any(_: object) -> bool:
    return True


def _plain(conv: _Conv) -> Step:
    outputs = conv.outputs
    multipliers, shifts = outputs.multipliers
    fields: dict[str, Value] = {
        "geometry": conv.geometry,
        "channels_in": conv.channels_in,
        "channels_out": outputs.count,
        "groups": conv.groups,
        "input_zero_point": outputs.zero_points[0],
        "output_zero_point": outputs.zero_points[1],
        "output_min": outputs.bounds[0],
        "output_max": outputs.bounds[1],
        "weights": conv.words,
        "magnitudes": outputs.magnitude.astype(np.int8),
        "biases": outputs.bias,
        "multipliers": multipliers,
        "shifts": shifts.astype(np.int8),
    }
    return Step(
        function="eb_depthwise_w1a8" if conv.depthwise else "eb_conv_w1a8",
        header="core/conv_w1a8.h",
        sources=("core/conv_w1a8.c",),
        layer=Struct("eb_conv_w1a8_layer", fields),
        inputs=(0,),
        leads={0: conv.lead(1)},  # a pixel's channels are written one by one, each after the window is read again
    )


def _sums(conv: _Conv, weights: NDArray[np.uint32]) -> Struct:
    outputs = conv.outputs
    fields: dict[str, Value] = {
        "geometry": conv.geometry,
        "depth": conv.depth,
        "filters": conv.filters,
        "groups": conv.groups,
        "zeros": (outputs.zero_points[0] + 128) * 0x01010101,
        "output_zero_point": outputs.zero_points[1],
        "output_min": outputs.bounds[0],
        "output_max": outputs.bounds[1],
        "weights": weights,
        "scales": outputs.scales,
        "general": outputs.general,
    }
    return Struct("eb_conv_w1a8_sums", fields)


def _windows_bytes(conv: _Conv) -> int:
    return -(-conv.window_bytes // 4) * 4 * PIXELS


def _aside_bytes(conv: _Conv) -> int:
    """Outputs of a last block that is not full."""
    return PIXELS * conv.outputs.count if conv.pixels % PIXELS else 0


def _sliding(conv: _Conv) -> dict[int, int]:
    """Windows are read before outputs are written, but of several groups one after the other."""
    return {0: conv.lead(0 if conv.groups == 1 else PIXELS)}


def _dsp(conv: _Conv) -> Step:
    return Step(
        function="eb_conv_w1a8_dsp",
        header="core/conv_w1a8.h",
        sources=("cortex_m/conv_w1a8_dsp.c", *_SHARED),
        layer=_sums(conv, bytes_by_shift(conv.outputs.minus)),
        inputs=(0,),
        scratch_bytes=_windows_bytes(conv) + _aside_bytes(conv),
        leads=_sliding(conv),
    )


def _mve(conv: _Conv) -> Step:
    return Step(
        function="eb_conv_w1a8_mve",
        header="core/conv_w1a8.h",
        sources=("cortex_m/conv_w1a8_mve.c", *_SHARED),
        layer=_sums(conv, signs_by_vector(conv.outputs.minus)),
        inputs=(0,),
        scratch_bytes=-(-conv.window_bytes // VECTOR_BYTES) * VECTOR_BYTES * PIXELS,
        leads=_sliding(conv),
    )


def _lookup(conv: _Conv) -> Step:
    minus = conv.outputs.minus.reshape(conv.groups, conv.filters, -1)
    sums_bytes = 8 if conv.window_bytes <= HALVES_HOLD else 24
    return Step(
        function="eb_conv_w1a8_lookup",
        header="core/conv_w1a8.h",
        sources=("cortex_m/conv_w1a8_lookup.c", *_SHARED),
        layer=_sums(conv, np.stack([signs_by_filter(group) for group in minus])),
        inputs=(0,),
        scratch_bytes=_windows_bytes(conv) + TABLES_BYTES + sums_bytes * conv.filters + _aside_bytes(conv),
        leads=_sliding(conv),
    )


def _depthwise(conv: _Conv) -> Step:
    channels, taps = conv.outputs.minus.shape
    return Step(
        function="eb_depthwise_w1a8_bytes",
        header="core/conv_w1a8.h",
        sources=("cortex_m/depthwise_w1a8.c", *_SHARED),
        layer=_sums(conv, taps_by_shift(conv.outputs.minus)),
        inputs=(0,),
        scratch_bytes=4 * taps + channels * taps + channels,
        leads={0: conv.lead(1)},  # a pixel's channels are written four by four
    )


def _in_fours(conv: _Conv) -> bool:
    channels, taps = conv.outputs.minus.shape
    return channels == conv.groups and channels % 4 == 0 and taps <= HALVES_HOLD


CONVOLUTIONS = (
    Variant("mve", lambda core: core.mve, lambda conv: not conv.depthwise, _mve),
    Variant("dsp", lambda core: core.dsp, lambda conv: not conv.depthwise, _dsp),
    Variant("lookup", _is_cortex_m, lambda conv: not conv.depthwise, _lookup),
    Variant("depthwise", _is_cortex_m, lambda conv: conv.depthwise and _in_fours(conv), _depthwise),
    Variant("plain", _any, _any, _plain),
)
"""Best first."""


def conv_w1a8(op: OpView, core: Core) -> Step:
    """The step of a convolution, depthwise or not."""
    conv = _conv_of(op)
    chosen = next(variant for variant in CONVOLUTIONS if variant.runs_on(core) and variant.fits(conv))
    return chosen.make(conv)


@dataclass(frozen=True)
class _Dense:
    """``lines``: the outputs of each channel's accumulators in integers."""

    rows: int
    depth: int
    words: Array
    outputs: Channels
    lines: tuple[MultiplyShift, ...]

    def step(self, function: str, source: str, words: Array, constants: NDArray[np.int64], scratch_bytes: int) -> Step:
        """``constants``: [O] of the kernel's accumulators."""
        outputs = self.outputs
        rows = [
            (m, c, line.multiplier, line.offset & 0xFFFFFFFF, line.offset >> 32, line.shift)
            for m, c, line in zip(outputs.magnitude, constants, self.lines, strict=True)
        ]
        fields: dict[str, Value] = {
            "rows": self.rows,
            "depth": self.depth,
            "outputs": outputs.count,
            "low": outputs.bounds[0],
            "high": outputs.bounds[1],
            "weights": words,
            "constants": np.array(rows, np.int64).astype(np.int32),
        }
        return Step(
            function=function,
            header="core/dense_w1a8.h",
            sources=(source,),
            layer=Struct("eb_dense_w1a8_layer", fields),
            inputs=(0,),
            scratch_bytes=scratch_bytes,
        )


def _dense_bytes(dense: _Dense) -> Step:
    words = bytes_by_shift(dense.outputs.minus).view(np.int32)
    row_bytes = -(-dense.depth // 32) * 32
    return dense.step("eb_dense_w1a8_bytes", "cortex_m/dense_w1a8.c", words, dense.outputs.constants, row_bytes)


def _dense_plain(dense: _Dense) -> Step:
    outputs = dense.outputs
    constants = folded_bias(outputs.bias, outputs.magnitude, outputs.zero_points[0], outputs.minus)
    return dense.step("eb_dense_w1a8", "core/dense_w1a8.c", dense.words, constants, 0)


@dataclass(frozen=True)
class DenseVariant:
    """A kernel of dense layers: a C file and a line of :data:`DENSE`, as :class:`Variant`."""

    name: str
    runs_on: Callable[[Core], bool]
    make: Callable[[_Dense], Step]


DENSE = (DenseVariant("bytes", _is_cortex_m, _dense_bytes), DenseVariant("plain", _any, _dense_plain))
"""Best first."""


def dense_w1a8(op: OpView, core: Core) -> Step:
    """The step of a dense layer.

    One whose outputs are no lines of its accumulators, such as those that wrap, takes the kernel of int8 weights that
    multiplies in double.
    """
    opts, values = options(op, EdgebnnDenseW1A8Options), _constants(op)
    words, depth = value(op, values, 1), opts.channels_in
    outputs = _channels(op, unpack(words, depth), values, opts.fused_activation_function)
    rows = input_tensor(op, 0).elements // depth
    zero_point, scales = outputs.zero_points[1], np.array(outputs.factors)
    sums = accumulator_range(outputs.magnitude, outputs.zero_points[0], outputs.minus, outputs.bias)
    lines = proven(sums, scales, zero_point, *outputs.bounds)
    if lines is not None:
        chosen = next(variant for variant in DENSE if variant.runs_on(core))
        return chosen.make(_Dense(rows, depth, words, outputs, lines))
    magnitude = outputs.magnitude.astype(np.int8)[:, None]
    bias = folded_bias(outputs.bias, outputs.magnitude, outputs.zero_points[0], outputs.minus)
    weights = np.where(outputs.minus, -magnitude, magnitude)
    return Step(
        function="eb_dense_int8_double",
        header="core/dense_int8.h",
        sources=("core/dense_int8_double.c",),
        layer=int8_layer(Dense(rows, weights, 0, bias, scales, None, zero_point, *outputs.bounds)),
        inputs=(0,),
    )


OPS: Mapping[str, Callable[[OpView, Core], Step]] = MappingProxyType(
    {"EdgebnnConv2dW1A8": conv_w1a8, "EdgebnnDenseW1A8": dense_w1a8}
)
