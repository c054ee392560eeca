"""A plan of the dataflow model as what reports show of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from . import format
from .data import Amount, Dataflow, LayerCosts, Roof

if TYPE_CHECKING:
    from edgebnn.dataflow.plan import LayerPlan, Plan


def dataflow(plan: Plan) -> Dataflow:
    """The charts' and the tables' figures of ``plan``."""
    hardware, outer = plan.hardware, plan.hardware.levels[0]
    return Dataflow(
        hardware=hardware.name,
        source=hardware.source,
        unit=hardware.unit,
        batch=plan.batch,
        outer=outer.name,
        innermost=hardware.levels[-1].name,
        bytes_per_second=outer.bytes_per_cycle * hardware.clock_hz,
        roofs=tuple(
            Roof(precision, _peak(plan, precision))
            for precision in dict.fromkeys(layer.precision for layer in plan.layers)
        ),
        layers=tuple(_layer(layer, outer.name) for layer in plan.layers),
        unplanned=tuple(op.name for op in plan.unplanned),
    )


def _peak(plan: Plan, precision: str) -> float:
    """Multiply-accumulates a second that the whole array computes at most."""
    hardware = plan.hardware
    lanes = hardware.word_bits if hardware.word_bits is not None and precision == "binary" else 1
    return hardware.macs_per_cycle[precision] * hardware.pes * lanes * hardware.clock_hz


def _layer(layer: LayerPlan, outer: str) -> LayerCosts:
    return LayerCosts(
        name=format.layer(layer.name),
        precision=layer.precision,
        macs=layer.macs,
        latency_ms=layer.latency_ms,
        bound_by=layer.bound_by,
        outer_bytes=layer.bytes[outer],
        energy=_amounts(layer.energy),
        accesses=_amounts(layer.accesses),
    )


def _amounts(by_level: Mapping[str, float]) -> tuple[Amount, ...]:
    return tuple(Amount(name, float(value)) for name, value in by_level.items())
