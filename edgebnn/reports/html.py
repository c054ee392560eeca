"""The report as one HTML file: style and charts inline, nothing fetched, every name escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgebnn.errors import EdgebnnError, InputError
from edgebnn.files import write_text
from edgebnn.graph.opdef import Macs

from . import format
from .codec import from_json, to_json
from .data import AGREEMENT, Dataflow, Layer, ReportData, Stretch, Timing

try:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    from . import dataflow_plots, plots
    from .charts import VARIABLES
except ImportError as error:
    raise EdgebnnError(f"reports need jinja2 and matplotlib ({error}): pip install 'edgebnn[reports]'") from error


@dataclass(frozen=True)
class Row:
    """A row of the table of layers: the first layer of a stretch carries its time, the others point to it."""

    layer: Layer
    stretch: Stretch | None
    with_index: int | None
    swatch: str


@dataclass(frozen=True)
class Part:
    """A part of the bar that splits an inference's time."""

    label: str
    share: float
    swatch: str


@dataclass(frozen=True)
class Totals:
    macs: Macs
    weight_bytes: int


def environment() -> Environment:
    """Of the templates: names are escaped, a name that is missing is an error, numbers are formatted by name."""
    found = Environment(
        loader=PackageLoader("edgebnn.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update({function.__name__: function for function in format.FORMATS})
    return found


def dataflow_parts(plan: Dataflow) -> dict[str, Any]:
    """What the template ``dataflow.html.j2`` needs of ``plan``."""
    draw = (dataflow_plots.energy, dataflow_plots.accesses, dataflow_plots.roofline)
    return {
        "d": plan,
        "charts": {chart.__name__: Markup(chart(plan)) for chart in draw},
        "colors": {name: f"var({VARIABLES[color]})" for name, color in dataflow_plots.colors(plan).items()},
    }


def render(report: ReportData) -> str:
    """The whole page."""
    totals = Totals(
        sum((layer.macs for layer in report.layers), Macs()), sum(layer.weight_bytes for layer in report.layers)
    )
    planned = dataflow_parts(report.dataflow) if report.dataflow else {"d": None, "charts": {}, "colors": {}}
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            rows=layer_rows(report.layers, report.timing),
            split=time_split(report.timing) if report.timing else (),
            totals=totals,
            tolerance=AGREEMENT,
            precisions=[name for name, _ in format.macs(totals.macs)],
            training_svg=Markup(plots.training_curve(report.epochs)) if report.epochs[1:] else "",
            sizes_svg=Markup(plots.sizes(report.sizes.layers)) if report.sizes and report.sizes.layers else "",
            **planned,
        )
    )


def write(report: ReportData, html: Path, data: Path) -> None:
    """Write the page and, as JSON, its data, each atomically. Raises InputError where a folder cannot be written."""
    page = render(report)
    write_text(data, to_json(report))
    write_text(html, page)


def read(data: Path) -> ReportData:
    """The data that :func:`write` wrote. Raises InputError where it is missing or not a report's."""
    try:
        text = data.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{data}: cannot be read ({error}); run the demo again, it writes this file") from None
    return from_json(ReportData, text, str(data))


def layer_rows(layers: Sequence[Layer], timing: Timing | None) -> tuple[Row, ...]:
    """The rows of the table of layers, in execution order."""
    stretches = {index: stretch for stretch in (timing.stretches if timing else ()) for index in stretch.members}
    rows = []
    for layer in layers:
        stretch = stretches.get(layer.index)
        swatch = "ours" if stretch and stretch.ours else "other"
        if stretch and stretch.members[0] != layer.index:
            rows.append(Row(layer, None, stretch.members[0], swatch))
        else:
            rows.append(Row(layer, stretch, None, swatch))
    return tuple(rows)


def time_split(timing: Timing) -> tuple[Part, ...]:
    """An inference's time by who runs it; what the stretches do not cover is the interpreter itself."""
    ours = sum(s.share for s in timing.stretches if s.ours)
    others = sum(s.share for s in timing.stretches if not s.ours)
    parts = (
        Part("edgebnn's kernels", ours, "ours"),
        Part("LiteRT's kernels", others, "other"),
        Part("around the ops", max(0.0, 1 - ours - others), "rest"),
    )
    return tuple(part for part in parts if part.share > 0.0005)
