"""Charts as SVG files that stand alone: light ground, text as text, the same file for the same data."""

from __future__ import annotations

import io
from contextlib import AbstractContextManager

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

INK, QUIET, RULE, ACCENT, SECOND = "#1f2328", "#57606a", "#d8dee4", "#0550ae", "#bc4c00"


def settings() -> AbstractContextManager[None]:
    """In which to draw: text as text, and ids that are the same at every run."""
    return matplotlib.rc_context(
        {"svg.fonttype": "none", "svg.hashsalt": "edgebnn", "font.size": 9.5, "axes.labelcolor": QUIET}
    )


def percent(value: float, _: int) -> str:
    """A tick at the share ``value``."""
    return f"{100 * value:g} %"


def figure_of(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of so many inches with one set of axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    axes.set_axisbelow(True)
    axes.grid(color=RULE, linewidth=0.7)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(RULE)
    axes.tick_params(length=0, labelcolor=QUIET)
    return figure, axes


def svg(figure: Figure) -> str:
    """The file: no date in it."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()
