"""The W1A8 kernels in C against NumPy, bit for bit: every line of w1a8.kernels, over everything that a layer can be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support import ckernels, w1a8_kernels
from tests.support.binary_cases import splits
from tests.support.w1a8_cases import CASES, Case, Operands, operands, packed, reference
from tests.support.w1a8_kernels import ROUND_ONCE, ROUND_TWICE

LINES = [line.name.decode() for line in w1a8_kernels.kernel_lines()]


@pytest.fixture(params=LINES, scope="module")
def line(request: pytest.FixtureRequest) -> str:
    """Each line of w1a8.kernels."""
    return ckernels.runnable_or_skipped(request.param, w1a8_kernels.kernel_lines())


def check(case: Case, line: str | None, points: list[float] | None = None, data: Operands | None = None) -> None:
    data = data or operands(case)
    filters = packed(case, data.minus)
    layer = w1a8_kernels.prepare(case.op(), filters, data.magnitude, data.bias, data.factor, line)
    y = layer.run(data.x, splits(layer.plan.tiles, points or []))
    np.testing.assert_array_equal(y, reference(case, data))


@given(case=CASES, points=st.lists(st.floats(0, 1), max_size=3))
@example(Case(size=(1, 1), filter=(4, 4), same=True), [])
@example(Case(size=(12, 12), filter=(1, 1), stride=(3, 2), inputs=65, outputs=130), [0.4])
@example(Case(groups=3, inputs=33, outputs=20, dilation=(2, 3), zero_points=(-128, 127)), [0.3, 0.7])
def test_convolution_equals_reference(line: str, case: Case, points: list[float]) -> None:
    check(case, line, points)


@pytest.mark.parametrize(("groups", "outputs"), [(2, 4), (4, 2), (8, 1), (2, 8), (4, 4), (2, 16), (4, 8), (8, 4)])
def test_groups_that_share_a_vector_of_outputs_equal_the_reference(line: str, groups: int, outputs: int) -> None:
    """All groups together fill the vectors that a kernel writes; of each it may write its own channels alone."""
    check(Case(size=(5, 9), groups=groups, inputs=3, outputs=outputs), line, [0.5])


@given(case=CASES, depthwise=st.booleans())
@example(Case(groups=3, inputs=33, outputs=20, dilation=(2, 3), zero_points=(-128, 127)), False)
def test_the_plain_loops_equal_numpy(case: Case, depthwise: bool) -> None:
    if depthwise:
        case = replace(case, groups=1, depthwise=True, outputs=2)
    data = operands(case)
    filters = packed(case, data.minus)
    y = w1a8_kernels.reference_layer(case.op(), filters, data.magnitude, data.bias, data.factor, data.x)
    np.testing.assert_array_equal(y, reference(case, data))


@given(case=CASES, multiplier=st.integers(1, 3))
@example(Case(inputs=64, depthwise=True, zero_points=(127, -128)), 1)
def test_depthwise_equals_reference(case: Case, multiplier: int) -> None:
    check(replace(case, groups=1, depthwise=True, outputs=multiplier), None)


@pytest.mark.parametrize("outputs", [1, 64, 65, 256, 320, 513])
@pytest.mark.parametrize("groups", [1, 3])
def test_single_pixels_of_many_channels_equal_the_reference(line: str, outputs: int, groups: int) -> None:
    """Kernels may take blocks of channels together where there is one pixel."""
    case = Case(batches=2, size=(1, 1), filter=(1, 1), groups=groups, inputs=37, outputs=outputs)
    check(case, line)
    check(replace(case, filter=(3, 3), same=True, rounding=ROUND_ONCE, bias_bits=20), line, [0.3, 0.6])


@pytest.mark.parametrize("inputs", [5, 50, 255, 256, 260, 1000, 4352, 4353, 9216])
@pytest.mark.parametrize("zero_point", [-128, 127])
@pytest.mark.parametrize("width", [1, 3])
def test_counters_do_not_overflow(line: str, inputs: int, zero_point: int, width: int) -> None:
    """Inputs as large as they can be, of one sign, with weights of one sign, or of that of the input."""
    case = Case(size=(1, width), filter=(1, 1), inputs=inputs, outputs=70, zero_points=(zero_point, 0), scale=0.02)
    data = operands(case)
    for value in (-128, 127):
        for minus in (False, True):
            extreme = replace(data, x=np.full_like(data.x, value), minus=np.full_like(data.minus, minus))
            check(case, line, data=extreme)
    alternating = np.where(np.arange(inputs) % 2, np.int8(-128), np.int8(127))
    signs = np.broadcast_to(alternating < 0, data.minus.shape)
    check(case, line, data=replace(data, x=np.broadcast_to(alternating, data.x.shape).copy(), minus=signs))


@pytest.mark.parametrize("rounding", [ROUND_TWICE, ROUND_ONCE])
@pytest.mark.parametrize("factor", [0.0, 2.0**-40, 2.0**-32, 2.0**-31, 0.5, 1 - 2.0**-33, 1.0, 1.5, 2.0**20, 2.0**30])
def test_extreme_factors(line: str, rounding: int, factor: float) -> None:
    case = Case(rounding=rounding, bias_bits=31, inputs=3, outputs=40)
    data = operands(case)
    factors = np.full_like(data.factor, factor)
    check(case, line, data=replace(data, factor=factors))
    check(replace(case, bias_bits=7), line, data=replace(data, factor=factors))


def test_ties_round_as_the_reference_does(line: str) -> None:
    for rounding in (ROUND_TWICE, ROUND_ONCE):
        for factor in (0.5, 0.25, 0.125):
            case = Case(rounding=rounding, bias_bits=8, inputs=3, outputs=33)
            data = operands(case)
            tied = replace(data, factor=np.full_like(data.factor, factor), magnitude=np.ones_like(data.magnitude))
            check(case, line, data=tied)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"zero_points": (128, 0)}, "EB_BAD_QUANTIZATION"),
        ({"zero_points": (0, -129)}, "EB_BAD_QUANTIZATION"),
        ({"bounds": (5, 4)}, "EB_BAD_QUANTIZATION"),
        ({"rounding": 2}, "EB_BAD_OPTION"),
        ({"stride": (0, 1)}, "EB_BAD_STRIDE"),
        ({"size": (2, 2), "same": False}, "EB_EMPTY_OUTPUT"),
        ({"inputs": 0}, "EB_BAD_SIZE"),
        ({"inputs": 2**24}, "EB_TOO_LARGE"),
    ],
)
def test_bad_layers_are_refused(changes: dict[str, object], status: str) -> None:
    with pytest.raises(ckernels.KernelRefused, match=status):
        w1a8_kernels.plan(replace(Case(), **changes).op())  # type: ignore[arg-type]


@pytest.mark.parametrize("factor", [-1.0, float("nan"), float("inf"), 2.0**31])
def test_bad_factors_are_refused(factor: float) -> None:
    data = operands(Case())
    with pytest.raises(ckernels.KernelRefused, match="EB_BAD_QUANTIZATION"):
        check(Case(), None, data=replace(data, factor=np.full_like(data.factor, factor)))


def test_weights_stay_packed(line: str) -> None:
    """At most 1.15 bits a weight, besides the constants of a channel."""
    case = Case(inputs=512, outputs=512)
    plan = w1a8_kernels.plan(case.op(), line)
    assert plan.persistent_bytes < 1.15 * 9 * 512 * 512 / 8 + 5 * 4 * 512 + 1024
