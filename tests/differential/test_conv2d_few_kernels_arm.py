"""The kernels of convolution of few input channels as ARM machines run them, emulated, against NumPy."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgebnn.targets.qemu_user import MACHINES, Machine
from tests.support import emulated
from tests.support.conv2d_few_cases import CASES, FLOAT_CASES, Case, Operands, Pool, operands, reference, sums_of
from tests.support.conv2d_few_kernels import FLOAT32
from tests.support.emulated import compiled
from tests.support.examples import examples
from tools.bench.arm_mca import RUN_CASES

CLOSE = 1e-5
"""Of the range: sums are in another order, and with contraction."""


def _lines(table: str) -> dict[str, tuple[Machine, str]]:
    """Those that only such machines have."""
    every = ((m, line) for m in MACHINES.values() for line in emulated.kernel_lines(m, table))
    return {f"{m.name}-{line}": (m, line) for m, line in every if line != "portable"}


INT8_LINES, FLOAT_LINES = _lines("conv2d_few"), _lines("conv2d_few_float")

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ziglang") is None, reason="the ziglang wheel is not installed"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("arm")


@pytest.fixture(scope="module", params=INT8_LINES.values(), ids=INT8_LINES)
def kernel(request: pytest.FixtureRequest, folder: Path) -> emulated.FewKernel:
    """Each line of conv2d_few.kernels that the machine has."""
    machine, line = request.param
    return emulated.FewKernel(emulated.Program(machine, compiled(machine, RUN_CASES, folder)), line)


@pytest.fixture(scope="module", params=FLOAT_LINES.values(), ids=FLOAT_LINES)
def float_kernel(request: pytest.FixtureRequest, folder: Path) -> emulated.FewKernel:
    """Each line of conv2d_few_float.kernels that the machine has."""
    machine, line = request.param
    return emulated.FewKernel(emulated.Program(machine, compiled(machine, RUN_CASES, folder)), line)


def check(case: Case, kernel: emulated.FewKernel, parts: int = 1, data: Operands | None = None) -> None:
    data = data or operands(case)
    expected = reference(case, data)
    y = kernel.run(case, data, parts).reshape(expected.shape)
    if case.kind == FLOAT32 and not case.packed:
        spread = max(1.0, float(np.abs(sums_of(case, data)).max()))
        np.testing.assert_allclose(y, expected, rtol=0, atol=CLOSE * spread)
    else:
        np.testing.assert_array_equal(y, expected)


STEM = Case(size=(13, 45), filter=(7, 7), stride=(2, 2), outputs=64, pool=Pool())


@settings(max_examples=examples(20))
@given(case=CASES, parts=st.integers(1, 4))
@example(STEM, 2)
@example(replace(STEM, packed=True, quantizes=True), 1)
@example(Case(size=(15, 47), filter=(11, 11), stride=(4, 4), outputs=44, pool=Pool(same=False)), 1)
@example(Case(size=(1, 1), filter=(4, 4)), 1)
@example(Case(size=(12, 12), filter=(1, 1), stride=(3, 2), inputs=1, outputs=20), 3)
@example(Case(size=(5, 33), outputs=48, edge=True, pool=Pool((4, 4), (1, 3))), 2)
@example(Case(size=(2, 90), inputs=4, outputs=17, dilation=(2, 3), zero_points=(-128, 127), packed=True), 1)
def test_int8_equals_numpy(kernel: emulated.FewKernel, case: Case, parts: int) -> None:
    check(case, kernel, parts)


@settings(max_examples=examples(10))
@given(case=FLOAT_CASES, parts=st.integers(1, 4))
@example(replace(STEM, kind=FLOAT32, relu=True), 2)
def test_float_is_close_to_numpy(float_kernel: emulated.FewKernel, case: Case, parts: int) -> None:
    check(case, float_kernel, parts)


def test_rows_of_every_length(kernel: emulated.FewKernel) -> None:
    """What is left of a row behind whole tiles of pixels."""
    for columns in range(1, 13):
        check(Case(size=(1, columns), outputs=9), kernel)


def test_products_as_large_as_they_can_be(kernel: emulated.FewKernel) -> None:
    case = Case(size=(9, 19), filter=(5, 9), outputs=16, zero_points=(127, 0))
    data = operands(case)
    for x, weight in ((-128, -127), (-128, 127), (127, -127), (127, 127)):
        full = replace(data, x=np.full_like(data.x, x), filters=np.full_like(data.filters, weight))
        check(case, kernel, data=full)


@pytest.mark.parametrize("factor", [0.0, 2.0**-40, 2.0**-23, 2.0**-22, 0.5, 3.5])
def test_factors_of_every_size(kernel: emulated.FewKernel, factor: float) -> None:
    case = Case(outputs=20)
    data = operands(case)
    assert data.factor is not None
    for packed in (False, True):
        check(replace(case, packed=packed), kernel, data=replace(data, factor=np.full_like(data.factor, factor)))
