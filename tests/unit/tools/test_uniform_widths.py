"""What the comparison with networks scaled alike says of its outcomes, without training any."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("tensorflow", reason="the comparison trains networks with Keras")

from tests.support.images import blobs
from tools.experiments.uniform_widths import Contest, Outcome, document, markdown, scaled

CONTEST = Contest("resnet8", "w1a1", "blobs", blobs(), Path("."), "latency=0.6x", (64, 128, 256), 2, 1, 30)


def outcome(seed: int, adapted: float, uniform: float) -> Outcome:
    return Outcome(seed, 0.9, adapted, uniform, 0.2, 0.19, {"conv": 8}, (40, 80, 160), 4)


def test_widths_are_scaled_alike_and_never_to_nothing() -> None:
    assert scaled((64, 128, 256), 32) == (32, 64, 128)
    assert scaled((16, 100), 1) == (1, 2)
    assert scaled((64, 128, 256), 64) == (64, 128, 256)


def test_the_difference_has_its_standard_error() -> None:
    content = document(CONTEST, [outcome(0, 0.80, 0.78), outcome(1, 0.81, 0.80), outcome(2, 0.79, 0.79)])
    assert content["difference"] == pytest.approx(0.01)
    assert content["standard_error"] == pytest.approx(0.01 / 3**0.5)
    assert "Adapted minus scaled alike: +1.00 points, standard error 0.58 (3 seeds)." in markdown(CONTEST, content)


def test_one_seed_has_no_standard_error() -> None:
    content = document(CONTEST, [outcome(0, 0.80, 0.78)])
    assert content["standard_error"] is None
    assert "standard error" not in markdown(CONTEST, content)
