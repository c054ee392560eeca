"""Timing one thing against another on a machine that is busy with others: paired and interleaved."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

_MIN_SAMPLE_S = 0.002

Clock = Callable[[], float]
"""Seconds: ``time.perf_counter``, or ``time.process_time``, which does not count what other processes take."""


@dataclass(frozen=True)
class Times:
    """Milliseconds of one call, a sample a repeat."""

    samples_ms: tuple[float, ...]

    @property
    def median_ms(self) -> float:
        return float(np.median(self.samples_ms))

    @property
    def spread_ms(self) -> float:
        """The interquartile range."""
        return _interquartile_range(self.samples_ms)

    @property
    def interval_ms(self) -> tuple[float, float]:
        """Where the median lies with 95 % confidence."""
        return median_interval(self.samples_ms)

    @property
    def precision(self) -> float:
        """Half of that interval, as a share of the median."""
        return _precision(self.samples_ms)

    def __add__(self, more: Times) -> Times:
        """With the samples of a later measurement of the same thing."""
        return Times(self.samples_ms + more.samples_ms)


@dataclass(frozen=True)
class PairedTimes:
    """Two things timed in turn. Each repeat gives one pair, taken within moments of each other."""

    ours: Times
    theirs: Times

    @property
    def ratios(self) -> tuple[float, ...]:
        """Theirs / ours, pair by pair: above 1 where ours is faster."""
        return tuple(b / a for a, b in zip(self.ours.samples_ms, self.theirs.samples_ms, strict=True))

    @property
    def ratio(self) -> float:
        """The median of the ratios."""
        return float(np.median(self.ratios))

    @property
    def ratio_spread(self) -> float:
        """The interquartile range of the ratios."""
        return _interquartile_range(self.ratios)

    @property
    def precision(self) -> float:
        """Half of the interval that the median of the ratios lies in, as a share of it."""
        return _precision(self.ratios)

    def __add__(self, more: PairedTimes) -> PairedTimes:
        """With the pairs of a later measurement of the same things."""
        return PairedTimes(self.ours + more.ours, self.theirs + more.theirs)


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """Where the median of what ``values`` were drawn from lies with 95 % confidence, whatever its distribution.

    The ranks of its ends follow from the binomial distribution of how many samples lie below the median, by its normal
    approximation; of fewer than six samples, all together are not that sure, and the whole range is given.
    """
    ordered, count = sorted(values), len(values)
    half = 1.96 * math.sqrt(count) / 2
    low = max(math.floor(count / 2 - half), 0)
    return ordered[low], ordered[count - 1 - low]


def _precision(values: Sequence[float]) -> float:
    low, high = median_interval(values)
    return (high - low) / 2 / float(np.median(values))


T = TypeVar("T", Times, PairedTimes)


def until_precise(take: Callable[[int], T], precision: float, seconds: float, clock: Clock = time.perf_counter) -> T:
    """Samples until their median is known well enough, or the time is up.

    Args:
        take: gives so many samples, each time anew.
        precision: the half of the median's 95 % interval, as a share of the median, that is good enough.
        seconds: after which no more are taken; the first :data:`LEAST_SAMPLES` are, always.
        clock: in seconds.

    Returns:
        All samples.
    """
    begin = clock()
    found = take(LEAST_SAMPLES)
    while found.precision > precision and clock() - begin < seconds:
        found = found + take(MORE_SAMPLES)
    return found


LEAST_SAMPLES, MORE_SAMPLES = 20, 10


def _interquartile_range(values: Sequence[float]) -> float:
    low, high = np.percentile(values, (25, 75))
    return float(high - low)


def measure(call: Callable[[], object], repeats: int = 30, clock: Clock = time.perf_counter) -> Times:
    """Times something after a warm-up.

    Args:
        call: what is timed. If it takes less than 2 ms it is repeated within a sample, and the time divided.
        repeats: samples.
        clock: in seconds.

    Returns:
        Milliseconds of one call.
    """
    calls = _calls_of_a_sample(call, clock)
    return Times(tuple(_sample_ms(call, calls, clock) for _ in range(repeats)))


def in_turn(
    calls: Sequence[Callable[[], object]], repeats: int = 30, clock: Clock = time.perf_counter
) -> tuple[Times, ...]:
    """Times several things in turn, each round beginning with another, so that drift touches all alike.

    Args:
        calls: what is timed.
        repeats: rounds.
        clock: in seconds.

    Returns:
        Milliseconds of one call, for each.
    """
    counts = [_calls_of_a_sample(call, clock) for call in calls]
    samples: list[list[float]] = [[] for _ in calls]
    for repeat in range(repeats):
        for turn in range(len(calls)):
            index = (repeat + turn) % len(calls)
            samples[index].append(_sample_ms(calls[index], counts[index], clock))
    return tuple(Times(tuple(of_call)) for of_call in samples)


def paired(
    ours: Callable[[], object], theirs: Callable[[], object], repeats: int = 30, clock: Clock = time.perf_counter
) -> PairedTimes:
    """Times both in turn, the order alternating (ours theirs, theirs ours, ...).

    Args:
        ours, theirs: what is timed.
        repeats: pairs.
        clock: in seconds.

    Returns:
        Milliseconds of one call, pair by pair.
    """
    return PairedTimes(*in_turn((ours, theirs), repeats, clock))


def _sample_ms(call: Callable[[], object], calls: int, clock: Clock) -> float:
    begin = clock()
    for _ in range(calls):
        call()
    return (clock() - begin) * 1000 / calls


def _calls_of_a_sample(call: Callable[[], object], clock: Clock) -> int:
    """Warms up, too."""
    call()
    begin = clock()
    call()
    once = max(clock() - begin, 1e-7)
    return max(1, int(np.ceil(_MIN_SAMPLE_S / once)))
