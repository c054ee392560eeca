"""The arena: buffers that are needed at the same time lie apart, or overlap as they were allowed to."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgebnn.converters.c_package.memory import ALIGNMENT, Buffer, Overlap, place


@st.composite
def chains(draw: st.DrawFn) -> tuple[list[Buffer], list[Overlap]]:
    """Tensors with a last use some steps later; some outputs may trail over what dies where they are made."""
    count = draw(st.integers(1, 10))
    buffers = []
    for first in range(count):
        buffers.append(Buffer(draw(st.integers(1, 5000)), first, first + draw(st.integers(1, 4))))
    overlaps = [
        Overlap(over, under, draw(st.none() | st.integers(0, 700)))
        for over, made in enumerate(buffers)
        for under, read in enumerate(buffers)
        if under != over and read.last == made.first and read.first < made.first and draw(st.booleans())
    ]
    return buffers, overlaps


@given(chains())
def test_nothing_that_is_needed_is_overwritten(case: tuple[list[Buffer], list[Overlap]]) -> None:
    buffers, overlaps = case
    allowed = {(o.over, o.under): o.lead for o in overlaps}
    placement = place(buffers, overlaps)
    at = placement.offsets
    for i, a in enumerate(buffers):
        assert at[i] % ALIGNMENT == 0
        assert 0 <= at[i] <= placement.bytes - a.bytes
        for j, b in enumerate(buffers):
            if i == j or a.first > b.last or b.first > a.last:
                continue
            apart = at[i] + a.bytes <= at[j] or at[j] + b.bytes <= at[i]
            assert apart or trails(allowed, at, i, j) or trails(allowed, at, j, i)


def trails(allowed: dict[tuple[int, int], int | None], at: tuple[int, ...], over: int, under: int) -> bool:
    """Whether one may lie over the other, and starts early enough."""
    if (over, under) not in allowed:
        return False
    lead = allowed[over, under]
    return lead is None or at[over] + lead <= at[under]


@given(chains())
def test_the_plan_is_the_same_every_time(case: tuple[list[Buffer], list[Overlap]]) -> None:
    assert place(*case) == place(*case)


def test_a_residual_block_needs_two_tensors() -> None:
    """x stays for the addition; the second convolution trails over its input, the addition is in place."""
    size, lead = 16384, 600
    x, a, b, y = (Buffer(size, 0, 3), Buffer(size, 1, 2), Buffer(size, 2, 3), Buffer(size, 3, 4))
    placement = place([x, a, b, y], [Overlap(2, 1, lead), Overlap(3, 2, 0), Overlap(3, 0, 0)])
    assert placement.lower_bound == 2 * size + lead
    assert placement.bytes <= 2 * size + lead + ALIGNMENT
