"""A training that is killed at a bad moment ends as one that was left alone."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.training_run import RECIPE, STEPS

ROOT = Path(__file__).parents[3]


def run(what: str, run_dir: Path, *kill_at: str) -> int:
    command = [sys.executable, "-m", "tests.support.training_run", what, str(run_dir), *kill_at]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True).returncode


def checkpoint(run_dir: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    with np.load(run_dir / "checkpoint.npz") as content:
        arrays = dict(content)
    return json.loads(str(arrays.pop("state"))), arrays


def metrics(run_dir: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


@pytest.mark.parametrize("what", ["plain", "retraining"])
def test_a_killed_training_goes_on_as_if_nothing_had_happened(what: str, tmp_path: Path) -> None:
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    assert run(what, straight) == 0

    assert (
        run(what, broken, "4") == -signal.SIGKILL
    )  # checkpoints after 6, 10 and 16 steps are whole, that after 20 is cut
    state, _ = checkpoint(broken)
    assert (len(state["finished"]), state["step"]) == (1, 6)
    assert len(metrics(broken)) == 1
    assert not (broken / "model.keras").exists()

    assert len(list(broken.glob(".checkpoint-*"))) == 1  # the one cut off

    assert run(what, broken) == 0
    assert sorted(path.name for path in broken.iterdir()) == [
        "checkpoint.npz",
        "metrics.jsonl",
        "model.keras",
        "run.json",
    ]
    assert metrics(broken) == metrics(straight)
    assert len(metrics(broken)) == RECIPE.epochs
    (_, expected), (_, arrays) = checkpoint(straight), checkpoint(broken)
    assert arrays.keys() == expected.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)
    iterations = [array for array in arrays.values() if array.ndim == 0 and array.dtype.kind == "i"]
    assert [count for count in iterations if count >= 0] == [RECIPE.epochs * STEPS]  # TF-MOT has counters at -1
