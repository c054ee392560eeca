"""Charts as inline SVG that takes its colours from the page, so one drawing serves light, dark and print.

Matplotlib's object interface only: no pyplot, no global figures. Colours are drawn as stand-ins and replaced by
the style sheet's variables; text stays text, in the page's font.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from .data import Epoch, Size
from .format import percent, size, size_unit

INK, QUIET, RULE, ACCENT, SECOND = "#010101", "#010102", "#010103", "#010104", "#010105"
_VARIABLES = {INK: "--ink", QUIET: "--quiet", RULE: "--rule", ACCENT: "--accent", SECOND: "--second"}
_WIDTH = 5.6


def training_curve(epochs: Sequence[Epoch]) -> str:
    """Accuracy by epoch, on the training images as they are seen and, where there are any, on those held out."""
    held_out = [e for e in epochs if e.validation_accuracy is not None]
    curves = [(SECOND, [(e.epoch, e.accuracy) for e in epochs])]
    if held_out:
        curves.append((ACCENT, [(e.epoch, e.validation_accuracy or 0.0) for e in held_out]))
    low = min(accuracy for _, points in curves for _, accuracy in points)
    with _settings():
        figure, axes = _figure(2.9)
        for color, points in curves:
            axes.plot(*zip(*points, strict=True), color=color, linewidth=2, marker="o", markersize=4)
        axes.set_ylim(max(0.0, low - 0.08 * (1 - low) - 0.002), 1.0 + 0.03 * (1 - low))
        axes.set_xlim(epochs[0].epoch - 0.25, epochs[-1].epoch + 0.25)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=9, min_n_ticks=1))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
        axes.set_xlabel("epoch", color=QUIET)
        axes.grid(axis="y", color=RULE, linewidth=0.8)
        return _svg(figure, "training", f"Accuracy by epoch, ending at {percent(curves[-1][1][-1][1])}")


def sizes(layers: Sequence[Size]) -> str:
    """Bytes of each layer's constants, the float file above the deployed one."""
    with _settings():
        figure, axes = _figure(0.55 + 0.42 * len(layers))
        y = range(len(layers))
        largest = max(max(s.float_bytes, s.deployed_bytes) for s in layers)
        for offset, color, values in (
            (-0.19, SECOND, [s.float_bytes for s in layers]),
            (0.19, ACCENT, [s.deployed_bytes for s in layers]),
        ):
            axes.barh([i + offset for i in y], values, height=0.34, color=color, linewidth=0)
            for i, value in zip(y, values, strict=True):
                axes.text(value + largest * 0.012, i + offset, size(value), va="center", color=QUIET, fontsize=8)
        axes.set_yticks(list(y), [_shortened(s.layer) for s in layers], parse_math=False)  # names may hold dollars
        axes.set_ylim(len(layers) - 0.45, -0.55)
        axes.set_xlim(0, largest * 1.2)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
        divisor, unit = size_unit(largest)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / divisor:g}"))
        axes.set_xlabel(unit, color=QUIET)
        axes.grid(axis="x", color=RULE, linewidth=0.8)
        return _svg(figure, "sizes", "Bytes of constants by layer, float file and deployed file")


def _shortened(name: str, limit: int = 28) -> str:
    return name if len(name) <= limit else name[: limit - 1] + "…"


def _settings() -> AbstractContextManager[None]:
    """Text as text, and ids that are the same at every run."""
    return matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "edgebnn", "font.size": 9.5})


def _figure(height: float) -> tuple[Figure, Axes]:
    """A figure of our width with one set of bare axes."""
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    FigureCanvasSVG(figure)
    figure.patch.set_alpha(0)
    axes = figure.add_subplot()
    axes.patch.set_alpha(0)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(RULE)
    axes.tick_params(length=0, pad=5, labelcolor=QUIET)
    return figure, axes


def _svg(figure: Figure, prefix: str, description: str) -> str:
    """The figure as an <svg> element to stand in HTML: described, free of metadata, its ids made its own."""
    buffer = io.StringIO()
    none = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(buffer, format="svg", metadata=none)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{prefix}-", svg)
    svg = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", svg)
    svg = re.sub(r' (?:width|height)="[\d.]+pt"| xmlns(?::\w+)?="[^"]*"| version="[\d.]+"', "", svg)
    svg = svg.replace("xlink:href", "href")
    for stand_in, variable in _VARIABLES.items():
        svg = svg.replace(stand_in, f"var({variable})")
    return svg.replace("<svg", f'<svg role="img" aria-label="{description}"', 1)
