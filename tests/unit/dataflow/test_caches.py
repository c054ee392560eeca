"""Which touches a set-associative cache misses, against a cache that is kept line by line."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgebnn.dataflow.caches import Cache, Lines, filtered, misses


def kept_line_by_line(lines: Lines, cache: Cache) -> list[bool]:
    sets = [OrderedDict[int, None]() for _ in range(cache.sets)]
    missed = []
    for line in lines.tolist():
        held = sets[line % cache.sets]
        missed.append(line not in held)
        held.pop(line, None)
        held[line] = None
        if len(held) > cache.ways:
            held.popitem(last=False)
    return missed


@given(
    ways=st.integers(1, 8),
    sets=st.sampled_from([1, 2, 4, 16]),
    lines=st.lists(st.integers(0, 60), max_size=300),
)
def test_misses_are_those_of_a_cache_kept_line_by_line(ways: int, sets: int, lines: list[int]) -> None:
    touched = np.array(lines, np.int64)
    cache = Cache("L1", ways * sets * 64, ways)
    assert misses(touched, cache).tolist() == kept_line_by_line(touched, cache)


def test_a_cache_is_asked_for_what_the_one_before_misses() -> None:
    touched = np.array([0, 1, 2, 0, 1, 2, 3, 3], np.int64)
    first, second = filtered(touched, [Cache("L1", 2 * 64, 2), Cache("L2", 4 * 64, 4)])
    assert first.tolist() == [0, 1, 2, 3, 4, 5, 6]  # three lines in turn do not fit where two do
    assert second.tolist() == [0, 1, 2, 6]
