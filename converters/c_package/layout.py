"""Every tensor and every step's scratch in the arena, and the moves that keep it small.

An output that trails over its input starts a little before it, so that a chain of such layers drifts downwards, by a
lead each. Where the arena is larger than it has to be, a tensor is moved up again between two layers if that pays: some
thousand bytes copied, for a drift that no longer adds up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import pairwise

from edgebnn.graph.types import Graph

from .memory import Buffer, Overlap, Placement, place
from .program import NamedStep

_NEAR = 1.03
"""Of the lower bound: an arena that is no larger is left alone."""
_MOST_STEPS = 200
"""Of networks in which moves are looked for."""


@dataclass(frozen=True)
class Move:
    """After step ``after`` a tensor's bytes go from one offset to another; the places may overlap."""

    after: int
    tensor: int
    source: int
    destination: int
    bytes: int


@dataclass(frozen=True)
class Layout:
    """The arena.

    offsets: of each tensor where it lies at first (-1) and after each step that moved it.
    scratch: offset by step.
    """

    placement: Placement
    offsets: Mapping[int, tuple[tuple[int, int], ...]]
    scratch: Mapping[int, int]
    moves: tuple[Move, ...]

    def offset(self, tensor: int, step: int) -> int:
        """Where a tensor lies when ``step`` runs."""
        return next(offset for moved, offset in reversed(self.offsets[tensor]) if moved < step)


def lay_out(graph: Graph, steps: Sequence[NamedStep], root: Mapping[int, int], elsewhere: AbstractSet[int]) -> Layout:
    """Places everything.

    Args:
        graph: whose tensors they are.
        steps: in order.
        root: the tensor whose bytes another one is.
        elsewhere: tensors that do not lie in the arena: the caller's.

    Returns:
        The smallest arena that was found.
    """
    still = _placed(graph, steps, root, elsewhere, frozenset())
    enough = _NEAR * still.placement.lower_bound
    if still.placement.bytes <= enough or len(steps) > _MOST_STEPS:
        return still
    moved = {
        (position, step.outputs[0])
        for position, step in enumerate(steps)
        if any(lead > 0 for lead in step.step.leads.values()) and step.outputs[0] not in elsewhere
    }
    best = _placed(graph, steps, root, elsewhere, moved)
    for one in sorted(moved):  # those that the arena does not need
        fewer = _placed(graph, steps, root, elsewhere, moved - {one})
        if fewer.placement.bytes <= max(best.placement.bytes, enough):
            best, moved = fewer, moved - {one}
    return best if best.placement.bytes < still.placement.bytes else still


def _placed(
    graph: Graph,
    steps: Sequence[NamedStep],
    root: Mapping[int, int],
    elsewhere: AbstractSet[int],
    moved: AbstractSet[tuple[int, int]],
) -> Layout:
    """With a move of each of ``moved``: (step, tensor). Time counts steps and what is between them: step i is 2 i."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for position, step in enumerate(steps):
        for tensor in (*(root.get(t, t) for t in step.inputs), *step.outputs):
            if not graph.tensors[tensor].is_constant and tensor not in elsewhere:
                first.setdefault(tensor, 2 * position)
                last[tensor] = 2 * position
    buffers: list[Buffer] = []
    overlaps: list[Overlap] = []
    parts: dict[int, list[tuple[int, int]]] = {}  # of each tensor: the step that moved it there, and the buffer
    for tensor in first:
        size = graph.tensors[tensor].bytes
        cuts = sorted(after for after, t in moved if t == tensor and 2 * after + 1 < last[tensor])
        parts[tensor] = [(-1, len(buffers))]
        begin = first[tensor]
        for after in cuts:
            buffers.append(Buffer(size, begin, 2 * after + 1))
            overlaps.append(Overlap(len(buffers), len(buffers) - 1, None))
            begin = 2 * after + 1
            parts[tensor].append((after, len(buffers)))
        buffers.append(Buffer(size, begin, last[tensor]))
    for position, step in enumerate(steps):
        for place_of, lead in step.step.leads.items():
            under = step.view.op.inputs[place_of]
            under = root.get(under, under)
            if step.outputs[0] in parts and under in parts and last[under] == 2 * position:
                overlaps.append(Overlap(parts[step.outputs[0]][0][1], parts[under][-1][1], lead))
    with_scratch = [i for i, step in enumerate(steps) if step.step.scratch_bytes]
    scratch = {i: len(buffers) + n for n, i in enumerate(with_scratch)}
    buffers += [Buffer(steps[i].step.scratch_bytes, 2 * i, 2 * i) for i in with_scratch]
    placement = place(buffers, overlaps)
    at = placement.offsets
    offsets = {t: tuple((after, at[buffer]) for after, buffer in found) for t, found in parts.items()}
    moves = [
        Move(after, tensor, source, destination, graph.tensors[tensor].bytes)
        for tensor, found in offsets.items()
        for (_, source), (after, destination) in pairwise(found)
        if source != destination
    ]
    return Layout(placement, offsets, {i: at[n] for i, n in scratch.items()}, tuple(moves))
