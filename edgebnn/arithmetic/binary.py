"""Binary dot products and the output arithmetic of the Larq Compute Engine (LCE 0.16), bit for bit.

With the bits of :mod:`edgebnn.arithmetic.packing` (0 is +1, 1 is -1), x * w = -1 exactly where the bits differ, so
over K products

    dot = K - 2 * popcount(x xor w)

(Rastegari et al., "XNOR-Net", ECCV 2016, section 3.2, in LCE's convention of signs). LCE keeps the left side as
``2 * accum = K - dot`` through activation, scaling and rounding; the order of its operations is kept here, because
float32 results depend on it. The definitions are those of the LCE model format, version 0.16.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .fixed_point import INT32_MAX, INT32_MIN
from .packing import unpack
from .rounding import round_half_away


def signs(words: NDArray[np.int32], channels: int, dtype: np.dtype[Any]) -> NDArray[np.floating[Any]]:
    """Packed [..., W] -> [..., channels] of +1 and -1."""
    return np.where(unpack(words, channels), dtype.type(-1), dtype.type(1))


@dataclass(frozen=True)
class OutputTransform:
    """y = float(clamp(2 * accum, low, high)) * multiplier + bias, in float32, per output channel."""

    low: int
    high: int
    multiplier: NDArray[np.float32]
    bias: NDArray[np.float32]


def output_transform(
    multiplier: NDArray[np.float32],
    bias: NDArray[np.float32],
    products: int,
    activation: tuple[float | None, float | None],
    scale: float = 1.0,
    zero_point: int = 0,
) -> OutputTransform:
    """Folds activation(dot) * multiplier + bias, in units of ``scale``, into an OutputTransform.

    With dot = K - 2 * accum, y is -multiplier / scale * (2 * accum) plus (bias + K * multiplier) / scale + zero point.
    Both constants are computed in double and stored in float32. The activation's bounds on dot, cut to [-K, K], bound
    2 * accum from the other side.

    Args:
        multiplier: [O], of each output channel.
        bias: [O].
        products: K, of each output.
        activation: the least and the largest dot, None where it has no bound.
        scale: of the output; 1 for floats.
        zero_point: of the output.

    Returns:
        The transform of accumulators.
    """
    low = INT32_MIN if activation[0] is None else int(activation[0])
    high = INT32_MAX if activation[1] is None else int(activation[1])
    low, high = max(low, -products), min(high, products)
    wide_multiplier, wide_bias = multiplier.astype(np.float64), bias.astype(np.float64)
    return OutputTransform(
        low=products - high,
        high=products - low,
        multiplier=(-1 * wide_multiplier / scale).astype(np.float32),
        bias=((wide_bias + float(products) * wide_multiplier) / scale + float(zero_point)).astype(np.float32),
    )


def float_output(twice_accumulators: NDArray[np.int64], transform: OutputTransform) -> NDArray[np.float32]:
    """2 * accum [..., channels] -> float32, one rounding per multiplication and addition."""
    clamped = np.clip(twice_accumulators, transform.low, transform.high).astype(np.float32)
    return clamped * transform.multiplier + transform.bias


def int8_output(twice_accumulators: NDArray[np.int64], transform: OutputTransform) -> NDArray[np.int8]:
    """2 * accum [..., channels] -> int8: the float32 value, halves away from zero, saturated."""
    return np.clip(round_half_away(float_output(twice_accumulators, transform)), -128, 127).astype(np.int8)


def packed_output(accumulators: NDArray[np.int64], thresholds: ArrayLike) -> NDArray[np.bool_]:
    """accum [..., channels] -> sign bits, True for -1: accum > threshold."""
    return np.asarray(accumulators > np.asarray(thresholds, dtype=np.int64))
