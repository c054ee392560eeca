"""Sums of products of 1-bit weights and 8-bit activations, with zero points, and the registers that they fit in.

In the notation of Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", CVPR 2018, section 2.2: a real value is r = S (q - Z), and with symmetric weights (Z1 = 0) an output is

    q3 = Z3 + M * (sum over j of q1[j] (q2[j] - Z2) + bias),    M = S1 S2 / S3.

If all weights of an output channel are q1[j] = m w[j], w[j] = -1 or +1, with one magnitude m, the sum is

    m * sum(w (q2 - Z2)) = m * (sum over w = +1 of q2  -  sum over w = -1 of q2  -  Z2 sum(w)),

so only the signs need be stored and nothing is multiplied; m, Z2 and sum(w) are constants of the channel, and the last
term joins the bias: bias' = bias - m Z2 sum(w). Padding with Z2 adds (Z2 - Z2) = 0, so borders are exact too. M is
applied as in the int8 op (:mod:`edgebnn.arithmetic.fixed_point`), which sees the same accumulator and so gives the
same output, bit for bit.

Registers, for n weights of a channel and |q2 - Z2| <= d, d = max(127 - Z2, Z2 + 128) <= 255:

- 16 bits hold partial sums of (2**15 - 1) // 255 = 128 differences;
- 32 bits hold the accumulator if m n d + abs(bias) <= 2**31 - 1 (66,311 weights at m = 127, d = 255, bias 0). Sums
  modulo 2**32 are equal whatever their order, so intermediate wraps do no harm, the folded bias's among them;
- 64 bits hold its product with the 31-bit multiplier of M: below 2**31 * 2**31 = 2**62. In double it is exact, and its
  product with M rounded once. M >= 1 shifts the accumulator left first, so 32 bits must hold M times the accumulator
  too. Beyond that the int8 kernels themselves are undefined, and :func:`overflowing_channels` finds such layers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .exact import exact_dtype
from .fixed_point import INT32_MAX, wrap_int32

INT16_TERMS = (2**15 - 1) // 255
"""Differences of int8 values that a 16-bit sum holds, whatever they are."""


def largest_difference(zero_point: int) -> int:
    """Largest |q - zero_point| of int8 values."""
    return max(127 - zero_point, zero_point + 128)


def signed_sums(q: NDArray[np.int8], zero_point: int, minus: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Sums of w (q - zero_point): ``q`` [..., n] and ``minus`` [O, n], True where w = -1, give [..., O].

    sum(w q) = sum(q) - 2 * (sum over w = -1 of q), and sum(w) = n - 2 * (number of w = -1).
    """
    count = minus.shape[1]
    dtype = exact_dtype(128 * count)
    values = q.astype(dtype)
    subtracted = (values @ minus.T.astype(dtype)).astype(np.int64)
    total = values.sum(axis=-1, keepdims=True).astype(np.int64)
    return np.asarray(total - 2 * subtracted - zero_point * weight_sums(minus))


def weight_sums(minus: NDArray[np.bool_]) -> NDArray[np.int64]:
    """sum(w) of each channel [O] of ``minus`` [O, n]."""
    return np.asarray(minus.shape[1] - 2 * minus.sum(axis=1, dtype=np.int64))


def folded_bias(
    bias: NDArray[np.int32], magnitude: NDArray[np.integer[Any]], zero_point: int, minus: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """bias - m Z2 sum(w) of each channel [O], in 32 bits: what is added to m (sum of +q - sum of -q)."""
    return wrap_int32(bias - magnitude.astype(np.int64) * zero_point * weight_sums(minus))


def overflowing_channels(
    magnitude: NDArray[np.integer[Any]],
    count: int,
    zero_point: int,
    bias: NDArray[np.int32] | None,
    factors: NDArray[np.float64],
) -> NDArray[np.int64]:
    """The channels in which some int8 input of ``count`` values leaves 32 bits, before or after scaling by M [O]."""
    bound = magnitude.astype(np.int64) * count * largest_difference(zero_point)
    if bias is not None:
        bound = bound + np.abs(bias.astype(np.int64))
    return np.flatnonzero(bound * np.maximum(1.0, factors) > INT32_MAX)
