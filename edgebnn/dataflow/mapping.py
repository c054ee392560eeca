"""Where the loops of a layer are cut and in which order they turn, and the exact number of elements that then move.

Each memory holds a tile: what the loops below it touch. A tile of bounds (..) is taken apart by temporal loops into
tiles of the next memory, in an order that is the mapping's; the array takes its tile apart among the processing
elements, all at once. Tiles at the edge are smaller, and counted as they are. docs/dataflow.md derives the counts.

Everything works on many mappings at once: sizes are arrays whose last axis is the mappings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import gcd
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .workload import DIMS, INPUTS, OPERANDS, OUTPUTS, RELEVANT, C, E, F, G, N, Operand, R, S, Workload

Sizes: TypeAlias = NDArray[np.int64]
"""One number for each mapping."""
Order: TypeAlias = tuple[int, ...]
"""Loops from the outermost to the innermost."""
Parts: TypeAlias = list[tuple[Sizes, Sizes]]
"""How often a size occurs, and the size."""
_OTHERS = {operand: tuple(dim for dim in range(len(DIMS)) if dim not in RELEVANT[operand]) for operand in OPERANDS}
_SLIDING = ((E, R, 0), (F, S, 1))  # the loops that together walk along an axis of the input


@dataclass(frozen=True)
class Links:
    """What the processing elements of an array do among each other.

    Attributes:
        slides: loops along which inputs that no element keeps are handed on, through neighbours or delay lines: all
            turns of such loops, where they are the innermost, together bring each input once.
        apart: loops taken apart among elements whose partial sums are not added on the way to the memory above.
    """

    slides: frozenset[int] = frozenset()
    apart: frozenset[int] = frozenset()


NO_LINKS = Links()


@dataclass(frozen=True)
class Mappings:
    """Mappings that differ in their sizes only.

    Attributes:
        tiles: [depth, dims, mappings]: the bounds of the layer, then the tile of each level below those in which whole
            layers lie, from the largest; with an array, its tile comes before the processing elements'.
        orders: of the temporal loops between each tile and the next.
        spatial: whether the last tile is one of many, beside each other, of the last but one.
        links: among those.
        pieces: of :func:`pieces`, for all orders of the same tiles.
    """

    tiles: Sizes
    orders: tuple[Order, ...]
    spatial: bool
    links: Links = NO_LINKS
    pieces: dict[tuple[int, int], Parts] = field(default_factory=dict, compare=False, repr=False)

    @property
    def depth(self) -> int:
        return int(self.tiles.shape[0])

    def at(self, index: int) -> Mappings:
        """One of them."""
        return Mappings(self.tiles[:, :, index : index + 1], self.orders, self.spatial, self.links)


@dataclass(frozen=True)
class Moves:
    """Elements that an operand moves between a tile and what holds it above.

    Attributes:
        distinct: read above for inputs and weights, written there for outputs; what several processing elements take is
            read once, and partial sums that they add on the way are written once.
        delivered: the same, counted at each processing element.
    """

    distinct: NDArray[np.float64]
    delivered: NDArray[np.float64]


def parts(sizes: Sequence[Sizes]) -> Parts:
    """What is left of ``sizes[0]`` when it is cut into pieces of ``sizes[1]``, each of these again, and so on."""
    found: Parts = [(np.ones_like(sizes[0]), sizes[0])]
    for size in sizes[1:]:
        if len(found) == 1 and (found[0][1] == size).all():
            continue
        cut = [(count, *np.divmod(length, size)) for count, length in found]
        whole = np.asarray(sum(count * times for count, times, _ in cut))
        found = [(whole, size), *((count * (rest > 0), rest) for count, _, rest in cut if rest.any())]
    return found


def pieces(mappings: Mappings, dim: int, depth: int) -> Parts:
    """The tiles of ``depth`` along a loop."""
    known = mappings.pieces
    if (dim, depth) not in known:
        known[dim, depth] = parts([mappings.tiles[k, dim] for k in range(depth + 1)])
    return known[dim, depth]


def moves(
    layer: Workload, mappings: Mappings, operand: Operand, depth: int, kept: bool = True, overlaps: bool = True
) -> Moves:
    """What an operand moves to fill the tiles of a depth (for outputs: to empty them).

    A tile stays while loops turn that do not move the operand. What is not kept comes again at every turn, but for
    inputs that the elements hand on (:class:`Links`).

    Args:
        layer: the loops.
        mappings: of the layer.
        operand: input, weights or output.
        depth: of the tiles.
        kept: of inputs, what two tiles have in common that follow one another along the innermost loop that moves them
            is kept too.
        overlaps: if the memory overlaps them.

    Returns:
        Elements, for each mapping.
    """
    own = _Walk(mappings, operand, depth, kept, overlaps)
    delivered = _volume(layer, mappings, operand, own) * own.again
    if not own.spatial:
        return Moves(delivered, delivered)
    shared = _Walk(mappings, operand, depth - 1, kept, overlaps, handed=mappings.links)
    return Moves(_volume(layer, mappings, operand, shared) * shared.again, delivered)


def loads(mappings: Mappings, operand: Operand, depth: int) -> NDArray[np.float64]:
    """How often another tile of ``depth`` takes the place of the last one."""
    tiles = np.prod([_beside(mappings, dim, depth, False) for dim in sorted(RELEVANT[operand])], axis=0)
    return np.asarray(tiles * _Walk(mappings, operand, depth).again)


class _Walk:
    """How the temporal loops above ``depth`` walk over an operand.

    Attributes:
        depth, spatial: of the tile; whether it is one of many beside each other.
        again: how often its whole is gone over: turns of loops that do not move it, outside the innermost that does.
        moving: (loop, depth of the tile it takes apart, where it is the innermost that moves the operand).
        handed: the same for loops along which inputs are handed on, where none but these turn inside.
    """

    def __init__(
        self,
        mappings: Mappings,
        operand: Operand,
        depth: int,
        kept: bool = True,
        overlaps: bool = True,
        handed: Links | None = None,
    ) -> None:
        tiles, relevant = mappings.tiles, RELEVANT[operand]
        spatial = mappings.spatial and depth == mappings.depth - 1
        self.depth, self.spatial = depth, spatial
        self.moving: list[tuple[int, int, NDArray[np.bool_]]] = []
        self.handed: list[tuple[int, int, NDArray[np.bool_]]] = []
        temporal = depth - 1 if spatial else depth
        moved = np.full(tiles.shape[2], not kept)
        slides = handed.slides if handed and operand == INPUTS and not kept else frozenset()
        apart = handed.apart if handed and operand == OUTPUTS else frozenset()
        stopped = np.zeros(tiles.shape[2], bool)  # a loop turns further in that inputs are not handed on along
        again = {dim: _beside(mappings, dim, 0, spatial or dim in apart) for dim in _OTHERS[operand]}
        known = {dim: np.zeros(tiles.shape[2], bool) for dim in again}
        for stage in reversed(range(temporal)):
            for dim in reversed(mappings.orders[stage]):
                turns = tiles[stage, dim] > tiles[stage + 1, dim]
                if dim in relevant:
                    self.moving.append((dim, stage, turns & ~moved & overlaps))
                    if dim in slides and stage == temporal - 1:
                        self.handed.append((dim, stage, turns & ~stopped))
                    moved = moved | turns
                else:
                    counted = moved & ~known[dim]
                    if counted.any():
                        beside = _beside(mappings, dim, stage + 1, spatial or dim in apart)
                        again[dim] = np.where(counted, beside, again[dim])
                        known[dim] |= counted
                if dim not in slides:
                    stopped = stopped | turns
        self.again = np.prod([turns.astype(np.float64) for turns in again.values()], axis=0)


def _beside(mappings: Mappings, dim: int, depth: int, spatial: bool) -> Sizes:
    """Tiles of ``depth`` along a loop; each counted, if ``spatial``, for all processing elements along it."""
    cut = pieces(mappings, dim, depth)
    if not spatial:
        return np.asarray(sum(n for n, _ in cut))
    array, own = mappings.tiles[-2, dim], mappings.tiles[-1, dim]
    return np.asarray(sum(n * -(-np.minimum(size, array) // own) for n, size in cut))


def _volume(layer: Workload, mappings: Mappings, operand: Operand, walk: _Walk) -> NDArray[np.float64]:
    """Elements of all tiles that one walk over the operand brings."""
    count = mappings.tiles.shape[2]
    if operand != INPUTS:
        return np.full(count, float(np.prod([float(layer.bounds[dim]) for dim in sorted(RELEVANT[operand])])))
    total = np.full(count, float(layer.bounds[G] * layer.bounds[N] * layer.bounds[C]))
    for axes in _SLIDING:
        total = total * _covered(layer, mappings, walk, axes)
    return total


def _covered(layer: Workload, mappings: Mappings, walk: _Walk, axes: tuple[int, int, int]) -> NDArray[np.float64]:
    """Rows (or columns) of the input that all tiles of a walk cover, one after the other.

    a outputs at a stride and b taps at a dilation meet a * b - max(0, a - d) * max(0, b - s) different rows, s and d
    being stride and dilation without their common divisor.
    """
    out, tap, axis = axes
    common = gcd(layer.stride[axis], layer.dilation[axis])
    limits = {out: layer.dilation[axis] // common, tap: layer.stride[axis] // common}
    excess = np.ones(mappings.tiles.shape[2])
    for dim, limit in limits.items():
        cut = pieces(mappings, dim, walk.depth)
        overlap = np.asarray(sum(n * np.maximum(0, size - limit) for n, size in cut), np.float64)
        for moved, stage, here in walk.moving:
            if moved == dim and here.any():
                tiles = mappings.tiles[:, dim]
                alone = tiles[walk.depth - 1] == tiles[walk.depth] if walk.spatial else True  # not with a neighbour
                along = _along(pieces(mappings, dim, stage), tiles[stage + 1], limit)
                overlap = np.where(here & alone, along, overlap)
        for handed, stage, here in walk.handed:
            if handed == dim and here.any():
                whole = sum(n * np.maximum(0, size - limit) for n, size in pieces(mappings, dim, stage))
                overlap = np.where(here, whole, overlap)
        excess *= overlap
    rows = layer.bounds[out] * layer.bounds[tap] - excess
    return np.asarray(rows - _padding(layer, mappings, walk, axes) if walk.depth == 1 else rows)


def _along(cut: Parts, size: Sizes, limit: int) -> NDArray[np.float64]:
    """Sum of max(0, length - limit) over pieces of ``size``, less what each shares with the piece before it."""
    total = np.zeros(size.shape, np.float64)
    for count, length in cut:
        whole, rest = np.divmod(length, size)
        first = np.maximum(0, np.minimum(size, length) - limit)
        step = np.maximum(0, 2 * size - limit) - np.maximum(0, size - limit)
        last = np.maximum(0, size + rest - limit) - np.maximum(0, size - limit)
        more = np.where(whole > 1, (whole - 1) * step, 0) + np.where((whole > 0) & (rest > 0), last, 0)
        total += count * (first + more)
    return total


def _padding(layer: Workload, mappings: Mappings, walk: _Walk, axes: tuple[int, int, int]) -> NDArray[np.float64]:
    """Rows of padding among those that the tiles next to the outermost memory cover: there they are not stored.

    Counted where a tile has all taps; a filter that is cut apart is taken to read its padding.
    """
    out, tap, axis = axes
    bound, taps = layer.bounds[out], layer.bounds[tap]
    stride, before = layer.stride[axis], layer.before[axis]
    extent = (bound - 1) * stride + (taps - 1) * layer.dilation[axis] + 1
    after = max(0, extent - before - layer.in_size[axis])
    size = mappings.tiles[1, out]
    slides = np.zeros(size.shape, bool)
    for moved, _, here in walk.moving:
        if moved == out:
            slides |= here
    step = size * stride
    tiles = -(-bound // size)
    last = bound - (tiles - 1) * size
    front = _triangle(before, step, tiles)
    back = np.where(tiles > 0, after + _triangle(np.maximum(0, after - last * stride), step, tiles - 1), 0)
    found = np.where(slides, before + after, front + back)
    return np.where(mappings.tiles[1, tap] == taps, found, 0).astype(np.float64)


def _triangle(rows: int | Sizes, step: Sizes, tiles: Sizes) -> Sizes:
    """Sum of max(0, rows - i * step) over i < tiles."""
    terms = np.minimum(-(-rows // step), tiles)
    return np.asarray(terms * rows - step * (terms * (terms - 1) // 2))


def footprint(layer: Workload, tile: Sizes, operand: Operand) -> NDArray[np.float64]:
    """Elements of an operand that a tile [dims, mappings] touches, padding included."""
    if operand != INPUTS:
        return np.asarray(np.prod([tile[dim].astype(np.float64) for dim in sorted(RELEVANT[operand])], axis=0))
    total = tile[G].astype(np.float64) * tile[N] * tile[C]
    for out, tap, axis in _SLIDING:
        common = gcd(layer.stride[axis], layer.dilation[axis])
        a, b = tile[out], tile[tap]
        overlap = np.maximum(0, a - layer.dilation[axis] // common) * np.maximum(0, b - layer.stride[axis] // common)
        total = total * (a * b - overlap)
    return np.asarray(total)
