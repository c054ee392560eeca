"""Tables of the terminal say what the results hold, and no name from a file acts as markup or control sequence."""

from __future__ import annotations

import io

import pytest
from rich.console import Console, RenderableType

from edgebnn.converters.findings import Finding
from edgebnn.graph.analysis import Analysis, OpAnalysis, Totals
from edgebnn.graph.opdef import Macs
from edgebnn.reports import tables
from edgebnn.reports.data import DemoResult
from edgebnn.runtime.profile import OpProfile, Profile
from edgebnn.targets.validate import LayerCheck, Validation
from tests.support.reports import dataflow, report

HOSTILE = "[bold]a[/bold] [link=file:x]b \x1b[2J\r\x07"


def shown(table: RenderableType, width: int = 160) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, force_terminal=True, color_system=None).print(table)
    return stream.getvalue()


def _analysis(name: str) -> Analysis:
    ops = (
        OpAnalysis(0, "LceBconv2d", name, Macs(binary=1_806_336), 1_408, 25_088),
        OpAnalysis(1, "CONV_2D", "conv", Macs(float=640), 0, 40),
    )
    return Analysis(ops, Totals(Macs(binary=1_806_336, float=640), 1_408, 2_000, 50_176, 50_000))


def _validation(**changes: object) -> Validation:
    values: dict[str, object] = {
        "target": "host",
        "model": "m.tflite",
        "samples": 3,
        "passed": True,
        "tolerance": 1e-5,
        "bit_exact": True,
        "max_abs_diff": 0.0,
        "mismatches": 0,
        "explained_by_rounding": False,
        "first_departure": None,
        "layers": None,
    }
    return Validation(**{**values, **changes})  # type: ignore[arg-type]


def test_analysis_has_a_column_for_each_precision_that_occurs() -> None:
    text = shown(tables.analysis(_analysis("layer")))
    for words in ("binary MACs", "float MACs", "1.81 M", "640", "1.41 kB", "25.1 kB", "total", "file 2.00 kB"):
        assert words in text
    assert "int8" not in text


def test_a_profile_shows_shares_of_the_whole_and_where_it_was_taken() -> None:
    ops = (
        OpProfile(0, "LceBconv2d", "conv", 0.03, 0.6),
        OpProfile(1, "ADD x2", "add", 0.015, 0.3),
        OpProfile(-1, "INTERPRETER", "between the ops", 0.005, 0.1),
    )
    text = shown(tables.profile(Profile("measured", "ms", 0.05, ops), "host", "a computer"))
    for words in ("30.0", "60.0 %", "15.0", "30.0 %", "50.0", "µs", "whole inference", "measured on a computer (host)"):
        assert words in text
    assert "-1" not in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "passed on host: 3 samples, every output bit equals the reference's"),
        ({"samples": 1}, "1 sample,"),
        (
            {"bit_exact": False, "mismatches": 2, "max_abs_diff": 0.5, "explained_by_rounding": True},
            "2 outputs beyond the tolerance, largest difference 5.00e-01, though every op agrees",
        ),
        ({"bit_exact": False, "passed": False, "mismatches": 2, "max_abs_diff": 0.5}, "FAILED on host"),
        (
            {"bit_exact": False, "passed": False, "first_departure": LayerCheck(7, "ADD", "sum", False, 0.5, True)},
            "first at fault: layer 7, ADD 'sum'",
        ),
        ({"bit_exact": False, "max_abs_diff": 1e-6}, "all outputs within the tolerance, largest difference 1.00e-06"),
    ],
)
def test_a_validation_says_how_it_ended(changes: dict[str, object], words: str) -> None:
    assert words in " ".join(shown(tables.validation(_validation(**changes))).split())


def test_a_validation_by_layers_marks_the_layer_that_departs() -> None:
    layers = (
        LayerCheck(0, "CONV_2D", "stem", True, 0.0, False),
        LayerCheck(1, "ADD", "add", False, 0.5, True),
    )
    lines = shown(tables.validation(_validation(layers=layers, passed=False))).splitlines()
    assert any("stem" in line and "bit for bit" in line for line in lines)
    assert any("add" in line and line.rstrip().endswith("no") for line in lines)


def test_findings_give_level_rule_layer_message_and_remedy() -> None:
    text = shown(tables.findings([Finding("error", "unknown-op", "conv", "It is slow.", "Use 64 channels.")]))
    for words in ("error", "unknown-op", "conv", "It is slow.", "Use 64 channels."):
        assert words in text


@pytest.mark.parametrize(("accuracy", "words"), [(0.9889, "98.89 % of 10,000 test images, reaches"), (0.97, "MISSES")])
def test_the_demo_says_whether_it_reached_its_bar(accuracy: float, words: str) -> None:
    retraining, pruning, microcontroller = report().retraining, report().pruning, report().microcontroller
    assert microcontroller is not None
    assert retraining is not None
    assert pruning is not None
    result = DemoResult(
        passed=accuracy >= 0.985,
        accuracy=accuracy,
        required=0.985,
        keras_accuracy=0.989,
        samples=10_000,
        agreements=report().agreements,
        latency_ms=0.134,
        latency_kind="measured",
        file_bytes=96_748,
        float_file_bytes=1_233_196,
        retraining=retraining,
        pruning=pruning,
        microcontroller=microcontroller,
        on_pi=report().on_pi,
        dataflow=dataflow(),
        seconds=321.4,
        model="runs/demo/model.tflite",
        pruned_model="runs/demo/pruned.tflite",
        retrained_model="runs/demo/w1a8.tflite",
        report="runs/demo/report.html",
        report_data="runs/demo/report.json",
    )
    text = shown(tables.demo(result))
    for expected in (
        words,
        "98.5 %",
        "9,998 of 10,000",
        "7.82 M pJ, at least 24.0 µs, estimated for A <machine>",
        "134 µs",
        "96.7 kB",
        "1.23 MB",
        "321 s",
        "99.19 % deployed",
        "98.49 % deployed, 1.18 times as fast",
        "W1A8 on a Cortex-M4",
        "9,876,543 instructions, simulated; 41.2 kB of flash, 33.5 kB of RAM; bit for bit",
        "the reference within the tolerance of floats on 3 images; emulated cortex-a76",
        "runs/demo/report.html",
    ):
        assert expected in text


def test_hostile_names_are_shown_and_not_obeyed() -> None:
    finding = Finding("info", "rule", HOSTILE, HOSTILE, HOSTILE)
    profile = Profile("measured", "ms", 1.0, (OpProfile(0, HOSTILE, HOSTILE, 1.0, 1.0),))
    for table in (
        tables.analysis(_analysis(HOSTILE)),
        tables.profile(profile, "host", HOSTILE),
        tables.findings([finding]),
        tables.validation(_validation(target=HOSTILE, layers=(LayerCheck(0, "x", HOSTILE, True, 0.0, False),))),
    ):
        text = shown(table)
        assert "[bold]a[/bold]" in text
        assert "\x1b[2J" not in text
        assert "\r" not in text
        assert "\x07" not in text
