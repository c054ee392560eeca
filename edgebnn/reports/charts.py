"""The one style of all charts, as SVG: alone in a file, or inside HTML, where it takes its colours from the page.

Matplotlib's object interface only: no pyplot, no global figures. Text stays text, and the same data gives the same
file.
"""

from __future__ import annotations

import io
import re
from contextlib import AbstractContextManager
from html import escape
from typing import Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

INK, QUIET, RULE, ACCENT, SECOND = "#1f2328", "#57606a", "#d8dee4", "#0550ae", "#bc4c00"
MEMORIES = ("#0b4f6c", "#2f8fb3", "#86c5d8", "#c9e4ec", "#e4f1f5")
"""Of memories, the outermost first."""
NETWORK, MULTIPLY, INT8, FLOAT = "#8a63c9", "#d9902f", "#6b4fc0", "#b4690e"
VARIABLES = {
    INK: "--ink",
    QUIET: "--quiet",
    RULE: "--rule",
    ACCENT: "--accent",
    SECOND: "--second",
    NETWORK: "--network",
    MULTIPLY: "--multiply",
    INT8: "--int8",
    FLOAT: "--float",
    **{color: f"--memory{number}" for number, color in enumerate(MEMORIES)},
}
"""The page's names of the colours."""
WIDTH = 6.0
"""Inches."""


def settings() -> AbstractContextManager[None]:
    """In which to draw: text as text, and ids that are the same at every run."""
    return matplotlib.rc_context(
        {"svg.fonttype": "none", "svg.hashsalt": "edgebnn", "font.size": 9.5, "axes.labelcolor": QUIET}
    )


def figure_of(height: float, grid: Literal["x", "y", "both"]) -> tuple[Figure, Axes]:
    """A figure of so many inches with one set of bare axes, and lines at the ticks of some."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    FigureCanvasSVG(figure)
    figure.patch.set_alpha(0)
    axes = figure.add_subplot()
    axes.patch.set_alpha(0)
    axes.set_axisbelow(True)
    axes.grid(axis=grid, color=RULE, linewidth=0.8)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(RULE)
    axes.tick_params(length=0, pad=5, labelcolor=QUIET)
    return figure, axes


def in_percent(axis: Axis) -> None:
    """Labels the ticks of an axis of shares."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))


def as_file(figure: Figure) -> str:
    """The figure as the text of a file that stands alone, on a light ground; without a date."""
    figure.patch.set(alpha=1, facecolor="white")
    return _svg(figure)


def in_page(figure: Figure, prefix: str, description: str) -> str:
    """The figure as an <svg> element to stand in HTML: described, in the page's colours, its ids made its own."""
    svg = _svg(figure)
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{prefix}-", svg)
    svg = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", svg)
    svg = re.sub(r' (?:width|height)="[\d.]+pt"| xmlns(?::\w+)?="[^"]*"| version="[\d.]+"', "", svg)
    svg = svg.replace("xlink:href", "href")
    for color, variable in VARIABLES.items():
        svg = svg.replace(color, f"var({variable})")
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(description)}"', 1)


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return buffer.getvalue()
