"""Softmax, hard swish and inverse square root in fixed point, as LiteRT's reference kernels compute them.

A number in Qm.n is an integer with n = 31 - m fractional bits. Products are rounded doubling high multiplications
(:func:`edgebnn.arithmetic.fixed_point.doubling_high_mul`): Qa * Qb is Q(a + b). Arrays are int64 holding int32 values.

exp(a) for a <= 0 in Q5.26 splits -a into multiples of powers of two and a rest in (-1/4, 0]: the rest goes through the
Taylor polynomial of degree 4 around -1/8, each binary digit of the multiple through a constant exp(-2**k). The
reciprocal is three steps of Newton-Raphson from the linear estimate 48/17 - 32/17 d, whose largest relative error on
[1/2, 1] is 1/17. Both are gemmlowp's algorithms.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .fixed_point import INT32_MAX, INT32_MIN, Multiplier, doubling_high_mul, rounding_right_shift, to_int16

Fixed = NDArray[np.int64]

DIFFERENCE_BITS = 5
"""Integer bits of the scaled difference to the row's maximum: Q5.26."""
SUM_BITS = 12
"""Integer bits of the sum of exponentials: Q12.19."""


def _constant(real: float, integer_bits: int) -> int:
    return math.floor(real * 2.0 ** (31 - integer_bits) + 0.5)


def _saturating_left_shift(x: Fixed, shift: int) -> Fixed:
    return np.clip(x << shift, INT32_MIN, INT32_MAX)


def exp_of_negative(a: Fixed) -> Fixed:
    """exp(a) in Q0.31 for a <= 0 in Q5.26; exp(0) is the largest Q0.31."""
    fractional_bits = 31 - DIFFERENCE_BITS
    quarter = 1 << (fractional_bits - 2)
    rest = (a & (quarter - 1)) - quarter
    x = _saturating_left_shift(rest, DIFFERENCE_BITS) + (1 << 28)  # distance from -1/8, in Q0.31
    x2 = doubling_high_mul(x, x)
    x3, x4 = doubling_high_mul(x2, x), doubling_high_mul(x2, x2)
    cubic = doubling_high_mul(rounding_right_shift(x4, 2) + x3, _constant(1 / 3, 0))
    series = x + rounding_right_shift(cubic + x2, 1)
    middle = np.asarray(_constant(math.exp(-1 / 8), 0))
    result = middle + doubling_high_mul(middle, series)
    multiple = rest - a
    for power in range(-2, DIFFERENCE_BITS):
        digit = (multiple >> (fractional_bits + power)) & 1
        scaled = doubling_high_mul(result, _constant(math.exp(-(2.0**power)), 0))
        result = np.where(digit == 1, scaled, result)
    return np.where(a == 0, INT32_MAX, result)


def reciprocal(x: Fixed) -> tuple[Fixed, Fixed]:
    """1 / x for x > 0 in Q12.19, as (y in Q0.31, bits): 1 / x is y / 2**bits with 1/2 < y <= 1."""
    headroom = 32 - np.frexp(x.astype(np.float64))[1].astype(np.int64)  # leading zeros of the 32-bit word
    fraction = (x << headroom) - (1 << 31)
    half_denominator = (fraction + INT32_MAX + 1) >> 1
    y = _constant(48 / 17, 2) + doubling_high_mul(half_denominator, _constant(-32 / 17, 2))
    for _ in range(3):
        error = (1 << 29) - doubling_high_mul(half_denominator, y)
        y = y + _saturating_left_shift(doubling_high_mul(y, error), 2)
    return _saturating_left_shift(y, 1), SUM_BITS - headroom


def inverse_square_root(x: int) -> Multiplier:
    """1 / sqrt(x) for an int32 x >= 1, as a fixed-point factor; that of 1 is the largest below one.

    x is scaled by a power of 4 into [2**27, 2**29), which Q3.28 reads as a number in [1/2, 2). Five Newton steps
    y * (3/2 - x/2 * y**2) from y = 1 follow, and the factor sqrt(1/2) for the odd power of two.
    """
    if x <= 1:
        return Multiplier(INT32_MAX, 0)
    shift = 11
    while x >= 1 << 29:
        x, shift = x // 4, shift + 1
    pairs = (32 - x.bit_length() - 1) // 2 - 1
    x, shift = x << (2 * pairs), shift - pairs
    half = rounding_right_shift(np.asarray(x >> 1, dtype=np.int64), 1)
    three_halves = np.asarray((1 << 28) + (1 << 27), dtype=np.int64)
    y = np.asarray(1 << 28, dtype=np.int64)
    for _ in range(5):
        cube = _saturating_left_shift(doubling_high_mul(doubling_high_mul(y, y), y), 6)
        y = _saturating_left_shift(doubling_high_mul(three_halves, y) - doubling_high_mul(half, cube), 3)
    value = int(doubling_high_mul(y, _constant(math.sqrt(2) / 2, 0)))
    return Multiplier(value << max(0, -shift), -max(0, shift))


def softmax_int8(q: NDArray[np.int8], beta_scale: Multiplier) -> NDArray[np.int8]:
    """Softmax over the last axis; the output's scale is 1 / 256 and its zero point -128.

    ``beta_scale`` takes a difference of ``q`` to Q5.26. Differences so large that they would leave Q5.26 give 0.
    """
    difference = q.astype(np.int64) - q.max(axis=-1, keepdims=True).astype(np.int64)
    limit = math.floor((2**DIFFERENCE_BITS - 1) * 2.0 ** (31 - DIFFERENCE_BITS - beta_scale.shift))
    counted = difference >= -limit
    scaled = doubling_high_mul(np.where(counted, difference, 0) << beta_scale.shift, beta_scale.value)
    exponentials = np.where(counted, exp_of_negative(scaled), 0)
    sums = rounding_right_shift(exponentials, SUM_BITS).sum(axis=-1, keepdims=True)
    inverse, bits = reciprocal(sums)
    result = rounding_right_shift(doubling_high_mul(exponentials, inverse), bits + 31 - 8) - 128
    return np.where(counted, np.clip(result, -128, 127), -128).astype(np.int8)


def _high_mul_int16(a: Fixed, b: int) -> Fixed:
    """round(a * b / 2**15) of int16 values, halves up, saturated."""
    return np.minimum((a * b + (1 << 14)) >> 15, 2**15 - 1)


def _saturating_left_shift_int16(a: Fixed, shift: int) -> Fixed:
    return np.clip(a << shift, -(2**15), 2**15 - 1)


def hard_swish_int8(
    centred: Fixed, output_zero_point: int, output_scaling: Multiplier, relu_scaling: Multiplier
) -> NDArray[np.int8]:
    """x * clamp(x + 3, 0, 6) / 6 in 16-bit fixed point; ``centred`` is q - zero point.

    The value with 7 more bits is scaled to the output (``output_scaling``, whose shift is applied last) and, apart,
    to a factor in [0, 1] of which 3 is the saturated end (``relu_scaling``); the product truncates towards zero.
    """
    fine = centred << 7
    scaled = _high_mul_int16(fine, to_int16(output_scaling))
    factor = fine
    if relu_scaling.shift > 0:
        factor = _saturating_left_shift_int16(factor, relu_scaling.shift - 1)
    factor = _high_mul_int16(factor, to_int16(relu_scaling))
    if relu_scaling.shift > 0:
        factor = _saturating_left_shift_int16(factor, 1)
    if relu_scaling.shift < 0:
        factor = rounding_right_shift(factor, -relu_scaling.shift)
    factor = (factor + (1 << 15)) >> 1
    product = factor * scaled
    product = np.sign(product) * (np.abs(product) >> 15)
    result = rounding_right_shift(product, -output_scaling.shift) + output_zero_point
    return np.clip(result, -128, 127).astype(np.int8)
