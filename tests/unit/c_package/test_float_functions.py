"""The functions that C packages have in place of a math library, against doubles over all exponents of floats."""

from __future__ import annotations

import ctypes
import math
import subprocess
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgebnn.kernels import FOLDER
from tests.support.c_packages import STRICT
from tests.support.examples import PROFILE

FILES = ("exp", "log", "tanh", "sin", "sqrt", "gelu", "pow", "floor_div", "unary")
EVERY = 1021 if PROFILE == "ci" else 7
"""Of how many neighbouring floats one is tried."""

Doubles = NDArray[np.float64]


class Layer(ctypes.Structure):
    """eb_unary_float_layer."""

    _fields_ = (("elements", ctypes.c_int32), ("first", ctypes.c_float), ("second", ctypes.c_float))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    path = tmp_path_factory.mktemp("float") / "functions.so"
    sources = [str(FOLDER / "core" / f"{name}_float.c") for name in FILES]
    flags = ("-std=c99", *STRICT, "-O2", "-ffp-contract=off", "-fPIC", "-shared")
    subprocess.run(["gcc", *flags, "-o", str(path), *sources], check=True)
    return ctypes.CDLL(str(path))


def apply(library: ctypes.CDLL, name: str, x: NDArray[np.float32]) -> NDArray[np.float32]:
    y = np.empty_like(x)
    pointers = (ctypes.c_void_p(array.ctypes.data) for array in (x, y))
    getattr(library, f"eb_{name}_float")(ctypes.byref(Layer(x.size, 0, 0)), *pointers)
    return y


def ulps(found: NDArray[np.float32], exact: Doubles) -> float:
    """The largest error in units in the last place; what is not finite, or no number, must be the same."""
    with np.errstate(all="ignore"):
        rounded = exact.astype(np.float32)
        finite = np.isfinite(rounded)
        np.testing.assert_array_equal(found[~finite], rounded[~finite])
        unit = np.spacing(np.abs(rounded[finite])).astype(np.float64)
        return float((np.abs(found[finite].astype(np.float64) - exact[finite]) / unit).max())


def floats() -> NDArray[np.float32]:
    """Floats of every exponent and sign, infinities, NaN and numbers below the normal ones among them."""
    bits = np.arange(0, 2**32, EVERY, np.uint64).astype(np.uint32)
    special = np.asarray(
        [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 88.72284, -103.97, 0.785398, 1e-45], np.float32
    )
    return np.concatenate([bits.view(np.float32), special])


FUNCTIONS: dict[str, tuple[Callable[[Doubles], Doubles], float]] = {
    "exp": (np.exp, 0.9),
    "elu": (lambda x: np.where(x < 0, np.expm1(np.minimum(x, 0)), x), 1.3),
    "log": (np.log, 0.85),
    "tanh": (np.tanh, 2.5),
    "sin": (np.sin, 3.0),
    "cos": (np.cos, 3.0),
    "sqrt": (np.sqrt, 0.5),
    "floor": (np.floor, 0.0),
    "ceil": (np.ceil, 0.0),
    "round": (np.rint, 0.0),
}
"""The function in double, and how many units its C form may be from it."""


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_accurate_over_all_floats(name: str, library: ctypes.CDLL) -> None:
    function, most = FUNCTIONS[name]
    x = floats()
    with np.errstate(all="ignore"):
        exact = function(x.astype(np.float64))
    assert ulps(apply(library, name, x), exact) <= most


def test_the_tail_of_the_normal_distribution_keeps_its_digits(library: ctypes.CDLL) -> None:
    x = np.concatenate([np.linspace(-13, 16, 40001), np.geomspace(1e-30, 1, 1000)]).astype(np.float32)
    exact = np.asarray([0.5 * float(v) * math.erfc(-float(v) * math.sqrt(0.5)) for v in x])
    assert ulps(apply(library, "gelu", x), exact) <= 5.5


def test_powers_are_accurate(library: ctypes.CDLL) -> None:
    library.eb_pow.restype = ctypes.c_float
    library.eb_pow.argtypes = [ctypes.c_float, ctypes.c_float]
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(0, 3, 20000), np.exp(rng.uniform(-80, 80, 20000)), -rng.integers(1, 99, 999)])
    y = np.concatenate([rng.uniform(-90, 90, 20000), rng.uniform(-1, 1, 20000), rng.integers(-9, 10, 999)])
    ends = np.asarray([0, -0.0, 1, -1, 2, -2, 0.5, -0.5, 3, np.inf, -np.inf, np.nan, 1e-42, 2.0**24 + 2])
    pairs = np.meshgrid(ends, ends)
    x = np.concatenate([x, pairs[0].reshape(-1)]).astype(np.float32)
    y = np.concatenate([y, pairs[1].reshape(-1)]).astype(np.float32)
    found = np.asarray([library.eb_pow(float(a), float(b)) for a, b in zip(x, y, strict=True)], np.float32)
    with np.errstate(all="ignore"):
        exact: Any = np.power(x.astype(np.float64), y.astype(np.float64))
    assert ulps(found, exact) <= 0.51
