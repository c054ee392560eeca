from __future__ import annotations

import numpy as np
import pytest

from edgebnn.converters.calibration import Calibration, check, in_order
from edgebnn.converters.keras_names import KerasInput
from edgebnn.errors import InputError
from edgebnn.graph.types import Array

SHAPE = (5, 5, 3)
LEFT, RIGHT = KerasInput("left", SHAPE, "float32"), KerasInput("right", SHAPE, "float32")


def samples(count: int) -> Array:
    return np.random.default_rng(0).random((count, *SHAPE), np.float32)


def _with(values: Array, at: int, value: float) -> Array:
    changed = values.copy()
    changed[at] = value
    return changed


def test_enough_different_samples_leave_nothing_to_say() -> None:
    assert check([samples(32)], [LEFT]) == ()


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        (samples(31), "calibration-few-samples"),
        (_with(samples(40), 7, 0.5), "calibration-constant"),
        (np.repeat(samples(1), 40, axis=0), "calibration-repeated"),
    ],
)
def test_doubtful_samples_are_warned_of(values: Array, rule: str) -> None:
    assert [(finding.level, finding.rule) for finding in check([values], [LEFT])] == [("warning", rule)]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (_with(samples(40), 3, np.nan), "sample 3 holds NaN"),
        (_with(samples(40), 39, np.inf), "sample 39 holds NaN or infinity"),
        (_with(samples(40).astype(np.float64), 2, 1e300), "sample 2 holds NaN or infinity as float32"),
        (samples(0), "no samples"),
        (samples(40)[:, :, :, :1], r"\[40, 5, 5, 1\]; the model wants \[samples, 5, 5, 3\]"),
        (samples(40).astype(str), "dtype"),
        (np.zeros((40, *SHAPE), np.float32), "every sample is constant"),
    ],
)
def test_unusable_samples_are_refused(values: Array, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check([values], [LEFT])


def test_every_input_of_the_model_needs_as_many_samples() -> None:
    assert check([samples(32), samples(32)], [LEFT, RIGHT]) == ()
    with pytest.raises(InputError, match="different numbers"):
        check([samples(32), samples(33)], [LEFT, RIGHT])


def test_arrays_are_taken_in_the_order_of_the_inputs_or_by_name() -> None:
    one, two = samples(2), samples(3)
    assert in_order(one, [LEFT])[0] is one
    for given in ([one, two], {"right": two, "left": one}, {"arr_1": two, "arr_0": one}):
        assert [len(values) for values in in_order(given, [LEFT, RIGHT])] == [2, 3]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([samples(1)], "1 arrays given for a model with 2 inputs"),
        ({"left": samples(1)}, "named 'left' given for a model with the inputs 'left', 'right'"),
        ({"left": samples(1), "rihgt": samples(1)}, "named 'left', 'rihgt' given"),
        ({"left": samples(1), "right": samples(1), "third": samples(1)}, "'third' given"),
    ],
)
def test_there_must_be_an_array_for_each_input(given: Calibration, message: str) -> None:
    with pytest.raises(InputError, match=message):
        in_order(given, [LEFT, RIGHT])


def test_whole_numbers_are_given_to_inputs_that_take_them() -> None:
    tokens = KerasInput("tokens", (4,), "int32")
    assert check([np.arange(160.0).reshape(40, 4)], [tokens]) == ()
    with pytest.raises(InputError, match="'tokens' has fractions; the model wants int32"):
        check([np.full((40, 4), 0.5)], [tokens])


def test_samples_of_one_number_are_not_constant() -> None:
    number = KerasInput("number", (1,), "float32")
    assert check([np.arange(600.0, dtype=np.float32)[:, None]], [number]) == ()
    rules = [finding.rule for finding in check([np.float32([[3.0]])], [number])]
    assert rules == ["calibration-few-samples"]


def test_masks_and_scalars_are_not_constant() -> None:
    masks = np.random.default_rng(0).random((40, 8)) < 0.5
    assert check([masks], [KerasInput("mask", (8,), "bool")]) == ()
    with pytest.raises(InputError, match="every sample is constant"):
        check([np.ones((40, 8), bool)], [KerasInput("mask", (8,), "bool")])
    assert check([np.arange(40.0)], [KerasInput("age", (), "float32")]) == ()


def test_a_model_of_a_fixed_batch_needs_one_batch() -> None:
    fixed = KerasInput("x", SHAPE, "float32", batch=40)
    assert check([samples(40)], [fixed]) == ()
    with pytest.raises(InputError, match="39 samples given for a model that takes 40 at a time"):
        check([samples(39)], [fixed])
