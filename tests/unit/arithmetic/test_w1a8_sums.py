from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebnn.arithmetic.fixed_point import wrap_int32
from edgebnn.arithmetic.w1a8 import (
    INT16_TERMS,
    accumulator_range,
    folded_bias,
    overflowing_channels,
    shifted_first,
    signed_sums,
)

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
    plus_and_minus = magnitude * signed_sums(q, minus)
    np.testing.assert_array_equal(wrap_int32(plus_and_minus + folded_bias(bias, magnitude, zero_point, minus)), int8)


@given(zero_point=ZERO_POINTS, count=st.integers(1, 300), seed=st.integers(0, 999))
def test_the_range_of_an_accumulator_is_that_of_the_two_extreme_inputs(zero_point: int, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    minus = rng.random((6, count)) < rng.choice([0.0, 0.3, 1.0], (6, 1))
    magnitude = np.array([127, 1, 64, 0, 127, 3])
    bias = rng.integers(-(2**31), 2**31, 6).astype(np.int32)
    w = np.where(minus, -magnitude[:, None], magnitude[:, None])
    extremes = [np.where(minus, below, above) for below, above in ((127, -128), (-128, 127))]
    low, high = (((x - zero_point) * w).sum(axis=1) + bias for x in extremes)
    found = accumulator_range(magnitude, zero_point, minus, bias)
    np.testing.assert_array_equal(found[0], low)
    np.testing.assert_array_equal(found[1], high)


def test_sixteen_bits_hold_as_many_terms_as_stated() -> None:
    assert INT16_TERMS * 255 <= 2**15 - 1 < (INT16_TERMS + 1) * 255


def over(count: int, zero_point: int, bias: int, factor: float = 1e-3, minus: float = 0.0) -> list[int]:
    """Channels of magnitude 127 and 1, a share ``minus`` of their weights below 0, whose sums leave 32 bits."""
    signs = np.broadcast_to(np.arange(count) < round(minus * count), (2, count))
    low, high = accumulator_range(np.array([127, 1]), zero_point, signs, np.full(2, bias, np.int32))
    return overflowing_channels(low, high, shifted_first(np.full(2, factor))).tolist()


@pytest.mark.parametrize(
    ("count", "zero_point", "bias", "minus", "expected"),
    [
        (66_311, -128, 0, 0.0, []),
        (66_312, -128, 0, 0.0, [0]),
        (66_312, 0, 0, 0.5, []),
        (66_312, 0, 0, 1.0, []),
        (1000, -128, 2**31 - 1000, 0.0, [0, 1]),
        (1000, -128, -(2**31) + 200_000, 1.0, [0, 1]),
        (1000, -128, -(2**31) + 200_000, 0.0, []),
        (66_311, 127, -(2**31), 0.0, [0, 1]),
    ],
)
def test_channels_that_can_leave_32_bits_are_found(
    count: int, zero_point: int, bias: int, minus: float, expected: list[int]
) -> None:
    assert over(count, zero_point, bias, minus=minus) == expected


def test_scaling_can_leave_32_bits_too() -> None:
    """576 x 127 x 128 is 9,363,456: 2**7 times that still fits, 2**8 times does not."""
    assert over(576, 0, 0, factor=127.9) == []
    assert over(576, 0, 0, factor=128.0) == [0]


def test_convolutions_shift_by_the_whole_exponent_first() -> None:
    assert shifted_first(np.array([1e-9, 0.5, 0.999, 1 - 2.0**-40, 1.0, 1.5, 2.0])).tolist() == [1, 1, 1, 2, 2, 2, 4]
