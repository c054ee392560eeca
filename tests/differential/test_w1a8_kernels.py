"""The W1A8 kernels in C against NumPy, bit for bit: every line of w1a8.kernels, over everything that a layer can be."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgebnn.arithmetic.fixed_point import multiply_by_quantized_multiplier, quantize_multiplier, wrap_int32
from edgebnn.arithmetic.packing import pack
from edgebnn.arithmetic.rounding import round_half_away
from tests.support import ckernels, w1a8_kernels
from tests.support.binary_cases import splits
from tests.support.w1a8_kernels import ROUND_ONCE, ROUND_TWICE, W1A8

LINES = [line.name.decode() for line in w1a8_kernels.kernel_lines()]


@dataclass(frozen=True)
class Case:
    batches: int = 1
    size: tuple[int, int] = (5, 5)
    filter: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    same: bool = True
    groups: int = 1
    inputs: int = 8
    """Of a group; depthwise: of the layer."""
    outputs: int = 8
    """Of a group; depthwise: of an input channel."""
    depthwise: bool = False
    zero_points: tuple[int, int] = (-5, 3)
    bounds: tuple[int, int] = (-128, 127)
    rounding: int = ROUND_TWICE
    scale: float = 1.0
    """Of the factors, 1: outputs of usual size."""
    bias_bits: int = 12
    edge: bool = False
    """Inputs are -128 and 127, weights of one sign."""
    seed: int = 0

    @property
    def channels(self) -> tuple[int, int]:
        count = self.inputs if self.depthwise else self.groups
        return (self.inputs if self.depthwise else self.inputs * self.groups), self.outputs * count

    def op(self) -> W1A8:
        axes = (self.size, self.filter, self.stride, self.dilation)
        window = ckernels.Window(self.batches, *(n for axis in axes for n in axis), 0 if self.same else 1)
        groups = 1 if self.depthwise else self.groups
        return W1A8(window, *self.channels, groups, self.depthwise, *self.zero_points, *self.bounds, self.rounding)


@dataclass(frozen=True)
class Operands:
    x: NDArray[np.int8]
    minus: NDArray[np.bool_]
    """[channels_out, filter_height, filter_width, inputs of a group]."""
    magnitude: NDArray[np.int32]
    bias: NDArray[np.int32]
    factor: NDArray[np.float64]


def operands(case: Case) -> Operands:
    rng = np.random.default_rng(case.seed)
    channels_in, channels_out = case.channels
    depth = 1 if case.depthwise else case.inputs
    shape = (case.batches, *case.size, channels_in)
    x = rng.choice([-128, 127], shape) if case.edge else rng.integers(-128, 128, shape)
    minus = rng.random((channels_out, *case.filter, depth)) < (rng.choice([0.0, 1.0]) if case.edge else 0.5)
    bias = rng.integers(-(2**case.bias_bits), 2**case.bias_bits, channels_out)
    terms = case.filter[0] * case.filter[1] * depth
    factor = rng.uniform(0.2, 1.5, channels_out) * case.scale / terms**0.5 / 127
    magnitude = rng.integers(1, 128, channels_out).astype(np.int32)
    return Operands(x.astype(np.int8), minus, magnitude, bias.astype(np.int32), factor)


def packed(case: Case, minus: NDArray[np.bool_]) -> NDArray[np.int32]:
    return np.ascontiguousarray(pack(np.moveaxis(minus[..., 0], 0, -1)) if case.depthwise else pack(minus))


def sums_of(case: Case, data: Operands, plan: w1a8_kernels.Plan) -> NDArray[np.int64]:
    """Sum of w * (x - zx), tap by tap."""
    win = plan.op.window
    after = [
        max(0, (o - 1) * s + (f - 1) * d + 1 - n - before)
        for o, s, f, d, n, before in (
            (win.output_height, case.stride[0], case.filter[0], case.dilation[0], case.size[0], win.pad_top),
            (win.output_width, case.stride[1], case.filter[1], case.dilation[1], case.size[1], win.pad_left),
        )
    ]
    centred = data.x.astype(np.int64) - case.zero_points[0]
    centred = np.pad(centred, ((0, 0), (win.pad_top, after[0]), (win.pad_left, after[1]), (0, 0)))
    weights = 1 - 2 * data.minus.astype(np.int64)
    groups = case.inputs if case.depthwise else case.groups
    outputs = weights.shape[0] // groups
    sums = np.zeros((case.batches, win.output_height, win.output_width, weights.shape[0]), np.int64)
    for ky in range(case.filter[0]):
        for kx in range(case.filter[1]):
            top, left = ky * case.dilation[0], kx * case.dilation[1]
            bottom = top + (win.output_height - 1) * case.stride[0] + 1
            right = left + (win.output_width - 1) * case.stride[1] + 1
            tap = centred[:, top : bottom : case.stride[0], left : right : case.stride[1]]
            tap = tap.reshape(*tap.shape[:3], groups, -1)
            part = weights[:, ky, kx].reshape(groups, outputs, -1)
            sums += np.einsum("nhwgi,goi->nhwgo", tap, part).reshape(sums.shape)
    return sums


def reference(case: Case, data: Operands, plan: w1a8_kernels.Plan) -> NDArray[np.int8]:
    sums = wrap_int32(sums_of(case, data, plan) * data.magnitude + data.bias)
    if case.rounding == ROUND_ONCE:
        scaled = round_half_away(sums.astype(np.float64) * data.factor).astype(np.int64)
    else:
        multipliers = [quantize_multiplier(float(f)) for f in data.factor]
        scaled = multiply_by_quantized_multiplier(sums, [m.value for m in multipliers], [m.shift for m in multipliers])
    return np.clip(scaled + case.zero_points[1], *case.bounds).astype(np.int8)


@pytest.fixture(params=LINES, scope="module")
def line(request: pytest.FixtureRequest) -> str:
    """Each line of w1a8.kernels."""
    kernel = next(k for k in w1a8_kernels.kernel_lines() if k.name.decode() == request.param)
    if kernel.cpu_features & ~ckernels.library().eb_cpu_features():
        pytest.skip(f"this processor lacks features {kernel.cpu_features:#x} of {request.param}")
    return str(request.param)


def check(case: Case, line: str | None, points: list[float] | None = None, data: Operands | None = None) -> None:
    data = data or operands(case)
    filters = packed(case, data.minus)
    layer = w1a8_kernels.prepare(case.op(), filters, data.magnitude, data.bias, data.factor, line)
    y = layer.run(data.x, splits(layer.plan.tiles, points or []))
    np.testing.assert_array_equal(y, reference(case, data, layer.plan))


def fits(case: Case) -> bool:
    spans = ((f - 1) * d + 1 for f, d in zip(case.filter, case.dilation, strict=True))
    return case.same or all(span <= n for span, n in zip(spans, case.size, strict=True))


INT8 = st.sampled_from((-128, 127, 0)) | st.integers(-128, 127)
CASES = st.builds(
    Case,
    batches=st.integers(1, 2),
    size=st.tuples(st.integers(1, 9), st.integers(1, 17)),
    filter=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    dilation=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    same=st.booleans(),
    groups=st.sampled_from((1, 1, 1, 2, 3)),
    inputs=st.integers(1, 70),
    outputs=st.integers(1, 9) | st.integers(1, 140),
    zero_points=st.tuples(INT8, INT8),
    bounds=st.just((-128, 127)) | st.tuples(INT8, INT8).map(lambda pair: (min(pair), max(pair))),
    rounding=st.sampled_from((ROUND_TWICE, ROUND_TWICE, ROUND_ONCE)),
    scale=st.sampled_from((1.0, 1.0, 1e-8, 1e-4, 100.0, 1e7)),
    bias_bits=st.sampled_from((0, 12, 31)),
    edge=st.sampled_from((False, False, False, True)),
    seed=st.integers(0, 2**16),
).filter(fits)


@given(case=CASES, points=st.lists(st.floats(0, 1), max_size=3))
@example(Case(size=(1, 1), filter=(4, 4), same=True), [])
@example(Case(size=(12, 12), filter=(1, 1), stride=(3, 2), inputs=65, outputs=130), [0.4])
@example(Case(groups=3, inputs=33, outputs=20, dilation=(2, 3), zero_points=(-128, 127)), [0.3, 0.7])
def test_convolution_equals_reference(line: str, case: Case, points: list[float]) -> None:
    check(case, line, points)


@given(case=CASES, multiplier=st.integers(1, 3))
@example(Case(inputs=64, depthwise=True, zero_points=(127, -128)), 1)
def test_depthwise_equals_reference(case: Case, multiplier: int) -> None:
    check(replace(case, groups=1, depthwise=True, outputs=multiplier), None)


@pytest.mark.parametrize("inputs", [5, 50, 255, 256, 260, 1000, 4352, 4353, 9216])
@pytest.mark.parametrize("zero_point", [-128, 127])
def test_counters_do_not_overflow(line: str, inputs: int, zero_point: int) -> None:
    """Inputs as large as they can be, of one sign, with weights of one sign, or of that of the input."""
    case = Case(size=(1, 3), filter=(1, 1), inputs=inputs, outputs=70, zero_points=(zero_point, 0), scale=0.02)
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
