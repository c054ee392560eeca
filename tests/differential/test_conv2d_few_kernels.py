"""The kernels of convolution of few input channels against NumPy, over all that such a layer can be: every line of
conv2d_few.kernels bit for bit, every line of conv2d_few_float.kernels to the last digits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support import ckernels, conv2d_few_kernels
from tests.support.binary_cases import splits
from tests.support.conv2d_few_cases import CASES, FLOAT_CASES, Case, Operands, Pool, operands, reference, sums_of
from tests.support.conv2d_few_kernels import FLOAT32, INT8

CLOSE = 1e-5
"""Of the range: sums are in another order, and with contraction."""


def _lines(kind: int) -> list[str]:
    return [line.name.decode() for line in conv2d_few_kernels.kernel_lines(kind)]


@pytest.fixture(params=_lines(INT8), scope="module")
def line(request: pytest.FixtureRequest) -> str:
    """Each line of conv2d_few.kernels."""
    return ckernels.runnable_or_skipped(request.param, conv2d_few_kernels.kernel_lines(INT8))


@pytest.fixture(params=_lines(FLOAT32), scope="module")
def float_line(request: pytest.FixtureRequest) -> str:
    """Each line of conv2d_few_float.kernels."""
    return ckernels.runnable_or_skipped(request.param, conv2d_few_kernels.kernel_lines(FLOAT32))


def check(case: Case, line: str | None, points: list[float] | None = None, data: Operands | None = None) -> None:
    data = data or operands(case)
    layer = conv2d_few_kernels.prepare(case.op(), data.filters, data.bias, data.factor, line)
    y = layer.run(data.x, splits(layer.plan.tiles, points or []))
    expected = reference(case, data)
    if case.kind == FLOAT32 and not case.packed:
        spread = max(1.0, float(np.abs(sums_of(case, data)).max()))
        np.testing.assert_allclose(y, expected, rtol=0, atol=CLOSE * spread)
    else:
        np.testing.assert_array_equal(y, expected)


STEM = Case(size=(21, 45), filter=(7, 7), stride=(2, 2), outputs=64, pool=Pool())
WIDE = Case(size=(23, 47), filter=(11, 11), stride=(4, 4), outputs=96, pool=Pool(same=False))
EXAMPLES = (
    STEM,
    WIDE,
    replace(STEM, packed=True, quantizes=True),
    Case(size=(1, 1), filter=(4, 4)),
    Case(size=(1, 2), filter=(4, 5), same=False, wishes=(3, 2, 4, 1), zero_points=(-128, 0)),
    replace(WIDE, same=False, wishes=(2, 1, 2, 1)),
    replace(STEM, same=False, wishes=(3, 3, 3, 3)),
    Case(size=(12, 12), filter=(1, 1), stride=(3, 2), inputs=1, outputs=130),
    Case(size=(25, 10), filter=(10, 4), stride=(2, 2), inputs=1, outputs=64),
    Case(inputs=4, outputs=33, dilation=(2, 3), zero_points=(-128, 127), packed=True),
    Case(size=(5, 33), outputs=48, edge=True, pool=Pool((4, 4), (1, 3))),
)


@given(case=CASES, points=st.lists(st.floats(0, 1), max_size=3))
def test_int8_equals_numpy(line: str, case: Case, points: list[float]) -> None:
    check(case, line, points)


@given(case=FLOAT_CASES, points=st.lists(st.floats(0, 1), max_size=3))
def test_float_is_close_to_numpy(float_line: str, case: Case, points: list[float]) -> None:
    check(case, float_line, points)


@pytest.mark.parametrize("case", EXAMPLES)
def test_layers_of_networks_int8(line: str, case: Case) -> None:
    check(case, line, [0.3, 0.7])


@pytest.mark.parametrize("case", EXAMPLES)
def test_layers_of_networks_float(float_line: str, case: Case) -> None:
    check(replace(case, kind=FLOAT32, quantizes=False, edge=False), float_line, [0.3, 0.7])


@given(case=CASES | FLOAT_CASES)
@example(STEM)
@example(replace(WIDE, packed=True))
def test_the_plain_loops_equal_numpy(case: Case) -> None:
    case = replace(case, outputs=min(case.outputs, 9), batches=1)
    data = operands(case)
    y = conv2d_few_kernels.reference_layer(case.op(), data.filters, data.bias, data.factor, data.x)
    expected = reference(case, data)
    if case.kind == FLOAT32 and not case.packed:
        np.testing.assert_allclose(y, expected, rtol=1e-6, atol=1e-6)
    else:
        np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize(
    "factor", [0.0, 2.0**-40, 2.0**-32, 2.0**-23, 2.0**-22, 0.125, 0.25, 0.5, 1 - 2.0**-33, 1.0, 3.5]
)
@pytest.mark.parametrize("pool", [None, Pool()])
@pytest.mark.parametrize("packed", [False, True])
def test_factors_of_every_size(line: str, factor: float, pool: Pool | None, packed: bool) -> None:
    case = Case(outputs=40, pool=pool, packed=packed)
    data = operands(case)
    assert data.factor is not None
    check(case, line, data=replace(data, factor=np.full_like(data.factor, factor)))


def test_more_channels_and_inputs_than_a_first_layer_has(line: str, float_line: str) -> None:
    check(Case(inputs=48, outputs=70, pool=Pool()), line)
    check(Case(inputs=48, outputs=70, kind=FLOAT32), float_line)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"zero_points": (128, 0)}, "EB_BAD_QUANTIZATION"),
        ({"zero_points": (0, -129)}, "EB_BAD_QUANTIZATION"),
        ({"bounds": (5, 4)}, "EB_BAD_QUANTIZATION"),
        ({"kind": 2}, "EB_BAD_OPTION"),
        ({"stride": (0, 1)}, "EB_BAD_STRIDE"),
        ({"pool": Pool(stride=(1, 0))}, "EB_BAD_STRIDE"),
        ({"size": (2, 2), "same": False}, "EB_EMPTY_OUTPUT"),
        ({"size": (4, 4), "same": False, "pool": Pool(same=False)}, "EB_EMPTY_OUTPUT"),
        ({"inputs": 0}, "EB_BAD_SIZE"),
        ({"inputs": 2**24}, "EB_TOO_LARGE"),
    ],
)
def test_bad_layers_are_refused(changes: dict[str, object], status: str) -> None:
    with pytest.raises(ckernels.KernelRefused, match=status):
        conv2d_few_kernels.plan(replace(Case(), **changes).op())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("factor", "bias", "status"),
    [
        (-1.0, 0, "EB_BAD_QUANTIZATION"),
        (float("nan"), 0, "EB_BAD_QUANTIZATION"),
        (2.0**31, 0, "EB_BAD_QUANTIZATION"),
        (0.5, 2**31 - 1, "EB_TOO_LARGE"),
        (2.0**20, 0, "EB_TOO_LARGE"),
    ],
)
def test_constants_that_leave_32_bits_are_refused(factor: float, bias: int, status: str) -> None:
    data = operands(Case())
    assert data.factor is not None
    changed = replace(data, factor=np.full_like(data.factor, factor), bias=np.full_like(data.bias, bias))
    with pytest.raises(ckernels.KernelRefused, match=status):
        check(Case(), None, data=changed)


def test_a_weight_that_tflite_does_not_have_is_refused() -> None:
    """Two products with -128 leave 16 bits, in which kernels add pairs."""
    data = operands(Case())
    filters = data.filters.copy()
    filters[-1, -1, -1, -1] = -128
    with pytest.raises(ckernels.KernelRefused, match="EB_BAD_QUANTIZATION"):
        check(Case(), None, data=replace(data, filters=filters))
