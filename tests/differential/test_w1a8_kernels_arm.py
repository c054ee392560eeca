"""The W1A8 kernels as ARM machines run them, cross-compiled and emulated, against NumPy, bit for bit."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgebnn.runtime import build
from edgebnn.targets.qemu_user import MACHINES, Machine, run
from tests.support import emulated
from tests.support.emulated import compiled
from tests.support.examples import examples
from tests.support.w1a8_cases import CASES, Case, Operands, operands, reference
from tests.support.w1a8_kernels import ROUND_ONCE, ROUND_TWICE
from tools.bench.arm_mca import RUN_CASES

EXERCISE = build.Source(Path(__file__).parents[1] / "unit" / "kernels" / "exercise_w1a8.c")
LINES = {f"{m.name}-{line}": (m, line) for m in MACHINES.values() for line in emulated.kernel_lines(m, "w1a8")}

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ziglang") is None, reason="the ziglang wheel is not installed"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("arm")


@pytest.fixture(scope="module", params=LINES.values(), ids=LINES)
def kernel(request: pytest.FixtureRequest, folder: Path) -> emulated.W1A8Kernel:
    """Each line of w1a8.kernels that the machine has."""
    machine, line = request.param
    return emulated.W1A8Kernel(emulated.Program(machine, compiled(machine, RUN_CASES, folder)), line)


def check(case: Case, kernel: emulated.W1A8Kernel, data: Operands | None = None, parts: int = 1) -> None:
    data = data or operands(case)
    expected = reference(case, data)
    np.testing.assert_array_equal(kernel.run(case, data, parts).reshape(expected.shape), expected)


@settings(max_examples=examples(30))
@given(case=CASES, parts=st.integers(1, 4))
@example(Case(size=(1, 1), filter=(4, 4), same=True), 1)
@example(Case(size=(12, 13), filter=(1, 1), stride=(3, 2), inputs=65, outputs=130), 3)
@example(Case(groups=3, inputs=33, outputs=20, dilation=(2, 3), zero_points=(-128, 127)), 2)
@example(Case(size=(3, 9), inputs=40, outputs=70, rounding=ROUND_ONCE), 1)
def test_convolution_equals_reference(kernel: emulated.W1A8Kernel, case: Case, parts: int) -> None:
    check(case, kernel, parts=parts)


@settings(max_examples=examples(15))
@given(case=CASES, multiplier=st.integers(1, 3))
@example(Case(inputs=64, depthwise=True, zero_points=(127, -128)), 1)
def test_depthwise_equals_reference(kernel: emulated.W1A8Kernel, case: Case, multiplier: int) -> None:
    check(replace(case, groups=1, depthwise=True, outputs=multiplier), kernel)


@pytest.mark.parametrize("inputs", [5, 255, 4352, 4353, 9216])
def test_counters_do_not_overflow(kernel: emulated.W1A8Kernel, inputs: int) -> None:
    """Inputs as large as they can be, with weights of one sign, or of that of the input."""
    case = Case(size=(1, 5), filter=(1, 1), inputs=inputs, outputs=35, zero_points=(127, 0), scale=0.02)
    data = operands(case)
    for value, minus in ((-128, False), (-128, True), (127, True)):
        check(case, kernel, replace(data, x=np.full_like(data.x, value), minus=np.full_like(data.minus, minus)))
    alternating = np.where(np.arange(inputs) % 2, np.int8(-128), np.int8(127))
    signs = np.broadcast_to(alternating < 0, data.minus.shape)
    check(case, kernel, replace(data, x=np.broadcast_to(alternating, data.x.shape).copy(), minus=signs))


@pytest.mark.parametrize("rounding", [ROUND_TWICE, ROUND_ONCE])
@pytest.mark.parametrize("factor", [0.0, 2.0**-40, 2.0**-32, 0.125, 0.5, 1 - 2.0**-33, 1.5, 2.0**30])
def test_extreme_factors_and_ties(kernel: emulated.W1A8Kernel, rounding: int, factor: float) -> None:
    case = Case(rounding=rounding, bias_bits=31, inputs=3, outputs=40)
    data = operands(case)
    extreme = replace(data, factor=np.full_like(data.factor, factor))
    check(case, kernel, extreme)
    check(replace(case, bias_bits=7), kernel, replace(extreme, magnitude=np.ones_like(data.magnitude)))


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_every_kernel_over_a_grid_of_layers(machine: Machine, folder: Path) -> None:
    result = run(machine, compiled(machine, EXERCISE, folder))
    assert (result.returncode, result.stdout) == (0, "ok\n")
