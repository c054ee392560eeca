"""A dataflow plan as one HTML file: energy and accesses by memory, a roofline, and each mapping as a loop nest."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgebnn.errors import EdgebnnError
from edgebnn.files import write_text

from . import format

try:
    from matplotlib.axes import Axes

    from .charts import ACCENT, INK, QUIET, RULE, SECOND, figure_of, in_page, settings
except ImportError as error:
    raise EdgebnnError(f"reports need matplotlib ({error}): pip install 'edgebnn[train]'") from error

if TYPE_CHECKING:
    from edgebnn.dataflow.plan import LayerPlan, Plan

_COLORS = (ACCENT, SECOND, QUIET, RULE, INK, "#8250df", "#1a7f37")
_STYLE = """:root { --ink: #1f2328; --quiet: #57606a; --rule: #d8dee4; --accent: #0550ae; --second: #bc4c00 }
body { font: 15px system-ui, sans-serif; color: var(--ink); max-width: 52rem; margin: 2rem auto; padding: 0 1rem }
pre { background: #f6f8fa; padding: 0.8rem; overflow-x: auto; font-size: 12px } svg { width: 100%; height: auto }"""


def write(plan: Plan, model: str, path: Path) -> None:
    """Write the page of ``plan``, of the model called ``model``. Raises InputError where it cannot be written."""
    write_text(path, page(plan, model))


def page(plan: Plan, model: str) -> str:
    """The whole page; names from files are escaped."""
    title = html.escape(f"{model} on {plan.hardware.name}, batch {plan.batch}")
    nests = "".join(
        f"<h3>{html.escape(layer.name)}</h3><pre>{html.escape(chr(10).join(layer.mapping['loops']))}</pre>"
        for layer in plan.layers
    )
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1>"
        f"<p>All figures are estimated by the dataflow model. {html.escape(plan.hardware.source)}.</p>"
        f"<h2>Energy by memory, in {html.escape(plan.hardware.unit)}</h2>{_bars(plan, 'energy')}"
        f"<h2>Bytes by memory</h2>{_bars(plan, 'bytes')}<h2>Roofline</h2>{roofline(plan)}"
        f"<h2>Mappings</h2>{nests}</body></html>"
    )


def _bars(plan: Plan, what: str) -> str:
    """A bar for each layer, taken apart by memory."""
    values: list[Mapping[str, float]] = [getattr(layer, what) for layer in plan.layers]
    with settings():
        figure, axes = figure_of(1.0 + 0.28 * len(values), "x")
        left = [0.0] * len(values)
        for name, color in zip(values[0], _COLORS, strict=False):
            parts = [float(value[name]) for value in values]
            axes.barh(range(len(values)), parts, left=left, color=color, label=name, linewidth=0, height=0.7)
            left = [a + b for a, b in zip(left, parts, strict=True)]
        _label(axes, plan.layers)
        axes.legend(frameon=False, ncols=len(values[0]), loc="lower left", bbox_to_anchor=(0, 1), fontsize=8)
        return in_page(figure, what, f"{what} of each layer by memory")


def _label(axes: Axes, layers: Sequence[LayerPlan]) -> None:
    names = [format.layer(layer.name)[:28] for layer in layers]
    axes.set_yticks(range(len(layers)), names, parse_math=False)
    axes.invert_yaxis()


def roofline(plan: Plan) -> str:
    """What each layer computes a second over what it computes with a byte of the outermost memory, below the machine's
    two limits for its precision."""
    outer = plan.hardware.levels[0]
    rate = plan.hardware.clock_hz
    points = [
        (layer.macs / max(1, layer.bytes[outer.name]), layer.macs / layer.latency_ms * 1e3, layer.precision)
        for layer in plan.layers
    ]
    xs = [x for x, _, _ in points]
    span = [min(xs) / 4, max(xs) * 4]
    with settings():
        figure, axes = figure_of(3.2, "both")
        for precision in dict.fromkeys(name for _, _, name in points):
            peak = plan.hardware.macs_per_cycle[precision] * plan.hardware.pes * rate
            if plan.hardware.word_bits is not None and precision == "binary":
                peak *= plan.hardware.word_bits
            ridge = peak / (outer.bytes_per_cycle * rate)
            edges = sorted([*span, ridge])
            roof = [min(peak, x * outer.bytes_per_cycle * rate) for x in edges]
            axes.plot(edges, roof, color=QUIET, linewidth=1.2)
        axes.scatter(xs, [y for _, y, _ in points], color=ACCENT, s=18, zorder=3)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel(f"multiply-accumulates for a byte of {outer.name}")
        axes.set_ylabel("multiply-accumulates a second")
        return in_page(figure, "roofline", "Roofline of the layers")
