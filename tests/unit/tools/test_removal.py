"""What the comparison of ways to remove channels plans, says and times, without training anything."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the comparison trains networks with Keras")

from edgebnn.training.splits import Split
from tools.experiments.cpu_time import timed
from tools.experiments.removal import (
    PRECISIONS,
    SCALES,
    SEEDS,
    Outcome,
    Run,
    Seconds,
    difference,
    document,
    halved,
    markdown,
    read,
)


def outcome(run: Run, short_term: float = 0.5) -> Outcome:
    return Outcome(run, run.steps or 25, 0.55, 0.3, short_term, 0.6, 0.65, 0.66, 0.6, ("stem",), {"stem": 8})


@pytest.mark.parametrize("size", SCALES)
def test_every_run_is_planned_once(size: int) -> None:
    scale = SCALES[size]()
    runs, steps = scale.runs, scale.settings.steps
    assert len(set(runs)) == len({run.name for run in runs}) == len(runs)
    for precision in PRECISIONS:
        for seed in SEEDS:
            assert {Run(precision, removal, steps, seed) for removal in ("cut", "gradual")} <= set(runs)
        assert Run(precision, "cut", None, 0) in runs
    assert steps < min(scale.more_steps)  # the time of a step comes from the difference


def test_equal_steps_fill_the_time_of_a_gradual_proposal() -> None:
    scale = SCALES[16]()
    assert Seconds(cut=2.0, cut_more=5.0, gradual=3.5).equal_steps(scale) == 25
    assert Seconds(cut=2.0, cut_more=5.0, gradual=1.9).equal_steps(scale) == 10


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
    equal_time = outcome(Run("float", "cut", None, 0), 0.505)
    content = document(SCALES[16](), [*cut.values(), *gradual.values(), equal_time], {"float": Seconds(2.0, 5.0, 3.5)})
    assert content["seconds_a_proposal"] == {"float": {"cut": 2.0, "cut_more": 5.0, "gradual": 3.5}}
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


def test_a_call_is_timed() -> None:
    result, seconds = timed(sum, range(1_000_000))
    assert result == sum(range(1_000_000))
    assert 0 < seconds < 5
