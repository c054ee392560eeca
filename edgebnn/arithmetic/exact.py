"""Exact integer sums by floating-point matrix products.

A floating-point product of integers is exact as long as every partial sum stays within the significand: 2**24 for
float32, 2**53 for float64. With |x| <= m the partial sums of w . x are at most m * sum(|w|) in any order of summation,
so that bound alone decides; BLAS then computes the sums many times faster than NumPy's integer loops.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FLOAT32_EXACT = 2**24
FLOAT64_EXACT = 2**53


def exact_dtype(bound: int) -> np.dtype[Any]:
    """The floating-point type in which sums of integers whose magnitude never exceeds ``bound`` are exact."""
    if bound <= FLOAT32_EXACT:
        return np.dtype(np.float32)
    if bound <= FLOAT64_EXACT:
        return np.dtype(np.float64)
    raise ValueError(f"sums up to {bound} are not exact in double precision")


def sum_bound(weights: NDArray[np.integer[Any]], magnitude: int) -> int:
    """Largest possible |sum| over the rows of ``weights`` [rows, ...] of inputs with |x| <= ``magnitude``."""
    if weights.size == 0:
        return 0
    return magnitude * int(np.abs(weights.astype(np.int64)).reshape(weights.shape[0], -1).sum(axis=1).max())
