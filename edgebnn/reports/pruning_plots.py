"""The charts of a pruning, as SVG: files, or parts of a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from . import format
from .charts import ACCENT, INK, QUIET, RULE, SECOND, as_file, figure_of, in_percent, settings

_MANY_LAYERS = 8


Finish = Callable[[Figure], str]
"""Makes text of a figure: a file's, or that of a page."""


@dataclass(frozen=True)
class Line:
    """A group of channels in the chart of widths; ``label`` says from how many to how many they went."""

    name: str
    color: str
    label: str


def lines_of_widths(history: Mapping[str, Any]) -> tuple[Line, ...]:
    """The groups that lost channels, as the chart of widths draws them."""
    first = history["initial_widths"]
    last = history["iterations"][-1]["widths"] if history["iterations"] else first
    cut = [name for name in first if last[name] < first[name]]
    colors = matplotlib.colormaps["viridis"]
    return tuple(
        Line(name, to_hex(colors(0.92 * index / max(1, len(cut) - 1))), f"{name}: {first[name]} to {last[name]}")
        for index, name in enumerate(cut)
    )


def widths_by_iteration(history: Mapping[str, Any], finish: Finish = as_file) -> str:
    """Channels left of every group that lost some, as shares of those it began with, after each iteration."""
    first = history["initial_widths"]
    rows = [first, *(iteration["widths"] for iteration in history["iterations"])]
    cut = lines_of_widths(history)
    with settings():
        figure, axes = figure_of(3.4, "both")
        for line in cut:
            shares = [row[line.name] / first[line.name] for row in rows]
            axes.step(range(len(rows)), shares, where="post", color=line.color, linewidth=1.8, label=line.label)
        axes.set_xlabel("iteration")
        axes.set_ylabel("channels left")
        in_percent(axes.yaxis)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_ylim(0, 1.04)
        axes.set_xlim(0, len(rows) - 0.6)
        if cut:
            size = 8 if len(cut) <= _MANY_LAYERS else 6.5
            axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=size, labelcolor=INK)
        return finish(figure)


def accuracy_by_resource(history: Mapping[str, Any], finish: Finish = as_file) -> str:
    """Accuracy on the images held out against the resource: every proposal, and the path of those chosen."""
    unit = history["unit"]
    path = [(history["initial"], history["held_out_accuracy"])]
    path += [(iteration["predicted"], iteration["accuracy"]) for iteration in history["iterations"]]
    others = [
        (proposal["predicted"], proposal["accuracy"])
        for iteration in history["iterations"]
        for proposal in iteration["proposals"]
        if proposal["accuracy"] is not None
    ]
    with settings():
        figure, axes = figure_of(3.4, "both")
        if others:
            x, y = zip(*others, strict=True)
            axes.scatter(x, y, s=9, color=RULE, edgecolors=QUIET, linewidths=0.4, label="proposals")
        axes.plot(*zip(*path, strict=True), color=ACCENT, linewidth=1.8, marker="o", markersize=3.5, label="chosen")
        axes.axvline(history["budget"], color=SECOND, linewidth=1.2, linestyle="--", label="budget")
        axes.invert_xaxis()
        machine = history.get("hardware")
        label = f"{history['resource']} ({unit})" + (f", {history['kind']} for {machine}" if machine else "")
        axes.set_xlabel(label, parse_math=False)
        axes.set_ylabel("accuracy, images held out")
        in_percent(axes.yaxis)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
        if unit != "ms":
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: format.count(round(value))))
        axes.legend(loc="best", frameon=False, fontsize=8, labelcolor=INK)
        return finish(figure)
