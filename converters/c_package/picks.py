"""Which kernel each layer of a network gets on a microcontroller's core, and why: what the planner predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from edgebnn.errors import EdgebnnError
from edgebnn.graph.opdef import op_view
from edgebnn.graph.types import Graph
from edgebnn.kernels.cores import Core
from edgebnn.kernels.schedules import LayerSchedule

from .lowering import choices
from .lowering.choices import Candidate


@dataclass(frozen=True)
class Pick:
    """A layer that several kernels, or one with several tiles, can compute.

    op:         its index in the file.
    name:       of its output.
    picked:     what it gets.
    runner_up:  the best of another kernel, if there is one.
    candidates: how many schedules were compared.
    """

    op: int
    name: str
    picked: Candidate
    runner_up: Candidate | None
    candidates: int

    @property
    def schedule(self) -> LayerSchedule:
        return replace(self.picked.schedule, op=self.op, name=self.name)

    def json(self) -> dict[str, Any]:
        """What ``edgebnn plan --json`` promises."""
        other = None if self.runner_up is None else _described(self.runner_up)
        own = {"op": self.op, "name": self.name, **_described(self.picked)}
        return {**own, "runner_up": other, "candidates": self.candidates}


def _described(candidate: Candidate) -> dict[str, Any]:
    schedule = candidate.schedule
    return {
        "kernel": schedule.kernel,
        "dataflow": schedule.dataflow,
        "tiles": dict(schedule.tiles),
        "instructions": candidate.instructions,
        "scratch_bytes": candidate.scratch_bytes,
    }


def picks(graph: Graph, core: Core) -> tuple[Pick, ...]:
    """What the planner picks for each layer of ``graph`` that has a choice on ``core``, if packages can have it."""
    found: Sequence[Pick | None] = [_pick(graph, index, core) for index in range(len(graph.ops))]
    return tuple(pick for pick in found if pick is not None)


def _pick(graph: Graph, index: int, core: Core) -> Pick | None:
    view = op_view(graph, index)
    try:
        found = choices(view, core)
    except EdgebnnError:  # exporting tells why
        return None
    if found is None:
        return None
    return Pick(index, view.outputs[0].name, found.pick, found.runner_up, len(found.candidates))
