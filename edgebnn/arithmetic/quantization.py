"""Affine quantization, real = scale * (q - zero_point) (Jacob et al. 2018, section 2.1), in TFLite's precision."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .rounding import round_half_away


def quantize(
    x: NDArray[np.float32], scale: ArrayLike, zero_point: ArrayLike, dtype: np.dtype[Any]
) -> NDArray[np.generic]:
    """float32 -> ``dtype``: x / scale in float32, halves away from zero, plus the zero point, saturated.

    Any scale is taken: 0 by a scale of 0 is 0.
    """
    limits = np.iinfo(dtype)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        quotient = x / np.asarray(scale, dtype=np.float32)
    steps = _whole(quotient)
    return np.clip(steps + np.asarray(zero_point, dtype=np.int64), limits.min, limits.max).astype(dtype)


def _whole(quotient: NDArray[np.float32]) -> NDArray[np.int64]:
    """Rounded, halves away from zero, and cut to 2**24: far values would overflow the conversion to an integer."""
    finite = np.nan_to_num(np.clip(quotient, np.float32(-(2**24)), np.float32(2**24)), nan=0.0)
    return round_half_away(finite).astype(np.int64)


def dequantize(q: NDArray[np.integer[Any]], scale: ArrayLike, zero_point: ArrayLike) -> NDArray[np.float32]:
    """Integers -> float32, one float32 multiplication per element."""
    difference = q.astype(np.int64) - np.asarray(zero_point, dtype=np.int64)
    with np.errstate(over="ignore"):
        return difference.astype(np.float32) * np.asarray(scale, dtype=np.float32)


def quantized_bounds(
    low: float | None, high: float | None, scale: np.float32, zero_point: int, dtype: np.dtype[Any]
) -> tuple[int, int]:
    """The integer range of an output whose fused activation clamps real values to [low, high] (None: unbounded)."""
    limits = np.iinfo(dtype)

    def quantized(real: float) -> int:
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            return zero_point + int(_whole(np.asarray(np.float32(real) / np.float32(scale), dtype=np.float32)))

    return (
        limits.min if low is None else max(limits.min, quantized(low)),
        limits.max if high is None else min(limits.max, quantized(high)),
    )
