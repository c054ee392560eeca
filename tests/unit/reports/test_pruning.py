"""The table, the charts and the live view of a pruning, from its history."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest
from rich.console import Console, RenderableType

from edgebnn.pruning.progress import Progress
from edgebnn.reports.format import amount
from edgebnn.reports.pruning import report, summary, table
from edgebnn.reports.pruning_plots import accuracy_by_resource, widths_by_iteration
from edgebnn.reports.pruning_view import pruning_view


def history(measured: float | None = 2.0, accuracy: float | None = 0.9) -> dict[str, Any]:
    """Two iterations; ``measured`` is the whole network's latency after the first, None where nothing measures."""

    def iteration(number: int, layer: str, width: int, predicted: float, time: float | None) -> dict[str, Any]:
        proposals = [
            {"layer": layer, "width": width, "predicted": predicted, "accuracy": accuracy, "failure": None},
            {"layer": "[other]", "width": 8, "predicted": predicted, "accuracy": None, "failure": "diverged"},
        ]
        widths = {"conv[0:4]": 32, "fc": 64, "logits": 10, layer: width}
        return {
            "iteration": number,
            "layer": layer,
            "widths": widths,
            "predicted": predicted,
            "measured": time,
            "accuracy": 0.9 - number / 100,
            "proposals": proposals,
        }

    return {
        "resource": "latency",
        "unit": "ms",
        "kind": "measured",
        "initial": 2.5,
        "initial_measured": None if measured is None else 2.5,
        "initial_widths": {"conv[0:4]": 32, "fc": 64, "logits": 10},
        "budget": 1.5,
        "final": {"predicted": 1.9, "measured": measured},
        "met": False,
        "accuracy": {"trained": 0.95, "pruned": 0.5, "short_term": 0.9, "long_term": None},
        "held_out_accuracy": 0.94,
        "iterations": [iteration(1, "conv[0:4]", 24, 2.2, measured), iteration(2, "fc", 40, 1.9, None)],
    }


def shown(item: RenderableType) -> str:
    console = Console(file=io.StringIO(), width=100)
    console.print(item)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_table_tells_what_was_cut_and_how_far_predictions_are_off() -> None:
    lines = shown(table(history())).splitlines()
    first = next(line for line in lines if "conv[0:4]" in line)
    for words in ("32 to 24", "2.2", "+10.0 %", "89.00 %"):
        assert words in first
    assert any("fc" in line and "64 to 40" in line for line in lines)


def test_without_measurements_the_table_tells_shares() -> None:
    text = shown(table(history(measured=None)))
    assert "88.0 %" in text
    assert "off by" not in text


def test_the_summary_names_every_stage_there_was() -> None:
    text = shown(summary(history()))
    assert "above the budget of 1.5 ms" in text
    assert "as given: 95.00 %" in text
    assert "after short-term training: 90.00 %" in text
    assert "long-term" not in text


@pytest.mark.parametrize("show", [table, summary])
def test_energy_is_labelled_with_the_machine_that_it_is_estimated_for(show: Any) -> None:
    energy = {**history(), "resource": "energy", "unit": "pJ", "kind": "estimated", "hardware": "[bold]Pi"}
    text = shown(show(energy))
    assert "estimated for [bold]Pi" in text
    assert "converted" in text
    assert "measured" not in text
    assert "energy (pJ), estimated for [bold]Pi" in accuracy_by_resource(energy)


@pytest.mark.parametrize(("measured", "said"), [(1.56, True), (1.44, False)])
def test_the_summary_says_when_the_prediction_met_the_budget_and_the_network_did_not(
    measured: float, said: bool
) -> None:
    met = {**history(), "met": True, "final": {"predicted": 1.49, "measured": measured}}
    assert ("4.0 % above the budget" in shown(summary(met))) == said


@pytest.mark.parametrize("draw", [widths_by_iteration, accuracy_by_resource])
@pytest.mark.parametrize("accuracy", [0.9, None])
def test_charts_are_svg_and_the_same_at_every_run(draw: Any, accuracy: float | None) -> None:
    data = history(accuracy=accuracy)
    chart = draw(data)
    ElementTree.fromstring(chart)
    assert draw(data) == chart
    assert "iteration" in chart or "latency (ms)" in chart


def test_a_search_that_did_nothing_is_reported_too() -> None:
    found = report({**history(), "iterations": []})
    assert "within the budget" in found.table or "above the budget" in found.table
    assert "<svg" in found.widths
    assert "<svg" in found.accuracy


@pytest.mark.parametrize(
    ("value", "unit", "text"), [(1.23456, "ms", "1.235"), (454945680, "MACs", "454,945,680"), (812, "bytes", "812")]
)
def test_amounts(value: float, unit: str, text: str) -> None:
    assert amount(value, unit) == text


def test_the_view_shows_the_time_that_measuring_still_takes() -> None:
    console = Console(file=io.StringIO(), width=200, force_terminal=True)
    with pruning_view(console) as tell:
        tell(Progress("table", done=100, total=300, layer="conv2d_8_8", seconds_left=200.4))
        tell(Progress("table", done=200, total=300, layer="conv2d_8_16", seconds_left=99.7))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert "conv2d_8_16" in shown
    assert "about 0:01:40 left" in shown


def test_the_view_writes_a_line_for_each_iteration_and_note() -> None:
    console = Console(file=io.StringIO(), width=80)  # as in a log
    with pruning_view(console) as tell:
        for done in (3, 6):
            tell(Progress("table", done=done, total=300, layer="conv2d_8_8", seconds_left=3725.2 - done))
        tell(Progress("search", iteration=1, done=1, total=2, layer="[conv]", accuracy=0.5, unit="ms"))
        tell(Progress("note", message="[fc] is passed over"))
        accepted = Progress("accepted", 1, 4, 2, 2, "conv[0:4]", 0.91, predicted=2.0, budget=1.5, unit="ms")
        tell(replace(accepted, seconds_left=5400.3))
        tell(replace(accepted, iteration=4, seconds_left=0.0))
        tell(Progress("long_term", done=1, total=2, accuracy=0.9))
    assert isinstance(console.file, io.StringIO)
    lines = [line.strip() for line in console.file.getvalue().splitlines()]
    assert lines == [
        "measuring 300 layers or so for the latency table, about 1:02:02 left",
        "[fc] is passed over",
        "iteration 1 of about 4: cut conv[0:4], now 2 ms (budget 1.5), 91.00 % on images held out, about 1:30:00 left",
        "iteration 4 of about 4: cut conv[0:4], now 2 ms (budget 1.5), 91.00 % on images held out",
    ]
