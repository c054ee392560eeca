"""Which output element comes from which input element, as a few strided blocks of copies.

A map is cut where it stops being linear along an axis, and an axis that repeats is folded into two, until every part
is a block: loops with constant steps on both sides. What is returned was put together again and compared with the map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]

FILL = -1
"""In place of an input: the element is a constant."""


@dataclass(frozen=True)
class Map:
    """For each element of an output the input that it comes from (or :data:`FILL`), and which element of that it is."""

    source: Indices
    element: Indices


@dataclass(frozen=True)
class Loop:
    """``count`` repetitions, and by how many elements each side moves on."""

    count: int
    to_step: int
    from_step: int


@dataclass(frozen=True)
class Block:
    """Copies of runs of ``run`` elements, in loops, the outermost first; of :data:`FILL` all steps are 0."""

    source: int
    to: int
    start: int
    run: int
    loops: tuple[Loop, ...]


def blocks_of(found: Map, most: int) -> tuple[Block, ...] | None:
    """The map as blocks.

    Args:
        found: the map.
        most: blocks that there may be.

    Returns:
        Blocks that give every element of the output once, as the map says; None if that needs more of them.
    """
    parts = _parts(found, most)
    if parts is None:
        return None
    blocks = tuple(_merged(block) for block in parts)
    if not _is_map(blocks, found):
        raise AssertionError("strided copies that are not the map")
    return blocks


def runs_of(found: Map) -> tuple[int, Indices]:
    """The map as equal runs of consecutive elements: their length, and for each where it begins, or :data:`FILL`.

    Only for maps of one input.
    """
    element = np.where(found.source == FILL, FILL, found.element).reshape(-1)
    follows = np.where(element[:-1] == FILL, element[1:] == FILL, element[1:] == element[:-1] + 1)
    starts = np.r_[0, np.flatnonzero(~follows) + 1, element.size]
    run = int(np.gcd.reduce(starts)) if element.size else 1
    return run, element[::run]


def copies(blocks: Sequence[Block]) -> tuple[Indices, Indices]:
    """The runs of all blocks in the order in which they are copied.

    Returns:
        Behind which element of the output each ends, and at which of its input it starts (:data:`FILL`: it has none).
    """
    ends, starts = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for block in blocks:
        to, start = np.array([block.to]), np.array([block.start])
        for loop in block.loops:
            count: Indices = np.arange(loop.count)
            to = np.add.outer(to, count * loop.to_step).reshape(-1)
            start = np.add.outer(start, count * loop.from_step).reshape(-1)
        ends.append(to + block.run)
        starts.append(np.full_like(start, FILL) if block.source == FILL else start)
    return np.concatenate(ends), np.concatenate(starts)


def _parts(found: Map, most: int) -> list[Block] | None:
    """Blocks of single elements."""
    steps = [int(np.prod(found.source.shape[a + 1 :], dtype=np.int64)) for a in range(found.source.ndim)]
    waiting: list[tuple[int, Indices, Indices, list[int]]] = [(0, found.source, found.element, steps)]
    blocks: list[Block] = []
    while waiting:
        to, source, element, steps = waiting.pop()
        if source.size == 0:
            continue
        steps = [step for step, size in zip(steps, source.shape, strict=True) if size > 1]
        source, element = source.squeeze(), element.squeeze()
        linear = _linear(source, element)
        if linear is not None:
            loops = tuple(map(Loop, source.shape, steps, linear))
            blocks.append(Block(int(source.flat[0]), to, int(element.flat[0]), 1, loops))
        else:
            axis, position, folds = _cut(source, element)
            if folds:
                shape = (*source.shape[:axis], -1, position, *source.shape[axis + 1 :])
                steps = [*steps[:axis], steps[axis] * position, *steps[axis:]]
                waiting.append((to, source.reshape(shape), element.reshape(shape), steps))
            else:
                halves = [np.split(array, [position], axis) for array in (source, element)]
                waiting.append((to + position * steps[axis], halves[0][1], halves[1][1], steps))
                waiting.append((to, halves[0][0], halves[1][0], steps))
        if len(blocks) + len(waiting) > most:
            return None
    return blocks


def _linear(source: Indices, element: Indices) -> list[int] | None:
    """The step along each axis, where it is the same everywhere."""
    if not (source == source.flat[0]).all():
        return None
    if source.flat[0] == FILL:
        return [0] * source.ndim
    steps = []
    for axis in range(source.ndim):
        difference = np.diff(element, axis=axis)
        if not (difference == difference.flat[0]).all():
            return None
        steps.append(int(difference.flat[0]))
    return steps


def _cut(source: Indices, element: Indices) -> tuple[int, int, bool]:
    """An axis, and where to cut it or, if the last is true, the length of the pieces that it is folded into."""
    for axis, size in enumerate(source.shape):
        starts = _starts(source, element, axis)
        if len(starts) == 1:
            continue
        length = int(starts[1])
        irregular = starts[starts % length != 0]
        if len(irregular):
            return axis, int(starts[np.searchsorted(starts, irregular[0]) - 1]), False
        if length == 1:
            return axis, 1, False
        if size % length:
            return axis, size - size % length, False
        return axis, length, True
    return 0, 1, False  # linear along each axis, but the steps along one depend on the place along another


def _starts(source: Indices, element: Indices, axis: int) -> Indices:
    """Where stretches begin along an axis: of one source each or, if there is one only, of one step each."""
    if not (source == source.flat[0]).all():
        rows = np.moveaxis(source, axis, 0).reshape(source.shape[axis], -1)
        return np.asarray(np.r_[0, np.flatnonzero((rows[1:] != rows[:-1]).any(axis=1)) + 1])
    steps = np.diff(np.moveaxis(element, axis, 0).reshape(element.shape[axis], -1), axis=0)
    same = (steps[1:] == steps[:-1]).all(axis=1)
    starts, at = [0], 0
    ends = np.flatnonzero(~same) + 1  # steps that differ from the one before
    while True:
        later = ends[ends > at]
        if not len(later):
            break
        at = int(later[0]) + 1
        starts.append(at)
    return np.asarray(starts)


def _merged(block: Block) -> Block:
    """The same copies in longer runs and fewer loops."""
    loops: list[Loop] = []
    for loop in block.loops:
        if loops and _continues(loops[-1], loop):
            loops[-1] = Loop(loops[-1].count * loop.count, loop.to_step, loop.from_step)
        else:
            loops.append(loop)
    run = block.run
    while loops and block.source != FILL and loops[-1].to_step == loops[-1].from_step == run:
        run *= loops.pop().count
    return replace(block, run=run, loops=tuple(loops))


def _continues(outer: Loop, inner: Loop) -> bool:
    return outer.to_step == inner.count * inner.to_step and outer.from_step == inner.count * inner.from_step


def _is_map(blocks: Sequence[Block], found: Map) -> bool:
    """Whether the blocks write every element once, and from where the map says."""
    shape = found.source.size
    times, source, element = (np.zeros(shape, np.int64) for _ in range(3))
    for block in blocks:
        ends, starts = copies([block])
        within = np.arange(block.run)
        to = np.add.outer(ends - block.run, within).reshape(-1)
        np.add.at(times, to, 1)
        source[to], element[to] = block.source, np.add.outer(starts, within).reshape(-1)
    where = found.source.reshape(-1)
    moved = where != FILL
    return bool((times == 1).all() and (source == where).all() and (element == found.element.reshape(-1))[moved].all())
