"""Where tensors and scratch lie in the arena: in place and overlapping where kernels allow it.

A tensor may lie over the input that it is made from if that dies there and the kernel's lead is kept (:mod:`.leads`):
the output then trails behind what is still read. Placing is greedy (Pisarchyk and Lee, "Efficient Memory Management
for Deep Neural Net Inference", 2020, section 4.2), tried in several orders, of which the best is kept; what no placing
can do without is told beside it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

ALIGNMENT = 16
"""Bytes to which places are aligned."""
_ATTEMPTS = 400


@dataclass(frozen=True)
class Buffer:
    """Something that needs a place: ``first`` and ``last`` are the steps that need it, both included."""

    bytes: int
    first: int
    last: int


@dataclass(frozen=True)
class Overlap:
    """Buffer ``over`` may lie over ``under`` if it starts at least ``lead`` bytes before it; None: in any case."""

    over: int
    under: int
    lead: int | None


@dataclass(frozen=True)
class Placement:
    """Offsets by buffer, the arena's size, and the bytes that are live at the step with the most of them."""

    offsets: tuple[int, ...]
    bytes: int
    lower_bound: int


def place(buffers: Sequence[Buffer], overlaps: Sequence[Overlap] = ()) -> Placement:
    """Places buffers in one arena; the same every time.

    Args:
        buffers: what needs places.
        overlaps: pairs whose live ranges meet in one step, and that may share memory all the same.

    Returns:
        The smallest arena that was found.
    """
    leads = {(o.over, o.under): o.lead for o in overlaps if o.lead is not None}
    free = {(o.over, o.under) for o in overlaps if o.lead is None}
    bound = lower_bound(buffers, overlaps)
    meets = [
        [j for j, other in enumerate(buffers) if j != i and b.first <= other.last and other.first <= b.last]
        for i, b in enumerate(buffers)
    ]
    by_size = sorted(range(len(buffers)), key=lambda i: (-buffers[i].bytes, buffers[i].first))
    by_time = sorted(range(len(buffers)), key=lambda i: (buffers[i].first, -buffers[i].bytes))
    backwards = sorted(range(len(buffers)), key=lambda i: (-buffers[i].last, -buffers[i].bytes))
    shuffle = random.Random(0)
    best: tuple[int, list[int]] | None = None
    for attempt in range(_ATTEMPTS):
        order = [by_size, by_time, backwards][attempt] if attempt < 3 else _disturbed(by_size, shuffle)
        offsets = _greedy(buffers, meets, leads, free, order)
        size = max((offset + b.bytes for offset, b in zip(offsets, buffers, strict=True)), default=0)
        if best is None or size < best[0]:
            best = size, offsets
        if best[0] <= bound:
            break
    assert best is not None
    return Placement(tuple(best[1]), _aligned(best[0]), bound)


def lower_bound(buffers: Sequence[Buffer], overlaps: Sequence[Overlap]) -> int:
    """Bytes that are live at the step with the most; of a pair that may overlap, what both cover at least."""
    end = max((b.last for b in buffers), default=-1)
    most = 0
    for step in range(end + 1):
        live = {i for i, b in enumerate(buffers) if b.first <= step <= b.last}
        total = sum(buffers[i].bytes for i in live)
        saved: dict[int, int] = {}
        for o in overlaps:
            if o.over in live and o.under in live:
                over, under = buffers[o.over].bytes, buffers[o.under].bytes
                covered = max(over, under + (o.lead or 0))
                saved[o.over] = max(saved.get(o.over, 0), over + under - covered)
        most = max(most, total - sum(saved.values()))
    return most


def _greedy(
    buffers: Sequence[Buffer],
    meets: Sequence[Sequence[int]],
    leads: Mapping[tuple[int, int], int],
    free: AbstractSet[tuple[int, int]],
    order: Sequence[int],
) -> list[int]:
    """Each buffer in turn at the lowest offset that its neighbours leave."""
    placed: dict[int, int] = {}
    for i in order:
        # Offsets [low, high) that buffer i may not start at, for each neighbour that has its place.
        barred = []
        for j in meets[i]:
            if j not in placed or free & {(i, j), (j, i)}:
                continue
            low, high = placed[j] - buffers[i].bytes + 1, placed[j] + buffers[j].bytes
            if (i, j) in leads:  # i over j: from `lead` before j on it is free
                low = max(low, placed[j] - leads[i, j] + 1)
            if (j, i) in leads:
                high = min(high, placed[j] + leads[j, i])
            if low < high:
                barred.append((low, high))
        offset = 0
        for low, high in sorted(barred):
            if low <= offset < high:
                offset = _aligned(high)
        # Aligning may have moved it into a range that was passed.
        while any(low <= offset < high for low, high in barred):
            offset = _aligned(max(high for low, high in barred if low <= offset < high))
        placed[i] = offset
    return [placed[i] for i in range(len(buffers))]


def _disturbed(order: Sequence[int], shuffle: random.Random) -> list[int]:
    """The order with some buffers moved."""
    changed = list(order)
    for _ in range(shuffle.randint(1, max(1, len(changed) // 3))):
        changed.insert(shuffle.randrange(len(changed)), changed.pop(shuffle.randrange(len(changed))))
    return changed


def _aligned(offset: int) -> int:
    return -(-offset // ALIGNMENT) * ALIGNMENT
