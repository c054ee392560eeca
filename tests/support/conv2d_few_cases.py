"""Convolutions of few input channels, for tests of their kernels: all that they can be, and outputs by NumPy."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgebnn.arithmetic.fixed_point import multiply_by_quantized_multiplier, quantize_multiplier
from edgebnn.arithmetic.packing import pack
from edgebnn.arithmetic.rounding import round_half_away

from . import ckernels, conv2d_few_kernels
from .conv2d_few_kernels import FLOAT32, INT8, PACKED, Conv2dFew

INPUT_SCALE = float(np.float32(0.0173))


@dataclass(frozen=True)
class Pool:
    size: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (2, 2)
    same: bool = True


@dataclass(frozen=True)
class Case:
    batches: int = 1
    size: tuple[int, int] = (9, 11)
    filter: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    same: bool = True
    wishes: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Zeros above, below, left and right of the image, where such a filter may have them."""
    inputs: int = 3
    outputs: int = 8
    kind: int = INT8
    quantizes: bool = False
    """The input is float32, the filter int8."""
    packed: bool = False
    pool: Pool | None = None
    zero_points: tuple[int, int] = (-5, 3)
    bounds: tuple[int, int] = (-128, 127)
    relu: bool = False
    """float32."""
    scale: float = 1.0
    """Of the factors, 1: outputs of usual size."""
    bias_bits: int = 12
    edge: bool = False
    """Inputs are -128 and 127, weights -127 and 127."""
    seed: int = 0

    @property
    def border(self) -> tuple[int, int, int, int]:
        most = [0] * 4 if self.same else [n - 1 for n in self.filter for _ in range(2)]
        top, bottom, left, right = map(min, self.wishes, most)
        return top, bottom, left, right

    def op(self) -> Conv2dFew:
        axes = (self.size, self.filter, self.stride, self.dilation)
        window = ckernels.Window(self.batches, *(n for axis in axes for n in axis), 0 if self.same else 1)
        pool = self.pool or Pool((0, 0), (0, 0))
        input_type = FLOAT32 if self.quantizes else self.kind
        kinds = (self.kind, input_type, PACKED if self.packed else self.kind)
        pooling = (int(self.pool is not None), *pool.size, *pool.stride, 0 if pool.same else 1)
        ends = (INPUT_SCALE, 0.0 if self.relu else -float("inf"), float("inf"))
        border = (ctypes.c_int32 * 4)(*self.border)
        points = (*self.zero_points, *self.bounds)
        return Conv2dFew(window, border, self.inputs, self.outputs, *kinds, *pooling, *points, *ends)


@dataclass(frozen=True)
class Operands:
    x: NDArray[np.generic]
    filters: NDArray[np.generic]
    bias: NDArray[np.generic]
    factor: NDArray[np.float64] | None


def operands(case: Case) -> Operands:
    rng = np.random.default_rng(case.seed)
    shape = (case.batches, *case.size, case.inputs)
    filter_shape = (case.outputs, *case.filter, case.inputs)
    if case.kind == FLOAT32:
        x, filters, bias = (rng.normal(size=s).astype(np.float32) for s in (shape, filter_shape, case.outputs))
        return Operands(x, filters, bias, None)
    x = rng.choice([-128, 127], shape) if case.edge else rng.integers(-128, 128, shape)
    filters = rng.choice([-127, 127], filter_shape) if case.edge else rng.integers(-127, 128, filter_shape)
    bias = rng.integers(-(2**case.bias_bits), 2**case.bias_bits, case.outputs)
    terms = case.filter[0] * case.filter[1] * case.inputs
    factor = rng.uniform(0.2, 1.5, case.outputs) * case.scale / terms**0.5 / 127
    real = x.astype(np.int8)
    if case.quantizes:  # some at ties, some beyond the range
        steps = x - case.zero_points[0] + rng.choice([0.0, 0.5, -0.5, 0.25, 300.0, -300.0], shape, p=[0.3, *[0.14] * 5])
        real = (steps * INPUT_SCALE).astype(np.float32)
    return Operands(real, filters.astype(np.int8), bias.astype(np.int32), factor)


def quantized(case: Case, x: NDArray[np.generic]) -> NDArray[np.int64]:
    """The int8 input, as QUANTIZE gives it."""
    if not case.quantizes:
        return x.astype(np.int64)
    steps = round_half_away((x / np.float32(INPUT_SCALE)).astype(np.float64))
    return np.clip(steps.astype(np.int64) + case.zero_points[0], -128, 127)


def _after(size: int, before: int, output: int, stride: int, span: int) -> int:
    return max(0, (output - 1) * stride + span - size - before)


def sums_of(case: Case, data: Operands) -> NDArray[np.float64]:
    """Of int8 exact; of float32 in double."""
    win = conv2d_few_kernels.plan(case.op()).op.window
    spans = [(f - 1) * d + 1 for f, d in zip(case.filter, case.dilation, strict=True)]
    rows = (win.pad_top, _after(case.size[0], win.pad_top, win.output_height, case.stride[0], spans[0]))
    columns = (win.pad_left, _after(case.size[1], win.pad_left, win.output_width, case.stride[1], spans[1]))
    is_float = case.kind == FLOAT32
    centred = data.x.astype(np.float64) if is_float else (quantized(case, data.x) - case.zero_points[0]) * 1.0
    centred = np.pad(centred, ((0, 0), rows, columns, (0, 0)))
    sums = np.zeros((case.batches, win.output_height, win.output_width, case.outputs)) + data.bias.astype(np.float64)
    for ky in range(case.filter[0]):
        for kx in range(case.filter[1]):
            top, left = ky * case.dilation[0], kx * case.dilation[1]
            bottom = top + (win.output_height - 1) * case.stride[0] + 1
            right = left + (win.output_width - 1) * case.stride[1] + 1
            tap = centred[:, top : bottom : case.stride[0], left : right : case.stride[1]]
            sums += tap @ data.filters[:, ky, kx].astype(np.float64).T
    return sums


def pooled(case: Case, y: NDArray[np.float64]) -> NDArray[np.float64]:
    if case.pool is None:
        return y
    win = conv2d_few_kernels.plan(case.op()).pool
    result = np.empty((y.shape[0], win.output_height, win.output_width, y.shape[3]))
    for row in range(win.output_height):
        for column in range(win.output_width):
            top, left = row * win.stride_height - win.pad_top, column * win.stride_width - win.pad_left
            part = y[:, max(top, 0) : top + win.filter_height, max(left, 0) : left + win.filter_width]
            result[:, row, column] = part.max(axis=(1, 2))
    return result


def reference(case: Case, data: Operands) -> NDArray[np.generic]:
    """int8 outputs and signs exactly; float32 in double, rounded once."""
    sums = sums_of(case, data)
    if case.kind == FLOAT32:
        y = pooled(case, np.maximum(sums, 0) if case.relu else sums)
        return pack(y < 0) if case.packed else y.astype(np.float32)
    assert data.factor is not None
    multipliers = [quantize_multiplier(float(f)) for f in data.factor]
    values, shifts = [m.value for m in multipliers], [m.shift for m in multipliers]
    scaled = multiply_by_quantized_multiplier(sums.astype(np.int64), values, shifts)
    y = pooled(case, np.clip(scaled + case.zero_points[1], *case.bounds).astype(np.float64))
    return pack(y < case.zero_points[1]) if case.packed else y.astype(np.int8)


def _fits(case: Case) -> bool:
    spans = [(f - 1) * d + 1 for f, d in zip(case.filter, case.dilation, strict=True)]
    whole = (case.size[0] + sum(case.border[:2]), case.size[1] + sum(case.border[2:]))
    if not case.same and any(span > n for span, n in zip(spans, whole, strict=True)):
        return False
    if case.pool is None or case.pool.same:
        return True
    win = conv2d_few_kernels.plan(_without_pool(case).op()).op.window
    return case.pool.size[0] <= win.output_height and case.pool.size[1] <= win.output_width


def _without_pool(case: Case) -> Case:
    return Case(case.batches, case.size, case.filter, case.stride, case.dilation, case.same, case.wishes)


BYTE = st.sampled_from((-128, 127, 0)) | st.integers(-128, 127)
PAIR = st.tuples(st.integers(1, 4), st.integers(1, 4))
POOLS = st.builds(Pool, size=PAIR, stride=st.tuples(st.integers(1, 3), st.integers(1, 3)), same=st.booleans())
_SHAPES = {
    "batches": st.integers(1, 2),
    "size": st.tuples(st.integers(1, 12), st.integers(1, 40)),
    "filter": st.tuples(st.integers(1, 5), st.integers(1, 11)),
    "stride": PAIR,
    "dilation": st.just((1, 1)) | st.tuples(st.integers(1, 3), st.integers(1, 3)),
    "same": st.booleans(),
    "wishes": st.just((0, 0, 0, 0)) | st.tuples(*[st.integers(0, 10)] * 4),
    "inputs": st.integers(1, 4),
    "outputs": st.integers(1, 9) | st.integers(1, 140),
    "packed": st.booleans(),
    "pool": st.none() | POOLS,
    "seed": st.integers(0, 2**16),
}
CASES = st.builds(
    Case,
    **_SHAPES,
    quantizes=st.booleans(),
    zero_points=st.tuples(BYTE, BYTE),
    bounds=st.just((-128, 127)) | st.tuples(BYTE, BYTE).map(lambda pair: (min(pair), max(pair))),
    scale=st.sampled_from((1.0, 1.0, 1e-8, 1e-4, 20.0)),
    bias_bits=st.sampled_from((0, 12, 20)),
    edge=st.sampled_from((False, False, False, True)),
).filter(_fits)
FLOAT_CASES = st.builds(Case, **_SHAPES, kind=st.just(FLOAT32), relu=st.booleans()).filter(_fits)
