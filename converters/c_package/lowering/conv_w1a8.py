"""Convolutions with 1-bit weights and int8 activations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from edgebnn.converters.c_package import leads
from edgebnn.converters.c_package.program import Step, Struct, Value, geometry
from edgebnn.graph.opdef import OpView
from edgebnn.graph.ops.view import input_tensor, options, value
from edgebnn.graph.ops.w1a8 import EdgebnnConv2dW1A8Options, conv_signs, conv_window
from edgebnn.graph.ops.windows import Window
from edgebnn.graph.types import Array
from edgebnn.kernels.cores import Core
from edgebnn.kernels.schedules import TileSizes

from .choices import NO_TILES, Choices, Costs, Kernel, Tiles, taps_inside
from .w1a8_outputs import Channels, channels_of, constant_inputs
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


def _conv_of(op: OpView) -> _Conv:
    opts = options(op, EdgebnnConv2dW1A8Options)
    window, values = conv_window(op), constant_inputs(op)
    words = value(op, values, 1)
    outputs = channels_of(op, conv_signs(op, words), values, opts.fused_activation_function)
    depthwise = bool(opts.depthwise)
    groups = opts.channels_in if depthwise else opts.groups
    return _Conv(op, window, groups, depthwise, words, outputs)


def _is_cortex_m(core: Core) -> bool:
    return bool(core.cpu)


def _plain(conv: _Conv, tiles: Tiles) -> Step:
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


def _dsp(conv: _Conv, tiles: Tiles) -> Step:
    return Step(
        function="eb_conv_w1a8_dsp",
        header="core/conv_w1a8.h",
        sources=("cortex_m/conv_w1a8_dsp.c", *_SHARED),
        layer=_sums(conv, bytes_by_shift(conv.outputs.minus)),
        inputs=(0,),
        scratch_bytes=_dsp_scratch(conv, tiles),
        leads=_sliding(conv),
    )


def _mve(conv: _Conv, tiles: Tiles) -> Step:
    return Step(
        function="eb_conv_w1a8_mve",
        header="core/conv_w1a8.h",
        sources=("cortex_m/conv_w1a8_mve.c", *_SHARED),
        layer=_sums(conv, signs_by_vector(conv.outputs.minus)),
        inputs=(0,),
        scratch_bytes=_mve_scratch(conv, tiles),
        leads=_sliding(conv),
    )


def _lookup(conv: _Conv, tiles: Tiles) -> Step:
    minus = conv.outputs.minus.reshape(conv.groups, conv.filters, -1)
    return Step(
        function="eb_conv_w1a8_lookup",
        header="core/conv_w1a8.h",
        sources=("cortex_m/conv_w1a8_lookup.c", *_SHARED),
        layer=_sums(conv, np.stack([signs_by_filter(group) for group in minus])),
        inputs=(0,),
        scratch_bytes=_lookup_scratch(conv, tiles),
        leads=_sliding(conv),
    )


def _depthwise(conv: _Conv, tiles: Tiles) -> Step:
    return Step(
        function="eb_depthwise_w1a8_bytes",
        header="core/conv_w1a8.h",
        sources=("cortex_m/depthwise_w1a8.c", *_SHARED),
        layer=_sums(conv, taps_by_shift(conv.outputs.minus)),
        inputs=(0,),
        scratch_bytes=_depthwise_scratch(conv, tiles),
        leads={0: conv.lead(1)},  # a pixel's channels are written four by four
    )


def _dsp_scratch(conv: _Conv, tiles: Tiles) -> int:
    return _windows_bytes(conv) + _aside_bytes(conv)


def _mve_scratch(conv: _Conv, tiles: Tiles) -> int:
    return -(-conv.window_bytes // VECTOR_BYTES) * VECTOR_BYTES * PIXELS


def _lookup_scratch(conv: _Conv, tiles: Tiles) -> int:
    sums_bytes = 8 if conv.window_bytes <= HALVES_HOLD else 24
    return _windows_bytes(conv) + TABLES_BYTES + sums_bytes * conv.filters + _aside_bytes(conv)


def _depthwise_scratch(conv: _Conv, tiles: Tiles) -> int:
    channels, taps = conv.outputs.minus.shape
    return 4 * taps + channels * taps + channels


def _no_scratch(conv: _Conv, tiles: Tiles) -> int:
    return 0


def _no_tiles(conv: _Conv) -> Mapping[str, TileSizes]:
    return NO_TILES


def _gathering(conv: _Conv) -> dict[str, float]:
    """Windows of blocks of pixels are brought side by side, by one of four ways (gather_w1a8.c)."""
    blocks, words = -(-conv.pixels // PIXELS), -(-conv.window_bytes // 4)
    rows, columns = conv.window.filter
    if conv.depth % 4:
        return {"bytes": conv.pixels * conv.groups * conv.window_bytes}
    if conv.groups > 1 or conv.window.dilation[1] > 1:
        return {"taps": conv.pixels * conv.groups * rows * columns, "tap words": conv.pixels * conv.groups * words}
    width = conv.window.output[1]
    side_by_side = (width // PIXELS) / (width / PIXELS) if columns == 3 and conv.window.stride[1] == 1 else 0.0
    one_by_one = conv.pixels * (1 - side_by_side)
    return {
        "column words": blocks * side_by_side * words,
        "rows": one_by_one * rows,
        "row words": one_by_one * words,
    }


def _dsp_work(conv: _Conv, tiles: Tiles) -> Mapping[str, float]:
    blocks, words = -(-conv.pixels // PIXELS), -(-conv.window_bytes // 4)
    return {
        "filter words": blocks * conv.outputs.count * words,
        "filters": blocks * conv.outputs.count,
        "blocks": blocks * conv.groups,
        **_gathering(conv),
    }


def _lookup_work(conv: _Conv, tiles: Tiles) -> Mapping[str, float]:
    blocks, words = -(-conv.pixels // PIXELS), -(-conv.window_bytes // 4)
    parts = -(-words // (HALVES_HOLD // 4))
    return {
        "filter words": blocks * conv.outputs.count * words,
        "filter chunks": blocks * conv.outputs.count * -(-words // 8),
        "tables": blocks * conv.groups * words,
        "chunks": blocks * conv.groups * -(-words // 8),
        "filters": blocks * conv.outputs.count,
        "parts": blocks * conv.outputs.count * (parts if parts > 1 else 0),
        "blocks": blocks * conv.groups,
        **_gathering(conv),
    }


def _plain_work(conv: _Conv, tiles: Tiles) -> Mapping[str, float]:
    outputs, taps = conv.outputs.count, taps_inside(conv.window, conv.size)
    if conv.depthwise:
        return {"depthwise taps": conv.batches * taps * outputs, "depthwise outputs": conv.pixels * outputs}
    return {
        "macs": conv.batches * taps * outputs * conv.depth,
        "taps": conv.batches * taps * outputs,
        "taps outside": (conv.pixels * conv.window.filter[0] * conv.window.filter[1] - conv.batches * taps) * outputs,
        "outputs": conv.pixels * outputs,
    }


def _mve_work(conv: _Conv, tiles: Tiles) -> Mapping[str, float]:
    blocks = -(-conv.pixels // PIXELS)
    return {
        "vectors": blocks * conv.outputs.count * -(-conv.window_bytes // VECTOR_BYTES),
        "outputs": conv.pixels * conv.outputs.count,
        **_gathering(conv),
    }


def _depthwise_work(conv: _Conv, tiles: Tiles) -> Mapping[str, float]:
    channels, taps = conv.outputs.minus.shape
    return {
        "taps": conv.pixels * channels * taps,
        "outputs": conv.pixels * channels,
        "pixel taps": conv.pixels * taps,
    }


def _in_fours(conv: _Conv) -> bool:
    channels, taps = conv.outputs.minus.shape
    return channels == conv.groups and channels % 4 == 0 and taps <= HALVES_HOLD


_GATHER_COSTS: Costs = {
    "bytes": (31.3, 0.0),
    "taps": (39.4, 0.0),
    "tap words": (1.0, 0.0),
    "column words": (8.4, 0.0),
    "rows": (38.9, 0.0),
    "row words": (2.9, 0.0),
}
MVE_COSTS: Costs = {
    "vectors": (12.0, 0.0),  # read from its source, as the next: no core with vectors is counted here
    "outputs": (25.0, 0.0),
    **_GATHER_COSTS,
}
DSP_COSTS: Costs = {
    "filter words": (7.2, 0.0),
    "filters": (47.8, 0.0),
    "blocks": (294.4, 0.0),
    **_GATHER_COSTS,
}
LOOKUP_COSTS: Costs = {
    "filter words": (5.1, 8.1),
    "filter chunks": (4.7, 4.2),
    "tables": (113.8, 126.0),
    "chunks": (5.3, 278.5),
    "filters": (87.2, 226.0),
    "parts": (23.9, 21.9),
    "blocks": (370.0, 460.5),
    "bytes": (31.1, 38.7),
    "taps": (38.5, 23.7),
    "tap words": (0.5, 7.2),
    "column words": (5.3, 31.3),
    "rows": (41.9, 14.3),
    "row words": (2.0, 7.2),
}
PLAIN_COSTS: Costs = {
    "macs": (10.2, 16.2),
    "taps": (49.5, 72.3),
    "taps outside": (26.5, 50.9),
    "outputs": (133.6, 543.7),
    "depthwise taps": (47.3, 298.5),
    "depthwise outputs": (118.2, 37.4),
}
DEPTHWISE_COSTS: Costs = {
    "taps": (1.4, 3.3),
    "outputs": (29.7, 66.7),
    "pixel taps": (27.6, 28.5),
}

CONVOLUTIONS = (
    Kernel(
        "conv_w1a8_mve",
        "os",
        lambda core, conv: core.mve and not conv.depthwise,
        _no_tiles,
        _mve_work,
        MVE_COSTS,
        _mve_scratch,
        _mve,
    ),
    Kernel(
        "conv_w1a8_dsp",
        "os",
        lambda core, conv: core.dsp and not conv.depthwise,
        _no_tiles,
        _dsp_work,
        DSP_COSTS,
        _dsp_scratch,
        _dsp,
    ),
    Kernel(
        "conv_w1a8_lookup",
        "os",
        lambda core, conv: _is_cortex_m(core) and not conv.depthwise,
        _no_tiles,
        _lookup_work,
        LOOKUP_COSTS,
        _lookup_scratch,
        _lookup,
    ),
    Kernel(
        "depthwise_w1a8",
        "os",
        lambda core, conv: _is_cortex_m(core) and conv.depthwise and _in_fours(conv),
        _no_tiles,
        _depthwise_work,
        DEPTHWISE_COSTS,
        _depthwise_scratch,
        _depthwise,
    ),
    Kernel("conv_w1a8", "os", lambda core, conv: True, _no_tiles, _plain_work, PLAIN_COSTS, _no_scratch, _plain),
)


def conv_w1a8(op: OpView, core: Core) -> Choices:
    """The kernels that there are for a convolution, depthwise or not."""
    return Choices(op.name, _conv_of(op), core, CONVOLUTIONS)


OPS: Mapping[str, Callable[[OpView, Core], Choices]] = MappingProxyType({"EdgebnnConv2dW1A8": conv_w1a8})
