"""What a network of given widths takes: counted from its layers, read from a latency table, or asked of a target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from edgebnn._tensorflow import keras
from edgebnn.errors import InputError
from edgebnn.pruning.channels.coupling import Plan
from edgebnn.pruning.channels.layers import LayerShape
from edgebnn.pruning.channels.widths import Widths
from edgebnn.pruning.latency.table import LatencyTable
from edgebnn.pruning.search.algorithm import Resource
from edgebnn.pruning.search.budget import RESOURCES

Cost: TypeAlias = Callable[[Widths], Mapping[str, float]]
"""What the network takes on a target with other widths: amounts by resource, in the units of
:data:`.budget.RESOURCES`."""


@dataclass(frozen=True)
class Costs:
    """What a network takes, as far as only a target knows it; None where the budget does not need it.

    Attributes:
        cost: what it takes with other widths, for flash, ram and energy.
        table: how long layers take, for latency.
        kind: "counted" or "estimated", where there is no table that says how its figures were taken.
        hardware: the machine that they are estimated for, for people.
        unit: of what ``cost`` tells, where it is not the resource's own.
        measure_whole: what a whole model takes of the resource, measured again after every iteration for the history.
    """

    cost: Cost | None = None
    table: LatencyTable | None = None
    measure_whole: Callable[[keras.Model], float] | None = None
    kind: str = "counted"
    hardware: str | None = None
    unit: str | None = None


def _macs(precision: str) -> Callable[[LayerShape], float]:
    return lambda layer: layer.macs if layer.precision == precision else 0


# what one layer adds; parameters are those of kernels, without biases and batch norms
_COUNTED: Mapping[str, Callable[[LayerShape], float]] = MappingProxyType(
    {
        "macs": lambda layer: layer.macs,
        "binary_macs": _macs("w1a1"),
        "w1a8_macs": _macs("w1a8"),
        "float_macs": _macs("float"),
        "parameters": lambda layer: layer.weights,
    }
)


def resource(name: str, plan: Plan, costs: Costs) -> Resource:
    """The resource ``name`` of the network of ``plan`` as a function of its widths.

    Latency is read from the table of ``costs``; what can neither be counted nor read is asked of its ``cost``.

    Raises:
        InputError: if what the resource needs was not given.
    """
    unit, cost, table = costs.unit or RESOURCES[name].unit, costs.cost, costs.table
    if name in _COUNTED:
        count = _COUNTED[name]
        return Resource(lambda widths: sum(count(layer) for layer in plan.layers(widths)), unit)
    if name == "latency":
        if table is None:
            raise InputError("a latency budget needs a target whose layers can be measured")
        return Resource(lambda widths: table.latency(plan.layers(widths)), table.device.unit)
    if cost is None:
        raise InputError(f"a budget of {name} needs a target that says what a model takes there")
    return Resource(_asked(name, plan, cost), unit, dear=True)


def _asked(name: str, plan: Plan, cost: Cost) -> Callable[[Widths], float]:
    known: dict[tuple[int, ...], float] = {}
    full = plan.widths

    def value(widths: Widths) -> float:
        key = tuple(widths[group] for group in full)
        if key not in known:
            amounts = cost(widths)
            if name not in amounts:
                raise InputError(f"the target does not say how much {name} a model takes; it says {', '.join(amounts)}")
            known[key] = amounts[name]
        return known[key]

    return value
