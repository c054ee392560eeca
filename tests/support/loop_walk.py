"""The truth about a mapping's counts: its loops are walked, and every tile is a set of elements."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from edgebnn.dataflow.mapping import Mappings
from edgebnn.dataflow.workload import INPUTS, RELEVANT, C, E, F, G, N, Operand, R, S, Workload

Ranges = list[range]
Path = list[tuple[int, int]]
"""Which turn each loop is in, from the outermost: (loop, turn)."""


def elements(layer: Workload, operand: Operand, ranges: Ranges) -> set[tuple[int, ...]]:
    """What a tile touches of an operand."""
    if operand != INPUTS:
        return set(itertools.product(*(ranges[dim] for dim in sorted(RELEVANT[operand]))))
    (down, right), (rows, columns) = layer.stride, layer.dilation
    ys = {e * down + r * rows for e in ranges[E] for r in ranges[R]}
    xs = {f * right + s * columns for f in ranges[F] for s in ranges[S]}
    return {(g, n, c, y, x) for g in ranges[G] for n in ranges[N] for c in ranges[C] for y in ys for x in xs}


def cut(whole: range, size: int) -> list[range]:
    return [whole[start : start + size] for start in range(0, len(whole), size)]


def tiles(mappings: Mappings, depth: int, ranges: Ranges, stage: int = 0) -> Iterator[tuple[Ranges, Path]]:
    """Each tile of ``depth`` in turn."""
    if stage == depth:
        yield ranges, []
        return
    order = mappings.orders[stage]
    parts = [cut(ranges[dim], int(mappings.tiles[stage + 1, dim, 0])) for dim in order]
    for turns in itertools.product(*(range(len(part)) for part in parts)):
        inner = list(ranges)
        for dim, turn, part in zip(order, turns, parts, strict=True):
            inner[dim] = part[turn]
        for found, path in tiles(mappings, depth, inner, stage + 1):
            yield found, [*zip(order, turns, strict=True), *path]


def walked(layer: Workload, mappings: Mappings, operand: Operand, depth: int) -> tuple[int, int, int]:
    """Elements that come to the tiles of ``depth``, the same at every processing element, and how many tiles come."""
    size = mappings.tiles[:, :, 0]
    spatial = mappings.spatial and depth == mappings.depth - 1
    stages = depth - 1 if spatial else depth
    places = [(stage, dim) for stage in range(stages) for dim in mappings.orders[stage]]
    turning = [
        place
        for place, (stage, dim) in enumerate(places)
        if dim in RELEVANT[operand] and size[stage, dim] > size[stage + 1, dim]
    ]
    deciding = turning[-1] + 1 if turning else 0
    distinct = delivered = loads = 0
    last: Path | None = None
    held: set[tuple[int, ...]] = set()
    each: dict[tuple[int, ...], set[tuple[int, ...]]] = {}
    for ranges, path in tiles(mappings, stages, [range(bound) for bound in layer.bounds]):
        key = path[:deciding]
        same = key == last
        along = _next_along(key, last) if operand == INPUTS else None
        now = elements(layer, operand, ranges)
        loads += not same
        distinct += 0 if same else len(now - held) if along is not None else len(now)
        if spatial:
            own = _own(layer, size, operand, ranges)
            alone = along is not None and size[-2, along] == size[-1, along]
            for place, there in own.items():
                delivered += len(there - each[place]) if place in each and (same or alone) else len(there)
            each = {**each, **own} if same else own
        last, held = key, now
    return distinct, delivered if spatial else distinct, loads


def handed_on(
    layer: Workload, size: Sequence[Sequence[int]], orders: tuple[tuple[int, ...], ...], slides: set[int]
) -> int:
    """Inputs that come to the array, whose elements hand them on while none but the loops ``slides`` turns."""
    mappings = Mappings(np.array(size)[:, :, None], orders, True)
    total, last, there = 0, None, set[tuple[int, ...]]()
    for ranges, path in tiles(mappings, len(orders), [range(bound) for bound in layer.bounds]):
        outside = [*path[: -len(slides)], *(step for step in path[-len(slides) :] if step[0] not in slides)]
        now = elements(layer, INPUTS, ranges)
        there = there if outside == last else set()
        total += len(now - there)
        there, last = there | now, outside
    return total


def _next_along(key: Path, last: Path | None) -> int | None:
    """The loop along which one tile follows the last one, if it is the only one that turned and walks over inputs."""
    if last is None or not key or key[:-1] != last[:-1] or key[-1][1] != last[-1][1] + 1:
        return None
    return key[-1][0] if key[-1][0] in (E, F, R, S) else None


def _own(
    layer: Workload, size: Sequence[Sequence[int]], operand: Operand, ranges: Ranges
) -> dict[tuple[int, ...], set[tuple[int, ...]]]:
    """What each processing element has of a tile of the array."""
    parts = [cut(ranges[dim], int(size[-1][dim])) for dim in range(len(ranges))]
    return {
        place: elements(layer, operand, [part[i] for part, i in zip(parts, place, strict=True)])
        for place in itertools.product(*(range(len(part)) for part in parts))
    }
