"""The cache lines that W1A8 convolution touches, region after region of its nest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .touches import (
    CONSTANTS,
    INPUTS,
    LINE,
    OUTPUTS,
    STACK,
    WEIGHTS,
    WINDOWS,
    Placement,
    Touches,
    align,
    within,
)
from .w1a8_nest import CONSTANTS as CONSTANT_ARRAYS
from .w1a8_nest import Rows, W1A8Nest
from .workload import C, F, G, M

_RUN_BELOW, _RUN_FRAME = 32, 704
"""Of eb_w1a8_run: how far below its caller's stack pointer it begins to use the stack, and how many bytes of it."""
_BLOCK_BELOW, _BLOCK_BYTES = 688, 200
"""Of what eb_w1a8_run tells a kernel of a block: how far below its caller's stack pointer it lies, and its size."""
_PLAN_BYTES = 256


class W1A8Walk:
    """Gives the touches of a nest's regions."""

    def __init__(self, nest: W1A8Nest, place: Placement) -> None:
        self.nest, self.place = nest, place
        self._padding = place.scratch + align((nest.slots + 1) * nest.row_bytes)
        self._pointers = self._padding + align(nest.pixel_bytes)
        self._begun = False

    def region(self, region: Rows) -> Touches:
        """In the order in which they happen."""
        parts = [self._driver()]
        if not self._begun and self.nest.pads:
            parts.append(self._padding_row())
        self._begun = True
        parts.extend(self._staged(row, slot) for row, slot in region.staged)
        for block in range(region.block, region.block_end):
            parts.append(self._driver())
            parts.extend(self._counted(row, block) for row in range(region.first, region.end))
        return Touches.joined(parts)

    def _driver(self) -> Touches:
        stack = self.place.stack - _RUN_BELOW - np.arange(LINE, _RUN_FRAME + 1, LINE)
        plan = self.place.plan + np.arange(0, _PLAN_BYTES, LINE)
        rows, beside, _ = self.nest.segments
        pointers = self._pointers + np.arange(0, self.nest.tile_rows * rows * beside * 8, LINE)
        return Touches.joined(
            [Touches.array(STACK, stack), Touches.array(CONSTANTS, plan), Touches.array(WINDOWS, pointers)]
        )

    def _padding_row(self) -> Touches:
        nest = self.nest
        row = self.place.scratch + nest.slots * nest.row_bytes + np.arange(0, nest.row_bytes, LINE)
        pixel = self._padding + np.arange(0, nest.pixel_bytes, LINE)
        return Touches.joined([Touches.array(WINDOWS, pixel), Touches.array(WINDOWS, row)])

    def _staged(self, row: int, slot: int) -> Touches:
        """Column after column: a pixel of the input, or of padding, and its tables."""
        nest, layer = self.nest, self.nest.layer
        channels, width = layer.bounds[G] * layer.bounds[C], layer.in_size[1]
        column = np.arange(nest.columns)
        x = (
            column // nest.column_step * (layer.stride[1] - nest.column_step)
            if layer.stride[1] > nest.column_step
            else 0
        )
        x = column + x - layer.before[1]
        inside = (x >= 0) & (x < width)
        pixel, padding = within(channels), within(nest.pixel_bytes)
        read = np.full((column.size, max(pixel.size, padding.size)), -1, np.int64)
        read[:, : padding.size] = self._padding + padding
        read[inside] = -1
        read[inside, : pixel.size] = (self.place.inputs + (row * width + x) * channels)[inside, None] + pixel
        written = self.place.scratch + slot * nest.row_bytes + column[:, None] * nest.pixel_bytes
        written = written + within(nest.pixel_bytes)
        at = np.concatenate([read, written], axis=1)
        of = np.full(at.shape, WINDOWS, np.int8)
        of[inside, : read.shape[1]] = INPUTS
        return Touches(at.reshape(-1), of.reshape(-1)).where(at.reshape(-1) >= 0)

    def _counted(self, row: int, block: int) -> Touches:
        """A block's channels of a row of output, some pixels at a time."""
        nest = self.nest
        stretches = self._stretches(row, block // nest.group_blocks)
        return Touches.joined([self._groups((row, block), stretches, group) for group in nest.groups_of_row()])

    def _stretches(self, row: int, group: int) -> NDArray[np.int64]:
        """Where the tables of the first window's stretches begin."""
        nest = self.nest
        rows, beside, _ = nest.segments
        found = []
        for tap in range(rows):
            at = nest.input_row(row, tap)
            begin = self.place.scratch + (nest.slots if at is None else nest.slot(at)) * nest.row_bytes
            found += [begin + s * nest.layer.dilation[1] * nest.pixel_bytes for s in range(beside)]
        return np.array(found, np.int64) + group * nest.tap_tables * nest.line.fields["table_bytes"]

    def _groups(self, of: tuple[int, int], stretches: NDArray[np.int64], groups: tuple[int, int, int]) -> Touches:
        """Of groups of pixels: (first, number, pixels of each). of: row and block."""
        nest, place, (row, block), (first, number, pixels) = self.nest, self.place, of, groups
        fields, lanes = nest.line.fields, nest.segment_lanes
        lane = np.arange(stretches.size * lanes)
        weights = place.persistent + block * nest.block_bytes + lane * nest.lane_bytes
        table = np.arange(lanes) * fields["lane_tables"] * fields["table_bytes"]
        own = np.arange(pixels) * nest.column_step * nest.pixel_bytes
        tables = (stretches[:, None] + table).reshape(-1, 1, 1) + own[:, None]
        entries = np.arange(fields["lane_tables"]) * fields["table_bytes"]
        tables = (tables + entries).reshape(lane.size, -1)
        # Each lane uses some of the stack, or looks where the next stretch of tables begins.
        often = np.array([*(self._frame() - line * LINE for line in nest.line.inside), self._pointers], np.int64)
        inner = np.concatenate([weights[:, None], tables, often[lane % often.size, None]], axis=1)
        inner_of = np.full(inner.shape, WINDOWS, np.int8)
        inner_of[:, 0] = WEIGHTS
        inner_of[:, tables.shape[1] + 1 :] = STACK
        tail, tail_of = self._outputs(row, block, pixels)
        at = np.concatenate([inner.reshape(-1), tail])
        kind = np.concatenate([inner_of.reshape(-1), tail_of])
        step = np.zeros(at.size, np.int64)
        channels = nest.layer.bounds[G] * nest.layer.bounds[M]
        step[kind == WINDOWS] = pixels * nest.column_step * nest.pixel_bytes
        step[kind == OUTPUTS] = pixels * channels
        start = np.where(kind == WINDOWS, first * nest.column_step * nest.pixel_bytes, 0)
        start = np.where(kind == OUTPUTS, first * channels, start)
        all_at = at + start + np.arange(number)[:, None] * step
        return Touches(all_at.reshape(-1), np.tile(kind, number))

    def _frame(self) -> int:
        """The uppermost cache line of the kernel's stack frame."""
        return (self.place.stack - _RUN_BELOW - _RUN_FRAME - 2 * LINE) // LINE * LINE

    def _outputs(self, row: int, block: int, pixels: int) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
        """What each group of pixels touches once: sums, constants, outputs."""
        nest, place, line = self.nest, self.place, self.nest.line
        channels = nest.channels_of(block)
        frame = self._frame() - np.arange(0, line.frame, LINE)
        told = place.stack - _BLOCK_BELOW - np.arange(0, _BLOCK_BYTES, LINE)
        begin = place.persistent + nest.blocks * nest.block_bytes + block * line.channel_tile * 4
        constants = begin + np.arange(CONSTANT_ARRAYS)[:, None] * nest.array_bytes + within(channels * 4)
        width = nest.layer.bounds[G] * nest.layer.bounds[M]
        first = place.outputs + row * nest.layer.bounds[F] * width + nest.first_channel(block)
        output = first + np.arange(pixels)[:, None] * width + within(channels)
        touched = Touches.joined(
            [
                Touches.array(STACK, frame),
                Touches.array(STACK, told),
                Touches.array(CONSTANTS, constants),
                Touches.array(OUTPUTS, output),
            ]
        )
        return touched.at, touched.of
