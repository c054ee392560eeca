"""The charts of the report, as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.ticker import FuncFormatter, MaxNLocator

from .charts import ACCENT, QUIET, SECOND, figure_of, in_page, in_percent, settings
from .data import Epoch, Size
from .format import percent, size, size_unit


def training_curve(epochs: Sequence[Epoch]) -> str:
    """Accuracy by epoch, on the training images as they are seen and, where there are any, on those held out."""
    held_out = [e for e in epochs if e.validation_accuracy is not None]
    curves = [(SECOND, [(e.epoch, e.accuracy) for e in epochs])]
    if held_out:
        curves.append((ACCENT, [(e.epoch, e.validation_accuracy or 0.0) for e in held_out]))
    low = min(accuracy for _, points in curves for _, accuracy in points)
    with settings():
        figure, axes = figure_of(2.9, "y")
        for color, points in curves:
            axes.plot(*zip(*points, strict=True), color=color, linewidth=2, marker="o", markersize=4)
        axes.set_ylim(max(0.0, low - 0.08 * (1 - low) - 0.002), 1.0 + 0.03 * (1 - low))
        axes.set_xlim(epochs[0].epoch - 0.25, epochs[-1].epoch + 0.25)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=9, min_n_ticks=1))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
        in_percent(axes.yaxis)
        axes.set_xlabel("epoch", color=QUIET)
        return in_page(figure, "training", f"Accuracy by epoch, ending at {percent(curves[-1][1][-1][1])}")


def sizes(layers: Sequence[Size]) -> str:
    """Bytes of each layer's constants, the float file above the deployed one."""
    with settings():
        figure, axes = figure_of(0.55 + 0.42 * len(layers), "x")
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
        return in_page(figure, "sizes", "Bytes of constants by layer, float file and deployed file")


def _shortened(name: str, limit: int = 28) -> str:
    return name if len(name) <= limit else name[: limit - 1] + "…"
