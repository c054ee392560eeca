"""Sums of two quantized operands by two multiplications and one shift, proven equal to a given function of both.

ADD of int8 tensors brings each operand to a common scale with a rounding of its own, adds, and rounds again. A device
does better with

    y = clamp((x1 * factor1 + x2 * factor2 + addend) >> shift, low, high),

where ``>>`` rounds down, if that gives the same for all 256 * 256 pairs of values. For each pair with the value y

    y * 2**shift <= x1 * factor1 + x2 * factor2 + addend < (y + 1) * 2**shift,

the left side being dropped where y = low, the right one where y = high. Given both factors these bounds leave an
interval of addends, whose length is a concave function of the factors: climbing finds whether there is any.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

_MOST_SHIFT, _LEAST_SHIFT = 27, 12


@dataclass(frozen=True)
class LinearSum:
    """y = clamp((x1 * factors[0] + x2 * factors[1] + addend) >> shift, low, high), in 32 bits throughout."""

    factors: tuple[int, int]
    addend: int
    shift: int


def prove_sum(
    values: NDArray[np.int8], scales: tuple[float, float], low: int = -128, high: int = 127
) -> LinearSum | None:
    """The multiplications and the shift that reproduce a function of two int8 operands.

    Args:
        values: [256, 256] the function at (-128, -128), (-128, -127) and so on.
        scales: about how much a step of each operand adds to the function.
        low: the least value that the device clamps to.
        high: the greatest one.

    Returns:
        One of them, or None where none was found.
    """
    bounds = _Bounds(values.astype(np.int64), low, high)
    for shift in range(_MOST_SHIFT, _LEAST_SHIFT - 1, -1):
        start = (round(scales[0] * 2**shift), round(scales[1] * 2**shift))
        if 128 * (abs(start[0]) + abs(start[1])) >= 2**31:
            continue
        factors, gap = _climb(bounds, start, shift)
        if gap < 0:
            if gap < -(1 << shift):  # coarser factors cannot mend what is far off
                return None
            continue
        least, _ = bounds.addends(factors, shift)
        addend = least + gap // 2
        if 128 * (abs(factors[0]) + abs(factors[1])) + abs(addend) < 2**31:
            return LinearSum(factors, addend, shift)
    return None


class _Bounds:
    """The pairs of values that bound the addend from below, and those that do from above."""

    def __init__(self, values: NDArray[np.int64], low: int, high: int) -> None:
        x1, x2 = np.meshgrid(np.arange(-128, 128), np.arange(-128, 128), indexing="ij")
        above, beneath = values > low, values < high
        # Of a run of equal values along the second operand only the ends bound anything.
        ends = np.zeros(values.shape, bool)
        ends[:, 1:] |= values[:, 1:] != values[:, :-1]
        ends[:, :-1] |= values[:, 1:] != values[:, :-1]
        ends[:, (0, -1)] = True
        self._floor = x1[above & ends], x2[above & ends], values[above & ends]
        self._ceiling = x1[beneath & ends], x2[beneath & ends], values[beneath & ends] + 1

    def addends(self, factors: tuple[int, int], shift: int) -> tuple[int, int]:
        """The least and the greatest addend; none if the least is the greater one."""
        x1, x2, y = self._floor
        least = ((y << shift) - x1 * factors[0] - x2 * factors[1]).max(initial=-(2**40))
        x1, x2, y = self._ceiling
        greatest = ((y << shift) - 1 - x1 * factors[0] - x2 * factors[1]).min(initial=2**40)
        return int(least), int(greatest)

    def gap(self, factors: tuple[int, int], shift: int) -> int:
        least, greatest = self.addends(factors, shift)
        return greatest - least


def _climb(bounds: _Bounds, start: tuple[int, int], shift: int) -> tuple[tuple[int, int], int]:
    """Factors that leave some addend, or else about the most."""
    factors, gap = start, bounds.gap(start, shift)
    step = 1 << max(shift - 12, 0)
    while gap < 0 and step:
        moved = [
            (factors[0] + step * a, factors[1] + step * b) for a, b in product((-1, 0, 1), repeat=2) if a != 0 or b != 0
        ]
        gaps = [bounds.gap(f, shift) for f in moved]
        best = int(np.argmax(gaps))
        if gaps[best] > gap:
            factors, gap = moved[best], gaps[best]
        else:
            step //= 2
    return factors, gap
