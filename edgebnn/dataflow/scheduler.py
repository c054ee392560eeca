"""The best mapping of a layer: all that the dataflow and the machine allow, many at once, are bounded, then counted.

A tile size that makes as many tiles as a smaller one is never better, so only the smallest are tried. Combinations are
dropped as soon as what they surely need exceeds a memory; along the output channels a level takes as many of the tiles
below it as fit, since a larger tile moves no more. tests/unit/dataflow holds the result against a search of all sizes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from edgebnn.errors import InputError

from .constraints import DATAFLOWS, Dataflow, held_levels, overfull, registers, whole_bytes
from .energy import Costs, costs, floor
from .hardware import Hardware
from .mapping import Mappings, Order, Sizes
from .nested import NestedSearch
from .workload import DIMS, C, E, F, G, M, N, Operand, R, S, Workload

_MOST = 50_000
"""Mappings that are counted at once."""
_BLOCK = 400_000
"""Combinations of sizes that are checked at once."""
_SIZES = 400
"""Pairs of sizes along one loop: if there are more, only every second, third, ... number of tiles is tried."""
_CROSSING = (R, S, G, E, N, F, C, M)
"""The order in which the sizes along the loops are combined."""


@dataclass(frozen=True)
class Choice:
    """The best mapping of a layer and what it costs.

    Attributes:
        layer: as the machine stores it.
        registers: the operands that the last level keeps.
    """

    layer: Workload
    dataflow: Dataflow
    registers: frozenset[Operand]
    mapping: Mappings
    costs: Costs


def best(layer: Workload, hardware: Hardware, dataflows: Sequence[str] = (), objective: str = "") -> Choice:
    """The best mapping of ``layer`` on ``hardware``.

    Args:
        layer: as in the file.
        hardware: the machine.
        dataflows: names of those that are allowed; those that the machine can follow by default.
        objective: "energy" (equal ones: the faster), "latency" (equal ones: the more economical) or "edp", their
            product; the machine's own by default.

    Returns:
        The mapping and its costs.

    Raises:
        InputError: no mapping fits, and which memory is too small.
    """
    stored = layer.stored_in(hardware.word_bits)
    _check_homes(stored, hardware)
    goal = objective or hardware.objective
    found: Choice | None = None
    reasons: set[str] = set()
    for name in dataflows or hardware.dataflows:
        flow = DATAFLOWS[name]
        found = _best_of(stored, hardware, flow, goal, reasons, found)
    if found is None:
        small = ", ".join(sorted(reasons)) or "any memory"
        raise InputError(f"layer '{layer.name}': not even its smallest tile fits {small} of {hardware.name}")
    return found


def _best_of(
    layer: Workload, hardware: Hardware, flow: Dataflow, goal: str, reasons: set[str], found: Choice | None
) -> Choice | None:
    """The best of a dataflow's mappings, or ``found`` if none is better.

    Counted in the order of what they cost at least, until the rest cannot be better.
    """
    if hardware.network is None:
        search = NestedSearch(layer, hardware, flow, goal, np.inf if found is None else _key(found.costs, goal, 0)[0])
        mapping = search.best()
        if mapping is None:
            reasons |= search.reasons
            return found
        kept = registers(hardware, flow)
        return Choice(layer, flow, kept, mapping, costs(layer, hardware, mapping, kept))
    tiles = _candidates(layer, hardware, flow, reasons)
    least = floor(layer, hardware, flow, tiles, goal)
    order = np.argsort(least, kind="stable")
    start, step = 0, 256
    while start < len(order):
        chunk = order[start : start + step]
        if found is not None:
            chunk = chunk[least[chunk] <= _key(found.costs, goal, 0)[0] * (1 + 1e-9)]
            if not len(chunk):
                break
        for mappings in _ordered(tiles[:, :, chunk], hardware, flow):
            result = costs(layer, hardware, mappings, registers(hardware, flow))
            index = _least(result, goal)
            if found is None or _key(result, goal, index) < _key(found.costs, goal, 0):
                found = Choice(layer, flow, registers(hardware, flow), mappings.at(index), result.at(index))
        start, step = start + step, min(_MOST, 4 * step)
    return found


def _check_homes(layer: Workload, hardware: Hardware) -> None:
    """Raises InputError where the layer's weights or feature maps are more than the memory that they lie in."""
    for level in hardware.levels[: hardware.homes]:
        sizes = whole_bytes(layer, hardware, level)
        if isinstance(level.capacity, int) and sum(sizes.values()) > level.capacity:
            what = ", ".join(f"{size:.0f} bytes of {operand}" for operand, size in sizes.items())
            raise InputError(
                f"layer '{layer.name}': {what} do not fit {level.name} of {hardware.name}, {level.capacity} bytes"
            )


def _values(result: Costs, goal: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    energy, cycles = result.total_energy, result.cycles
    if goal == "edp":
        return energy * cycles, energy
    return (energy, cycles) if goal == "energy" else (cycles, energy)


def _least(result: Costs, goal: str) -> int:
    first, second = _values(result, goal)
    ties = np.flatnonzero(first <= first.min() * (1 + 1e-12))
    return int(ties[np.argmin(second[ties])])


def _key(result: Costs, goal: str, index: int) -> tuple[float, float]:
    first, second = _values(result, goal)
    return float(first[index]), float(second[index])


def _ordered(tiles: Sizes, hardware: Hardware, flow: Dataflow) -> Iterator[Mappings]:
    """The mappings with these tiles, in every order of loops that matters."""
    spatial = hardware.network is not None
    stages = tiles.shape[0] - (2 if spatial else 1)
    outer: list[tuple[Order, ...]] = [flow.outer] * (stages - 1)
    shared = Mappings(tiles, (), spatial, flow.links)
    for orders in product(*outer, flow.orders):
        yield replace(shared, orders=orders)


def useful(bound: int) -> NDArray[np.int64]:
    """The smallest sizes that cut ``bound`` into 1, 2, ... pieces, ascending."""
    return np.asarray(np.unique(-(-bound // np.arange(1, bound + 1))))


def _candidates(layer: Workload, hardware: Hardware, flow: Dataflow, reasons: set[str]) -> Sizes:
    """Tiles [depth, dims, mappings] that fit; with whole rows, if any such do."""
    for whole_rows in (True, False):
        chains = [_chains(layer, hardware, flow, dim, whole_rows, reasons) for dim in range(len(DIMS))]
        tiles = _crossed(layer, hardware, flow, chains, reasons)
        if tiles.shape[2]:
            break
    return tiles


def _chains(
    layer: Workload, hardware: Hardware, flow: Dataflow, dim: int, whole_rows: bool, reasons: set[str]
) -> Sizes:
    """Sizes [depth, chains] of the tiles along one loop, from the largest to the innermost.

    Along the output channels the levels above the array or registers have the smallest: :func:`_widened` mends it.
    """
    bound = layer.bounds[dim]
    spatial = hardware.network is not None
    for sizes in _thinner(bound):
        starts = _array_sizes(hardware, flow, dim, sizes, whole_rows) if spatial else _block_sizes(flow, dim, sizes)
        chains = _alone_fitting(layer, hardware, flow, dim, starts, reasons)
        if len(chains) <= _SIZES:
            break
    for _ in held_levels(hardware):
        chains = [
            (size, *chain) for chain in chains for size in _held_sizes(flow, dim, sizes, chain[0], whole_rows, spatial)
        ]
    return np.array(sorted(set(chains)), np.int64).T if chains else np.empty((0, 0), np.int64)


def _thinner(bound: int) -> Iterator[list[int]]:
    """Sizes to try along a loop: all that are useful, then fewer, those last that cut it into equal pieces."""
    sizes = [int(size) for size in useful(bound)]
    yield sizes
    even = [size for size in sizes if bound % size == 0]
    for factor in (1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0):
        chosen = [1]
        for size in sizes:
            near = [other for other in even if chosen[-1] * factor <= other < size * factor and other > chosen[-1]]
            if size >= chosen[-1] * factor:
                chosen.append(max(near, default=size) if size not in even else size)
        yield sorted({*chosen, bound, *(even if factor < 2 else ())})


def _alone_fitting(
    layer: Workload,
    hardware: Hardware,
    flow: Dataflow,
    dim: int,
    starts: list[tuple[int, ...]],
    reasons: set[str],
) -> list[tuple[int, ...]]:
    """The innermost tiles that can be so large along one loop if they are as small as can be along all others."""
    own = np.array(starts, np.int64).T
    tiles = np.ones((len(held_levels(hardware)) + len(own) + 1, len(DIMS), len(starts)), np.int64)
    tiles[:, dim] = own[0]
    tiles[-len(own) :, dim] = own
    fits = np.ones(len(starts), bool)
    for what, full in overfull(layer, hardware, flow, tiles):
        if full.all():
            reasons.add(what)
        fits &= ~full
    return [start for start, good in zip(starts, fits, strict=True) if good]


def _array_sizes(
    hardware: Hardware, flow: Dataflow, dim: int, sizes: list[int], whole_rows: bool
) -> list[tuple[int, ...]]:
    """Sizes along one loop of the array's tile and a processing element's."""
    if whole_rows and dim in flow.spans:
        sizes = sizes[-1:]
    if dim in flow.own and dim in flow.beside:
        return sorted({(size, -(-size // n)) for size in sizes for n in range(1, min(size, hardware.pes) + 1)})
    if dim in flow.own:
        return [(size, size) for size in sizes]
    if dim in flow.beside:
        return [(size, 1) for size in sizes if size <= hardware.pes]
    return [(1, 1)]


def _block_sizes(flow: Dataflow, dim: int, sizes: list[int]) -> list[tuple[int, ...]]:
    """Sizes along one loop of what a processor has in its registers."""
    return [(size,) for size in sizes] if dim in flow.block else [(1,)]


def _held_sizes(flow: Dataflow, dim: int, sizes: list[int], inner: int, whole_rows: bool, spatial: bool) -> list[int]:
    """Sizes along one loop of a tile around tiles of ``inner``."""
    bound = sizes[-1]
    if dim == M or (spatial and (dim in flow.same or dim == G)):
        return [inner]
    if dim in (R, S) or (spatial and (dim in flow.whole or (whole_rows and dim == F))):
        return [bound]
    larger = [size for size in sizes if size >= inner]
    return sorted({*larger, *(min(bound, -(-size // inner) * inner) for size in larger)})


def _crossed(layer: Workload, hardware: Hardware, flow: Dataflow, chains: Sequence[Sizes], reasons: set[str]) -> Sizes:
    """All combinations of the chains of every loop that fit."""
    if any(chain.size == 0 for chain in chains):
        return np.empty((2, len(DIMS), 0), np.int64)
    depth = chains[0].shape[0] + 1
    tiles = np.empty((depth, len(DIMS), 1), np.int64)
    tiles[0, :, 0] = layer.bounds
    for dim, chain in enumerate(chains):
        tiles[1:, dim, 0] = chain.min(axis=1)
    for dim in _CROSSING:
        step = max(1, _BLOCK // chains[dim].shape[1])
        blocks = [
            _fitting(layer, hardware, flow, _times(tiles[:, :, start : start + step], dim, chains[dim]), reasons)
            for start in range(0, tiles.shape[2], step)
        ]
        if not blocks:
            break
        tiles = np.concatenate(blocks, axis=2)
    for depth in reversed(range(1, len(held_levels(hardware)) + 1)):
        tiles = _widened(layer, hardware, flow, tiles, depth)
    return tiles


def _times(tiles: Sizes, dim: int, chain: Sizes) -> Sizes:
    crossed = np.repeat(tiles, chain.shape[1], axis=2)
    crossed[1:, dim] = np.tile(chain, tiles.shape[2])
    return crossed


def _fitting(layer: Workload, hardware: Hardware, flow: Dataflow, tiles: Sizes, reasons: set[str]) -> Sizes:
    fits = np.ones(tiles.shape[2], bool)
    for what, full in overfull(layer, hardware, flow, tiles):
        if full.all():
            reasons.add(what)
        fits &= ~full
    return tiles[:, :, fits]


def _widened(layer: Workload, hardware: Hardware, flow: Dataflow, tiles: Sizes, depth: int) -> Sizes:
    """The tiles with that of ``depth`` as large along the output channels as fits, in whole tiles of the next depth."""
    bound, inner = layer.bounds[M], tiles[depth + 1, M]
    found = tiles.copy()
    waiting = np.ones(tiles.shape[2], bool)
    for size in reversed(useful(bound)):
        tried = found[:, :, waiting]
        wide = np.minimum(bound, -(-size // inner[waiting]) * inner[waiting])
        for above in range(1, depth + 1):
            tried[above, M] = wide
        fits = np.ones(tried.shape[2], bool)
        for _, full in overfull(layer, hardware, flow, tried):
            fits &= ~full
        places = np.flatnonzero(waiting)[fits]
        found[:, :, places] = tried[:, :, fits]
        waiting[places] = False
        if not waiting.any():
            break
    return found
