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
from .choices import NO_TILES, Costs, Kernel, Tiles
from .int8 import constant_data

LANES, WORD_PLANES, TABLE_PLANES, LEAST_PLANES = 32, 30, 60, 11
"""Those of cortex_m/conv_binary_sliced.h."""
ROW_TAPS, BYTE, FIRST_BIT = 3, 8, 3
"""Those of cortex_m/conv_binary_rows.c."""
_NAMES = {DType.INT32: "packed", DType.INT8: "int8", DType.FLOAT32: "float"}


_TILE_SOURCES = ("conv_binary_tiles", "conv_binary_tiles_{}")
"""What counts pixels side by side; the kind of output in place of ``{}``."""


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


def _output_work(conv: Convolution, tiles: NDArray[np.int64], times: int) -> dict[str, float]:
    """Counters of tiles are started and written.

    Args:
        conv: the layer.
        tiles: [T, 32] the numbers of their pixels; -1: none.
        times: how often each tile's pixels are looked at for all channels: once for each chunk of them.
    """
    kind, outputs = _NAMES[conv.output], conv.sizes.channels_out
    work: dict[str, float] = {f"{kind} counters": len(tiles) * outputs}
    if conv.output == DType.INT32:
        work["packed blocks"] = len(tiles) * -(-outputs // LANES)
        work["packed pixels"] = conv.pixels * -(-outputs // LANES)
    else:
        work[f"{kind} outputs"] = conv.pixels * outputs
    padding = zero_padding(conv)
    if padding is not None:
        sizes = conv.sizes.window.output
        row, column = tiles // sizes[1] % sizes[0], tiles % sizes[1]
        classes = padding.row_classes[row] * padding.sums.shape[2] + padding.column_classes[column]
        ordered = np.sort(np.where(tiles < 0, -1, classes), axis=1)
        found = (np.diff(ordered, axis=1, prepend=-1) > 0).sum()
        work[f"{kind} paddings"] = found * outputs
        work["padding pixels"] = conv.pixels * times
    return work


def _in_order(conv: Convolution) -> NDArray[np.int64]:
    """Tiles [T, 32] of pixels in order."""
    numbers = np.full(-(-conv.pixels // LANES) * LANES, -1)
    numbers[: conv.pixels] = np.arange(conv.pixels)
    return numbers.reshape(-1, LANES)


def _sliced_tiles(conv: Convolution) -> Mapping[str, TileSizes]:
    """Channels that are counted at a time: more take more scratch, fewer gather windows more often."""
    return {"channels": TileSizes(BYTE, conv.group_outputs)}


def _sliced_work(conv: Convolution, tiles: Tiles) -> Mapping[str, float]:
    words, taps, window = _window_words(conv), _taps(conv), conv.sizes.window
    of_tap, signs = packed_channels(conv.sizes.group_channels), min(conv.sizes.group_channels, LANES)
    pixel_tiles = _in_order(conv)
    chunks = conv.sizes.groups * -(-conv.group_outputs // tiles["channels"])
    gathered = len(pixel_tiles) * chunks
    rows = input_tensor(conv.view, 0).shape[0] * window.output[0]
    transposed = -(-taps // (LANES // signs)) if of_tap == 1 else taps * of_tap
    filled = min(words, 2 * -(-words // 2)) * WORD_PLANES - conv.sizes.products
    return {
        "gathered taps": gathered * taps * of_tap,
        "gathered runs": (len(pixel_tiles) + rows) * chunks * taps * of_tap,
        "gathered pixels": conv.pixels * chunks * taps * of_tap,
        "strided pixels": conv.pixels * chunks * taps * of_tap * (window.stride[1] > 1),
        "transposed": gathered * transposed,
        "moved planes": gathered * (conv.sizes.products + filled),
        "word pairs": len(pixel_tiles) * conv.sizes.channels_out * (words // 2),
        "single words": len(pixel_tiles) * conv.sizes.channels_out * (words % 2),
        "tiles": gathered,
        **_output_work(conv, pixel_tiles, chunks),
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
    names = ("conv_binary_sliced", "conv_binary_sliced_{}", "conv_binary_add", *_TILE_SOURCES)
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


def _row_strips(conv: Convolution, columns: int) -> NDArray[np.int64]:
    """Tiles [T, 32] of pixels in runs of ``columns``."""
    batches, (height, width) = input_tensor(conv.view, 0).shape[0], conv.sizes.window.output
    runs, strips = LANES // columns, -(-width // columns)
    apart = -(-height // runs)
    numbers = np.full((batches, runs * apart, strips * columns), -1)
    numbers[:, :height, :width] = np.arange(conv.pixels).reshape(batches, height, width)
    by_tile = numbers.reshape(batches, runs, apart, strips, columns).transpose(0, 3, 2, 1, 4)
    lanes = by_tile.reshape(-1, runs * columns)
    return np.pad(lanes, ((0, 0), (0, LANES - lanes.shape[1])), constant_values=-1)


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
        "strips": strips,
        **_output_work(conv, _row_strips(conv, columns), -(-outputs // LANES)),
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
    names = ("conv_binary_rows", "conv_binary_rows_{}", *_TILE_SOURCES)
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
    taps = conv.pixels * conv.sizes.groups * _taps(conv)
    return {
        "gathered taps": taps,
        "gathered words": taps * packed_channels(conv.sizes.group_channels),
        "flipped words": conv.pixels * blocks * _window_words(conv),
        f"{kind} blocks": conv.pixels * blocks,
        f"{kind} channels": conv.pixels * conv.sizes.channels_out,
        "paddings": conv.pixels * conv.sizes.channels_out * (pads_with_zeros(conv) and kind != "packed"),
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
    return {
        "signs": sums * conv.sizes.products,
        "words": sums * _taps(conv) * packed_channels(conv.sizes.group_channels),
        "taps": sums * _taps(conv),
        f"{_NAMES[conv.output]} sums": sums,
    }


def _plain(conv: Convolution, tiles: Tiles) -> Step:
    weights = constant_data(conv.view, 1).astype(np.int32)
    return _step(conv, "", ("core/conv_binary.c",), conv.layer(weights), 0, 1)


def _no_tiles(conv: Convolution) -> Mapping[str, TileSizes]:
    return NO_TILES


SLICED_COSTS: Costs = MappingProxyType(
    {
        "gathered taps": (10.4, 274.0),
        "gathered runs": (91.7, 98.7),
        "transposed": (435.0, 838.0),
        "word pairs": (293.7, 451.7),
        "single words": (173.8, 252.6),
        "tiles": (134.4, 605.4),
        "gathered pixels": (6.8, 7.8),
        "strided pixels": (9.0, 8.3),
        "moved planes": (12.1, 19.4),
        "packed counters": (76.4, 136.8),
        "int8 counters": (439.1, 645.7),
        "float counters": (539.9, 790.3),
        "packed blocks": (1051.0, 1047.2),
        "packed pixels": (5.5, 0.0),
        "int8 outputs": (7.5, 17.4),
        "float outputs": (255.6, 403.7),
        "packed paddings": (100.8, 114.8),
        "int8 paddings": (1.9, 31.3),
        "float paddings": (0.0, 0.0),
        "padding pixels": (53.1, 67.1),
    }
)
ROWS_COSTS: Costs = MappingProxyType(
    {
        "read runs": (45.0, 68.0),
        "read pixels": (9.7, 9.9),
        "tables": (467.7, 773.7),
        "filter rows": (352.5, 536.3),
        "calls": (81.4, 112.3),
        "rows": (0.0, 131.8),
        "strips": (269.1, 505.1),
        "packed counters": (91.0, 125.2),
        "int8 counters": (403.5, 622.1),
        "float counters": (481.7, 711.5),
        "packed blocks": (670.0, 1034.1),
        "packed pixels": (8.9, 8.3),
        "int8 outputs": (10.4, 20.1),
        "float outputs": (259.3, 409.7),
        "packed paddings": (102.5, 113.7),
        "int8 paddings": (53.4, 63.8),
        "float paddings": (0.0, 0.0),
        "padding pixels": (46.6, 60.4),
    }
)
BY_CHANNEL_COSTS: Costs = MappingProxyType(
    {
        "gathered taps": (31.9, 51.1),
        "gathered words": (33.7, 33.0),
        "paddings": (6.8, 19.7),
        "flipped words": (256.3, 388.2),
        "packed blocks": (120.0, 162.1),
        "int8 blocks": (393.3, 604.9),
        "float blocks": (402.0, 530.4),
        "packed channels": (0.0, 0.0),
        "int8 channels": (29.7, 48.1),
        "float channels": (256.4, 409.6),
        "pixels": (98.7, 306.5),
    }
)
PLAIN_COSTS: Costs = MappingProxyType(
    {
        "signs": (1.7, 1.9),
        "words": (14.4, 17.1),
        "taps": (41.0, 61.8),
        "packed sums": (110.2, 538.8),
        "int8 sums": (125.9, 520.9),
        "float sums": (346.1, 912.7),
    }
)


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
