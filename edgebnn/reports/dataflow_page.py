"""A dataflow plan as one HTML file: energy and accesses by memory, a roofline, and each mapping as a loop nest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgebnn.files import write_text

from . import format, html
from .dataflow_view import dataflow

if TYPE_CHECKING:
    from edgebnn.dataflow.plan import Plan


def write(plan: Plan, model: str, path: Path) -> None:
    """Write the page of ``plan``, of the model called ``model``. Raises InputError where it cannot be written."""
    write_text(path, page(plan, model))


def page(plan: Plan, model: str) -> str:
    """The whole page; names from files are escaped."""
    shown = dataflow(plan)
    nests = [{"name": format.layer(layer.name), "text": "\n".join(layer.mapping["loops"])} for layer in plan.layers]
    return (
        html.environment()
        .get_template("plan.html.j2")
        .render(title=f"{Path(model).name} on {shown.hardware}", nests=nests, **html.dataflow_parts(shown))
    )
