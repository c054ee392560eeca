"""Kernels that make outputs by floats, against NumPy: at halves, where floats may be wrong, with sums of all sizes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebnn.kernels.tables import lines
from tests.differential.test_w1a8_kernels import check
from tests.support import ckernels, w1a8_kernels
from tests.support.examples import examples
from tests.support.w1a8_cases import INT8, Case, operands
from tests.support.w1a8_kernels import ROUND_ONCE, ROUND_TWICE

LINES = [line.name for line in lines("w1a8") if line.numbers.get("floats")]


@pytest.fixture(params=LINES, scope="module")
def line(request: pytest.FixtureRequest) -> str:
    """Each line of w1a8.kernels that makes outputs by floats."""
    return ckernels.runnable_or_skipped(request.param, w1a8_kernels.kernel_lines())


@pytest.mark.parametrize("rounding", [ROUND_TWICE, ROUND_ONCE])
@pytest.mark.parametrize("factor", [2.0**-9, 2.0**-12, 3 * 2.0**-14, 0.0017])
def test_every_pair_of_inputs(line: str, rounding: int, factor: float) -> None:
    """All 65536 of them, in 13 channels, some of which halve exactly."""
    values = np.arange(-128, 128, dtype=np.int8)
    pairs = np.stack(np.meshgrid(values, values), axis=-1)[None]
    case = Case(size=(256, 256), filter=(1, 1), inputs=2, outputs=13, rounding=rounding)
    data = operands(case)
    magnitude = np.array([127, 64, 1, 2, 100, 0, 127, 127, 96, 33, 8, 16, 127], np.int32)
    bias = (np.arange(13) * 128 - 700).astype(np.int32)
    factors = np.full_like(data.factor, factor)
    check(case, line, data=replace(data, x=pairs, magnitude=magnitude, bias=bias, factor=factors))


@given(
    case=st.builds(
        Case,
        size=st.tuples(st.integers(1, 9), st.integers(1, 30)),
        filter=st.sampled_from([(1, 1), (3, 3)]),
        stride=st.sampled_from([(1, 1), (2, 2)]),
        inputs=st.integers(1, 100),
        outputs=st.integers(1, 40),
        zero_points=st.tuples(INT8, INT8),
        rounding=st.sampled_from([ROUND_TWICE, ROUND_ONCE]),
        bias_bits=st.integers(0, 24),
        edge=st.booleans(),
        seed=st.integers(0, 2**32 - 1),
    ),
    powers=st.booleans(),
    size=st.floats(2.0**-6, 4.0),
)
@settings(max_examples=examples(100))
def test_factors_of_every_size_and_powers_of_two(line: str, case: Case, powers: bool, size: float) -> None:
    data = operands(case)
    factor = data.factor * size
    if powers:
        factor = 2.0 ** np.round(np.log2(factor))
    check(case, line, data=replace(data, factor=factor, magnitude=np.full_like(data.magnitude, 127)))
