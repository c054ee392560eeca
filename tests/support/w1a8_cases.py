"""W1A8 layers for tests of their kernels: everything that a layer can be, its operands, and its outputs by NumPy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgebnn.arithmetic.fixed_point import multiply_by_quantized_multiplier, quantize_multiplier, wrap_int32
from edgebnn.arithmetic.packing import pack
from edgebnn.arithmetic.rounding import round_half_away

from . import ckernels, w1a8_kernels
from .w1a8_kernels import ROUND_ONCE, ROUND_TWICE, W1A8


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
    magnitude = rng.integers(0, 128, channels_out).astype(np.int32)
    return Operands(x.astype(np.int8), minus, magnitude, bias.astype(np.int32), factor)


def packed(case: Case, minus: NDArray[np.bool_]) -> NDArray[np.int32]:
    return np.ascontiguousarray(pack(np.moveaxis(minus[..., 0], 0, -1)) if case.depthwise else pack(minus))


def sums_of(case: Case, data: Operands) -> NDArray[np.int64]:
    """Sum of w * (x - zx), tap by tap."""
    win = w1a8_kernels.plan(case.op()).op.window
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


def reference(case: Case, data: Operands) -> NDArray[np.int8]:
    sums = wrap_int32(sums_of(case, data) * data.magnitude + data.bias)
    if case.rounding == ROUND_ONCE:
        scaled = round_half_away(sums.astype(np.float64) * data.factor).astype(np.int64)
    else:
        multipliers = [quantize_multiplier(float(f)) for f in data.factor]
        scaled = multiply_by_quantized_multiplier(sums, [m.value for m in multipliers], [m.shift for m in multipliers])
    return np.clip(scaled + case.zero_points[1], *case.bounds).astype(np.int8)


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
