"""What the comparison of ways to remove channels plans, says and times, without training anything."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the comparison trains networks with Keras")

from edgebnn.training.splits import Split
from tools.experiments.cpu_time import Timed
from tools.experiments.removal import (
    PRECISIONS,
    SEEDS,
    Outcome,
    Run,
    difference,
    document,
    equal_steps,
    halved,
    markdown,
    plan,
    read,
)


def outcome(run: Run, short_term: float = 0.5, seconds: float = 1.0) -> Outcome:
    return Outcome(
        run, run.steps or 25, 0.55, 0.3, short_term, 0.6, 0.65, 0.66, 0.6, ("stem",), {"stem": 8}, 6, seconds
    )


def test_every_run_is_planned_once_and_equal_time_after_what_it_needs() -> None:
    runs = plan()
    assert len(set(runs)) == len({run.name for run in runs}) == len(runs)
    for precision in PRECISIONS:
        for seed in SEEDS:
            assert {Run(precision, "cut", 10, seed), Run(precision, "gradual", 10, seed)} <= set(runs)
        first = min(runs.index(run) for run in runs if run.steps is None and run.precision == precision)
        needed = {Run(precision, "cut", 10, 0), Run(precision, "gradual", 10, 0), Run(precision, "cut", 40, 0)}
        assert needed <= set(runs[:first])


def test_equal_steps_fill_the_time_of_a_gradual_proposal() -> None:
    outcomes = [
        outcome(Run("w1a1", "cut", 10, 0), seconds=2.0),
        outcome(Run("w1a1", "cut", 40, 0), seconds=5.0),
        outcome(Run("w1a1", "gradual", 10, 0), seconds=3.5),
        outcome(Run("w1a1", "gradual", 10, 1), seconds=99.0),
        outcome(Run("float", "gradual", 10, 0), seconds=99.0),
    ]
    assert equal_steps(outcomes, "w1a1") == 25


def test_differences_are_paired_by_seed_and_have_their_standard_error() -> None:
    cut = {seed: outcome(Run("float", "cut", 10, seed), 0.50 + seed / 100) for seed in range(3)}
    gradual = {seed: outcome(Run("float", "gradual", 10, seed), 0.51 + seed / 50) for seed in range(3)}
    found = difference(gradual, cut, "short_term")
    assert found is not None
    assert (found.mean, found.standard_error, found.seeds) == pytest.approx((2.0, 1 / 3**0.5, 3))
    alone = difference({0: gradual[0]}, cut, "short_term")
    assert alone is not None
    assert (alone.mean, alone.standard_error, alone.seeds) == (pytest.approx(1.0), None, 1)
    assert difference({}, cut, "short_term") is None
    content = document([*cut.values(), *gradual.values(), outcome(Run("float", "cut", None, 0), 0.505)])
    text = markdown(json.loads(json.dumps(content)))
    assert "| float | gradual minus cut, 10 steps | 3 | +0.00 ± 0.00 | +2.00 ± 0.58 | +0.00 ± 0.00 |" in text
    assert "| float | gradual minus cut, equal time | 1 | +0.00 | +0.50 | +0.00 |" in text
    assert "| float | cut | 25 (equal time) | 0 | 65.00% |" in text


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(asdict(outcome(Run("float", "cut", None, 1)))))
    assert read(path) == outcome(Run("float", "cut", None, 1))


def test_images_are_halved() -> None:
    images = np.arange(2 * 4 * 4 * 1, dtype=np.uint8).reshape(2, 4, 4, 1)
    found = halved(Split(images, np.zeros(2, np.int32)))
    assert found.images[0, :, :, 0].tolist() == [[2, 4], [10, 12]]  # means 2.5, 4.5, 10.5, 12.5 to the even number


def test_calls_are_timed_where_they_run() -> None:
    with ThreadPoolExecutor(1) as threads:
        timed = Timed(threads)
        assert timed.submit(sum, [1, 2, 3]).result() == 6
        with pytest.raises(ZeroDivisionError):
            timed.submit(divmod, 1, 0).result()
        assert len(timed.seconds) == 1
        assert timed.seconds[0] >= 0
