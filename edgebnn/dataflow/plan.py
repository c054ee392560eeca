"""A model on a machine, layer by layer: the best mapping of each and what it costs. All figures are estimated."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from edgebnn.errors import InputError
from edgebnn.graph.types import Graph

from .constraints import whole_bytes
from .hardware import Hardware
from .loop_nest import loop_nest, sizes
from .row_stationary import parameters
from .scheduler import Choice, best
from .workload import WEIGHTS, Operand, Unplanned, Workload, workloads


@dataclass(frozen=True)
class LayerPlan:
    """One layer. Field names are the JSON's.

    Attributes:
        op: the index of its op in the model.
        macs: multiply-accumulates.
        active_pes: processing elements that compute at once, at most.
        utilization: ``macs`` over what the whole array could do in the same time.
        latency_ms: a bound: the array, each memory and each network as if it had only this layer.
        bound_by: which of them takes longest.
        accesses: by memory, each of its width; "network" counts words that reach a processing element or go on from it.
        bytes: the same traffic in bytes.
        operands: accesses by memory and operand.
        energy: by memory, "network" and "MAC", in the machine's unit.
        mapping: the dataflow, tile sizes, loops as text, and the papers' parameters where it is row stationary.
    """

    op: int
    name: str
    precision: str
    macs: int
    active_pes: int
    utilization: float
    latency_ms: float
    bound_by: str
    accesses: Mapping[str, int]
    bytes: Mapping[str, int]
    operands: Mapping[str, Mapping[Operand, int]]
    energy: Mapping[str, float]
    mapping: Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """A whole model. ``unplanned``: ops that multiply and accumulate, but not as a convolution's loops do."""

    hardware: Hardware
    batch: int
    objective: str
    layers: tuple[LayerPlan, ...]
    unplanned: tuple[Unplanned, ...]

    @property
    def totals(self) -> Mapping[str, Any]:
        """Sums over all layers; active PEs are the mean, each layer counting as its multiply-accumulates."""
        layers, macs = self.layers, sum(layer.macs for layer in self.layers)
        cycles = sum(layer.macs / layer.utilization for layer in layers)
        return {
            "macs": macs,
            "active_pes": sum(layer.active_pes * layer.macs for layer in layers) / macs,
            "utilization": macs / cycles,
            "latency_ms": sum(layer.latency_ms for layer in layers),
            "accesses": _summed([layer.accesses for layer in layers]),
            "bytes": _summed([layer.bytes for layer in layers]),
            "energy": _summed([layer.energy for layer in layers]),
        }

    @property
    def total_energy(self) -> float:
        """In the machine's unit."""
        return sum(sum(layer.energy.values()) for layer in self.layers)

    def json(self) -> dict[str, Any]:
        """What ``edgebnn plan --json`` promises."""
        return {
            "hardware": self.hardware.name,
            "batch": self.batch,
            "kind": "estimated",
            "energy_unit": self.hardware.unit,
            "objective": self.objective,
            "layers": [_plain(vars(layer)) for layer in self.layers],
            "totals": self.totals,
            "unplanned": [vars(op) for op in self.unplanned],
        }


def plan(
    graph: Graph,
    hardware: Hardware,
    batch: int = 1,
    *,
    dataflows: Sequence[str] = (),
    objective: str = "",
    zeros: Sequence[float] = (),
) -> Plan:
    """The best mapping of every layer of ``graph`` that multiplies and accumulates.

    Args:
        graph: the model.
        hardware: the machine.
        batch: samples that run together, in place of each that the file is made for.
        dataflows: those that are allowed; the machine's own by default.
        objective: "energy", "latency" or "edp"; the machine's own by default.
        zeros: the share of zeros in each layer's input, for a machine that compresses them: one for all layers, one for
            each, or one more, for the last layer's output. None are assumed by default.

    Returns:
        Each layer with its mapping, accesses, energy and time, estimated, and the totals.

    Raises:
        InputError: a layer does not fit, ``zeros`` are no such shares, or nothing is to be planned.
    """
    layers, unplanned = workloads(graph, batch)
    layers = with_zeros(layers, hardware, zeros)
    _check_weights(layers, hardware)
    known: dict[tuple[object, ...], Choice] = {}
    planned = []
    for layer in layers:
        if layer.shape not in known:
            known[layer.shape] = best(layer, hardware, dataflows, objective)
        planned.append(describe(layer, hardware, known[layer.shape]))
    return Plan(hardware, batch, objective or hardware.objective, tuple(planned), unplanned)


def energy_of(hardware: Hardware) -> Callable[[Graph], float]:
    """A function that estimates the energy of a model for one sample, in the machine's unit; layers are kept in mind.

    It raises as :func:`plan` does.
    """
    known: dict[tuple[object, ...], float] = {}

    def energy(graph: Graph) -> float:
        layers, _ = workloads(graph)
        _check_weights(layers, hardware)
        for layer in layers:
            if layer.shape not in known:
                known[layer.shape] = float(best(layer, hardware).costs.total_energy[0])
        return sum(known[layer.shape] for layer in layers)

    return energy


def _check_weights(layers: Sequence[Workload], hardware: Hardware) -> None:
    """Raises InputError where the weights of all layers together are more than the memory that they lie in."""
    for level in hardware.levels[: hardware.homes]:
        sizes = [whole_bytes(layer, hardware, level).get(WEIGHTS, 0.0) for layer in layers]
        if isinstance(level.capacity, int) and sum(sizes) > level.capacity:
            where = f"{level.name} of {hardware.name}, {level.capacity:,} bytes"
            raise InputError(f"{sum(sizes):,.0f} bytes of weights do not fit {where}")


def with_zeros(layers: Sequence[Workload], hardware: Hardware, zeros: Sequence[float]) -> tuple[Workload, ...]:
    """Layers with their shares of zeros.

    Args:
        layers: of a network, in its order.
        hardware: the machine, which must compress something if shares are given.
        zeros: shares as :func:`plan` takes them.

    Returns:
        The layers, each with the shares of its input and of its output.

    Raises:
        InputError: the shares make no difference there, are no shares, or not as many as they must be.
    """
    if not zeros:
        return tuple(layers)
    if not any(level.compression for level in hardware.levels):
        raise InputError(f"shares of zeros make no difference: {hardware.name} compresses nothing")
    if any(not 0 <= share <= 1 for share in zeros):
        raise InputError(f"shares of zeros must lie between 0 and 1, not {', '.join(f'{z:g}' for z in zeros)}")
    count = len(layers)
    if len(zeros) not in (1, count, count + 1):
        raise InputError(f"{len(zeros)} shares of zeros for {count} layers; give 1, {count} or {count + 1}")
    shares = [*zeros] * (count + 1) if len(zeros) == 1 else [*zeros, *([0.0] if len(zeros) == count else [])]
    return tuple(replace(layer, zeros=(shares[i], shares[i + 1])) for i, layer in enumerate(layers))


def describe(layer: Workload, hardware: Hardware, choice: Choice) -> LayerPlan:
    """What is known of a layer.

    Args:
        layer: the loops.
        hardware: that runs them.
        choice: the mapping that was chosen, and its costs.

    Returns:
        Utilization, time in milliseconds, and accesses, bytes and energy by level, all estimated.
    """
    found = choice.costs
    cycles = float(found.cycles[0])
    rate = hardware.macs_per_cycle[layer.precision] * hardware.pes
    if hardware.word_bits is not None:
        rate *= choice.layer.lanes
    widths = {level.name: level.width for level in hardware.levels}
    if hardware.network is not None:
        widths["network"] = hardware.network.width
    accesses = {
        level: {
            name: math.ceil(float(t.read[0]) / widths[level]) + math.ceil(float(t.written[0]) / widths[level])
            for name, t in operands.items()
        }
        for level, operands in found.traffic.items()
    }
    mapping: dict[str, Any] = {
        "dataflow": choice.dataflow.name,
        "tiles": sizes(hardware, choice),
        "loops": loop_nest(hardware, choice),
    }
    if choice.dataflow.sets and choice.mapping.spatial and choice.mapping.depth > 3:
        mapping["parameters"] = vars(parameters(choice.mapping))
    return LayerPlan(
        op=layer.op,
        name=layer.name,
        precision=layer.precision,
        macs=layer.macs,
        active_pes=int(found.active_pes[0]),
        utilization=min(1.0, layer.macs / (cycles * rate)),  # a quotient of equals may round up
        latency_ms=cycles / hardware.clock_hz * 1e3,
        bound_by=max(found.bound, key=lambda name: float(found.bound[name][0])),
        accesses={level: sum(operands.values()) for level, operands in accesses.items()},
        bytes={
            level: math.ceil(sum(float(t.total[0]) for t in operands.values()) / 8)
            for level, operands in found.traffic.items()
        },
        operands=accesses,
        energy={level: float(value[0]) for level, value in found.energy.items()},
        mapping=mapping,
    )


def _summed(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: sum(part[name] for part in parts) for name in parts[0]}


def _plain(value: Any) -> Any:
    return {name: _plain(item) for name, item in value.items()} if isinstance(value, Mapping) else value
