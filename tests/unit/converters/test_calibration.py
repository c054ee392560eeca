from __future__ import annotations

import numpy as np
import pytest

from edgebnn.converters.calibration import check
from edgebnn.errors import InputError
from edgebnn.graph.types import Array

SHAPE = (5, 5, 3)


def samples(count: int) -> Array:
    return np.random.default_rng(0).random((count, *SHAPE), np.float32)


def _with(values: Array, at: int, value: float) -> Array:
    changed = values.copy()
    changed[at] = value
    return changed


def test_enough_different_samples_leave_nothing_to_say() -> None:
    assert check([samples(32)], [SHAPE]) == ()


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        (samples(31), "calibration-few-samples"),
        (_with(samples(40), 7, 0.5), "calibration-constant"),
        (np.repeat(samples(1), 40, axis=0), "calibration-repeated"),
    ],
)
def test_doubtful_samples_are_warned_of(values: Array, rule: str) -> None:
    assert [(finding.level, finding.rule) for finding in check([values], [SHAPE])] == [("warning", rule)]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (_with(samples(40), 3, np.nan), "sample 3 holds NaN"),
        (_with(samples(40), 39, np.inf), "sample 39 holds NaN or infinity"),
        (samples(0), "no samples"),
        (samples(40)[:, :, :, :1], r"\[40, 5, 5, 1\]; the model wants \[samples, 5, 5, 3\]"),
        (samples(40).astype(str), "dtype"),
        (np.zeros((40, *SHAPE), np.float32), "every sample is constant"),
    ],
)
def test_unusable_samples_are_refused(values: Array, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check([values], [SHAPE])


def test_every_input_of_the_model_needs_as_many_samples() -> None:
    assert check([samples(32), samples(32)], [SHAPE, SHAPE]) == ()
    with pytest.raises(InputError, match="different numbers"):
        check([samples(32), samples(33)], [SHAPE, SHAPE])
    with pytest.raises(InputError, match="1 arrays given for a model with 2 inputs"):
        check([samples(32)], [SHAPE, SHAPE])
