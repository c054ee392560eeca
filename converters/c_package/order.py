"""In which order ops run, so that little is live at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgebnn.graph.types import Graph

_BEAM = 32
"""Orders that are followed side by side."""


@dataclass(frozen=True, slots=True)
class _Partial:
    """An order begun.

    done:  the ops, a bit each; ``last`` is the latest, ``before`` the order without it.
    peak:  the most bytes that were live at once; total: those that are live now.
    """

    done: int
    last: int
    before: _Partial | None
    peak: int
    total: int


class _Ops:
    """The ops as an order needs them: bits of the ops that each waits for, and of those that read each tensor."""

    def __init__(self, graph: Graph) -> None:
        made = {tensor: i for i, op in enumerate(graph.ops) for tensor in op.outputs}
        self.waits = [sum({1 << made[t] for t in op.inputs if t in made}) for op in graph.ops]
        self._inputs = [tuple({t for t in op.inputs if t in made and t not in graph.outputs}) for op in graph.ops]
        self._readers = dict.fromkeys(made, 0)
        for i, op in enumerate(graph.ops):
            for tensor in {t for t in op.inputs if t in made}:
                self._readers[tensor] |= 1 << i
        self._bytes = {tensor: graph.tensors[tensor].bytes for tensor in made}
        self._made = [sum(self._bytes[t] for t in op.outputs) for op in graph.ops]
        self._unread = [
            sum(self._bytes[t] for t in op.outputs if not self._readers[t] and t not in graph.outputs)
            for op in graph.ops
        ]

    def after(self, partial: _Partial, op: int) -> _Partial:
        """The order with ``op`` at its end.

        Of an input that dies there and the output the larger one counts, as most kernels let one lie over the other.
        """
        done = partial.done | 1 << op
        dying = [self._bytes[t] for t in self._inputs[op] if not self._readers[t] & ~done]
        made = self._made[op]
        during = partial.total + made - min(made, max(dying, default=0))
        total = partial.total + made - sum(dying) - self._unread[op]
        return _Partial(done, op, partial, max(partial.peak, during), total)


def reorder(graph: Graph) -> Graph:
    """The graph with its ops in the order of the least memory that was found; the file's order where none is better.

    Args:
        graph: the model.

    Returns:
        The same model: a beam search over the orders in which every op comes after those whose outputs it reads.
    """
    ops, count = _Ops(graph), len(graph.ops)
    start = _Partial(0, -1, None, 0, 0)
    in_file = start
    for i in range(count):
        in_file = ops.after(in_file, i)
    beam = [start]
    for _ in range(count):
        found: dict[int, _Partial] = {}
        for partial in beam:
            for i in range(count):
                if partial.done >> i & 1 or ops.waits[i] & ~partial.done:
                    continue
                longer = ops.after(partial, i)
                known = found.get(longer.done)
                if known is None or _cost(longer) < _cost(known):
                    found[longer.done] = longer
        beam = sorted(found.values(), key=lambda partial: (*_cost(partial), partial.done))[:_BEAM]
    best = min(beam, key=_cost)
    order: Sequence[int] = _sequence(best) if best.peak < in_file.peak else range(count)
    return replace(graph, ops=tuple(graph.ops[i] for i in order))


def _cost(partial: _Partial) -> tuple[int, int]:
    return partial.peak, partial.total


def _sequence(partial: _Partial) -> list[int]:
    """The ops of an order, first to last."""
    order = []
    at: _Partial | None = partial
    while at is not None and at.before is not None:
        order.append(at.last)
        at = at.before
    return order[::-1]
