"""Rescaling by one multiplication and one shift, proven equal to a given function of an integer.

A microcontroller without a floating-point unit rescales a sum x to an output by

    y = clamp((x * multiplier + offset) >> shift, low, high)

where ``>>`` rounds down. Whether some function of x, rounded in whatever way and in whatever precision, is of that
form is a question about finitely many integers: the function is constant on runs of consecutive x, and for each end x
of a run with the value y

    y * 2**shift <= x * multiplier + offset < (y + 1) * 2**shift,

of which the left side is dropped where y = low, the right one where y = high. A line that keeps within these bounds at
both ends of a run does in between. For each multiplier the bounds leave an interval of offsets, whose length is a
concave function of the multiplier; its maximum is found by bisection and tells whether there is any. So what is found
here is equal for every x by construction, and what is not found does not exist.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

INT8 = (-128, 127)


@dataclass(frozen=True)
class Steps:
    """A function of consecutive integers as runs of equal values.

    first:  [R] the first x of each run, rising.
    last:   [R] its last x.
    values: [R] its value; neighbours differ.
    """

    first: NDArray[np.int64]
    last: NDArray[np.int64]
    values: NDArray[np.int64]


@dataclass(frozen=True)
class MultiplyShift:
    """y = clamp((x * multiplier + offset) >> shift, low, high), with the bounds it was proven for."""

    multiplier: int
    offset: int
    shift: int
    low: int
    high: int

    def __call__(self, x: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """What a device computes for the integers ``x``."""
        y = (x.astype(np.int64) * self.multiplier + self.offset) >> self.shift
        return np.asarray(np.clip(y, self.low, self.high))


def steps_of_table(values: NDArray[np.integer[Any]], first: int, spacing: int = 1) -> Steps:
    """The runs of a function given by its values.

    Args:
        values: [N] the values at first, first + spacing, first + 2 * spacing and so on; N is at least 1.
        first: the first x.
        spacing: the distance of neighbouring x, at least 1; nothing is asked of the integers in between.
    """
    y = values.astype(np.int64)
    x = first + spacing * np.arange(len(y), dtype=np.int64)
    starts = np.flatnonzero(np.r_[True, y[1:] != y[:-1]])
    return Steps(x[starts], x[np.r_[starts[1:], len(y)] - 1], y[starts])


def steps_of_function(function: Callable[[NDArray[np.int64]], NDArray[Any]], first: int, last: int) -> Steps:
    """The runs of a monotone function of the integers from ``first`` to ``last``, found by bisection.

    Args:
        function: arrays of x -> the values there, integers; rising or falling throughout.
        first: the first x.
        last: the last x, not below ``first``; both within 2**62 of zero.
    """
    # Runs are cut open where the function differs at the ends, all of them at once, until neighbours are adjacent.
    x = np.array([first, last] if last > first else [first], np.int64)
    y = np.asarray(function(x)).astype(np.int64)
    while True:
        cut = np.flatnonzero((y[1:] != y[:-1]) & (x[1:] - x[:-1] > 1))
        if not len(cut):
            break
        middle = x[cut] + (x[cut + 1] - x[cut]) // 2
        x, y = np.insert(x, cut + 1, middle), np.insert(y, cut + 1, np.asarray(function(middle)).astype(np.int64))
        inner = np.r_[False, (y[1:-1] == y[:-2]) & (y[1:-1] == y[2:]), False] if len(y) > 2 else np.zeros(len(y), bool)
        x, y = x[~inner], y[~inner]
    starts = np.flatnonzero(np.r_[True, y[1:] != y[:-1]])
    return Steps(x[starts], x[np.r_[starts[1:], len(y)] - 1], y[starts])


def prove(steps: Steps, low: int = INT8[0], high: int = INT8[1], bits: int = 32) -> MultiplyShift | None:
    """The multiplication and shift that reproduce a function.

    Args:
        steps: the function; its values lie within ``low`` and ``high``.
        low: the least value that the device clamps to.
        high: the greatest one.
        bits: what holds x * multiplier + offset for every x of the function: an int32 (the product alone may wrap) or,
            with 64, an int64. Multipliers are int32, as is the offset with 32 bits; shifts are less than ``bits``.

    Returns:
        One of them, or None where no multiplier, offset and shift reproduce the function.

    Raises:
        ValueError: values beyond ``low`` and ``high``, or bits that are not 32 or 64.
    """
    if bits not in (32, 64):
        raise ValueError(f"bits is 32 or 64, not {bits}")
    if steps.values.min() < low or steps.values.max() > high:
        raise ValueError(f"values from {steps.values.min()} to {steps.values.max()} are not within {low} and {high}")
    if len(steps.values) == 1:
        return MultiplyShift(0, int(steps.values[0]), 0, low, high)
    bounds = _bounds(steps, low, high)
    finest = _finest_shift(bounds)
    best = _widest(bounds, finest, bounds.steepest(finest), None)
    if _gap(bounds, best, finest, None) < 0:
        return None
    # The best line of the finest shift, rounded, nearly always does; only then each shift is searched.
    shifts = range(min(finest, bits - 1), -1, -1)
    rounded = ((shift, (best + (1 << (finest - shift) >> 1)) >> (finest - shift)) for shift in shifts)
    searched = ((shift, _widest(bounds, shift, min(bounds.steepest(shift), 2**31 - 1), bits)) for shift in shifts)
    for shift, multiplier in chain(rounded, searched):
        if -(2**31) <= multiplier < 2**31 and _gap(bounds, multiplier, shift, bits) >= 0:
            return MultiplyShift(multiplier, _offsets(bounds, multiplier, shift, bits)[0], shift, low, high)
    return None


@dataclass(frozen=True)
class _Bounds:
    """A line in (x, y) must not pass below the points of ``floor`` and must pass below those of ``ceiling``."""

    floor_x: NDArray[np.int64]
    floor_y: NDArray[np.int64]
    ceiling_x: NDArray[np.int64]
    ceiling_y: NDArray[np.int64]
    ends: tuple[int, int]
    longest: int

    def steepest(self, shift: int) -> int:
        """No multiplier beyond this is needed: a run that is not clamped spans less than 1, a step no more than all."""
        span = int(max(self.ceiling_y.max(), self.floor_y.max()) - min(self.ceiling_y.min(), self.floor_y.min())) + 1
        return (span << shift) if self.longest == 0 else (1 << shift) // self.longest + 1


def _bounds(steps: Steps, low: int, high: int) -> _Bounds:
    x, y = np.r_[steps.first, steps.last], np.r_[steps.values, steps.values]
    above, beneath = y > low, y < high
    inner = (steps.values > low) & (steps.values < high)
    longest = int((steps.last - steps.first)[inner].max()) if inner.any() else 0
    ends = int(steps.first[0]), int(steps.last[-1])
    return _Bounds(x[above], y[above], x[beneath], y[beneath] + 1, ends, longest)


def _finest_shift(bounds: _Bounds) -> int:
    """The greatest shift with which all that is computed here stays within an int64."""
    x = max(abs(bounds.ends[0]), abs(bounds.ends[1]), 1)
    y = max(int(np.abs(bounds.floor_y).max(initial=1)), int(np.abs(bounds.ceiling_y).max(initial=1)))
    return next(s for s in range(62, -1, -1) if bounds.steepest(s) * x + (y << s) < 2**61)


def _offsets(bounds: _Bounds, multiplier: int, shift: int, bits: int | None) -> tuple[int, int]:
    """The least and the greatest offset for a multiplier; none if the least is the greater one."""
    least = int(((bounds.floor_y << shift) - bounds.floor_x * multiplier).max(initial=-(2**62)))
    greatest = int(((bounds.ceiling_y << shift) - 1 - bounds.ceiling_x * multiplier).min(initial=2**62))
    if bits == 32:
        for x in (0, *bounds.ends):
            least, greatest = max(least, -(2**31) - x * multiplier), min(greatest, 2**31 - 1 - x * multiplier)
    return least, greatest


def _gap(bounds: _Bounds, multiplier: int, shift: int, bits: int | None) -> int:
    least, greatest = _offsets(bounds, multiplier, shift, bits)
    return greatest - least


def _widest(bounds: _Bounds, shift: int, steepest: int, bits: int | None) -> int:
    """The multiplier within +-steepest that leaves the most offsets."""
    begin, end = -steepest, steepest
    while begin < end:
        middle = (begin + end) // 2
        if _gap(bounds, middle + 1, shift, bits) > _gap(bounds, middle, shift, bits):
            begin = middle + 1
        else:
            end = middle
    return begin
