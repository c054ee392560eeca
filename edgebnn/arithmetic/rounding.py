"""Rounding of real numbers to integers as the runtimes do it."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

FloatT = TypeVar("FloatT", np.float32, np.float64)


def round_half_away(x: NDArray[FloatT]) -> NDArray[FloatT]:
    """Nearest integer, halves away from zero, in the precision of ``x`` (C's ``roundf`` and ``round``).

    ``floor(x + 0.5)`` is not that function: in float32, 0.49999997 + 0.5 rounds up to 1. Truncation and the
    remainder ``x - trunc(x)`` are exact in IEEE arithmetic, so comparing the remainder with one half is too.
    NaN and infinities are returned as they are.
    """
    whole = np.trunc(x)
    with np.errstate(invalid="ignore"):
        up = (np.abs(x - whole) >= 0.5).astype(x.dtype)
        return np.asarray(whole + np.copysign(up, x), dtype=x.dtype)
