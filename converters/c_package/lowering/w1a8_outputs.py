"""Constants by which kernels make outputs of the sums of layers with 1-bit weights.

With u = x + 128, unsigned, a fast kernel adds u where the weight is +1 and 255 - u where it is -1:

    sum(w u) = sum - 255 n,        sum(w (x - Z)) = sum - 255 n - (Z + 128) (p - n)

for p weights of +1 and n of -1, and padding with Z. So zero point and bias are one constant of the channel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgebnn.arithmetic.fixed_point import quantize_multiplier, wrap_int32
from edgebnn.arithmetic.multiply_shift import INT8
from edgebnn.arithmetic.w1a8 import accumulator_range, weight_sums
from edgebnn.graph.opdef import OpView
from edgebnn.graph.ops.enums import Activation
from edgebnn.graph.ops.fused import integer_bounds
from edgebnn.graph.ops.view import input_tensor, optional_value, scale_and_zero_point, value
from edgebnn.graph.ops.w1a8 import channel_factors
from edgebnn.graph.types import Array

from .int8 import constant_data

NARROW = 2**28
"""Accumulators below this are multiplied by halves in 32 bits."""
MOST_BITS = 22
"""Of a right shift: zero points times its power of two fit in 32 bits."""


@dataclass(frozen=True)
class Channels:
    """The output channels of a layer.

    minus:       [O, n] the signs of their weights, True for -1.
    magnitude, bias: [O].
    factors:     what accumulators are scaled by.
    zero_points: of input and output.
    bounds:      of the output.
    """

    minus: NDArray[np.bool_]
    magnitude: NDArray[np.int64]
    bias: NDArray[np.int32]
    factors: tuple[float, ...]
    zero_points: tuple[int, int]
    bounds: tuple[int, int]

    @property
    def count(self) -> int:
        return len(self.factors)

    @property
    def constants(self) -> NDArray[np.int64]:
        """[O] accumulator = magnitude * sum + constant, in 32 bits."""
        taken = 255 * self.minus.sum(axis=1, dtype=np.int64) + (self.zero_points[0] + 128) * weight_sums(self.minus)
        return wrap_int32(self.bias - self.magnitude * taken)

    @property
    def multipliers(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """[O] the factors as 31 bits and a shift."""
        found = [quantize_multiplier(factor) for factor in self.factors]
        return np.array([m.value for m in found], np.int32), np.array([m.shift for m in found], np.int32)

    @property
    def short(self) -> NDArray[np.bool_]:
        """[O] channels that are rounded twice by a few instructions (core/conv_w1a8.h)."""
        low, high = accumulator_range(self.magnitude, self.zero_points[0], self.minus, self.bias)
        narrow = (low >= -NARROW) & (high < NARROW) & (self.magnitude > 0)
        _, shift = self.multipliers
        return narrow & (shift < 0) & (shift >= -MOST_BITS) & (self.bounds == INT8)

    @property
    def scales(self) -> NDArray[np.int32]:
        """[O, 3] 2 * constant, multiplier, 512 * magnitude + bits of the shift; without one if not short."""
        multiplier, shift = self.multipliers
        packed = np.where(self.short, self.magnitude, 0) * 512 + (-shift & 0xFF)
        return np.stack([wrap_int32(2 * self.constants), multiplier, packed], axis=1).astype(np.int32)

    @property
    def general(self) -> NDArray[np.int32] | None:
        """[O, 4] constant, magnitude, multiplier, shift; None if all channels are short."""
        if self.short.all():
            return None
        return np.stack([self.constants, self.magnitude, *self.multipliers], axis=1).astype(np.int32)


def constant_inputs(op: OpView) -> tuple[Array | None, ...]:
    """The inputs behind the first, which must be constant."""
    given = (i for i, tensor in enumerate(op.inputs) if i > 0 and tensor is not None)
    found = {i: constant_data(op, i) for i in given}
    return tuple(found.get(i) for i in range(len(op.inputs)))


def channels_of(
    op: OpView, signs: NDArray[np.bool_], values: tuple[Array | None, ...], activation: Activation
) -> Channels:
    """The output channels of a layer: ``signs`` [O, ...] of its weights, True for -1, and its other constants."""
    factors = tuple(channel_factors(op, values))
    bias = optional_value(values, 4)
    return Channels(
        signs.reshape(len(factors), -1),
        value(op, values, 3).astype(np.int64),
        np.zeros(len(factors), np.int32) if bias is None else bias.astype(np.int32),
        factors,
        (scale_and_zero_point(op, input_tensor(op, 0))[1], scale_and_zero_point(op, op.outputs[0])[1]),
        integer_bounds(op, activation),
    )
