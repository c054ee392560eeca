"""When each computed tensor is needed, and how much memory a planner gives them.

The conventions are TensorFlow Lite Micro's: every tensor has one place for the whole run, at a multiple of 16 bytes;
an input may be overwritten after its last use, an output never; ops do not work in place. Scratch memory of kernels
and the interpreter's own structures are not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from .types import Graph

ALIGNMENT = 16
"""Bytes to which every tensor's place is aligned and its size rounded."""


@dataclass(frozen=True)
class Live:
    """A computed tensor: its bytes, rounded up to :data:`ALIGNMENT`, and the first and last op that need it."""

    tensor: int
    bytes: int
    first: int
    last: int

    def overlaps(self, other: Live) -> bool:
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True)
class ArenaPlan:
    """Offset in bytes of every computed tensor in one arena, and the arena's size."""

    offsets: tuple[tuple[int, int], ...]
    bytes: int


@dataclass(frozen=True)
class Peak:
    """The most bytes that are needed at the same time, and the op that needs them."""

    bytes: int
    op: int


def live_ranges(graph: Graph) -> tuple[Live, ...]:
    """When each computed tensor is needed.

    Args:
        graph: the model.

    Returns:
        The ranges of its inputs and of every op's outputs, in order of first use.
    """
    return ranges(
        [(op.inputs, op.outputs) for op in graph.ops],
        graph.inputs,
        graph.outputs,
        lambda index: graph.tensors[index].bytes,
    )


def ranges(
    ops: Sequence[tuple[Iterable[int], Iterable[int]]],
    given: Iterable[int],
    results: Iterable[int],
    size: Callable[[int], int],
) -> tuple[Live, ...]:
    """:func:`live_ranges` of a model told by the indices of its tensors.

    Args:
        ops: inputs and outputs of each.
        given: tensors that are there from the start.
        results: those that are needed to the end.
        size: bytes of a tensor.

    Returns:
        The ranges of ``given`` and of every op's outputs, in order of first use.
    """
    first = dict.fromkeys(given, 0)
    last = dict(first)
    for position, (reads, writes) in enumerate(ops):
        for index in reads:
            if index in first:
                last[index] = position
        for index in writes:
            first[index] = last[index] = position
    for index in results:
        if index in first:
            last[index] = len(ops) - 1
    return tuple(Live(index, _rounded(size(index)), first[index], last[index]) for index in first)


def peak(lives: Sequence[Live]) -> Peak:
    """When the most of ``lives`` are needed together."""
    changes: dict[int, int] = {}
    for live in lives:
        changes[live.first] = changes.get(live.first, 0) + live.bytes
        changes[live.last + 1] = changes.get(live.last + 1, 0) - live.bytes
    most, now = Peak(0, 0), 0
    for op in sorted(changes):
        now += changes[op]
        if now > most.bytes:
            most = Peak(now, op)
    return most


def plan_arena(graph: Graph) -> ArenaPlan:
    """Places tensors greedily by size: the largest first, each in the smallest gap that holds it among those it meets.

    Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020, section 4.2: the strategy of
    TFLite's and TFLite Micro's planners.

    Args:
        graph: the model.

    Returns:
        Each tensor's place, and the arena's size, in bytes.
    """
    placed: list[tuple[int, Live]] = []
    for live in sorted(live_ranges(graph), key=lambda live: (-live.bytes, live.first)):
        taken = sorted((offset, other.bytes) for offset, other in placed if other.overlaps(live))
        placed.append((_best_gap(taken, live.bytes), live))
    return ArenaPlan(
        offsets=tuple((live.tensor, offset) for offset, live in placed),
        bytes=max((offset + live.bytes for offset, live in placed), default=0),
    )


def peak_arena_bytes(graph: Graph) -> int:
    """The memory that a model's inputs, intermediate results and outputs take.

    Args:
        graph: the model.

    Returns:
        Bytes of the arena that :func:`plan_arena` needs.
    """
    return plan_arena(graph).bytes


def arena_lower_bound_bytes(graph: Graph) -> int:
    """What no planner can do without.

    Args:
        graph: the model.

    Returns:
        Bytes that are live during the op with the most of them.
    """
    return peak(live_ranges(graph)).bytes


def _best_gap(taken: list[tuple[int, int]], size: int) -> int:
    """The offset of the smallest gap of at least ``size`` between ``taken`` (offset, bytes) places, or their end."""
    best: tuple[int, int] | None = None
    end = 0
    for offset, length in taken:
        gap = offset - end
        if gap >= size and (best is None or gap < best[0]):
            best = (gap, end)
        end = max(end, offset + length)
    return end if best is None else best[1]


def _rounded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
