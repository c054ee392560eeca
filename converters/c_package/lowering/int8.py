"""What int8 layers with weights share: their constants, and the sums that can occur."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebnn.arithmetic.fixed_point import quantize_multiplier
from edgebnn.graph.opdef import OpView
from edgebnn.graph.ops.enums import Activation
from edgebnn.graph.ops.fused import integer_bounds
from edgebnn.graph.ops.view import optional_input, scale_and_zero_point, unsupported
from edgebnn.graph.types import Array, Tensor

NARROW = 2**30
"""Sums within +-NARROW may be doubled in 32 bits, as eb_requantize_narrow does."""
MOST_SHIFT = 23
"""To the right, with which an output's zero point and rounding still fit beside a narrow sum in 32 bits."""


def constant_data(view: OpView, index: int) -> Array:
    """The value of an input that packages must know beforehand.

    Raises:
        UnsupportedOpError: it is computed.
    """
    tensor = optional_input(view, index)
    if tensor is None or tensor.data is None:
        raise unsupported(view, f"computed input {index}", "constant weights and bias")
    return tensor.data


def optional_bias(view: OpView, index: int, channels: int) -> NDArray[np.int64]:
    """The bias in 64 bits; zeros if there is none."""
    if optional_input(view, index) is None:
        return np.zeros(channels, np.int64)
    return constant_data(view, index).astype(np.int64)


@dataclass(frozen=True)
class Rescaling:
    """From int32 sums to int8 outputs, rounded twice.

    multiplier, shift: [O] of each output channel, as in :mod:`edgebnn.arithmetic.fixed_point`.
    zero_point:        of the output.
    low, high:         what it is clamped to.
    """

    multiplier: NDArray[np.int64]
    shift: NDArray[np.int64]
    zero_point: int
    low: int
    high: int


def rescaling(view: OpView, factors: list[float], channels: int, activation: Activation) -> Rescaling:
    """That of ``factors``, one a channel or one for all."""
    multipliers = [quantize_multiplier(f) for f in factors]
    low, high = integer_bounds(view, activation)
    return Rescaling(
        multiplier=np.broadcast_to(np.array([m.value for m in multipliers], np.int64), (channels,)),
        shift=np.broadcast_to(np.array([m.shift for m in multipliers], np.int64), (channels,)),
        zero_point=scale_and_zero_point(view, view.outputs[0])[1],
        low=low,
        high=high,
    )


@dataclass(frozen=True)
class NarrowRescaling:
    """The same as (sum * multiplier rounded + addend - (sum < 0)) >> shift, shift from 1 to :data:`MOST_SHIFT`.

    All are [O]; sums lie within +-:data:`NARROW`.
    """

    multiplier: NDArray[np.int64]
    addend: NDArray[np.int64]
    shift: NDArray[np.int64]


def narrow_rescaling(given: Rescaling, least: NDArray[np.int64], greatest: NDArray[np.int64]) -> NarrowRescaling | None:
    """That form, if the sums of each channel from ``least`` to ``greatest`` [O] have it."""
    largest = np.maximum(-least, greatest)
    right = -given.shift
    # Sums that are too small to ever round to more than nothing are shifted by little instead.
    vanish = (given.multiplier == 0) | ((right > MOST_SHIFT) & (largest < 1 << np.clip(right - 1, 0, 40)))
    multiplier, right = np.where(vanish, 0, given.multiplier), np.where(vanish, 1, right)
    if ((right < 1) | (right > MOST_SHIFT)).any() or (largest >= NARROW).any():
        return None
    return NarrowRescaling(multiplier, (1 << (right - 1)) + (given.zero_point << right), right)


def sum_range(
    weights: NDArray[np.integer[Any]], bias: NDArray[np.int64], zero_point: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The least and the greatest of bias + sum(w * (q - zero_point)) over all int8 inputs: [O] of ``weights`` [O, n].

    Padding adds 0, which lies within the range of every product.
    """
    w = weights.reshape(weights.shape[0], -1).astype(np.int64)
    at_least, at_most = w * (-128 - zero_point), w * (127 - zero_point)
    return bias + np.minimum(at_least, at_most).sum(axis=1), bias + np.maximum(at_least, at_most).sum(axis=1)


def zero_point_of(view: OpView, tensor: Tensor) -> int:
    return scale_and_zero_point(view, tensor)[1]
