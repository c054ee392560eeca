"""What rewrites of a graph share: leaving out what nothing reads any more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from edgebnn.graph.types import ABSENT, Graph


def without_dead_ops(graph: Graph, read: Iterable[int] = ()) -> Graph:
    """``graph`` without ops whose results nobody reads; tensors in ``read`` are, although no op does it."""
    wanted, kept = {*graph.outputs, *read}, []
    for op in reversed(graph.ops):
        if wanted & set(op.outputs):
            wanted |= set(op.inputs)
            kept.append(op)
    return replace(graph, ops=tuple(reversed(kept)))


def without_unused(graph: Graph) -> Graph:
    """``graph`` without the tensors that nothing refers to any more; the others keep their order."""
    named = {index for s in graph.signatures for _, index in (*s.inputs, *s.outputs)}
    used = {i for op in graph.ops for i in (*op.inputs, *op.outputs)} | {*graph.inputs, *graph.outputs} | named
    kept = sorted(used - {ABSENT})
    new = {old: position for position, old in enumerate(kept)} | {ABSENT: ABSENT}

    def moved(indices: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(new[i] for i in indices)

    def renamed(arguments: tuple[tuple[str, int], ...]) -> tuple[tuple[str, int], ...]:
        return tuple((name, new[i]) for name, i in arguments)

    return replace(
        graph,
        tensors=tuple(graph.tensors[i] for i in kept),
        ops=tuple(replace(op, inputs=moved(op.inputs), outputs=moved(op.outputs)) for op in graph.ops),
        inputs=moved(graph.inputs),
        outputs=moved(graph.outputs),
        signatures=tuple(replace(s, inputs=renamed(s.inputs), outputs=renamed(s.outputs)) for s in graph.signatures),
    )
