"""core/requantize.h against the arithmetic that it states, at the extremes of every operand and at random."""

from __future__ import annotations

import ctypes
import itertools
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgebnn.arithmetic.fixed_point import (
    INT32_MAX,
    INT32_MIN,
    doubling_high_mul,
    multiply_by_quantized_multiplier,
    wrap_int32,
)
from edgebnn.kernels.cores import CORES
from edgebnn.runtime import build
from edgebnn.targets.cortex_m import simulate

EXERCISE = build.Source(Path(__file__).parent / "requantize.c")
NARROW = 2**30
"""x with |x| below this may be doubled."""


def operands() -> NDArray[np.int32]:
    """[3, n]: x, multipliers and shifts; extremes in all combinations, then random ones of every size."""
    around = [n + d for n in (0, 2**15, 2**16, NARROW, -NARROW, -(2**16)) for d in (-1, 0, 1)]
    values = [INT32_MIN, INT32_MIN + 1, *around, INT32_MAX - 1, INT32_MAX]
    multipliers = [0, 1, 2**16 - 1, 2**16, 2**30, 2**30 + 1, 3 * 2**29, INT32_MAX - 1, INT32_MAX]
    shifts = [-31, -30, -16, -2, -1, 0, 1, 2, 16, 31]
    extremes = np.array(list(itertools.product(values, multipliers, shifts)), np.int64).T
    rng = np.random.default_rng(20)
    count = 20000
    x = rng.integers(INT32_MIN, INT32_MAX, count, endpoint=True) >> rng.integers(0, 31, count)
    drawn = np.stack([x, rng.integers(2**30, 2**31, count), rng.integers(-31, 32, count)])
    return np.concatenate([extremes, drawn], axis=1).astype(np.int32)


def expected(x: NDArray[np.int64], multiplier: NDArray[np.int64], shift: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    high = doubling_high_mul(x, multiplier)
    requantized = multiply_by_quantized_multiplier(x, multiplier, shift)
    return [high, high, high, requantized, requantized]


def check(given: NDArray[np.int32], found: NDArray[np.int32]) -> None:
    """Narrow functions are compared where they promise something."""
    x, multiplier, shift = given.astype(np.int64)
    shifted = wrap_int32(x << np.maximum(shift, 0))
    everywhere = np.ones(x.size, bool)
    doubled = (x >= -NARROW) & (x < NARROW)
    fits = (shifted >= -NARROW) & (shifted < NARROW)
    where = [everywhere, everywhere, doubled, everywhere, fits]
    for row, wanted, promised in zip(found, expected(x, multiplier, shift), where, strict=True):
        np.testing.assert_array_equal(row[promised], wanted[promised])
        assert promised.any()


def test_operands_reach_what_must_not_be_doubled() -> None:
    x, multiplier, _ = operands().astype(np.int64)
    halved = (wrap_int32(x << 1) * multiplier + 2**31) >> 32
    assert (halved != doubling_high_mul(x, multiplier)).any()


@pytest.mark.parametrize("flags", [("-O2",), ("-O1", "-fsanitize=undefined", "-fno-sanitize-recover=all")])
def test_on_this_machine(flags: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "requantize.so"
    build.compile(
        path,
        [EXERCISE],
        build.find_compiler(),
        (*build.COMPILE_FLAGS, "-fvisibility=default", *flags),
        ("-shared", *flags),
    )
    given = operands()
    found = np.zeros((5, given.shape[1]), np.int32)
    pointers = [ctypes.c_void_p(row.ctypes.data) for row in given]
    ctypes.CDLL(str(path)).exercise_requantize(*pointers, given.shape[1], ctypes.c_void_p(found.ctypes.data))
    check(given, found)


@pytest.mark.parametrize("core", CORES)
def test_on_each_core(core: str) -> None:
    given = operands()
    found = np.zeros((5, given.shape[1]), np.int32)
    call = simulate(core, [EXERCISE.path], "exercise_requantize", *given, given.shape[1], found)
    check(given, call.arrays[-1])
