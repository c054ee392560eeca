from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebnn.arithmetic.fixed_point import wrap_int32
from edgebnn.arithmetic.w1a8 import INT16_TERMS, folded_bias, largest_difference, overflowing_channels, signed_sums

ZERO_POINTS = st.integers(-128, 127)


@given(zero_point=ZERO_POINTS, count=st.integers(1, 300), seed=st.integers(0, 999))
def test_sums_and_folded_bias_are_those_of_the_int8_kernel(zero_point: int, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    minus = rng.random((5, count)) < rng.choice([0.0, 0.5, 1.0], (5, 1))
    magnitude = rng.integers(1, 128, 5)
    bias = rng.integers(-(2**31), 2**31, 5).astype(np.int32)
    q = rng.choice(np.array([-128, 127, *rng.integers(-128, 128, 4)]), (7, count)).astype(np.int8)
    w = np.where(minus, -magnitude[:, None], magnitude[:, None])
    int8 = wrap_int32((q.astype(np.int64) - zero_point) @ w.T + bias)
    np.testing.assert_array_equal(wrap_int32(magnitude * signed_sums(q, zero_point, minus) + bias), int8)
    plus_and_minus = magnitude * signed_sums(q, 0, minus)
    np.testing.assert_array_equal(wrap_int32(plus_and_minus + folded_bias(bias, magnitude, zero_point, minus)), int8)


@given(zero_point=ZERO_POINTS)
def test_the_largest_difference_is_reached(zero_point: int) -> None:
    assert largest_difference(zero_point) == np.abs(np.arange(-128, 128) - zero_point).max()


def test_sixteen_bits_hold_as_many_terms_as_stated() -> None:
    assert INT16_TERMS * 255 <= 2**15 - 1 < (INT16_TERMS + 1) * 255


@pytest.mark.parametrize(
    ("count", "zero_point", "bias", "over"),
    [(66_311, -128, 0, []), (66_312, -128, 0, [0]), (66_312, 0, 0, []), (66_311, 127, -(2**31), [0, 1])],
)
def test_channels_that_can_leave_32_bits_are_found(count: int, zero_point: int, bias: int, over: list[int]) -> None:
    biases = np.full(2, bias, np.int32)
    assert overflowing_channels(np.array([127, 1]), count, zero_point, biases, np.ones(2)).tolist() == over


def test_scaling_can_leave_32_bits_too() -> None:
    factors = np.array([0.5, 1.0, 100.0, 1000.0])
    assert overflowing_channels(np.full(4, 127), 576, 0, None, factors).tolist() == [3]
