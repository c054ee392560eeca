"""What a schedule costs on the Linux kernels: how often each thing is done, times what it costs once.

How often follows from the layer, the kernel's line in its table and the schedule, as the driver and the kernels in
``edgebnn/kernels`` go. What it costs once belongs to the line and a kind of machine, and to no layer: instructions on
AArch64, nanoseconds on x86-64, fitted by ``tools/bench/kernel_costs.py`` to layers drawn at random. The figures lie in
``costs/*.toml``, which names the machines that they are for.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType

from edgebnn.kernels.schedules import LayerSchedule
from edgebnn.kernels.spaces import LayerShape
from edgebnn.kernels.tables import KernelLine, lines

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_SEGMENT = 64
"""EB_SEGMENT of core/bconv2d_rows.h: pixels whose sums a row stationary kernel keeps."""

_LEVEL1, _LEVEL2 = 32 * 1024, 512 * 1024
"""Bytes from which on what is read again comes from the second level of cache, or from beyond it: those of the smallest
first level here, and of half the second of the host's."""

Terms = dict[str, float]


@dataclass(frozen=True)
class KernelCosts:
    """Of one kind of machine.

    Attributes:
        unit: of costs: "instructions" or "ns".
        source: how they were found.
        hardware: the machines, with the processor features of each as ``enum eb_cpu_feature`` calls them.
        once: by operation and kernel, what each term costs once.
    """

    unit: str
    source: str
    hardware: Mapping[str, frozenset[str]]
    once: Mapping[str, Mapping[str, Mapping[str, float]]]

    def kernels(self, operation: str, machine: str) -> tuple[str, ...]:
        """The kernels with known costs that ``machine`` runs."""
        runs = self.hardware[machine] | {"ANY"}
        known = self.once.get(operation, {})
        return tuple(line.name for line in lines(operation) if line.name in known and line.feature in runs)

    def cost(self, layer: LayerShape, schedule: LayerSchedule) -> float:
        """Of one inference of ``layer`` under a schedule of a kernel with known costs."""
        once = self.once[layer.operation][schedule.kernel]
        return sum(once.get(name, 0.0) * count for name, count in terms(layer, schedule).items())


def load() -> tuple[KernelCosts, ...]:
    """All that are known."""
    folder = files("edgebnn.dataflow") / "costs"
    return tuple(_parse(path.read_text(encoding="utf-8")) for path in folder.iterdir() if path.name.endswith(".toml"))


def _parse(text: str) -> KernelCosts:
    table = tomllib.loads(text)
    return KernelCosts(
        unit=table["unit"],
        source=table["source"],
        hardware=MappingProxyType({name: frozenset(features) for name, features in table["hardware"].items()}),
        once=MappingProxyType({operation: table.get(operation, {}) for operation in ("bconv2d", "w1a8")}),
    )


@lru_cache
def of(machine: str) -> KernelCosts | None:
    """The costs on a machine as ``plan --hardware`` takes it, or None."""
    return next((costs for costs in load() if machine in costs.hardware), None)


def terms(layer: LayerShape, schedule: LayerSchedule) -> Terms:
    """How often a kernel does what, under a schedule.

    Args:
        layer: the layer.
        schedule: a point of the kernel's space for it.

    Returns:
        By name, the number of times. Names are those of the files of costs.
    """
    line = next(line for line in lines(layer.operation) if line.name == schedule.kernel)
    if layer.operation == "w1a8":
        return _w1a8(line, layer, schedule)
    return _by_row(line, layer, schedule) if schedule.dataflow == "rs" else _windowed(line, layer, schedule)


def _chunks(layer: LayerShape, line: KernelLine, blocks: int) -> int:
    return layer.groups * -(-layer.group_blocks(line) // blocks)


def _output(line: KernelLine, layer: LayerShape) -> Terms:
    """Of whole blocks, whose loops compilers know the length of, and of those that are not filled."""
    channels = layer.out_channels // layer.groups
    whole = channels // line.numbers["channel_tile"] * line.numbers["channel_tile"]
    return {
        f"{layer.output_type} output": float(layer.pixels * layer.groups * whole),
        f"{layer.output_type} output, partial": float(layer.pixels * layer.groups * (channels - whole)),
        "partial block": float(layer.pixels * layer.groups * (whole < channels)),
    }


def _edge_columns(layer: LayerShape) -> int:
    """Columns of output whose windows reach beyond the image, if it is padded as evenly as can be."""
    if not layer.padded:
        return 0
    width, taps, stride = layer.in_size[1], layer.filter_size[1], layer.stride[1]
    span = (taps - 1) * layer.dilation[1] + 1
    before = max(0, (layer.out_size[1] - 1) * stride + span - width) // 2
    inner = sum(x * stride - before >= 0 and x * stride - before + span <= width for x in range(layer.out_size[1]))
    return layer.out_size[1] - inner


def _half_blocks(layer: LayerShape, half: int) -> int:
    """Of all channels: what goes through the inner loop at a time."""
    return layer.groups * -(-(layer.out_channels // layer.groups) // half)


def _windowed(line: KernelLine, layer: LayerShape, schedule: LayerSchedule) -> Terms:
    """Kernels that read gathered windows: tiles of pixels by blocks of channels."""
    tile, step = schedule.tiles["pixels"], line.numbers["pixel_tile"]
    tiles, chunks = -(-layer.pixels // tile), _chunks(layer, line, schedule.tiles["blocks"])
    sizes = [tile] * (layer.pixels // tile) + ([layer.pixels % tile] if layer.pixels % tile else [])
    together, rest = sum(size // step for size in sizes), sum(size % step for size in sizes)
    blocks, halves = layer.groups * layer.group_blocks(line), _half_blocks(layer, 16)
    gathered = layer.pixels * (chunks if schedule.dataflow == "ws" else layer.groups)
    if math.prod(layer.filter_size) == 1 and layer.groups == 1 and layer.stride == (1, 1):
        gathered = 0
    edges = gathered * _edge_columns(layer) // layer.out_size[1]
    times = gathered // layer.pixels
    weights = layer.words * line.numbers["channel_tile"] * line.numbers["lane_bytes"]
    chunk_bytes = weights * min(schedule.tiles["blocks"], layer.group_blocks(line))
    windows = min(tile, layer.pixels) * layer.words * 4
    return {
        "layer": 1,
        "tile": tiles * chunks,
        "block": tiles * blocks,
        "step": together * halves,
        "word": together * halves * layer.words,
        "spread": together * blocks * layer.words,
        "rest": rest * halves,
        "rest word": rest * halves * layer.words,
        "gather": (gathered - edges) * layer.filter_size[0],
        "gathered word": (gathered - edges) * layer.words,
        "edge tap": edges * math.prod(layer.filter_size),
        "gathered row": times * (tiles + layer.batch * layer.out_size[0]) * layer.filter_size[0],
        "weight bytes": _read_again(tiles * weights * blocks, chunk_bytes, schedule.dataflow == "ws", tiles),
        "window bytes": float(tiles * blocks * windows) if windows + weights > _LEVEL1 else 0.0,
        **_output(line, layer),
    }


def _read_again(bytes_in_all: float, chunk: int, stays: bool, tiles: int) -> float:
    """Bytes of weights that come from beyond the first-level cache: of a chunk that stays there, once."""
    if chunk > _LEVEL1 // 2:
        return bytes_in_all
    return bytes_in_all / tiles if stays else 0.0


def _by_row(line: KernelLine, layer: LayerShape, schedule: LayerSchedule) -> Terms:
    """Row stationary kernels: tiles of rows of output, cut into segments, by vectors of channels."""
    rows, (height, width) = schedule.tiles["rows"], layer.out_size
    chunks = _chunks(layer, line, schedule.tiles["blocks"])
    parts = [rows] * (height // rows) + ([height % rows] if height % rows else [])
    span = (layer.filter_size[0] - 1) * layer.dilation[0] + 1
    staged = layer.batch * layer.groups * sum((part - 1) * layer.stride[0] + span for part in parts)
    columns = (width - 1) * layer.stride[1] + layer.filter_size[1]
    row_words = layer.filter_size[1] * layer.group_words
    whole = layer.filter_size[0] == 3 and row_words in (3, 6)
    lanes = 4 if line.numbers["row_lanes"] > 1 else 16
    vectors = _half_blocks(layer, lanes if whole and row_words == 6 else 2 * lanes)
    in_rows = _SEGMENT // width if width <= _SEGMENT else 0
    segments = sum(-(-part // in_rows) if in_rows else part * -(-width // _SEGMENT) for part in parts)
    stretches = layer.batch * height * (-(-width // _SEGMENT)) * vectors
    result: Terms = {
        "layer": 1,
        "tile": layer.batch * len(parts) * chunks,
        "block": layer.batch * segments * layer.groups * layer.group_blocks(line),
        "line": staged,
        "line word": staged * columns * layer.group_words,
        **_output(line, layer),
    }
    result["step"] = layer.batch * height * _steps(width, line, whole) * vectors
    pixels = layer.batch * height * width * vectors
    if whole:
        shared = layer.filter_size[1] == 3 and layer.stride[1] == 1
        mode = f"{row_words} {'shared' if shared else 'apart'}"
        return result | {"hold": layer.batch * segments * vectors, "stretch": stretches, f"{mode} pixel": pixels}
    filter_rows = layer.filter_size[0]
    return result | {
        "hold": layer.batch * segments * vectors * filter_rows * row_words,
        "stretch": stretches * filter_rows,
        "step": result["step"] * filter_rows,
        "row pixel": pixels * filter_rows,
        "row word": pixels * filter_rows * row_words,
    }


def _steps(width: int, line: KernelLine, whole: bool) -> int:
    """How many steps a row of output takes, of some pixels each."""
    sizes = (4, 2, 1) if line.numbers["row_lanes"] > 1 else (6, 2, 1)
    if line.numbers["row_lanes"] > 1 and not whole:
        sizes = (4, 1, 1)
    found = 0
    for begin in range(0, width, _SEGMENT):
        left = min(width - begin, _SEGMENT)
        for size in sizes:
            found += left // size
            left %= size
    return found


def _w1a8(line: KernelLine, layer: LayerShape, schedule: LayerSchedule) -> Terms:
    """Rows of tables are staged, and looked up in by blocks of channels."""
    numbers = line.numbers
    if layer.depthwise:
        return {"layer": 1, "depthwise": float(layer.pixels * math.prod(layer.filter_size) * layer.out_channels)}
    blocks = layer.groups * layer.group_blocks(line)
    parts = -(-blocks // schedule.tiles["blocks"])
    image_tiles = -(-layer.out_size[0] // schedule.tiles["rows"])
    tables = -(-(layer.in_channels // layer.groups) // numbers["table_inputs"])
    contiguous = layer.groups == 1 and layer.dilation[1] == 1
    segments = layer.filter_size[0] * (1 if contiguous else layer.filter_size[1])
    segment_lanes = -(-(tables * (layer.filter_size[1] if contiguous else 1)) // numbers["lane_tables"])
    span = (layer.filter_size[1] - 1) * layer.dilation[1] + 1
    columns = (layer.out_size[1] - 1) * min(layer.stride[1], span) + span
    used = min(layer.in_size[0], layer.out_size[0] * layer.stride[0])
    staged = layer.batch * used * columns * layer.groups * (parts if schedule.dataflow == "ws" else 1)
    rows = layer.batch * layer.out_size[0]
    together = 4 if line.architecture == "AARCH64" else 6  # pixels of a row
    halves = _half_blocks(layer, 16)
    steps, rest = (rows * halves * count for count in divmod(layer.out_size[1], together))
    weights = segments * segment_lanes * numbers["channel_tile"] * numbers["lane_bytes"]
    again = layer.batch * image_tiles * weights * blocks
    chunk = weights * min(schedule.tiles["blocks"], blocks)
    height = min(layer.in_size[0], (schedule.tiles["rows"] - 1) * layer.stride[0] + layer.filter_size[0])
    tile_bytes = height * columns * layer.groups * tables * numbers["table_bytes"]
    read = float(layer.batch * image_tiles * blocks * tile_bytes)
    return {
        "layer": 1,
        "tile": layer.batch * image_tiles * parts,
        "row": rows * parts * layer.filter_size[0],
        "staged pixel": staged,
        "staged table": staged * tables,
        "block": rows * blocks,
        "step": steps,
        "step lane": steps * segments * segment_lanes,
        "rest": rest,
        "segment": (steps + rest) * segments,
        "rest lane": rest * segments * segment_lanes,
        "weight lane": rows * blocks * segments * segment_lanes,
        "weight bytes": _read_again(again, chunk, schedule.dataflow == "ws", layer.batch * image_tiles),
        "near table bytes": read if _LEVEL1 < tile_bytes <= _LEVEL2 else 0.0,
        "far table bytes": read if tile_bytes > _LEVEL2 else 0.0,
        "int8 output": float(layer.pixels * layer.out_channels),
    }
