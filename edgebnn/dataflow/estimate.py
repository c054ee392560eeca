"""What a model is estimated to take where it is deployed, in time and energy: the dataflow model's plan, or why not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgebnn.errors import InputError
from edgebnn.graph.types import Graph

from . import hardware
from .plan import Plan, plan

MODEL = "dataflow"
"""What the estimates are called after, beside other models of time (such as cycles from counted instructions)."""


@dataclass(frozen=True)
class Estimate:
    """Of one inference.

    Attributes:
        plan: None where nothing can be said.
        reason: why nothing can be said.
    """

    plan: Plan | None
    reason: str = ""

    def json(self) -> dict[str, Any]:
        """What ``edgebnn analyze --json`` has of the whole model."""
        if self.plan is None:
            return {"kind": "estimated", "model": MODEL, "hardware": None, "reason": self.reason}
        totals = self.plan.totals
        return {
            "kind": "estimated",
            "model": MODEL,
            "hardware": self.plan.hardware.name,
            "batch": self.plan.batch,
            "latency_ms": totals["latency_ms"],
            "energy": self.plan.total_energy,
            "energy_by_level": totals["energy"],
            "energy_unit": self.plan.hardware.unit,
            "not_planned": [op.name for op in self.plan.unplanned],
        }

    def json_of(self, op: int) -> dict[str, float | None]:
        """What it has of one op, by its index; None for one that does not multiply and accumulate."""
        found = [] if self.plan is None else [layer for layer in self.plan.layers if layer.op == op]
        return {
            "latency_ms": found[0].latency_ms if found else None,
            "energy": sum(found[0].energy.values()) if found else None,
        }


def estimate(graph: Graph, named: str | None, target: str | None) -> Estimate | None:
    """What ``graph`` takes on a machine.

    Args:
        graph: the model.
        named: the machine, as :func:`.hardware.load` takes it.
        target: where it is to run; the machine of that name, where none is named.

    Returns:
        The estimate; None where neither is given.

    Raises:
        InputError: as :func:`.hardware.load` and :func:`.plan.plan` do, for a machine that is named.
    """
    if named is not None:
        return Estimate(plan(graph, hardware.load(named)))
    if target is None:
        return None
    if target not in hardware.names():
        known = ", ".join(hardware.names())
        return Estimate(None, f"no machine is called {target}: name one with --hardware: {known} or FILE.toml")
    try:
        return Estimate(plan(graph, hardware.load(target)))
    except InputError as error:
        return Estimate(None, str(error))
