"""What a pruning came to, from its history JSON: a table of iterations, and two charts.

``history`` is what ``history.json`` in a pruning's folder and ``edgebnn prune --json`` hold.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from . import format
from .pruning_plots import accuracy_by_resource, widths_by_iteration

History: TypeAlias = Mapping[str, Any]

STAGES = {
    "trained": "as given",
    "pruned": "cut, not trained since",
    "short_term": "after short-term training",
    "long_term": "after long-term training",
}


@dataclass(frozen=True)
class Report:
    """The table of iterations as text, and the charts of widths and accuracy as SVG."""

    table: str
    widths: str
    accuracy: str


def report(history: History) -> Report:
    """What people read of a pruning, as files can hold it."""
    text = io.StringIO()
    console = Console(width=110, file=text, color_system=None)
    console.print(table(history), summary(history))
    return Report(text.getvalue(), widths_by_iteration(history), accuracy_by_resource(history))


def table(history: History) -> Table:
    """Every iteration: what was cut, what the network then takes, and its accuracy on the images held out.

    ``off by``: how far the prediction is from the whole network measured again, or counted or estimated as converted.
    """
    measured = any(iteration["measured"] is not None for iteration in history["iterations"])
    unit, again = history["unit"], _again(history)
    result = Table("#", "cut", box=SIMPLE_HEAD, header_style="bold", caption_style="dim", pad_edge=False)
    titles = ["channels", f"{history['resource']} ({unit})", *([again, "off by"] if measured else ["share"])]
    for title in (*titles, "held out"):
        result.add_column(title, justify="right", no_wrap=True)
    held_out = format.percent(history["held_out_accuracy"])
    start = (history["initial"], history["initial_measured"])
    result.add_row("0", "", "", *_amounts(history, *start, measured), held_out)
    before = history["initial_widths"]
    for iteration in history["iterations"]:
        layer, widths = iteration["layer"], iteration["widths"]
        result.add_row(
            str(iteration["iteration"]),
            Text(layer),
            f"{before[layer]} to {widths[layer]}",
            *_amounts(history, iteration["predicted"], iteration["measured"], measured),
            format.percent(iteration["accuracy"]),
        )
        before = widths
    again = f"; {again}: the whole network, after each iteration" if measured else ""
    result.caption = Text(f"{history['resource']} {kind(history)}{again}")
    return result


def kind(history: History) -> str:
    """How the figures were taken, and for which machine if they were estimated."""
    machine = history.get("hardware")
    return str(history["kind"]) if machine is None else f"{history['kind']} for {machine}"


def _again(history: History) -> str:
    """What the figure of the whole network is called: a file's is counted or estimated once more, a target's measured,
    emulated or simulated."""
    return "converted" if history["kind"] in ("counted", "estimated") else str(history["kind"])


def _amounts(history: History, predicted: float, value: float | None, measured: bool) -> list[str]:
    """The resource as predicted, and what was measured and how far the prediction is off, or the share that is left."""
    unit = history["unit"]
    if not measured:
        return [format.amount(predicted, unit), format.percent(predicted / history["initial"], 1)]
    if value is None:
        return [format.amount(predicted, unit), "", ""]
    return [format.amount(predicted, unit), format.amount(value, unit), f"{100 * (predicted / value - 1):+.1f} %"]


def summary(history: History) -> Text:
    """The outcome in a few lines: the budget, and the accuracy on the test images at each stage."""
    unit, final, budget = history["unit"], history["final"], history["budget"]
    word = "within" if history["met"] else "above"
    first, last = format.amount(history["initial"], unit), format.amount(final["predicted"], unit)
    lines = [
        f"{history['resource']}: {first} to {last} {unit}, "
        f"{word} the budget of {format.amount(budget, unit)} {unit} ({kind(history)})"
    ]
    if final["measured"] is not None:
        lines.append(f"{_again(history)} again, whole: {format.amount(final['measured'], unit)} {unit}")
        if history["met"] and final["measured"] > budget:
            lines[-1] += (
                f", {format.percent(final['measured'] / budget - 1, 1)} above the budget: if that matters, ask for less"
            )
    lines += [
        f"accuracy on the test images, {words}: {format.percent(history['accuracy'][stage])}"
        for stage, words in STAGES.items()
        if history["accuracy"][stage] is not None
    ]
    return Text("\n".join(lines))
