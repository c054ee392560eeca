"""Multiplications and shifts that equal a given function for every integer that can occur."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from edgebnn.arithmetic.multiply_shift import MultiplyShift, Steps, prove, steps_of_function, steps_of_table
from edgebnn.arithmetic.rounding import round_half_away


def rescaled(x: np.ndarray, multiplier: float, bias: float) -> np.ndarray:
    """int8 outputs in float32, as of binary convolutions."""
    y = x.astype(np.float32) * np.float32(multiplier) + np.float32(bias)
    return np.clip(round_half_away(y), -128, 127).astype(np.int64)


def held_by(found: MultiplyShift, x: np.ndarray, bits: int) -> bool:
    sums = [int(i) * found.multiplier + found.offset for i in (x[0], x[-1])]
    return all(-(2 ** (bits - 1)) <= s < 2 ** (bits - 1) for s in (*sums, found.offset))


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("seed", range(40))
def test_equals_the_float_function_everywhere(seed: int, bits: int) -> None:
    rng = np.random.default_rng(seed)
    products = int(rng.integers(1, 5000))
    x = np.arange(0, 2 * products + 1, 2)
    multiplier = float(rng.choice([-1, 1]) * 10 ** rng.uniform(-5, 1.5))
    bias = float(rng.uniform(-200, 200) - multiplier * products)
    y = rescaled(x, multiplier, bias)
    found = prove(steps_of_table(y, 0, 2), bits=bits)
    assert found is not None
    np.testing.assert_array_equal(found(x), y)
    assert held_by(found, x, bits)
    assert -(2**31) <= found.multiplier < 2**31


def test_shifts_that_registers_have() -> None:
    """-1 and 0 are the sign of a sum, whatever it is shifted by."""
    for bits in (32, 64):
        found = prove(steps_of_table(np.array([-1, -1, 0, 0]), 0), bits=bits)
        assert found is not None
        assert found.shift < bits
        np.testing.assert_array_equal(found(np.arange(4)), [-1, -1, 0, 0])


def test_ties_on_both_sides_of_zero() -> None:
    """Halves go away from zero on both sides, which no rounding shift does; a slightly steeper line does."""
    x = np.arange(-64, 65)
    y = rescaled(x, 0.5, 0.0)
    found = prove(steps_of_table(y, -64))
    assert found is not None
    np.testing.assert_array_equal(found(x), y)


def test_a_function_of_large_integers_is_found_by_bisection() -> None:
    def double(x: np.ndarray) -> np.ndarray:
        return np.clip(round_half_away(x.astype(np.float64) * 0.00012345678901) - 7, -128, 127)

    last = 2**24
    steps = steps_of_function(double, -last, last)
    assert (steps.first[1:] == steps.last[:-1] + 1).all()
    x = np.unique(np.r_[steps.first, steps.last, np.random.default_rng(0).integers(-last, last, 10000)])
    found = prove(steps, bits=64)
    assert found is not None
    np.testing.assert_array_equal(found(x), double(x))
    assert prove(steps) is None or held_by(prove(steps), x, 32)  # type: ignore[arg-type]


def test_falling_and_constant_functions() -> None:
    x = np.arange(100)
    for y in (np.full(100, 7), np.full(100, 127), -x, np.where(x < 50, 127, -128), np.where(x < 50, -128, -127)):
        found = prove(steps_of_table(y, 0))
        assert found is not None
        np.testing.assert_array_equal(found(x), y)


def test_none_only_where_there_is_none() -> None:
    """All functions of five integers to three values, beside every small multiplier, offset and shift."""
    x = np.arange(5)
    possible = set()
    for shift, multiplier in itertools.product(range(5), range(-40, 41)):
        for offset in range(-100, 200):
            possible.add(tuple(np.clip((x * multiplier + offset) >> shift, 0, 2)))
    for y in itertools.product(range(3), repeat=5):
        found = prove(steps_of_table(np.array(y), 0), 0, 2)
        assert (found is not None) == (y in possible), y
        if found is not None:
            assert tuple(found(x)) == y


def test_neighbours_that_no_line_separates() -> None:
    assert prove(steps_of_table(np.array([0, 0, 1, 0]), 0)) is None
    assert prove(steps_of_table(np.array([0, 1, 10, 11]), 0)) is None


def test_values_beyond_the_bounds_are_refused() -> None:
    with pytest.raises(ValueError, match="not within"):
        prove(Steps(np.array([0]), np.array([0]), np.array([200])))
    with pytest.raises(ValueError, match="32 or 64"):
        prove(Steps(np.array([0]), np.array([0]), np.array([0])), bits=16)


def test_function_and_table_give_the_same_runs() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        y = np.cumsum(rng.integers(0, 3, 200) * (rng.random(200) < 0.2)) * rng.choice([-1, 1])
        a, b = steps_of_table(y, -50), steps_of_function(lambda x, y=y: y[x + 50], -50, 149)  # type: ignore[misc]
        for name in ("first", "last", "values"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
