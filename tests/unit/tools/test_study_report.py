"""The report of a study of precisions: what it says of arms, without timing any."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("tensorflow", reason="the stages of retraining are described beside Keras")

from edgebnn.training.history import EpochMetrics
from edgebnn.training.retraining import Stage
from tools.experiments.study_report import Arm, chart, read_arm, table, write_arm


def epoch(number: int, held_out: float) -> EpochMetrics:
    return EpochMetrics(number, 1.0, 0.5, 1.0, held_out, None, None, 0.1, 2.0, "a machine")


ARM = Arm(
    "w1a8",
    (Stage("float", 0.9, 100, "Keras"), Stage("deployed", 0.8125, 100, "the runtime")),
    (epoch(1, 0.4), epoch(2, 0.7)),
    "w1a8.tflite",
)


def test_an_arm_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_arm(tmp_path, ARM)
    assert read_arm(tmp_path, "w1a8") == ARM
    assert read_arm(tmp_path, "int8") is None


def test_the_table_leaves_out_stages_that_an_arm_has_not() -> None:
    row = {
        "name": ARM.name,
        "stages": [{"name": stage.name, "accuracy": stage.accuracy} for stage in ARM.stages],
        "file_bytes": 41_500,
        "arena_bytes": 32_768,
        "latency_ms": {"value": 0.75},
        "times_reference": 1.5,
    }
    titles, _, line = table([row]).splitlines()
    cells = dict(zip(titles.split("|")[1:-1], line.split("|")[1:-1], strict=True))
    assert {title.strip(): cell.strip() for title, cell in cells.items()} == {
        "": "w1a8",
        "given": "",
        "float": "90.00 %",
        "post-training": "",
        "retrained": "",
        "converted": "",
        "deployed": "81.25 %",
        "file": "41.5 kB",
        "arena": "32.8 kB",
        "latency": "0.750 ms",
        "times the float network": "1.50",
    }


def test_the_chart_names_every_arm_and_is_the_same_for_the_same_arms() -> None:
    arms = (ARM, replace(ARM, name="w1a1"))
    drawn = chart(arms)
    assert "w1a8" in drawn
    assert "w1a1" in drawn
    assert drawn == chart(arms)
