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

Registers, for channels with p weights of +m and n of -m; q2 - Z2 lies in [-b, a], a = 127 - Z2 and b = Z2 + 128:

- 16 bits hold partial sums of INT16_TERMS = (2**15 - 1) // 255 = 128 differences, whatever the model: that is up to
  the kernels.
- 32 bits must hold the accumulator, which takes either extreme of [bias - m (p b + n a), bias + m (p a + n b)] for some
  input (with m = 127 and no bias they fit for up to 66,311 weights). At borders there are fewer terms, each of which
  may be 0, so the range is within this one. Sums modulo 2**32 are equal whatever their order, so wraps on the way do
  no harm, the folded bias's among them.
- 32 bits must also hold what M makes of it. Convolutions shift it left first if M >= 1, then multiply, and the result
  is no larger than what was shifted. Dense layers multiply once. The output's zero point is added to either, for which
  128 steps are kept free.
- 64 bits hold the product with the 31-bit multiplier, below 2**31 * 2**31 = 2**62; in double it is exact.

Conversion checks the two bounds that depend on the model (:func:`overflowing_channels`); so does the delegate, in files
that it recognises. Where they are broken the int8 kernels, in C, are undefined: LiteRT's reference convolutions were
seen to wrap, its dense layers to give the least int32.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .exact import exact_dtype
from .fixed_point import INT32_MAX, INT32_MIN, quantize_multiplier, wrap_int32

INT16_TERMS = (2**15 - 1) // 255
"""Differences of int8 values that a 16-bit sum holds, whatever they are."""

_OUTPUT_STEPS = 128  # the largest zero point


def signed_sums(q: NDArray[np.int8], minus: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Sums of w q: ``q`` [..., n] and ``minus`` [O, n], True where w = -1, give [..., O].

    sum(w q) = sum(q) - 2 * (sum over w = -1 of q).
    """
    count = minus.shape[1]
    dtype = exact_dtype(128 * count)
    values = q.astype(dtype)
    subtracted = (values @ minus.T.astype(dtype)).astype(np.int64)
    total = values.sum(axis=-1, keepdims=True).astype(np.int64)
    return np.asarray(total - 2 * subtracted)


def weight_sums(minus: NDArray[np.bool_]) -> NDArray[np.int64]:
    """sum(w) of each channel [O] of ``minus`` [O, n]."""
    return np.asarray(minus.shape[1] - 2 * minus.sum(axis=1, dtype=np.int64))


def folded_bias(
    bias: NDArray[np.int32] | None, magnitude: NDArray[np.integer[Any]], zero_point: int, minus: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """bias - m Z2 sum(w) of each channel [O], in 32 bits: what is added to m (sum of +q - sum of -q)."""
    folded = magnitude.astype(np.int64) * zero_point * weight_sums(minus)
    return wrap_int32(-folded if bias is None else bias - folded)


def accumulator_range(
    magnitude: NDArray[np.integer[Any]], zero_point: int, minus: NDArray[np.bool_], bias: NDArray[np.int32] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The least and the greatest accumulator of each channel [O] over all int8 inputs; ``minus`` is [O, n]."""
    negative = minus.sum(axis=1, dtype=np.int64)
    positive = minus.shape[1] - negative
    above, below = 127 - zero_point, zero_point + 128
    m = magnitude.astype(np.int64)
    constant = np.zeros_like(m) if bias is None else bias.astype(np.int64)
    return constant - m * (positive * below + negative * above), constant + m * (positive * above + negative * below)


def shifted_first(factors: ArrayLike) -> NDArray[np.float64]:
    """What convolutions multiply an accumulator by before they round: 2**shift of M, and 1 if M < 1."""
    return np.array([2.0 ** max(0, quantize_multiplier(float(factor)).shift) for factor in np.atleast_1d(factors)])


def overflowing_channels(
    low: NDArray[np.int64], high: NDArray[np.int64], scaling: NDArray[np.float64]
) -> NDArray[np.int64]:
    """The channels whose accumulators, from ``low`` to ``high``, leave 32 bits, alone or times ``scaling``:
    :func:`shifted_first` of convolutions, M of dense layers.
    """
    fits = (low >= INT32_MIN) & (high <= INT32_MAX)
    fits &= (low * scaling >= INT32_MIN + _OUTPUT_STEPS) & (high * scaling <= INT32_MAX - _OUTPUT_STEPS)
    return np.flatnonzero(~fits)
