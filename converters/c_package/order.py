"""In which order ops run, so that little is live at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgebnn.graph.types import Graph

_BEAM = 64
"""Orders that are followed side by side."""


@dataclass(frozen=True)
class _Partial:
    """An order begun: the ops done, the tensors that are live, their bytes, and the most there ever were."""

    done: tuple[int, ...]
    live: frozenset[int]
    peak: int
    total: int


def reorder(graph: Graph) -> Graph:
    """The graph with its ops in the order of the least memory that was found; the file's order where none is better.

    Args:
        graph: the model.

    Returns:
        The same model: a beam search over the orders in which every op comes after those whose outputs it reads.
    """
    made = {tensor: i for i, op in enumerate(graph.ops) for tensor in op.outputs}
    needs = [frozenset(made[t] for t in op.inputs if t in made) for op in graph.ops]
    readers: dict[int, set[int]] = {}
    for i, op in enumerate(graph.ops):
        for tensor in op.inputs:
            if tensor in made:
                readers.setdefault(tensor, set()).add(i)
    file_order = _Partial((), frozenset(), 0, 0)
    for i in range(len(graph.ops)):
        file_order = _after(graph, file_order, i, made, readers)
    beam = [_Partial((), frozenset(), 0, 0)]
    for _ in graph.ops:
        found: dict[frozenset[int], _Partial] = {}
        for partial in beam:
            done = frozenset(partial.done)
            for i in range(len(graph.ops)):
                if i in done or not needs[i] <= done:
                    continue
                longer = _after(graph, partial, i, made, readers)
                key = done | {i}
                if key not in found or _cost(longer) < _cost(found[key]):
                    found[key] = longer
        beam = sorted(found.values(), key=_cost)[:_BEAM]
    best = min(beam, key=_cost, default=file_order)
    order: Sequence[int] = best.done if best.peak < file_order.peak else range(len(graph.ops))
    return replace(graph, ops=tuple(graph.ops[i] for i in order))


def _cost(partial: _Partial) -> tuple[int, int, tuple[int, ...]]:
    return partial.peak, partial.total, partial.done


def _after(graph: Graph, partial: _Partial, op: int, made: dict[int, int], readers: dict[int, set[int]]) -> _Partial:
    """The order with ``op`` at its end.

    Of an input that dies there and the output the larger one counts, as most kernels let one lie over the other.
    """
    inputs, outputs = graph.ops[op].inputs, graph.ops[op].outputs
    done = {*partial.done, op}
    dying = {t for t in inputs if t in made and t not in graph.outputs and readers[t] <= done}
    size = sum(graph.tensors[t].bytes for t in partial.live)
    added = sum(graph.tensors[t].bytes for t in outputs)
    freed = sum(graph.tensors[t].bytes for t in dying)
    during = size + added - min(added, max((graph.tensors[t].bytes for t in dying), default=0))
    unread = {t for t in outputs if t not in readers and t not in graph.outputs}
    live = (partial.live | set(outputs)) - dying - unread
    return _Partial((*partial.done, op), frozenset(live), max(partial.peak, during), size + added - freed)
