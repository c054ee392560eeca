"""Affine quantization, real = scale * (q - zero_point) (Jacob et al. 2018, section 2.1), in TFLite's precision."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .rounding import round_half_away


def quantize(
    x: NDArray[np.float32], scale: ArrayLike, zero_point: ArrayLike, dtype: np.dtype[Any]
) -> NDArray[np.generic]:
    """float32 -> ``dtype``: x / scale in float32, halves away from zero, plus the zero point, saturated."""
    limits = np.iinfo(dtype)
    # Far out of range values are cut before the conversion to an integer, which they would overflow.
    with np.errstate(over="ignore"):
        quotient = np.clip(x / np.asarray(scale, dtype=np.float32), np.float32(-(2**24)), np.float32(2**24))
    steps = round_half_away(quotient).astype(np.int64)
    return np.clip(steps + np.asarray(zero_point, dtype=np.int64), limits.min, limits.max).astype(dtype)


def dequantize(q: NDArray[np.integer[Any]], scale: ArrayLike, zero_point: ArrayLike) -> NDArray[np.float32]:
    """Integers -> float32, one float32 multiplication per element."""
    difference = q.astype(np.int64) - np.asarray(zero_point, dtype=np.int64)
    return difference.astype(np.float32) * np.asarray(scale, dtype=np.float32)


def quantized_bounds(
    low: float | None, high: float | None, scale: np.float32, zero_point: int, dtype: np.dtype[Any]
) -> tuple[int, int]:
    """The integer range of an output whose fused activation clamps real values to [low, high] (None: unbounded)."""
    limits = np.iinfo(dtype)

    def quantized(real: float) -> int:
        return zero_point + int(round_half_away(np.asarray(np.float32(real) / scale, dtype=np.float32)))

    return (
        limits.min if low is None else max(limits.min, quantized(low)),
        limits.max if high is None else min(limits.max, quantized(high)),
    )
