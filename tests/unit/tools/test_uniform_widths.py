"""What the comparison with networks scaled alike says of its outcomes, without training any."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

pytest.importorskip("tensorflow", reason="the comparison trains networks with Keras")

from tests.support.images import blobs
from tools.experiments.uniform_widths import Contest, Outcome, document, markdown, scales

CONTEST = Contest("resnet8", "w1a1", "blobs", blobs(), Path("."), "latency=0.6x", (64, 128, 256), 2, 1, 30)


def outcome(seed: int, adapted: float, uniform: float) -> Outcome:
    return Outcome(seed, 0.9, adapted, uniform, 0.2, 0.19, {"conv": 8}, (40, 80, 160), 4)


def test_scales_are_narrower_in_proportion_and_in_steps() -> None:
    found = scales((32, 64, 96))
    assert found[0] == (32, 64, 88)
    assert found[-1] == (8, 8, 8)
    assert (16, 32, 48) in found
    assert len(set(found)) == len(found)
    assert all(width % 8 == 0 for widths in found for width in widths)
    assert all(a >= b for wider, one in pairwise(found) for a, b in zip(wider, one, strict=True))


def test_the_difference_has_its_standard_error() -> None:
    content = document(CONTEST, [outcome(0, 0.80, 0.78), outcome(1, 0.81, 0.80), outcome(2, 0.79, 0.79)])
    assert content["difference"] == pytest.approx(0.01)
    assert content["standard_error"] == pytest.approx(0.01 / 3**0.5)
    assert "Adapted minus scaled alike: +1.00 points, standard error 0.58 (3 seeds)." in markdown(CONTEST, content)


def test_one_seed_has_no_standard_error() -> None:
    content = document(CONTEST, [outcome(0, 0.80, 0.78)])
    assert content["standard_error"] is None
    assert "standard error" not in markdown(CONTEST, content)
