"""The kernels of binary convolutions: what each can do, what it costs, and the order of its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebnn.arithmetic.packing import packed_channels
from edgebnn.converters.c_package import leads
from edgebnn.converters.c_package.program import Step, Struct
from edgebnn.graph.ops.view import input_tensor
from edgebnn.graph.types import DType
from edgebnn.kernels.cores import PORTABLE, Core
from edgebnn.kernels.schedules import TileSizes

from .binary_conv import Convolution, pads_with_zeros, thresholds, zero_padding
from .choices import NO_TILES, Kernel, Tiles
from .int8 import constant_data

LANES, WORD_PLANES, TABLE_PLANES, LEAST_PLANES = 32, 30, 60, 11
"""Those of cortex_m/conv_binary_sliced.h."""
ROW_TAPS, BYTE, FIRST_BIT = 3, 8, 3
"""Those of cortex_m/conv_binary_rows.c."""
_NAMES = {DType.INT32: "packed", DType.INT8: "int8", DType.FLOAT32: "float"}


def _step(
    conv: Convolution, suffix: str, sources: tuple[str, ...], layer: Struct, scratch: int, begun: int | None
) -> Step:
    """``begun``: pixels of the output that may be written in part while their windows are still read; None: any."""
    x, y = input_tensor(conv.view, 0), conv.view.outputs[0]
    in_pixel, out_pixel = x.shape[3] * x.dtype.bytes, y.shape[3] * y.dtype.bytes
    lead = leads.sliding(conv.sizes.window, x.shape[0], (x.shape[1], x.shape[2]), in_pixel, out_pixel)
    headers = {"": "core/conv_binary.h", "_by_channel": "cortex_m/conv_binary_by_channel.h"}
    return Step(
        function=f"eb_conv_binary_{_NAMES[conv.output]}{suffix}",
        header=headers.get(suffix, f"cortex_m/conv_binary{suffix}.h"),
        sources=sources,
        layer=layer,
        inputs=(0,),
        scratch_bytes=scratch,
        leads={} if begun is None else {0: lead + begun * out_pixel},
    )


def _sources(conv: Convolution, *names: str) -> tuple[str, ...]:
    """Files of the kind of output, which ``{}`` stands for, and what all but packed ones need."""
    kind = _NAMES[conv.output]
    return tuple(
        f"cortex_m/{name.format(kind)}.c" for name in (*names, *(["conv_binary_numbers"] * (kind != "packed")))
    )


def _taps(conv: Convolution) -> int:
    return conv.sizes.window.filter[0] * conv.sizes.window.filter[1]


def _planes(conv: Convolution) -> int:
    return max(LEAST_PLANES, conv.sizes.products.bit_length() + (conv.output == DType.INT32))


def _window_words(conv: Convolution) -> int:
    return -(-conv.sizes.products // WORD_PLANES)


def _can_slice(core: Core, conv: Convolution) -> bool:
    return core != PORTABLE and conv.sizes.products < 2**16


# ---- pixels side by side -------------------------------------------------------------------------------------------


def _output_work(conv: Convolution, tiles: float) -> dict[str, float]:
    """Counters of ``tiles`` tiles, all channels, are started and written."""
    kind, outputs = _NAMES[conv.output], conv.sizes.channels_out
    work = {f"{kind} counters": tiles * outputs}
    if conv.output == DType.INT32:
        work["packed blocks"] = tiles * -(-outputs // LANES)
    if pads_with_zeros(conv):
        work[f"{kind} paddings"] = tiles * outputs
        work["padding classes"] = tiles
    return work


_OUTPUT_COSTS = {
    "packed counters": (50.0, 60.0),
    "int8 counters": (700.0, 900.0),
    "float counters": (2000.0, 5000.0),
    "packed blocks": (700.0, 900.0),
    "packed paddings": (50.0, 60.0),
    "int8 paddings": (50.0, 60.0),
    "float paddings": (50.0, 60.0),
    "padding classes": (500.0, 600.0),
}


def _sliced_tiles(conv: Convolution) -> Mapping[str, TileSizes]:
    """Channels that are counted at a time: more take more scratch, fewer gather windows more often."""
    return {"channels": TileSizes(BYTE, conv.group_outputs)}


def _sliced_work(conv: Convolution, tiles: Tiles) -> Mapping[str, float]:
    groups, words = conv.sizes.groups, _window_words(conv)
    pixel_tiles = -(-conv.pixels // LANES)
    gathered = pixel_tiles * groups * -(-conv.group_outputs // tiles["channels"])
    of_tap = -(-conv.sizes.group_channels // LANES)
    signs = min(conv.sizes.group_channels, LANES)
    transposed = -(-_taps(conv) // max(1, LANES // signs)) if of_tap == 1 else _taps(conv) * of_tap
    return {
        "gathered taps": gathered * _taps(conv) * of_tap,
        "gathered runs": gathered * _taps(conv) * of_tap * (LANES / min(LANES, conv.sizes.window.output[1])),
        "transposed": gathered * transposed,
        "tables": gathered * words,
        "word pairs": pixel_tiles * conv.sizes.channels_out * (words // 2),
        "single words": pixel_tiles * conv.sizes.channels_out * (words % 2),
        "tiles": gathered,
        **_output_work(conv, pixel_tiles),
    }


def _sliced(conv: Convolution, tiles: Tiles) -> Step:
    """30 weights a word, tap by tap."""
    flat = conv.filters.reshape(conv.sizes.channels_out, -1)
    words, chunk = _window_words(conv), tiles["channels"]
    bits = np.zeros((flat.shape[0], words * WORD_PLANES), np.uint32)
    bits[:, : flat.shape[1]] = flat
    weights = (bits.reshape(flat.shape[0], words, WORD_PLANES) << np.arange(WORD_PLANES, dtype=np.uint32)).sum(axis=2)
    layer = conv.layer(weights.astype(np.int32), chunk)
    begun = 0 if chunk == conv.sizes.channels_out else LANES
    names = ("conv_binary_sliced", "conv_binary_sliced_{}", "conv_binary_tiles", "conv_binary_tiles_{}")
    return _step(conv, "_sliced", _sources(conv, *names), layer, _sliced_scratch(conv, tiles), begun)


def _sliced_scratch(conv: Convolution, tiles: Tiles) -> int:
    fixed = TABLE_PLANES // 3 * 64 + 4 * (TABLE_PLANES + LANES) + 4 * LANES
    return fixed + 4 * _planes(conv) * tiles["channels"]


# ---- rows ----------------------------------------------------------------------------------------------------------


def _slides(core: Core, conv: Convolution) -> bool:
    window = conv.sizes.window
    return (
        _can_slice(core, conv)
        and conv.sizes.groups == 1
        and window.filter == (ROW_TAPS, ROW_TAPS)
        and window.stride == window.dilation == (1, 1)
    )


def _row_bytes(conv: Convolution) -> int:
    return -(-conv.sizes.group_channels // BYTE)


def _rows_tiles(conv: Convolution) -> Mapping[str, TileSizes]:
    """Pixels of a row that lie side by side in a word; of narrower ones there are several."""
    return {"columns": TileSizes(BYTE, LANES)}


def _rows_work(conv: Convolution, tiles: Tiles) -> Mapping[str, float]:
    height, width = conv.sizes.window.output
    columns, batches = tiles["columns"], input_tensor(conv.view, 0).shape[0]
    strips, runs = batches * -(-width // columns), LANES // columns
    steps = strips * -(-height // runs)
    rows_read, outputs = steps + (ROW_TAPS - 1) * strips, conv.sizes.channels_out
    bytes_read, words_read = rows_read * _row_bytes(conv), rows_read * packed_channels(conv.sizes.group_channels)
    return {
        "read runs": words_read * runs,
        "read pixels": words_read * runs * (columns + ROW_TAPS - 1),
        "tables": bytes_read,
        "filter rows": steps * _row_bytes(conv) * outputs,
        "calls": steps * _row_bytes(conv) * -(-outputs // LANES),
        "rows": steps * -(-outputs // LANES),
        **_output_work(conv, steps),
    }


def _rows(conv: Convolution, tiles: Tiles) -> Step:
    """Of each row of the filter eight channels a word, three bits for each."""
    columns, outputs, channels = tiles["columns"], conv.sizes.channels_out, conv.sizes.group_channels
    bits = np.zeros((outputs, ROW_TAPS, ROW_TAPS, _row_bytes(conv) * BYTE), np.uint32)
    bits[..., :channels] = conv.filters  # [O, rows, columns, channels]
    bits = bits.reshape(outputs, ROW_TAPS, ROW_TAPS, -1, BYTE).transpose(
        0, 3, 1, 4, 2
    )  # [O, bytes, rows, byte, columns]
    flat = bits.reshape(outputs, -1, ROW_TAPS, BYTE * ROW_TAPS)
    weights = (flat << np.arange(FIRST_BIT, FIRST_BIT + BYTE * ROW_TAPS, dtype=np.uint32)).sum(axis=3, dtype=np.uint32)
    layer = conv.layer(weights.astype(np.int32), columns=columns)
    begun = 0 if columns == LANES and conv.sizes.window.output[1] <= LANES else None
    names = ("conv_binary_rows", "conv_binary_rows_{}", "conv_binary_tiles", "conv_binary_tiles_{}")
    return _step(conv, "_rows", _sources(conv, *names), layer, _rows_scratch(conv, tiles), begun)


def _rows_scratch(conv: Convolution, tiles: Tiles) -> int:
    tables = ROW_TAPS * _row_bytes(conv) * BYTE * 64
    return 4 * 4 * LANES + tables + 4 * _planes(conv) * min(LANES, conv.sizes.channels_out)


# ---- channels side by side -----------------------------------------------------------------------------------------


def _can_slice_by_channel(core: Core, conv: Convolution) -> bool:
    return _can_slice(core, conv) and (conv.sizes.groups == 1 or conv.group_outputs % LANES == 0)


def _in_lanes(bits: NDArray[np.integer[Any]]) -> NDArray[np.int32]:
    """0 and 1 of channels [O, ...] -> [blocks of 32 channels, ...] words, a channel in each bit."""
    blocks = -(-bits.shape[0] // LANES)
    whole = np.zeros((blocks * LANES, *bits.shape[1:]), np.uint32)
    whole[: bits.shape[0]] = bits
    shifts = np.arange(LANES, dtype=np.uint32).reshape(1, LANES, *[1] * (bits.ndim - 1))
    words = (whole.reshape(blocks, LANES, *bits.shape[1:]) << shifts).sum(axis=1, dtype=np.uint32)
    return np.asarray(words.astype(np.int32))


def _by_channel_work(conv: Convolution, tiles: Tiles) -> Mapping[str, float]:
    blocks, kind = -(-conv.sizes.channels_out // LANES), _NAMES[conv.output]
    gathered = conv.pixels * conv.sizes.groups * _taps(conv) * packed_channels(conv.sizes.group_channels)
    return {
        "gathered words": gathered,
        "flipped words": conv.pixels * blocks * _window_words(conv),
        f"{kind} blocks": conv.pixels * blocks,
        f"{kind} channels": conv.pixels * conv.sizes.channels_out,
        "pixels": conv.pixels,
    }


def _by_channel(conv: Convolution, tiles: Tiles) -> Step:
    """Planes of weights, and of what counters start from."""
    bits = np.zeros((conv.sizes.channels_out, _window_words(conv) * WORD_PLANES), np.uint32)
    bits[:, : conv.sizes.products] = conv.filters.reshape(conv.sizes.channels_out, -1)
    starts = None
    if conv.output == DType.INT32:
        padding, planes = zero_padding(conv), _planes(conv)
        halves = 0 if padding is None else padding.sums.reshape(conv.sizes.channels_out, -1) // 2
        values = (1 << (planes - 1)) - 1 - thresholds(conv)[:, None] + halves  # [O, classes]
        of_planes = (values[:, :, None] >> np.arange(planes)) & 1
        starts = np.ascontiguousarray(_in_lanes(of_planes).transpose(1, 0, 2))
    layer = conv.layer(_in_lanes(bits), starts=starts)
    sources = _sources(conv, "conv_binary_channels", "conv_binary_channels_{}")
    begun = 0 if conv.sizes.groups == 1 else 1
    return _step(conv, "_by_channel", sources, layer, _by_channel_scratch(conv, tiles), begun)


def _by_channel_scratch(conv: Convolution, tiles: Tiles) -> int:
    return 4 * _window_words(conv)


# ---- one sum after the other ---------------------------------------------------------------------------------------


def _plain_work(conv: Convolution, tiles: Tiles) -> Mapping[str, float]:
    sums = conv.pixels * conv.sizes.channels_out
    return {"words": sums * _taps(conv) * packed_channels(conv.sizes.group_channels), "sums": sums}


def _plain(conv: Convolution, tiles: Tiles) -> Step:
    weights = constant_data(conv.view, 1).astype(np.int32)
    return _step(conv, "", ("core/conv_binary.c",), conv.layer(weights), 0, 1)


def _no_tiles(conv: Convolution) -> Mapping[str, TileSizes]:
    return NO_TILES


_Costs = Mapping[str, tuple[float, float]]

SLICED_COSTS: _Costs = MappingProxyType(
    {
        "gathered taps": (100.0, 150.0),
        "gathered runs": (40.0, 60.0),
        "transposed": (560.0, 800.0),
        "tables": (330.0, 500.0),
        "word pairs": (292.0, 450.0),
        "single words": (158.0, 250.0),
        "tiles": (200.0, 300.0),
        **_OUTPUT_COSTS,
    }
)
ROWS_COSTS: _Costs = MappingProxyType(
    {
        "read runs": (25.0, 40.0),
        "read pixels": (2.5, 4.0),
        "tables": (520.0, 800.0),
        "filter rows": (345.0, 540.0),
        "calls": (50.0, 70.0),
        "rows": (100.0, 150.0),
        **_OUTPUT_COSTS,
    }
)
BY_CHANNEL_COSTS: _Costs = MappingProxyType(
    {
        "gathered words": (30.0, 45.0),
        "flipped words": (262.0, 385.0),
        "packed blocks": (100.0, 120.0),
        "int8 blocks": (400.0, 500.0),
        "float blocks": (400.0, 500.0),
        "packed channels": (0.0, 0.0),
        "int8 channels": (25.0, 40.0),
        "float channels": (60.0, 200.0),
        "pixels": (50.0, 70.0),
    }
)
PLAIN_COSTS: _Costs = MappingProxyType({"words": (100.0, 110.0), "sums": (50.0, 60.0)})


def _always(core: Core, conv: Convolution) -> bool:
    return True


def _kernel(
    suffix: str,
    dataflow: str,
    applies: Callable[[Core, Convolution], bool],
    tiles: Callable[[Convolution], Mapping[str, TileSizes]],
    **other: Any,
) -> Kernel:
    return Kernel(f"conv_binary{suffix}", dataflow, applies, tiles, **other)


KERNELS = (
    _kernel("_rows", "rs", _slides, _rows_tiles, work=_rows_work, costs=ROWS_COSTS, scratch=_rows_scratch, make=_rows),
    _kernel(
        "_sliced",
        "os",
        _can_slice,
        _sliced_tiles,
        work=_sliced_work,
        costs=SLICED_COSTS,
        scratch=_sliced_scratch,
        make=_sliced,
    ),
    _kernel(
        "_by_channel",
        "os",
        _can_slice_by_channel,
        _no_tiles,
        work=_by_channel_work,
        costs=BY_CHANNEL_COSTS,
        scratch=_by_channel_scratch,
        make=_by_channel,
    ),
    _kernel(
        "",
        "os",
        _always,
        _no_tiles,
        work=_plain_work,
        costs=PLAIN_COSTS,
        scratch=lambda conv, tiles: 0,
        make=_plain,
    ),
)
