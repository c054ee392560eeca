"""core/float_output.h against the exact output: equal wherever floats are not in doubt, and seldom in doubt."""

from __future__ import annotations

import ctypes
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgebnn.runtime import build
from tests.support.examples import examples

EXERCISE = build.Source(Path(__file__).parent / "float_output.c")
TWICE, ONCE, DOUBTFUL = 0, 1, 1000


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("gcc is not installed")
    path = tmp_path_factory.mktemp("float_output") / "exercise.so"
    flags = [flag for flag in build.COMPILE_FLAGS if "visibility" not in flag]
    build.compile(path, [EXERCISE], build.Compiler((gcc,), "gcc"), flags)
    return ctypes.CDLL(str(path))


def outputs(
    library: ctypes.CDLL, fields: tuple[int, int, int, int], factor: float, sums: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int32], float, bool]:
    """Exact ones, those by floats, the guard, and whether a layer is given it."""
    exact, floats, guard = np.zeros_like(sums), np.zeros_like(sums), ctypes.c_float()
    pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (sums, exact, floats)]
    given_fields = (ctypes.c_int32 * 4)(*fields)
    fits = library.exercise_float_output(
        given_fields, ctypes.c_double(factor), pointers[0], len(sums), pointers[1], pointers[2], ctypes.byref(guard)
    )
    return exact, floats, guard.value, bool(fits)


@given(
    magnitude=st.integers(1, 127),
    bias=st.integers(-(2**20), 2**20),
    zero_point=st.integers(-128, 127),
    rounding=st.sampled_from([TWICE, ONCE]),
    factor=st.floats(2.0**-22, 2.0**-7) | st.integers(7, 22).map(lambda power: 2.0**-power),
)
@example(magnitude=127, bias=0, zero_point=0, rounding=TWICE, factor=2.0**-15)
@example(magnitude=1, bias=2**14, zero_point=-128, rounding=TWICE, factor=2.0**-15)
@example(magnitude=64, bias=0, zero_point=127, rounding=ONCE, factor=2.0**-12)
@settings(max_examples=examples(200))
def test_equals_the_exact_output_unless_in_doubt(
    library: ctypes.CDLL, magnitude: int, bias: int, zero_point: int, rounding: int, factor: float
) -> None:
    """Sums about every step of the output, where both change, then others of any size."""
    steps = ((np.arange(-129, 129) + 0.5 - zero_point) / factor - bias) / magnitude
    near = np.round(steps)[:, None] + np.arange(-3, 4)
    others = np.random.default_rng(0).integers(-(2**16), 2**16, 1000)
    sums = np.concatenate([near.reshape(-1), others])
    room = (2**31 - 1 - abs(bias)) // magnitude
    held = 2**19 / (magnitude * factor)  # beyond, floats do not hold the sums
    sums = sums[np.abs(sums) < min(2**23, room, held)].astype(np.int32)
    exact, floats, guard, fits = outputs(library, (magnitude, bias, zero_point, rounding), factor, sums)
    certain = floats != DOUBTFUL
    np.testing.assert_array_equal(floats[certain], exact[certain])
    assert fits == (guard <= 2.0**-7)


def test_usual_layers_are_seldom_in_doubt(library: ctypes.CDLL) -> None:
    """144 inputs with weights of -127 and 127, as in the second layer of a ResNet-20."""
    rng = np.random.default_rng(1)
    sums = rng.normal(0, 900, 200000).astype(np.int32)
    for factor in rng.uniform(2e-4, 6e-4, 20):
        exact, floats, _, fits = outputs(library, (127, 4000, -10, TWICE), float(factor), sums)
        assert fits
        assert np.mean(floats == DOUBTFUL) < 5e-3
        assert len(np.unique(exact)) > 100


def test_coarse_steps_are_left_to_integers(library: ctypes.CDLL) -> None:
    """Rounded first to steps of 1/8, halves are off the real number's by 1/16."""
    sums = np.arange(-3000, 3000, dtype=np.int32)
    *_, guard, fits = outputs(library, (1, 0, 0, TWICE), 0.1, sums)
    assert not fits
    assert guard > 0.12
    *_, fits = outputs(library, (1, 0, 0, ONCE), 0.1, sums)
    assert fits
