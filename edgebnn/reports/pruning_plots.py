"""The charts of a pruning, as SVG files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib
from matplotlib.ticker import FuncFormatter, MaxNLocator

from . import format
from .charts import ACCENT, INK, QUIET, RULE, SECOND, as_file, figure_of, in_percent, settings

_MANY_LAYERS = 8


def widths_by_iteration(history: Mapping[str, Any]) -> str:
    """Channels left of every group that lost some, as shares of those it began with, after each iteration."""
    first = history["initial_widths"]
    rows = [first, *(iteration["widths"] for iteration in history["iterations"])]
    cut = [name for name in first if rows[-1][name] < first[name]]
    with settings():
        figure, axes = figure_of(3.4, "both")
        colors = matplotlib.colormaps["viridis"]
        for index, name in enumerate(cut):
            shares = [row[name] / first[name] for row in rows]
            label = f"{name}: {first[name]} to {rows[-1][name]}"
            color = colors(0.92 * index / max(1, len(cut) - 1))
            axes.step(range(len(rows)), shares, where="post", color=color, linewidth=1.8, label=label)
        axes.set_xlabel("iteration")
        axes.set_ylabel("channels left")
        in_percent(axes.yaxis)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_ylim(0, 1.04)
        axes.set_xlim(0, len(rows) - 0.6)
        if cut:
            size = 8 if len(cut) <= _MANY_LAYERS else 6.5
            axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=size, labelcolor=INK)
        return as_file(figure)


def accuracy_by_resource(history: Mapping[str, Any]) -> str:
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
        return as_file(figure)
