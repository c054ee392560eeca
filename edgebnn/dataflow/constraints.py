"""Which mappings a machine and a dataflow allow. A dataflow is nothing but constraints: what the last memory keeps,
which loops turn within a processing element, which are taken apart among them, and in which order the others turn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from .hardware import Hardware, Level
from .mapping import NO_LINKS, Links, Order, Sizes, footprint
from .workload import OPERANDS, OUTPUTS, WEIGHTS, C, E, F, G, M, N, Operand, R, S, Workload

WEIGHTS_STAY: Order = (G, M, C, R, S, N, E, F)
INPUTS_STAY: Order = (G, N, C, R, S, E, F, M)
OUTPUTS_STAY: Order = (G, N, M, E, F, C, R, S)
ORDERS: tuple[Order, ...] = (
    WEIGHTS_STAY,
    (G, M, C, R, S, N, F, E),
    INPUTS_STAY,
    (G, N, C, R, S, F, E, M),
    OUTPUTS_STAY,
    (G, N, M, E, F, S, C, R),
    (G, N, M, E, F, R, S, C),
)
"""The orders that can differ in cost: which operand stays while the innermost loops turn, and along which axis what
they move overlaps with what was there. Outside of them every operand moves."""


@dataclass(frozen=True)
class Dataflow:
    """What mappings must be like. All but ``block`` is for arrays.

    Attributes:
        name: as ``--dataflow`` takes it.
        title: for people.
        registers: operands that the last memory of an array's processing elements keeps.
        block: loops that may turn in the registers of a processor, which keep all operands.
        beside: loops that may be taken apart among processing elements.
        orders: of the loops above the array, or the registers.
        outer: of the loops above the levels further out.
        own: loops that may turn within a processing element, as far as its memory allows.
        same: loops along which the levels above an array hold no more than it works on.
        whole: loops along which the level above an array holds all there is.
        spans: loops along which the array has all there is, if any such mapping fits.
        links: what elements hand on.
        sets: whether R by E processing elements are a logical set, folded where it is wider than the array.
    """

    name: str
    title: str
    registers: frozenset[Operand]
    block: frozenset[int]
    beside: frozenset[int]
    orders: tuple[Order, ...]
    outer: tuple[Order, ...] = ORDERS
    own: frozenset[int] = frozenset()
    same: frozenset[int] = frozenset()
    whole: frozenset[int] = frozenset()
    spans: frozenset[int] = frozenset()
    links: Links = NO_LINKS
    sets: bool = False


_EVERY = frozenset(OPERANDS)
_OUTPUT_STATIONARY = Dataflow(
    "os",
    "output stationary",
    registers=frozenset((OUTPUTS,)),
    block=frozenset((M, F)),
    beside=frozenset((N, M, E, F)),
    orders=ORDERS[4:],
)

# The layouts of earlier chips are those of Chen et al., ISCA 2016, as their first author's programs count them
# (github.com/ominux/eyeriss-dataflow, cnn_dataflows/*.m, 8ce1562 "GOLDEN: ISCA final edit"). docs/dataflow.md says
# which formula stands there for which constraint.
DATAFLOWS: Mapping[str, Dataflow] = MappingProxyType(
    {
        flow.name: flow
        for flow in (
            Dataflow(
                "rs",
                "row stationary",
                registers=_EVERY,
                block=frozenset((M, S)),
                beside=frozenset((G, M, C, E, R)),
                orders=((G, E, C, R, S, M, N, F),),
                own=frozenset((M, C, S)),
                same=frozenset((C, E)),
                spans=frozenset((R, S)),
                sets=True,
            ),
            Dataflow(
                "ws",
                "weight stationary",
                registers=frozenset((WEIGHTS,)),
                block=frozenset((M, C)),
                beside=frozenset((M, C, R, S)),
                orders=ORDERS[:2],
                whole=frozenset((N, E, F)),
                spans=frozenset((R, S)),
                links=Links(slides=frozenset((E, F)), apart=frozenset((R,))),
            ),
            _OUTPUT_STATIONARY,
            replace(
                _OUTPUT_STATIONARY,
                name="os-soc-mop",
                title="output stationary, one channel",
                beside=frozenset((N, E, F)),
                orders=(OUTPUTS_STAY,),
                outer=ORDERS[:2],
                same=frozenset((N, E, F)),
                whole=frozenset((C,)),
                links=Links(slides=frozenset((R, S))),
            ),
            replace(
                _OUTPUT_STATIONARY,
                name="os-moc-mop",
                title="output stationary, channels and pixels of a row",
                beside=frozenset((N, M, F)),
                orders=(OUTPUTS_STAY,),
                outer=ORDERS[:2],
                same=frozenset((N, E, F)),
                whole=frozenset((C,)),
                links=Links(slides=frozenset((S,))),
            ),
            replace(
                _OUTPUT_STATIONARY,
                name="os-moc-sop",
                title="output stationary, channels of one pixel",
                beside=frozenset((N, M)),
                orders=(OUTPUTS_STAY,),
                outer=ORDERS[:2],
                same=frozenset((N, E, F)),
                whole=frozenset((C,)),
            ),
            Dataflow(
                "nlr",
                "no local reuse",
                registers=frozenset(),
                block=frozenset(),
                beside=frozenset((M, C)),
                orders=(OUTPUTS_STAY,),  # all operands come at every turn, in whichever order
                same=frozenset((C,)),
            ),
        )
    }
)


def registers(hardware: Hardware, flow: Dataflow) -> frozenset[Operand]:
    """What the last level keeps: a processor works on nothing but registers."""
    return flow.registers if hardware.network is not None else _EVERY


def array_fits(hardware: Hardware, flow: Dataflow, array: Sizes, own: Sizes) -> NDArray[np.bool_]:
    """Which tiles of the array [dims, mappings], taken apart into ``own``, the processing elements suffice for."""
    counts = -(-array // own)
    if not flow.sets:
        return np.asarray(np.prod(counts, axis=0) <= hardware.pes)
    sets, wide = counts[G] * counts[C] * counts[M], counts[E]
    beside = np.maximum(1, hardware.columns // wide)
    bands = np.where(wide <= hardware.columns, -(-sets // beside), sets * -(-wide // hardware.columns))
    return np.asarray(bands * counts[R] <= hardware.rows)


def held_levels(hardware: Hardware) -> tuple[Level, ...]:
    """The levels between those in which whole layers lie and the array or the registers: each has a tile."""
    return hardware.levels[hardware.homes : -1]


def overfull(layer: Workload, hardware: Hardware, flow: Dataflow, tiles: Sizes) -> list[tuple[str, NDArray[np.bool_]]]:
    """What might be too small for tiles [depth, dims, mappings], in words, and for which of them it is."""
    found = []
    levels = [*held_levels(hardware), hardware.levels[-1]]
    last = tiles.shape[0] - 1
    for depth, level in enumerate(levels, 1):
        tile = tiles[last] if level is levels[-1] else tiles[depth]
        kept = level.holds & registers(hardware, flow) if level is levels[-1] else level.holds
        sizes = {operand: _bytes(layer, tile, operand) for operand in OPERANDS if operand in kept}
        above_array = hardware.network is not None and depth == len(levels) - 1
        if above_array and R in flow.links.apart and OUTPUTS in sizes:
            sizes[OUTPUTS] = sizes[OUTPUTS] + _delayed(layer, tile, tiles[last - 1], tiles[last])
        if isinstance(level.capacity, int) and sizes:
            found.append((f"{level.name} ({level.capacity} bytes)", _banked(sizes.values(), level) > level.capacity))
        elif level.capacity is not None and not isinstance(level.capacity, int):
            for operand, size in sizes.items():
                room = level.capacity.get(operand, 0)
                found.append((f"{level.name} ({room} bytes for {operand})", size > room))
    if hardware.network is not None:
        for operand, room in hardware.network.pass_bytes.items():
            size = _bytes(layer, tiles[last - 1], operand)
            found.append((f"what holds the {operand} of a pass ({room} bytes)", size > room))
        found.append((f"the array ({hardware.pes} elements)", ~array_fits(hardware, flow, tiles[-2], tiles[-1])))
    return found


def _delayed(layer: Workload, held: Sizes, array: Sizes, own: Sizes) -> NDArray[np.float64]:
    """Bytes of partial sums on their way from the row of a filter to the next: each waits for the rest of its row."""
    counts = -(-array // own)
    rest = (held[F] - 1) * layer.stride[1]
    return np.asarray(counts[G] * counts[C] * counts[M] * np.maximum(0, counts[R] - 1) * rest * layer.sum_bits / 8)


def _banked(sizes: Iterable[NDArray[np.float64]], level: Level) -> NDArray[np.float64]:
    """Bytes of all operands in whole banks."""
    return np.asarray(sum(np.ceil(size / level.bank) * level.bank for size in sizes))


def _bytes(layer: Workload, tile: Sizes, operand: Operand) -> NDArray[np.float64]:
    bits = layer.sum_bits if operand == OUTPUTS else layer.bits[operand]
    return footprint(layer, tile, operand) * bits / 8


def whole_bytes(layer: Workload, hardware: Hardware, level: Level) -> dict[Operand, float]:
    """Bytes of the operands that lie in ``level`` as wholes, because no level before it has them."""
    before = hardware.levels[: hardware.levels.index(level)]
    bounds = np.array(layer.bounds, np.int64)[:, None]
    return {
        operand: float(footprint(layer, bounds, operand)[0]) * layer.bits[operand] / 8
        for operand in OPERANDS
        if operand in level.holds and not any(operand in outer.holds for outer in before)
    }
