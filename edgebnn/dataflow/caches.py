"""Set-associative caches that throw out the line used longest ago: which of a sequence of lines they miss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Lines: TypeAlias = NDArray[np.int64]
"""Numbers of cache lines: addresses over the bytes of a line."""


@dataclass(frozen=True)
class Cache:
    """A level of caches.

    Attributes:
        name: such as "L1".
        capacity: bytes.
        ways: lines that a set holds.
        line: bytes of a line.
    """

    name: str
    capacity: int
    ways: int
    line: int = 64

    @property
    def sets(self) -> int:
        return self.capacity // (self.ways * self.line)


def misses(lines: Lines, cache: Cache) -> NDArray[np.bool_]:
    """For each of ``lines``, touched one after another from an empty cache on, whether it is missed.

    The lines that a set holds are a stack, the one used last on top. A touch of a line that is not on top pushes those
    above it down by one, so that what stands at depth d when a touch gets there is what the touch before that got there
    pushed down to it. One pass over the touches that reach a depth finds those that end there: as many passes as ways.
    """
    order = np.argsort((lines % cache.sets).astype(np.int32), kind="stable")
    wanted = lines[order]
    of_set = wanted % cache.sets
    first = np.ones(wanted.size, bool)
    first[1:] = of_set[1:] != of_set[:-1]
    pushed, left = wanted, np.arange(wanted.size)
    for _ in range(cache.ways):
        held = np.full(wanted.size, -1, np.int64)
        held[1:] = pushed[:-1]
        held[first] = -1
        goes_on = held != wanted
        # The next touch of the set that gets further finds what the last one of those pushed.
        begins = np.flatnonzero(first)
        first = _first_of_each(goes_on, begins)
        wanted, pushed, left = wanted[goes_on], held[goes_on], left[goes_on]
    missed = np.zeros(lines.size, bool)
    missed[order[left]] = True
    return missed


def _first_of_each(kept: NDArray[np.bool_], begins: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of the kept elements are the first that are kept of the stretches that begin at ``begins``."""
    stretch = np.zeros(kept.size, np.int32)
    stretch[begins] = 1
    of = np.cumsum(stretch)[kept]
    first = np.ones(of.size, bool)
    first[1:] = of[1:] != of[:-1]
    return first


def filtered(lines: Lines, caches: Sequence[Cache]) -> tuple[NDArray[np.int64], ...]:
    """The places in ``lines`` that each of ``caches`` misses; a cache is asked for what the one before it misses."""
    found = []
    places = np.arange(lines.size)
    for cache in caches:
        places = places[misses(lines[places], cache)]
        found.append(places)
    return tuple(found)
