"""Requantization in integers: a real factor as a 31-bit multiplier and a shift.

Quantized arithmetic (Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", CVPR 2018, section 2.2) scales an int32 accumulator by a real factor
M = S1 * S2 / S3. Writing M = M0 * 2**shift with M0 in [0.5, 1), M0 is stored as round(M0 * 2**31), and M * x becomes
a doubling high multiplication followed by a rounding shift.

Both steps round, so the result is that of *double rounding*: the high multiplication rounds halves up, the shift
rounds halves away from zero (gemmlowp's ``SaturatingRoundingDoublingHighMul`` and ``RoundingDivideByPOT``). LiteRT's
reference kernels use it throughout, but for FULLY_CONNECTED (see :mod:`edgebnn.graph.ops.dense`).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

INT32_MIN = -(2**31)
INT32_MAX = 2**31 - 1


class Multiplier(NamedTuple):
    """A real factor ``value / 2**31 * 2**shift``; ``value`` is in [2**30, 2**31) or 0."""

    value: int
    shift: int


def quantize_multiplier(factor: float) -> Multiplier:
    """The fixed-point form of a real ``factor`` >= 0.

    A significand that rounds up to 2**31 is halved and the shift raised; a factor below 2**-32 becomes 0.

    Raises:
        OverflowError: the factor is negative, not a number, or 2**31 and more, which int32 arithmetic does not have.
    """
    if not 0.0 <= factor < 2.0**31:
        raise OverflowError(f"scales by {factor:.3g}; fixed-point arithmetic has factors from 0 to 2**31")
    if factor == 0.0:
        return Multiplier(0, 0)
    significand, shift = math.frexp(factor)
    value = math.floor(significand * 2**31 + 0.5)  # exact: the significand has 53 bits, so nothing is lost
    if value == 2**31:
        value //= 2
        shift += 1
    if shift < -31:
        return Multiplier(0, 0)
    return Multiplier(value, shift)


def doubling_high_mul(a: NDArray[np.int64], b: ArrayLike) -> NDArray[np.int64]:
    """round(a * b / 2**31) for int32 values held in int64: halves go up; -2**31 * -2**31 saturates.

    The nudge is 2**30 for products >= 0 and 1 - 2**30 below, and the division truncates towards zero, which
    is floor((a * b + 2**30) / 2**31) in both cases.
    """
    product = a * np.asarray(b, dtype=np.int64)
    return np.asarray(np.minimum((product + 2**30) >> 31, INT32_MAX))


def rounding_right_shift(x: NDArray[np.int64], shift: ArrayLike) -> NDArray[np.int64]:
    """round(x / 2**shift), halves away from zero; 0 <= shift <= 31."""
    shift = np.asarray(shift, dtype=np.int64)
    mask = (np.int64(1) << shift) - 1
    threshold = (mask >> 1) + (x < 0)
    return np.asarray((x >> shift) + ((x & mask) > threshold))


def wrap_int32(x: NDArray[np.int64]) -> NDArray[np.int64]:
    """``x`` modulo 2**32 in [-2**31, 2**31): what an int32 register holds."""
    return ((x + 2**31) & 0xFFFFFFFF) - 2**31


def multiply_by_quantized_multiplier(
    x: NDArray[np.integer[Any]], value: ArrayLike, shift: ArrayLike
) -> NDArray[np.int64]:
    """x * value / 2**31 * 2**shift, rounded twice; ``value`` and ``shift`` broadcast (one per channel, say).

    ``x`` holds int32 values. A positive shift multiplies first, in an int32 register that wraps, as the C kernels do.
    """
    shifts = np.asarray(shift, dtype=np.int64)
    shifted = wrap_int32(x.astype(np.int64) << np.maximum(shifts, 0))
    return rounding_right_shift(doubling_high_mul(shifted, value), np.maximum(-shifts, 0))


def to_int16(multiplier: Multiplier) -> int:
    """The value of ``multiplier`` in 16 bits, of which it is ``/ 2**15``."""
    return min((multiplier.value + (1 << 15)) >> 16, 2**15 - 1)


def multiply_int48(x: NDArray[np.int64], multiplier: Multiplier) -> NDArray[np.int64]:
    """x * multiplier for ``x`` of at most 48 bits, by its upper 16: rounded once, halves up, in an int32 register."""
    shift = 15 - multiplier.shift
    return wrap_int32((x * to_int16(multiplier) + (1 << (shift - 1))) >> shift)
