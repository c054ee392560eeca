"""What mappings cost on a machine: accesses of each memory, energy, time and how busy the array is. All estimated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .constraints import ORDERS, OUTPUTS_STAY, WEIGHTS_STAY, Dataflow, registers
from .hardware import Hardware, Level
from .mapping import Mappings, Moves, Order, Sizes, footprint, loads, moves, pieces
from .workload import INPUTS, OPERANDS, OUTPUTS, RELEVANT, WEIGHTS, Operand, Workload

Values: TypeAlias = NDArray[np.float64]
"""One number for each mapping."""


@dataclass(frozen=True)
class Traffic:
    """Bits that are read from and written to one memory for one operand."""

    read: Values
    written: Values

    @property
    def total(self) -> Values:
        return self.read + self.written


@dataclass(frozen=True)
class Costs:
    """Of mappings of one layer.

    Attributes:
        traffic: bits, by level and operand; "network" has what reaches the processing elements, and partial sums that
            pass from one to the next.
        energy: by level, "network" and "MAC", in the machine's unit.
        compute_cycles: that the busiest processing element computes.
        cycles: with what the memories and networks add.
        bound: by what could bound it ("compute", "weights", ..., a level's name), the cycles that it takes alone.
        active_pes: at most.
    """

    traffic: Mapping[str, Mapping[Operand, Traffic]]
    energy: Mapping[str, Values]
    compute_cycles: Values
    cycles: Values
    bound: Mapping[str, Values]
    active_pes: Sizes

    def at(self, index: int) -> Costs:
        """Those of one mapping."""
        one = slice(index, index + 1)
        return Costs(
            {
                level: {name: Traffic(t.read[one], t.written[one]) for name, t in operands.items()}
                for level, operands in self.traffic.items()
            },
            {level: value[one] for level, value in self.energy.items()},
            self.compute_cycles[one],
            self.cycles[one],
            {name: value[one] for name, value in self.bound.items()},
            self.active_pes[one],
        )

    @property
    def total_energy(self) -> Values:
        return np.asarray(sum(self.energy.values()))


def tile_depths(hardware: Hardware) -> dict[str, int]:
    """The depth of the tile that each level holds; those in which whole layers lie have 0."""
    depths = {}
    for index, level in enumerate(hardware.levels):
        depths[level.name] = max(0, index - hardware.homes + 1)
    if hardware.network is not None:
        depths[hardware.levels[-1].name] += 1
    return depths


def held(hardware: Hardware, level: Level, registers: frozenset[Operand]) -> frozenset[Operand]:
    """What a level holds in mappings that keep only ``registers`` in the last one."""
    return level.holds & registers if level is hardware.levels[-1] else level.holds


def costs(layer: Workload, hardware: Hardware, mappings: Mappings, registers: frozenset[Operand]) -> Costs:
    """What ``mappings`` cost.

    Args:
        layer: stored as the machine stores it (:meth:`.workload.Workload.stored_in`).
        hardware: the machine.
        mappings: of the layer, each fitting the machine.
        registers: the operands that the last level keeps, in this dataflow.
    """
    depths = tile_depths(hardware)
    count = mappings.tiles.shape[2]
    zero = np.zeros(count)
    traffic: dict[str, dict[Operand, Traffic]] = {level.name: {} for level in hardware.levels}
    network: dict[Operand, Traffic] = {}
    inner: dict[Operand, Moves] = {}
    last = hardware.levels[-1]
    for operand in OPERANDS:
        chain = [level for level in hardware.levels if operand in held(hardware, level, registers)]
        home = chain[0]
        reads, writes = dict.fromkeys(depths, zero), dict.fromkeys(depths, zero)
        below = [*chain[1:]] if last in chain else [*chain[1:], last]
        above = home
        for level in below:
            kept = operand in held(hardware, level, registers)
            moved = moves(layer, mappings, operand, depths[level.name], kept, level.overlaps)
            up, down = _bits(layer, operand, moved.distinct, above, home)
            reads[above.name] = reads[above.name] + down
            writes[above.name] = writes[above.name] + up
            each = _width(layer, operand)
            if level is last:
                inner[operand] = moved
            if kept and operand == OUTPUTS:
                elements = output_elements(layer)
                writes[level.name] = writes[level.name] + np.maximum(0, moved.distinct - elements) * each
                reads[level.name] = reads[level.name] + moved.delivered * each
            elif kept:
                writes[level.name] = writes[level.name] + moved.delivered * each
            above = level if kept else above
        if last in chain:  # each multiply-accumulate takes its operands from there, and leaves its sum there
            each = _width(layer, operand)
            reads[last.name] = reads[last.name] + layer.iterations * each
            if operand == OUTPUTS:
                writes[last.name] = writes[last.name] + layer.iterations * each
        for level in hardware.levels:
            if operand in held(hardware, level, registers):
                traffic[level.name][operand] = Traffic(reads[level.name], writes[level.name])
        if hardware.network is not None:
            moved = inner[operand]
            hops = moved.delivered - moved.distinct if operand == OUTPUTS else moved.delivered
            network[operand] = Traffic(hops * _width(layer, operand), zero)
    energy = {
        level.name: sum((t.total for t in traffic[level.name].values()), zero) * (level.energy / level.width)
        for level in hardware.levels
    }
    found: dict[str, Mapping[Operand, Traffic]] = dict(traffic)
    if hardware.network is not None:
        found["network"] = network
        energy["network"] = sum((t.read for t in network.values()), zero) * (
            hardware.network.energy / hardware.network.width
        )
    energy["MAC"] = zero + mac_count(layer, hardware) * hardware.mac_energy[layer.precision]
    compute, active = _compute(layer, hardware, mappings)
    bound = {"compute": compute, **_bounds(layer, hardware, mappings, found, inner)}
    stall = bound.pop("start", zero)
    overlapped = np.max(np.stack(list(bound.values())), axis=0)
    return Costs(found, energy, compute, overlapped + stall, {**bound, "start": stall}, active)


def level_bits(layer: Workload, hardware: Hardware, mappings: Mappings, depth: int) -> Values:
    """Bits that move at each level of a processor for the tiles of its level ``depth``: [levels, mappings].

    They are the last tiles of ``mappings``, whatever of the levels above is among those.
    """
    levels = hardware.levels
    inner = hardware.homes - 1 + depth
    bits = np.zeros((len(levels), mappings.tiles.shape[2]))
    for operand in OPERANDS:
        home = next(index for index, level in enumerate(levels) if operand in level.holds)
        above = home if depth == 1 else inner - 1
        distinct = moves(layer, mappings, operand, mappings.depth - 1).distinct
        up, down = _bits(layer, operand, distinct, levels[above], levels[home])
        bits[above] += up + down
        if operand == OUTPUTS:
            bits[inner] += (distinct + np.maximum(0, distinct - output_elements(layer))) * layer.sum_bits
        else:
            bits[inner] += distinct * layer.bits[operand]
    return bits


def output_elements(layer: Workload) -> float:
    """Elements of the layer's output."""
    return float(np.prod([float(layer.bounds[dim]) for dim in sorted(RELEVANT[OUTPUTS])]))


def floor(layer: Workload, hardware: Hardware, flow: Dataflow, tiles: Sizes, goal: str) -> Values:
    """What mappings with ``tiles`` cost at least in the quantity ``goal``, whatever the order of their outer loops.

    Each operand comes from its home once, and to the array as often as if one level of loops stood above it, in the
    order that is best for it: more levels break the runs of turns in which it stays. A processing element takes what
    the array takes, at least.
    """
    count = tiles.shape[2]
    kept = registers(hardware, flow)
    energy = np.full(count, mac_count(layer, hardware) * hardware.mac_energy[layer.precision])
    last = hardware.levels[-1]
    array = tiles.shape[0] - (2 if hardware.network is not None else 1)
    leasts: dict[Operand, Values] = {}
    for operand in OPERANDS:
        chain = [level for level in hardware.levels if operand in held(hardware, level, kept)]
        each = _width(layer, operand)
        if last in chain:
            uses = layer.iterations * each * (2 if operand == OUTPUTS else 1)
            energy += uses * last.energy / last.width
        whole = Mappings(np.repeat(tiles[:1], 2, axis=0), (ORDERS[0],), False)
        once = moves(layer, whole, operand, 1).distinct
        outer = [level for level in chain if level is not last]
        if len(outer) > 1:
            size = layer.bits[operand] * _compressed(layer, outer[0], operand)
            energy += once * size * outer[0].energy / outer[0].width
        above = outer[-1]
        least = _least(layer, flow, tiles, operand, array, last in chain)
        leasts[operand] = least * each
        if len(outer) > 1:
            energy += least * each * above.energy / above.width
        else:
            energy += once * layer.bits[operand] * _compressed(layer, above, operand) * above.energy / above.width
        if hardware.network is not None and operand != OUTPUTS:
            energy += least * each * hardware.network.energy / hardware.network.width
    if goal == "energy":
        return energy
    direct = Mappings(tiles, (), hardware.network is not None)
    cycles, _ = _compute(layer, hardware, direct)
    if hardware.network is not None:
        near = Mappings(tiles[[0, array, array + 1]], (WEIGHTS_STAY,), True)
        waits = _network_cycles(layer, hardware, near, leasts)
        stall = waits.pop("start", 0.0)
        cycles = np.max(np.stack([cycles, *waits.values()]), axis=0) + stall
    return cycles if goal == "latency" else energy * cycles


def _least(layer: Workload, flow: Dataflow, tiles: Sizes, operand: Operand, array: int, kept: bool) -> Values:
    """Elements that come to the array at least: with one level of loops above it."""
    one = tiles[[0, array, array]]
    if operand == INPUTS and flow.links.slides and not kept:
        found = [moves(layer, Mappings(one, (order,), True, flow.links), operand, 2, False) for order in flow.orders]
    else:
        orders = _orders_at_best(operand, flow, tiles, array)
        found = [moves(layer, Mappings(one[:2], (order,), False), operand, 1, kept) for order in orders]
    return np.asarray(np.min([each.distinct for each in found], axis=0))


def _orders_at_best(operand: Operand, flow: Dataflow, tiles: Sizes, array: int) -> tuple[Order, ...]:
    """Orders among which is one in which no more of an operand moves than in any that the levels' orders make together.

    Where the innermost loop above the array moves it and turns for sure, that is the dataflow's own. Else the loops of
    that level may stand still, and those further out decide.
    """
    inmost = {order[-1] for order in flow.orders}
    if all(dim in RELEVANT[operand] and (tiles[array - 1, dim] > tiles[array, dim]).all() for dim in inmost):
        return flow.orders
    return {WEIGHTS: (WEIGHTS_STAY,), OUTPUTS: (OUTPUTS_STAY,)}.get(operand, ORDERS)


def _compressed(layer: Workload, level: Level, operand: Operand) -> float:
    """Share of an operand's size that is left in ``level``."""
    if level.compression is None or operand == WEIGHTS:
        return 1.0
    return level.compression.share(layer.zeros[0 if operand == INPUTS else 1])


def mac_count(layer: Workload, hardware: Hardware) -> float:
    """Where numbers have one size, a word of 1-bit numbers is one multiply-accumulate's work."""
    return float(layer.iterations if hardware.word_bits is not None else layer.macs)


def _width(layer: Workload, operand: Operand) -> float:
    """Bits of an element on the way; outputs are partial sums until they are done."""
    return layer.sum_bits if operand == OUTPUTS else layer.bits[operand]


def _bits(layer: Workload, operand: Operand, distinct: Values, above: Level, home: Level) -> tuple[Values, Values]:
    """Bits that go up into ``above`` and come down from it."""
    if operand != OUTPUTS:
        share = _compressed(layer, above, operand)
        return np.zeros_like(distinct), distinct * layer.bits[operand] * share
    elements = output_elements(layer)
    partial = np.maximum(0, distinct - elements) * layer.sum_bits
    done = layer.bits[OUTPUTS] * _compressed(layer, above, OUTPUTS) if above is home else layer.sum_bits
    return np.asarray(partial + elements * done), np.asarray(partial)


def _compute(layer: Workload, hardware: Hardware, mappings: Mappings) -> tuple[Values, Sizes]:
    """Cycles of the busiest processing element, and how many are busy with a whole tile."""
    tiles = mappings.tiles
    cycles = np.full(tiles.shape[2], 1 / hardware.macs_per_cycle[layer.precision])
    active = np.ones(tiles.shape[2], np.int64)
    if hardware.word_bits is None:
        cycles *= layer.lanes
    for dim, bound in enumerate(layer.bounds):
        if not mappings.spatial:
            cycles *= bound
            continue
        outer, own = tiles[-2, dim], tiles[-1, dim]
        active *= -(-outer // own)
        cut = pieces(mappings, dim, mappings.depth - 2)
        alike = hardware.network is not None and hardware.network.alike
        cycles *= np.asarray(sum(n * (own if alike else np.minimum(own, size)) for n, size in cut))
    return cycles, active


def _bounds(
    layer: Workload,
    hardware: Hardware,
    mappings: Mappings,
    traffic: Mapping[str, Mapping[Operand, Traffic]],
    inner: Mapping[Operand, Moves],
) -> dict[str, Values]:
    """Cycles that each memory and network takes; "start": those in which the array waits."""
    bound: dict[str, Values] = {}
    for level in hardware.levels:
        if level is not hardware.levels[-1]:  # which feeds what computes, in step
            moved = sum(t.total for t in traffic[level.name].values()) / 8
            bound[level.name] = np.asarray(moved / level.bytes_per_cycle)
    if hardware.network is not None:
        words = {operand: moved.distinct * _width(layer, operand) for operand, moved in inner.items()}
        bound.update(_network_cycles(layer, hardware, mappings, words))
    return bound


def _network_cycles(
    layer: Workload, hardware: Hardware, mappings: Mappings, bits: Mapping[Operand, Values]
) -> dict[str, Values]:
    """Cycles in which the networks bring ``bits`` of each operand to the array, or take them from it.

    "start": of those, the cycles in which the array waits. Where the last memory has room for one tile of weights only,
    it stands still until the next ones have come, and the inputs of the first position behind them.
    """
    network, last = hardware.network, hardware.levels[-1]
    assert network is not None
    cycles = {operand: value / network.width / network.words_per_cycle[operand] for operand, value in bits.items()}
    if last.buffered:
        return {f"network {operand}": value for operand, value in cycles.items()}
    first = footprint(layer, mappings.tiles[-2], INPUTS) * layer.bits[INPUTS] / network.width
    array = mappings.depth - 2
    start = cycles.pop(WEIGHTS) + loads(mappings, WEIGHTS, array) * first / network.words_per_cycle[INPUTS]
    return {"start": start, **{f"network {operand}": value for operand, value in cycles.items()}}
