"""Which schedule each layer gets on a Linux machine: of all candidates of the kernels' spaces, the cheapest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgebnn.graph.layer_shapes import Layer, layers
from edgebnn.graph.types import Graph
from edgebnn.kernels.schedules import LayerSchedule
from edgebnn.kernels.spaces import LayerShape, spaces

from . import kernel_costs
from .kernel_costs import KernelCosts


@dataclass(frozen=True)
class Pick:
    """What a layer gets, and why.

    Attributes:
        schedule: the candidate with the least cost.
        cost: of it, estimated, in ``unit``.
        runner_up: the best of another kernel or another order, and its cost; None if there is no other.
        unit: "instructions" or "ns".
        candidates: how many were costed.
    """

    schedule: LayerSchedule
    cost: float
    runner_up: tuple[LayerSchedule, float] | None
    unit: str
    candidates: int

    def json(self) -> dict[str, Any]:
        """The fields that ``edgebnn plan --json`` has of it."""
        other = None if self.runner_up is None else _described(*self.runner_up, self.unit)
        own = {"op": self.schedule.op, "name": self.schedule.name, **_described(self.schedule, self.cost, self.unit)}
        return {**own, "runner_up": other, "candidates": self.candidates}


def _described(schedule: LayerSchedule, cost: float, unit: str) -> dict[str, Any]:
    tiles = dict(schedule.tiles)
    return {"kernel": schedule.kernel, "dataflow": schedule.dataflow, "tiles": tiles, unit: round(cost)}


def costed(shape: LayerShape, costs: KernelCosts, kernels: Sequence[str]) -> list[tuple[float, LayerSchedule]]:
    """All candidates of the kernels called so, the cheapest first; of equals the one that a search meets first."""
    found = [point for space in spaces(shape, kernels) for point in space.candidates(0, "")]
    return sorted(((costs.cost(shape, point), point) for point in found), key=lambda pair: pair[0])


def pick(layer: Layer, costs: KernelCosts, kernels: Sequence[str]) -> Pick | None:
    """What ``layer`` gets of the kernels called so, whose costs are known; None if none of them computes it."""
    found = [
        (cost, LayerSchedule(layer.op, layer.name, point.kernel, point.dataflow, point.tiles))
        for cost, point in costed(layer.shape, costs, kernels)
    ]
    if not found:
        return None
    cost, best = found[0]
    others = ((p, c) for c, p in found if (p.kernel, p.dataflow) != (best.kernel, best.dataflow))
    return Pick(best, cost, next(others, None), costs.unit, len(found))


def picks(graph: Graph, machine: str, runnable: Mapping[str, Sequence[str]] | None = None) -> tuple[Pick, ...]:
    """What each layer that takes a schedule gets.

    Args:
        graph: the model.
        machine: as ``plan --hardware`` takes it.
        runnable: by operation, the kernels that the very processor runs; by default what the machine is known to have.

    Returns:
        The picks in the order of the file; none on machines whose costs are not known.
    """
    costs = kernel_costs.of(machine)
    if costs is None:
        return ()
    found = []
    for layer in layers(graph):
        kernels = costs.kernels(layer.shape.operation, machine)
        if runnable is not None:
            kernels = tuple(name for name in kernels if name in runnable[layer.shape.operation])
        one = pick(layer, costs, kernels)
        if one is not None:
            found.append(one)
    return tuple(found)
