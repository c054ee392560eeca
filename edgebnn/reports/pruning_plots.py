"""The charts of a pruning, as SVG files that stand alone: light ground, text as text."""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

_INK, _QUIET, _RULE, _ACCENT, _SECOND = "#1f2328", "#57606a", "#d8dee4", "#0550ae", "#bc4c00"
_MANY_LAYERS = 8


def widths_by_iteration(history: Mapping[str, Any]) -> str:
    """Channels left of every group that lost some, as shares of those it began with, after each iteration."""
    first = history["initial_widths"]
    rows = [first, *(iteration["widths"] for iteration in history["iterations"])]
    cut = [name for name in first if rows[-1][name] < first[name]]
    with _settings():
        figure, axes = _figure(6.4, 3.4)
        colors = matplotlib.colormaps["viridis"]
        for index, name in enumerate(cut):
            shares = [row[name] / first[name] for row in rows]
            label = f"{name}: {first[name]} to {rows[-1][name]}"
            color = colors(0.92 * index / max(1, len(cut) - 1))
            axes.step(range(len(rows)), shares, where="post", color=color, linewidth=1.8, label=label)
        axes.set_xlabel("iteration")
        axes.set_ylabel("channels left")
        axes.yaxis.set_major_formatter(FuncFormatter(_percent))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_ylim(0, 1.04)
        axes.set_xlim(0, max(1, len(rows) - 1))
        if cut:
            size = 8 if len(cut) <= _MANY_LAYERS else 6.5
            axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=size, labelcolor=_INK)
        return _svg(figure)


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
    with _settings():
        figure, axes = _figure(6.4, 3.4)
        if others:
            x, y = zip(*others, strict=True)
            axes.scatter(x, y, s=9, color=_RULE, edgecolors=_QUIET, linewidths=0.4, label="proposals")
        axes.plot(*zip(*path, strict=True), color=_ACCENT, linewidth=1.8, marker="o", markersize=3.5, label="chosen")
        axes.axvline(history["budget"], color=_SECOND, linewidth=1.2, linestyle="--", label="budget")
        axes.invert_xaxis()
        axes.set_xlabel(f"{history['resource']} ({unit})")
        axes.set_ylabel("accuracy, images held out")
        axes.yaxis.set_major_formatter(FuncFormatter(_percent))
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
        if unit != "ms":
            axes.xaxis.set_major_formatter(FuncFormatter(_count))
        axes.legend(loc="best", frameon=False, fontsize=8, labelcolor=_INK)
        return _svg(figure)


def _settings() -> AbstractContextManager[None]:
    """Text as text, and ids that are the same at every run."""
    return matplotlib.rc_context(
        {"svg.fonttype": "none", "svg.hashsalt": "edgebnn", "font.size": 9.5, "axes.labelcolor": _QUIET}
    )


def _percent(value: float, _: int) -> str:
    return f"{100 * value:g} %"


def _count(value: float, _: int) -> str:
    for divisor, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= divisor:
            return f"{value / divisor:g} {suffix}"
    return f"{value:g}"


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    axes.set_axisbelow(True)
    axes.grid(color=_RULE, linewidth=0.7)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(_RULE)
    axes.tick_params(length=0, labelcolor=_QUIET)
    return figure, axes


def _svg(figure: Figure) -> str:
    """The same text for the same data: no date in it."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()
