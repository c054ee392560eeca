"""The loop nest of W1A8 convolution (``kernels/host/w1a8_run.c``), and how often it does what refers to memory.

A tile of work is some rows of output by some blocks of output channels. Rows of input are staged, tables made of them,
as rows of output need them; then each block's weights pass by the tables of a row, some pixels at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from edgebnn.errors import InputError

from .kernel_lines import W1A8Line
from .touches import Placement, align, placed
from .workload import C, E, F, G, M, N, R, S, Workload

CONSTANTS = 5
"""Arrays of 32 bits that outputs are made with: magnitude, bias, multiplier and two shifts."""


class Rows(NamedTuple):
    """What is computed at a time: rows of output, of all images, by blocks, of all groups.

    staged: rows of input that are staged first: (row, slot).
    """

    first: int
    end: int
    block: int
    block_end: int
    staged: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class W1A8Nest:
    """A layer under a schedule.

    Attributes:
        layer: of 1-bit weights and 8-bit inputs, not depthwise.
        line: of the table of kernels.
        dataflow: "os" (all blocks of some rows before the next rows) or "ws" (all rows of some blocks first).
        sizes: of the tiles "rows" and "blocks".
    """

    layer: Workload
    line: W1A8Line
    dataflow: str
    sizes: Mapping[str, int]

    def __post_init__(self) -> None:
        if self.layer.bounds[C] == 1 and self.layer.bounds[G] > 1:
            raise InputError(f"{self.layer.name}: no memory references are known of a depthwise layer")

    @property
    def pads(self) -> bool:
        """SAME padding: there is a row of it, though no window may reach there."""
        layer = self.layer
        return all(-(-layer.in_size[i] // layer.stride[i]) == layer.bounds[(E, F)[i]] for i in (0, 1))

    @property
    def spans(self) -> tuple[int, int]:
        """Rows and columns of input that a window covers."""
        height, width = (
            (taps - 1) * dilation + 1 for taps, dilation in zip(self.layer.bounds[R:], self.layer.dilation, strict=True)
        )
        return height, width

    @property
    def column_step(self) -> int:
        """Staged columns from one pixel of output to the next."""
        return min(self.layer.stride[1], self.spans[1])

    @property
    def columns(self) -> int:
        """Of a staged row."""
        return (self.layer.bounds[F] - 1) * self.column_step + self.spans[1]

    @property
    def slots(self) -> int:
        """Rows staged at a time."""
        rows = (self.tile_rows - 1) * self.layer.stride[0] + self.spans[0]
        return min(rows, self.layer.in_size[0])

    @property
    def tap_tables(self) -> int:
        """Of a group's pixel."""
        return -(-self.layer.bounds[C] // self.line.fields["table_inputs"])

    @property
    def pixel_bytes(self) -> int:
        return self.layer.bounds[G] * self.tap_tables * self.line.fields["table_bytes"]

    @property
    def row_bytes(self) -> int:
        return self.columns * self.pixel_bytes

    @property
    def segments(self) -> tuple[int, int, int]:
        """(rows of the filter, stretches of tables side by side in each, tables of a stretch)."""
        bounds = self.layer.bounds
        if bounds[G] == 1 and self.layer.dilation[1] == 1:
            return bounds[R], 1, bounds[S] * self.tap_tables
        return bounds[R], bounds[S], self.tap_tables

    @property
    def segment_lanes(self) -> int:
        return -(-self.segments[2] // self.line.fields["lane_tables"])

    @property
    def lane_bytes(self) -> int:
        """Of all channels of a block."""
        return self.line.channel_tile * self.line.fields["lane_bytes"]

    @property
    def block_bytes(self) -> int:
        return align(self.segments[0] * self.segments[1] * self.segment_lanes * self.lane_bytes)

    @property
    def group_blocks(self) -> int:
        return -(-self.layer.bounds[M] // self.line.channel_tile)

    @property
    def blocks(self) -> int:
        return self.layer.bounds[G] * self.group_blocks

    @property
    def array_bytes(self) -> int:
        """Of an array of constants: blocks are filled up."""
        return align(4 * self.blocks * self.line.channel_tile)

    @property
    def tile_rows(self) -> int:
        return min(self.sizes["rows"], self.layer.bounds[E])

    def channels_of(self, block: int) -> int:
        tile = self.line.channel_tile
        return min(tile, self.layer.bounds[M] - block % self.group_blocks * tile)

    def first_channel(self, block: int) -> int:
        group, within = divmod(block, self.group_blocks)
        return group * self.layer.bounds[M] + within * self.line.channel_tile

    def input_row(self, row: int, tap: int) -> int | None:
        """The row of all images' input under a row of the filter, for a row of all images' output; None: padding."""
        image, y = divmod(row, self.layer.bounds[E])
        at = y * self.layer.stride[0] - self.layer.before[0] + tap * self.layer.dilation[0]
        height = self.layer.in_size[0]
        return image * height + at if 0 <= at < height else None

    def slot(self, row: int) -> int:
        return row % self.layer.in_size[0] % self.slots

    def regions(self) -> Iterator[Rows]:
        """In the order in which they are computed."""
        bounds, parts = self.layer.bounds, min(self.sizes["blocks"], self.blocks)
        rows = [
            (image * bounds[E] + y, image * bounds[E] + min(bounds[E], y + self.tile_rows))
            for image in range(bounds[N])
            for y in range(0, bounds[E], self.tile_rows)
        ]
        blocks = [(block, min(self.blocks, block + parts)) for block in range(0, self.blocks, parts)]
        os = self.dataflow == "os"
        work = [(r, b) for r in rows for b in blocks] if os else [(r, b) for b in blocks for r in rows]
        held: dict[int, int] = {}
        for (first, end), (block, block_end) in work:
            staged = []
            for row in range(first, end):
                for tap in range(bounds[R]):
                    at = self.input_row(row, tap)
                    if at is not None and held.get(self.slot(at)) != at:
                        held[self.slot(at)] = at
                        staged.append((at, self.slot(at)))
            yield Rows(first, end, block, block_end, tuple(staged))

    def groups_of_row(self) -> Iterator[tuple[int, int, int]]:
        """(first pixel, groups, pixels of each) as the kernel takes those of a row."""
        whole, rest = divmod(self.layer.bounds[F], self.line.pixels)
        if whole:
            yield 0, whole, self.line.pixels
        if rest:
            yield whole * self.line.pixels, rest, 1

    def placement(self) -> Placement:
        """Where the arrays lie if nothing else is known."""
        bounds, (height, width) = self.layer.bounds, self.layer.in_size
        persistent = self.blocks * self.block_bytes + CONSTANTS * self.array_bytes
        channels = bounds[G] * bounds[C], bounds[G] * bounds[M]
        return placed(
            persistent, bounds[N] * height * width * channels[0], bounds[N] * bounds[E] * bounds[F] * channels[1]
        )


def terms(nest: W1A8Nest) -> Counter[str]:
    """How often a layer does what refers to memory, by what it is.

    Of the driver: "layer", "region", "row" (of output, in a region), "segment" (of it), "staged row", "copied pixel",
    "copied bytes" (of padding, 32 at a time). Of the kernel: "staged pixel" (of a group), "staged table", "block row" (
    a call), "group" of pixels, "pixel", "stretch" and "stretch pixel" (of tables side by side, for a group), "lane" and
    "lane pixel" (two tables or so, of all channels of a block), and of outputs "8 channels" and "1 channel".
    """
    bounds = nest.layer.bounds
    rows, beside, _ = nest.segments
    found = Counter({"layer": 1})
    copied = nest.columns if nest.pads else 0
    for region in nest.regions():
        height, width = region.end - region.first, nest.layer.in_size[1]
        found["region"] += 1
        found["row"] += height
        found["segment"] += height * rows * beside
        found["staged row"] += len(region.staged)
        inside = min(width, nest.columns)
        found["staged pixel"] += len(region.staged) * inside * bounds[G]
        found["staged table"] += len(region.staged) * inside * bounds[G] * nest.tap_tables
        copied += len(region.staged) * (nest.columns - inside)
        for block in range(region.block, region.block_end):
            found["block row"] += height
            channels = nest.channels_of(block)
            found["8 channels"] += height * bounds[F] * (channels // 8)
            found["1 channel"] += height * bounds[F] * (channels % 8)
    calls = found["block row"]
    for _, groups, pixels in nest.groups_of_row():
        found["group"] += calls * groups
        found["pixel"] += calls * groups * pixels
        found["stretch"] += calls * groups * rows * beside
        found["stretch pixel"] += calls * groups * rows * beside * pixels
        found["lane"] += calls * groups * rows * beside * nest.segment_lanes
        found["lane pixel"] += calls * groups * rows * beside * nest.segment_lanes * pixels
    found["copied pixel"] += copied
    found["copied bytes"] += copied * -(-nest.pixel_bytes // 32)
    return found
