"""Tables of what the dataflow model says of a network: mappings, estimates, and the schedules that it picks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from . import format
from .table_parts import new_table, plain

if TYPE_CHECKING:
    from edgebnn.converters.c_package.lowering.choices import Candidate
    from edgebnn.converters.c_package.picks import Pick
    from edgebnn.dataflow.estimate import Estimate
    from edgebnn.dataflow.plan import LayerPlan, Plan
    from edgebnn.dataflow.schedule_picks import Pick as LinuxPick


def estimate(result: Estimate) -> RenderableType:
    """Time and energy of each layer that multiplies and accumulates, or why there are none."""
    if result.plan is None:
        return plain(f"time and energy are not estimated: {result.reason}")
    found = result.plan
    table, energy = new_table("#", "layer"), found.total_energy or 1.0  # a file of one's own may give none
    for title in ("ms", "share", "bound by", f"energy, {found.hardware.unit}", "share"):
        table.add_column(title, justify="right", no_wrap=True)
    latency = sum(layer.latency_ms for layer in found.layers)
    for layer in found.layers:
        table.add_row(
            str(layer.op),
            plain(format.layer(layer.name)),
            format.significant(layer.latency_ms),
            format.percent(layer.latency_ms / latency, 1),
            plain(layer.bound_by),
            format.count(round(sum(layer.energy.values()))),
            format.percent(sum(layer.energy.values()) / energy, 1),
        )
    table.add_section()
    whole = (format.significant(latency), "", "", format.count(round(found.total_energy)), "")
    table.add_row("", "total", *whole, style="bold")
    left = f"; not of {', '.join(op.name for op in found.unplanned)}" if found.unplanned else ""
    table.caption = plain(
        f"estimated for {found.hardware.name} by the dataflow model (edgebnn plan), one sample, of what multiplies and "
        f"accumulates{left}"
    )
    return table


def plan(result: Plan) -> tuple[RenderableType, ...]:
    """The table of the layers, and the loop nest of every mapping."""
    return _planned(result), *(_mapping(layer) for layer in result.layers)


def _planned(result: Plan) -> Table:
    levels = [level.name for level in result.hardware.levels]
    table = new_table("layer")
    for title in ("MACs", "PEs", "use", "ms", "bound by", *levels, "energy"):
        table.add_column(title, justify="right", overflow="fold")
    for layer in result.layers:
        table.add_row(
            plain(format.layer(layer.name)),
            format.count(layer.macs),
            str(layer.active_pes),
            format.percent(layer.utilization, 1),
            format.significant(layer.latency_ms),
            layer.bound_by,
            *(format.count(layer.accesses[level]) for level in levels),
            format.count(round(sum(layer.energy.values()))),
        )
    totals = result.totals
    table.add_section()
    table.add_row(
        "total",
        format.count(totals["macs"]),
        f"{totals['active_pes']:.0f}",
        format.percent(totals["utilization"], 1),
        format.significant(totals["latency_ms"]),
        "",
        *(format.count(totals["accesses"][level]) for level in levels),
        format.count(round(sum(totals["energy"].values()))),
        style="bold",
    )
    energy = result.total_energy or 1.0
    shares = ", ".join(f"{name} {format.percent(value / energy, 1)}" for name, value in totals["energy"].items())
    left = f"; not planned: {', '.join(op.name for op in result.unplanned)}" if result.unplanned else ""
    where = f"{result.hardware.name}, batch {result.batch}, estimated; accesses by memory"
    table.caption = plain(f"{where}; energy in {result.hardware.unit}: {shares}{left}")
    return table


def picks(found: Sequence[Pick]) -> Table:
    """The kernel, loop order and tiles of each layer, what they cost, and the best of another kernel."""
    table = new_table("#", "layer", "picked")
    for title in ("instructions", "scratch", "runner-up", "instructions", "scratch"):
        table.add_column(title, justify="left" if title == "runner-up" else "right", overflow="fold")
    for pick in found:
        table.add_row(
            str(pick.op),
            plain(format.layer(pick.name)),
            *_candidate(pick.picked),
            *(("", "", "") if pick.runner_up is None else _candidate(pick.runner_up)),
        )
    table.caption = (
        "Kernels, loop orders (rs row, ws weight, os output stationary) and tiles; instructions are estimated, scratch "
        "is exact, and a KiB of it must save 0.5 % of a layer."
    )
    return table


def _candidate(candidate: Candidate) -> tuple[str, str, str]:
    schedule = candidate.schedule
    tiles = "".join(f", {name} {size}" for name, size in schedule.tiles.items())
    named = f"{schedule.kernel} {schedule.dataflow}{tiles}"
    return named, format.count(candidate.instructions), format.size(candidate.scratch_bytes)


def picks_on_linux(found: Sequence[LinuxPick]) -> Table:
    """The kernel, loop order and tiles of each layer, what they cost, and the best of another kernel or order."""
    unit = found[0].unit
    table = new_table("#", "layer", "picked")
    for title in (unit, "runner-up", unit):
        table.add_column(title, justify="left" if title == "runner-up" else "right", overflow="fold")
    for pick in found:
        other, cost = pick.runner_up if pick.runner_up is not None else ("", None)
        table.add_row(
            str(pick.schedule.op),
            plain(format.layer(pick.schedule.name)),
            str(pick.schedule),
            format.count(round(pick.cost)),
            str(other),
            "" if cost is None else format.count(round(cost)),
        )
    table.caption = f"Kernels, loop orders and tiles; {unit} are estimated."
    return table


def _mapping(layer: LayerPlan) -> Group:
    parameters = layer.mapping.get("parameters", {})
    title = Text.assemble((format.layer(layer.name), "bold"), " ", layer.mapping["dataflow"])
    written = ", ".join(f"{name} {value}" for name, value in parameters.items())
    return Group(title, *([Text(written)] if written else []), Text("\n".join(layer.mapping["loops"]) + "\n"))
