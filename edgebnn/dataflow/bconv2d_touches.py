"""The cache lines that binary convolution touches, region after region of its nest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .bconv2d_nest import WORD, BinaryNest, Region
from .touches import (
    ARRAYS,
    CONSTANTS,
    INPUTS,
    LINE,
    LITERALS,
    OUTPUTS,
    PADDING,
    STACK,
    TABLE,
    WEIGHTS,
    WINDOWS,
    Placement,
    Touches,
    align,
    within,
)
from .workload import C, E, F, G, M, R, S

_RUN_BELOW, _RUN_FRAME, _GATHER_FRAME = 24, 576, 304
"""Of eb_bconv2d_run: how far below its caller's stack pointer it begins to use the stack, and how many bytes of it; and
of what gathers, below that."""
_KERNEL_BELOW = 656
"""Where a kernel's frame begins, once its registers are saved; it is aligned from there."""
_BLOCK_BELOW, _BLOCK_BYTES = 120, 152
"""Of what eb_bconv2d_run tells a kernel of a block: how far below its caller's stack pointer it lies, and its size."""
_PLAN_BYTES = 192
_ENTRIES, _ENTRY_BYTES = 16, 16


@dataclass(frozen=True, eq=False)
class Pattern:
    """What a kernel touches for a group of pixels and a block: addresses from where each array begins for the region,
    and what is added to them from block to block and from group to group. Look-ups have an address of their own."""

    touches: Touches
    block: NDArray[np.int64]
    group: NDArray[np.int64]


class BinaryWalk:
    """Gives the touches of a nest's regions."""

    def __init__(self, nest: BinaryNest, place: Placement) -> None:
        self.nest, self.place = nest, place
        self._patterns: dict[tuple[int, int], Pattern] = {}
        # Inputs are taken for random bits: so are the entries of a table that they look up.
        self._random = np.random.default_rng(0)
        self._looked_up: tuple[tuple[int, int], dict[int, NDArray[np.int64]]] = ((-1, -1), {})

    def region(self, region: Region) -> Touches:
        """In the order in which they happen."""
        parts = [self._driver()]
        if region.gathers:
            parts.append(self._gathered(region))
        full = min(region.block_end, self.nest.layer.bounds[M] // self.nest.line.channel_tile)
        for block, end in ((region.block, full), (max(region.block, full), region.block_end)):
            if block < end:  # these have as many channels; the last of a group may have fewer than the others
                parts.extend(self._counted(region, block, end))
        return Touches.joined(parts)

    def _driver(self) -> Touches:
        stack = self.place.stack - _RUN_BELOW - np.arange(64, _RUN_FRAME + 1, 64)
        plan = self.place.plan + np.arange(0, _PLAN_BYTES, LINE)
        return Touches.joined([Touches.array(STACK, stack), Touches.array(CONSTANTS, plan)])

    def _gathered(self, region: Region) -> Touches:
        """A row of output after another, in it a row of the filter after another, in it pixel after pixel."""
        nest, place = self.nest, self.place
        bounds, (height, width) = nest.layer.bounds, nest.layer.in_size
        pixel, taps = np.arange(region.first, region.end), nest.taps(region.first, region.end)
        tap_bytes = bounds[C] * WORD
        image_row = (pixel // (bounds[E] * bounds[F]) * height)[:, None] + taps.rows
        at = (image_row[:, :, None] * width + taps.columns[:, None, :]) * bounds[G] + region.group
        to = np.arange(pixel.size * bounds[R] * bounds[S]).reshape(at.shape)
        lines = within(tap_bytes)
        read = np.where(taps.inside[..., None], place.inputs + (at * tap_bytes)[..., None] + lines, -1)
        written = place.scratch + (to * tap_bytes)[..., None] + lines
        touched = np.concatenate([read, written], axis=3)  # [pixels, R, S, lines]
        of = np.broadcast_to(np.repeat(np.array([INPUTS, WINDOWS], np.int8), lines.size), touched.shape)
        rows = (pixel // bounds[F])[:, None] * bounds[R] + np.arange(bounds[R])
        order = np.argsort(rows.reshape(-1), kind="stable")
        touched = touched.reshape(order.size, -1)[order].reshape(-1)
        of = of.reshape(order.size, -1)[order].reshape(-1)
        stack = place.stack - _RUN_BELOW - _RUN_FRAME - np.arange(64, _GATHER_FRAME + 64, 64)
        return Touches.joined([Touches.array(STACK, stack), Touches(touched, of).where(touched >= 0)])

    def _counted(self, region: Region, block: int, end: int) -> Iterator[Touches]:
        nest = self.nest
        channels = min(nest.line.channel_tile, nest.layer.bounds[M] - block * nest.line.channel_tile)
        parts = [
            self._groups(region, (block, end), (first, groups), self._pattern(pixels, channels))
            for first, groups, pixels in nest.groups_of(region.end - region.first)
        ]
        for index in range(end - block):
            yield self._driver()
            if nest.zero_padding:
                yield self._padding(region, block + index, channels)
            for at, of in parts:
                yield Touches(at[index], of)

    def _groups(
        self, region: Region, blocks: tuple[int, int], groups: tuple[int, int], pattern: Pattern
    ) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
        """Addresses [blocks, touches] and the arrays that they belong to. groups: (first pixel, number)."""
        begin = self._begins(region, groups[0])
        at = (pattern.touches.at + begin[pattern.touches.of])[None, None, :]
        at = at + np.arange(*blocks)[:, None, None] * pattern.block + np.arange(groups[1])[:, None] * pattern.group
        found = np.flatnonzero(pattern.touches.of == TABLE)
        if found.size:
            at[:, :, found] = self._entries(region, groups, found.size)
        return at.reshape(at.shape[0], -1), np.tile(pattern.touches.of, groups[1])

    def _begins(self, region: Region, first: int) -> NDArray[np.int64]:
        """Where each array begins for the pixels of a region from ``first`` on."""
        nest, place = self.nest, self.place
        width = {"float32": 4, "int8": 1}.get(nest.output, 0)
        channel = region.group * nest.layer.bounds[M]
        begin = np.zeros(len(ARRAYS), np.int64)
        begin[WEIGHTS] = place.persistent + region.group * nest.group_blocks * nest.block_bytes
        begin[WINDOWS] = (place.inputs + region.first * nest.words * WORD) if nest.in_place else place.scratch
        begin[WINDOWS] += first * nest.words * WORD
        begin[CONSTANTS] = place.persistent + nest.weight_bytes + channel * WORD
        begin[OUTPUTS] = place.outputs + (region.first + first) * nest.output_pixel
        begin[OUTPUTS] += channel * width if width else channel // 32 * WORD
        return begin

    def _entries(self, region: Region, groups: tuple[int, int], count: int) -> NDArray[np.int64]:
        """Addresses of what some pixels look up: the same for all blocks of their group."""
        key = (region.group, region.first)
        if self._looked_up[0] != key:
            self._looked_up = (key, {})
        entries = self._looked_up[1]
        if groups[0] not in entries:
            drawn = self._random.integers(0, _ENTRIES, (groups[1], count))
            entries[groups[0]] = self.place.table + drawn * _ENTRY_BYTES
        return entries[groups[0]]

    def _pattern(self, pixels: int, channels: int) -> Pattern:
        if (pixels, channels) not in self._patterns:
            self._patterns[pixels, channels] = _pattern(self.nest, self.place, pixels, channels)
        return self._patterns[pixels, channels]

    def _padding(self, region: Region, block: int, channels: int) -> Touches:
        """What a block's channels take back, for each way in which windows lie in the padding."""
        nest = self.nest
        bounds, tile = nest.layer.bounds, nest.line.channel_tile
        sums = self.place.persistent + nest.weight_bytes + align(2 * WORD * nest.channels)
        taps = sums + np.arange(bounds[R] * bounds[S])[:, None] * nest.channels * WORD
        taps = taps + (region.group * bounds[M] + block * tile) * WORD + within(channels * WORD)
        rows = self.place.scratch + align(nest.tiles.pixels * nest.words * WORD)
        pointers = rows + align(nest.tiles.pixels * tile * WORD) + np.arange(0, (region.end - region.first) * 8, LINE)
        parts = [Touches.array(PADDING, pointers)]
        for way in range(nest.padded_ways(region.first, region.end)):
            parts += [
                Touches.array(PADDING, taps),
                Touches.array(PADDING, rows + way * tile * WORD + within(tile * WORD)),
            ]
        return Touches.joined(parts)


def _pattern(nest: BinaryNest, place: Placement, pixels: int, channels: int) -> Pattern:
    """Of a group of ``pixels`` and a block of ``channels``."""
    line = nest.line
    sums = align(place.stack - _KERNEL_BELOW - LINE + 1) - line.sums
    copies, each = sums - line.copied_bytes, np.arange(pixels)
    parts = []
    for begin, length in line.pieces(nest.words):
        if line.copied:
            windows = each[:, None] * nest.words * WORD + begin * WORD + within(length * WORD)
            parts.append(Touches.array(WINDOWS, windows))
        for number in range(-(-channels * line.passes // line.channel_tile)):
            parts.append(_pass(nest, (begin, length), number, each, copies))
    parts.append(Touches.array(STACK, sums + np.arange(0, pixels * line.channel_tile * WORD, LINE)))
    parts.append(Touches.array(STACK, copies - 1 - np.arange(0, line.spilled, LINE)))
    parts.append(Touches.array(STACK, place.stack - _BLOCK_BELOW - np.arange(0, _BLOCK_BYTES, LINE)))
    parts.append(
        Touches.array(LITERALS, place.literals + np.array(line.literals.get(nest.output, ()), np.int64) * LINE)
    )
    parts.append(Touches.array(CONSTANTS, within(channels * WORD)))
    width = {"float32": 4, "int8": 1}.get(nest.output, 0)
    if width:
        parts.append(Touches.array(CONSTANTS, nest.channels * WORD + within(channels * WORD)))
    output = each[:, None] * nest.output_pixel + within(channels * width or WORD)
    parts.append(Touches.array(OUTPUTS, output))
    touches = Touches.joined(parts)
    block, group = np.zeros((2, len(ARRAYS)), np.int64)
    block[WEIGHTS], block[CONSTANTS] = nest.block_bytes, line.channel_tile * WORD
    block[OUTPUTS] = line.channel_tile * width if width else line.channel_tile // 8
    group[WINDOWS], group[OUTPUTS] = pixels * nest.words * WORD, pixels * nest.output_pixel
    return Pattern(touches, block[touches.of], group[touches.of])


def _pass(nest: BinaryNest, piece: tuple[int, int], number: int, pixels: NDArray[np.int64], copies: int) -> Touches:
    """Of a piece of a window's words: a cache line of weights after another, and what each of the pixels has for it."""
    line, (begin, length) = nest.line, piece
    word, size = np.arange(length), line.word_bytes // (line.passes if line.apart else 1)
    lines = max(1, size // LINE)
    weights = (
        (begin + word[:, None]) * size + np.arange(lines) * LINE + (number * nest.words * size if line.apart else 0)
    )
    own, array = pixels * nest.words * WORD + (begin + word[:, None]) * WORD, WINDOWS
    if line.copied and line.side_by_side:
        own, array = copies + word[:, None] * (line.pixels * line.copied), STACK
    elif line.copied:
        own, array = copies + pixels * (line.piece * line.copied) + word[:, None] * line.copied, STACK
    looked_up = np.full((length, lines, own.shape[1], line.looks_up), -1, np.int64)
    beside = np.concatenate([np.broadcast_to(own[:, None, :, None], (*looked_up.shape[:3], 1)), looked_up], axis=3)
    spilled = (
        copies - 1 - np.arange(length * lines).reshape(length, lines, 1) % max(1, line.spilled_inside // LINE) * LINE
    )
    at = np.concatenate([weights[..., None], beside.reshape(length, lines, -1)], axis=2)
    of = np.array([WEIGHTS, *([array, *([TABLE] * line.looks_up)] * own.shape[1])], np.int8)
    if line.spilled_inside:
        at, of = np.concatenate([at, spilled], axis=2), np.append(of, np.int8(STACK))
    return Touches(at.reshape(-1), np.tile(of, length * lines))
