"""The C kernels against the NumPy semantics of edgebnn.graph.ops, bit for bit, over every option."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgebnn.graph.ops.enums import Activation, Padding
from tests.support import ckernels
from tests.support.binary_cases import (
    ConvCase,
    bit_equal,
    c_convolution,
    c_operation,
    conv_cases,
    reference,
    residual_like,
    splits,
)

LINES = [line.name.decode() for line in ckernels.kernel_lines()]

PLAIN = ConvCase(1, (5, 5), (3, 3), (1, 1), (1, 1), Padding.SAME, 1, 1, 64, 32, Activation.NONE, "float32", 0)


@pytest.fixture(params=LINES, scope="module")
def line(request: pytest.FixtureRequest) -> str:
    """Each line of bconv2d.kernels."""
    return ckernels.runnable_or_skipped(request.param, ckernels.kernel_lines())


@given(case=conv_cases(), points=st.lists(st.floats(0, 1), max_size=3))
@example(replace(PLAIN, pad_value=0), [])
@example(replace(PLAIN, pad_value=0, size=(1, 2), filter=(4, 4), output="int8"), [])
@example(replace(PLAIN, groups=3, channels_in=32, channels_out=20, output="int32"), [0.5])
@example(replace(PLAIN, size=(20, 20), channels_out=70, output="int32"), [0.3, 0.7])
def test_convolution_equals_reference(line: str, case: ConvCase, points: list[float]) -> None:
    operands = case.operands()
    convolution = c_convolution(case, operands, line)
    y = convolution.run(operands.x, splits(convolution.plan.tiles, points))
    assert bit_equal(y, reference(case, operands))


@given(case=conv_cases(), adds=st.booleans())
@example(replace(PLAIN, pad_value=0), True)
@example(replace(PLAIN, pad_value=0, size=(1, 2), filter=(4, 4), output="int8"), False)
@example(replace(PLAIN, groups=3, channels_in=32, channels_out=20, output="int32"), False)
def test_the_plain_loops_equal_numpy(case: ConvCase, adds: bool) -> None:
    operands = case.operands()
    expected = reference(case, operands)
    residual = residual_like(expected, case.seed) if adds and case.output == "float32" else None
    constants = (operands.filters, operands.multiplier, operands.bias, operands.threshold)
    y = ckernels.reference_convolution(c_operation(case), constants, operands.x, residual, expected)
    assert bit_equal(y, expected if residual is None else expected + residual)


@given(case=conv_cases(), pixels=st.integers(1, 40), blocks=st.integers(1, 9), cut=st.floats(0, 1))
@example(replace(PLAIN, groups=3, channels_in=32, channels_out=20, output="int32"), 1, 1, 0.5)
def test_the_cut_does_not_change_the_result(line: str, case: ConvCase, pixels: int, blocks: int, cut: float) -> None:
    operands = case.operands()
    blocked = c_convolution(case, operands, line).blocked(pixels, blocks)
    y = blocked.run(operands.x, splits(blocked.plan.tiles, [cut]))
    assert bit_equal(y, reference(case, operands))


@given(case=conv_cases(), cut=st.floats(0, 1), in_place=st.booleans())
@example(replace(PLAIN, pad_value=0), 0.5, True)
@example(replace(PLAIN, pad_value=0, activation=Activation.RELU, channels_out=70), 0.5, True)
def test_a_residual_is_added_last(line: str, case: ConvCase, cut: float, in_place: bool) -> None:
    case = replace(case, output="float32")
    operands = case.operands()
    convolution = c_convolution(case, operands, line)
    expected = reference(case, operands)
    residual = residual_like(expected, case.seed)
    y = convolution.run(operands.x, splits(convolution.plan.tiles, [cut]), residual, in_place)
    assert bit_equal(y, expected + residual)


@pytest.mark.parametrize("channels", [1, 8, 16, 17, 24, 32, 70])
@pytest.mark.parametrize("magnitude", [1e3, 1e12, 1e34])
def test_int8_saturates_at_any_magnitude(line: str, channels: int, magnitude: float) -> None:
    case = replace(PLAIN, channels_out=channels, output="int8", activation=Activation.RELU6)
    operands = case.operands()
    signs = np.where(np.arange(channels) % 2, 1, -1)
    large = replace(operands, multiplier=(signs * magnitude / 1e3).astype(np.float32))
    for scenario in (large, replace(large, bias=(signs * magnitude).astype(np.float32))):
        assert bit_equal(c_convolution(case, scenario, line).run(scenario.x), reference(case, scenario))


@pytest.mark.parametrize("words", [1, 7, 8, 31 * 8, 31 * 8 + 7, 2000, 2041, 4500])
def test_counters_do_not_overflow(line: str, words: int) -> None:
    case = replace(PLAIN, size=(1, 3), filter=(1, 1), channels_in=32 * words, channels_out=9)
    operands = case.operands()
    all_differ = replace(operands, x=np.zeros_like(operands.x), filters=np.full_like(operands.filters, -1))
    y = c_convolution(case, all_differ, line).run(all_differ.x)
    assert bit_equal(y, reference(case, all_differ))


def few(field: str) -> list[tuple[bytes, int, bytes, int]]:
    """(the line that is best for others, features of both, its name, of how many at most it is the best)"""
    found, best = [], b""
    for line in ckernels.kernel_lines():
        if most := getattr(line, field):
            found.append((best, line.cpu_features, line.name, most))
        elif not (line.best_pixels or line.best_channels):
            best = line.name
    return found


def chosen(features: int, **changed: object) -> bytes:
    """Only a plan is made, so the processor need not run it."""
    op = c_operation(replace(PLAIN, filter=(1, 1), batches=1, **changed))  # type: ignore[arg-type]
    return bytes(ckernels.plan_convolution(op, None, features).kernel.contents.name)


@pytest.mark.parametrize(("best", "features", "line", "most"), few("best_pixels"))
def test_few_pixels_have_a_line_of_their_own(best: bytes, features: int, line: bytes, most: int) -> None:
    assert chosen(features, channels_out=96, size=(1, most)) == line
    assert chosen(features, channels_out=96, size=(1, most + 1)) == best


@pytest.mark.parametrize(("best", "features", "line", "most"), few("best_channels"))
def test_few_channels_have_a_line_of_their_own(best: bytes, features: int, line: bytes, most: int) -> None:
    assert chosen(features, channels_out=most, size=(3, 5)) == line
    assert chosen(features, channels_out=most + 1, size=(3, 5)) == best
    assert chosen(features, channels_in=32, channels_out=most, groups=2, size=(3, 5)) == line  # of each group


def test_ties_round_away_from_zero() -> None:
    """With an odd K and half an int8 unit for each unit of dot, every output lies between two integers."""
    case = replace(PLAIN, channels_in=1, output="int8")
    up = down = 0
    for seed in range(8):
        drawn = replace(case, seed=seed)
        (scale,), (zero_point,) = drawn.quantization().scale, drawn.quantization().zero_point
        operands = drawn.operands()
        half = np.full_like(operands.multiplier, 0.5 * scale)
        tied = replace(operands, multiplier=half, bias=np.zeros_like(half))
        y = c_convolution(drawn, tied).run(tied.x)
        assert bit_equal(y, reference(drawn, tied))
        up, down = up + (zero_point > 5), down + (zero_point < -5)
    assert up
    assert down
