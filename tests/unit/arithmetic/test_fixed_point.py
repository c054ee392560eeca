"""Requantization and rounding, against exact rational arithmetic."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebnn.arithmetic.fixed_functions import inverse_square_root, softmax_int8
from edgebnn.arithmetic.fixed_point import (
    INT32_MAX,
    INT32_MIN,
    doubling_high_mul,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    rounding_right_shift,
    wrap_int32,
)
from edgebnn.arithmetic.quantization import dequantize, quantize, quantized_bounds
from edgebnn.arithmetic.rounding import round_half_away

INT32 = st.integers(INT32_MIN, INT32_MAX)


def half_away(x: Fraction) -> int:
    return floor(abs(x) + Fraction(1, 2)) * (1 if x >= 0 else -1)


def as_array(x: int) -> np.ndarray:
    return np.asarray(x, np.int64)


@given(INT32, INT32)
def test_high_multiplication_rounds_halves_up_and_saturates(a: int, b: int) -> None:
    expected = min(floor(Fraction(a * b, 2**31) + Fraction(1, 2)), INT32_MAX)
    assert int(doubling_high_mul(as_array(a), b)) == expected


def test_high_multiplication_of_the_smallest_numbers_saturates() -> None:
    assert int(doubling_high_mul(as_array(INT32_MIN), INT32_MIN)) == INT32_MAX


@given(INT32, st.integers(0, 31))
def test_right_shift_rounds_halves_away_from_zero(x: int, shift: int) -> None:
    assert int(rounding_right_shift(as_array(x), shift)) == half_away(Fraction(x, 2**shift))


@given(st.integers(-(2**40), 2**40))
def test_wrapping_is_that_of_an_int32_register(x: int) -> None:
    assert int(wrap_int32(as_array(x))) == int(np.asarray(x, np.int64).astype(np.int32))


@given(st.floats(2.0**-31, 2.0**20))
def test_a_multiplier_is_the_nearest_with_31_bits(factor: float) -> None:
    value, shift = quantize_multiplier(factor)
    assert 2**30 <= value < 2**31
    assert abs(Fraction(value) * Fraction(2) ** (shift - 31) - Fraction(factor)) <= Fraction(2) ** (shift - 32)


@pytest.mark.parametrize(
    ("factor", "expected"),
    [(0.0, (0, 0)), (1.0, (2**30, 1)), (0.5, (2**30, 0)), (1 - 2.0**-40, (2**30, 1)), (2.0**-33, (0, 0))],
)
def test_multipliers_at_the_ends(factor: float, expected: tuple[int, int]) -> None:
    assert quantize_multiplier(factor) == expected


def test_double_rounding_differs_from_rounding_once_where_it_must() -> None:
    """-553 * 0.0226 is -12.4934; the high multiplication makes -400 of -399.8, and -400 / 32 is a half."""
    x = as_array(-553)
    assert int(multiply_by_quantized_multiplier(x, 1552512742, -5)) == -13
    assert half_away(Fraction(-553 * 1552512742, 2**36)) == -12


@given(
    st.lists(st.integers(-(2**20), 2**20), min_size=3, max_size=3),
    st.lists(st.floats(0.001, 4), min_size=3, max_size=3),
)
def test_factors_broadcast_over_channels(x: list[int], factors: list[float]) -> None:
    multipliers = [quantize_multiplier(f) for f in factors]
    together = multiply_by_quantized_multiplier(
        np.asarray(x), [m.value for m in multipliers], [m.shift for m in multipliers]
    )
    alone = [int(multiply_by_quantized_multiplier(as_array(v), *m)) for v, m in zip(x, multipliers, strict=True)]
    assert together.tolist() == alone


@given(st.floats(-(2.0**23), 2.0**23, width=32))
def test_rounding_is_half_away_from_zero_in_float32(x: float) -> None:
    assert int(round_half_away(np.asarray(x, np.float32))) == half_away(Fraction(x))


def test_rounding_does_not_add_one_half() -> None:
    below = np.nextafter(np.float32(0.5), np.float32(0))
    assert round_half_away(np.asarray([below, -below, 0.5, -0.5, 2.5, -2.5], np.float32)).tolist() == [
        0,
        0,
        1,
        -1,
        3,
        -3,
    ]


@given(st.floats(-1e6, 1e6, width=32), st.floats(0.0009765625, 100, width=32), st.integers(-128, 127))
def test_quantization_saturates_and_undoes_dequantization(x: float, scale: float, zero_point: int) -> None:
    q = quantize(np.asarray([x], np.float32), scale, zero_point, np.dtype(np.int8))
    back = float(dequantize(q, scale, zero_point)[0])
    if -128 < q[0] < 127:
        assert abs(back - x) <= scale * 0.5000001 + 1e-6
    again = quantize(np.asarray([back], np.float32), scale, zero_point, np.dtype(np.int8))
    assert again[0] == q[0]


def test_infinities_saturate() -> None:
    x = np.asarray([np.inf, -np.inf, 3e38], np.float32)
    assert quantize(x, 1e-3, 5, np.dtype(np.int8)).tolist() == [127, -128, 127]


def test_activation_bounds_are_quantized_and_cut_to_the_type() -> None:
    int8 = np.dtype(np.int8)
    assert quantized_bounds(0.0, 6.0, np.float32(0.1), -10, int8) == (-10, 50)
    assert quantized_bounds(0.0, None, np.float32(0.1), -10, int8) == (-10, 127)
    assert quantized_bounds(None, None, np.float32(0.1), -10, int8) == (-128, 127)
    assert quantized_bounds(-1.0, 1.0, np.float32(0.001), 0, int8) == (-128, 127)


@given(st.integers(2, 2**31 - 1))
def test_inverse_square_roots_are_accurate(x: int) -> None:
    value, shift = inverse_square_root(x)
    assert value / 2**31 * 2.0**shift == pytest.approx(x**-0.5, rel=2e-6)


@given(st.lists(st.integers(-128, 127), min_size=1, max_size=20), st.floats(0.001, 1))
def test_softmax_is_within_one_step_of_the_real_function(row: list[int], scale: float) -> None:
    q = np.asarray([row], np.int8)
    real = np.exp((q.astype(float) - q.max()) * scale)
    expected = np.clip(np.round(256 * real / real.sum()) - 128, -128, 127)
    result = softmax_int8(q, quantize_multiplier(scale * 2.0**26))
    assert np.abs(result - expected).max() <= 1


SCALES = [0.0, 1e-45, 1e-40, 1e-10, 1.0, 1e10, 3e38]


@pytest.mark.parametrize("scale", SCALES)
def test_any_scale_is_quantized_with_saturated(scale: float) -> None:
    values = np.asarray([-1e3, -1, 0, 1, 1e3], np.float32)
    q = quantize(values, scale, 3, np.dtype(np.int8)).astype(np.int64)
    assert q[2] == 3
    assert list(q) == sorted(q)
    if 0 < scale < 1:
        assert (q[0], q[-1]) == (-128, 127)
    assert np.isfinite(dequantize(q.astype(np.int8), scale, 3)).all() or scale > 1e30
    low, high = quantized_bounds(0.0, 6.0, np.float32(scale), -5, np.dtype(np.int8))
    assert low == -5
    assert high == (127 if scale < 6 / 140 else max(-5, round(6 / scale) - 5))


@pytest.mark.parametrize("factor", [float("inf"), float("nan"), -1.0, 2.0**31, 1e40])
def test_factors_that_int32_arithmetic_lacks_are_refused(factor: float) -> None:
    with pytest.raises(OverflowError, match="fixed-point"):
        quantize_multiplier(factor)
