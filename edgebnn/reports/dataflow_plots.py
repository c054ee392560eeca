"""The charts of a dataflow plan, as inline SVG: energy and accesses by memory, and a roofline. All estimated."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from . import format
from .charts import ACCENT, FLOAT, INT8, MEMORIES, MULTIPLY, NETWORK, QUIET, figure_of, in_page, settings
from .data import Amount, Dataflow, LayerCosts

_PRECISIONS = {"binary": ACCENT, "w1a8": ACCENT, "int8": INT8, "float": FLOAT}
_LONGEST = 22
_TOGETHER = 1.35
"""Points of the roofline nearer than this factor share one label."""


def colors(plan: Dataflow) -> Mapping[str, str]:
    """By what energy goes to, the outermost memory first: its colour, a name in :data:`.charts.VARIABLES`."""
    found, memories = {}, iter(MEMORIES)
    for amount in plan.layers[0].energy:
        named = {"network": NETWORK, "MAC": MULTIPLY}
        found[amount.name] = named[amount.name] if amount.name in named else next(memories, QUIET)
    return found


def energy(plan: Dataflow) -> str:
    """A bar for each layer, taken apart by memory."""
    parts = [layer.energy for layer in plan.layers]
    return _bars(
        plan,
        parts,
        f"energy in {plan.unit}",
        "energy",
        f"Energy of each layer by memory, estimated for {plan.hardware}",
    )


def accesses(plan: Dataflow) -> str:
    """A bar for each layer, taken apart by memory, without the innermost: every multiply-accumulate goes there."""
    parts = [tuple(one for one in layer.accesses if one.name != plan.innermost) for layer in plan.layers]
    told = f"Accesses of each layer by memory, estimated for {plan.hardware}"
    return _bars(plan, parts, "accesses", "accesses", told)


def _bars(plan: Dataflow, parts: Sequence[Sequence[Amount]], unit: str, prefix: str, told: str) -> str:
    shades = colors(plan)
    with settings():
        figure, axes = figure_of(0.55 + 0.27 * len(parts), "x")
        left = [0.0] * len(parts)
        for place, first in enumerate(parts[0]):
            values = [amounts[place].value for amounts in parts]
            axes.barh(range(len(parts)), values, left=left, color=shades[first.name], linewidth=0, height=0.66)
            left = [a + b for a, b in zip(left, values, strict=True)]
        axes.set_yticks(range(len(parts)), labels(plan.layers), parse_math=False)
        axes.set_ylim(len(parts) - 0.45, -0.55)
        axes.set_xlim(0, (max(left) or 1) * 1.02)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
        axes.xaxis.set_major_formatter(FuncFormatter(_count))
        axes.set_xlabel(unit, parse_math=False)
        return in_page(figure, prefix, told)


def labels(layers: Sequence[LayerCosts]) -> list[str]:
    """The layers' numbers and names, cut where they are long."""
    names = [layer.name if len(layer.name) <= _LONGEST else f"{layer.name[: _LONGEST - 1]}…" for layer in layers]
    return [f"{name}  {number}" for number, name in enumerate(names, 1)]


def _count(value: float, _: object) -> str:
    if value < 1:
        return f"{value:g}"
    return format.count(round(value)).replace(".00", "").replace(".0 ", " ")


def roofline(plan: Dataflow) -> str:
    """What each layer computes a second over what it computes with a byte of the outermost memory, below the machine's
    two limits: that memory's rate, and what it multiplies in the layer's precision."""
    points = [_point(layer) for layer in plan.layers]
    span = [min(x for x, _ in points) / 3, max(x for x, _ in points) * 5]
    with settings():
        figure, axes = figure_of(3.3, "both")
        for roof in plan.roofs:
            ridge = roof.macs_per_second / plan.bytes_per_second
            edges = [x for x in sorted([*span, ridge]) if x >= span[0]]
            heights = [min(roof.macs_per_second, x * plan.bytes_per_second) for x in edges]
            axes.plot(edges, heights, color=_PRECISIONS[roof.precision], linewidth=1.4)
        for precision in dict.fromkeys(layer.precision for layer in plan.layers):
            own = [point for point, layer in zip(points, plan.layers, strict=True) if layer.precision == precision]
            axes.scatter([x for x, _ in own], [y for _, y in own], color=_PRECISIONS[precision], s=22, zorder=3)
        axes.set_xscale("log")
        axes.set_yscale("log")
        _number(axes, points)
        axes.xaxis.set_major_formatter(FuncFormatter(_count))
        axes.yaxis.set_major_formatter(FuncFormatter(_count))
        axes.minorticks_off()
        axes.set_xlabel(f"multiply-accumulates for each byte of {plan.outer}", parse_math=False)
        axes.set_ylabel("multiply-accumulates a second")
        return in_page(figure, "roofline", f"Roofline of the layers, estimated for {plan.hardware}")


def _point(layer: LayerCosts) -> tuple[float, float]:
    return layer.macs / max(1, layer.outer_bytes), layer.macs / layer.latency_ms * 1e3


def _number(axes: Axes, points: Sequence[tuple[float, float]]) -> None:
    """The numbers of the layers beside their points, those of points that lie together in one label."""
    groups: list[list[int]] = []
    for index in sorted(range(len(points)), key=lambda index: points[index]):
        near = [group for group in groups if any(_are_near(points[index], points[one]) for one in group)]
        groups = [group for group in groups if group not in near] + [[index, *(one for group in near for one in group)]]
    for group in groups:
        xs, ys = zip(*(points[index] for index in group), strict=True)
        axes.annotate(
            _ranges(sorted(index + 1 for index in group)),
            (math.sqrt(min(xs) * max(xs)), min(ys)),
            xytext=(0, -13),
            textcoords="offset points",
            ha="center",
            color=QUIET,
            fontsize=8,
        )


def _are_near(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return all(max(a / b, b / a) < _TOGETHER for a, b in zip(one, other, strict=True))


def _ranges(numbers: Sequence[int]) -> str:
    """``[1, 2, 3, 7]`` as ``"1-3, 7"``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
