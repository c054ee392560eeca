"""Scales of their own for tensors that would lose precision to wider ones, with which an op binds them together.

A concatenation has one scale, so beside a branch of values up to 100 one of values up to 1 would be all but zero. In an
int8 network that does little harm, but a binary convolution asks for nothing but signs, and those would be lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from edgebnn.graph.ops import OPS
from edgebnn.graph.types import Graph, Op

from .ranges import Groups, Range, shared_ranges, width
from .rewriting import without_dead_ops

_COARSER = 2.0  # times, that a step may become for a neighbour: one bit of eight

_AVERAGING = ("AVERAGE_POOL_2D", "RESIZE_BILINEAR")
"""Ops of one scale whose results have other signs if what they read saturates."""


@dataclass(frozen=True)
class Freed:
    """A float graph in which tensors may have scales of their own.

    Attributes:
        graph: its ops read some tensors through copies, which have no op: they are requantized.
        copies: copy -> tensor, by index.
        ranges: of all float tensors that are given or computed, such that tensors of one scale have one range.
    """

    graph: Graph
    copies: Mapping[int, int]
    ranges: Mapping[int, Range]


def free(graph: Graph, ranges: Mapping[int, Range]) -> Freed:
    """``graph`` with copies where a tensor would else have steps more than twice as wide as its own range asks for.

    Args:
        graph: a float graph.
        ranges: of its float tensors that are given or computed, as measured.
    """
    growing = _Growing(graph, dict(ranges))
    signs = _sign_twins(growing)
    growing.graph = without_dead_ops(growing.graph, growing.copies.values())
    _requantize(growing, signs)
    return Freed(growing.graph, growing.copies, shared_ranges(growing.graph, growing.ranges, signs))


class _Growing:
    """A graph while tensors are added to it. ``copies``: copy -> tensor."""

    def __init__(self, graph: Graph, ranges: dict[int, Range]) -> None:
        self.graph, self.ranges = graph, ranges
        self.copies: dict[int, int] = {}

    def add(self, like: int) -> int:
        """A tensor of the same kind and range as ``like``."""
        self.graph = replace(self.graph, tensors=(*self.graph.tensors, self.graph.tensors[like]))
        new = len(self.graph.tensors) - 1
        self.ranges[new] = self.ranges[like]
        return new

    def copy(self, source: int) -> int:
        new = self.add(source)
        self.copies[new] = source
        return new


def _sign_twins(growing: _Growing) -> set[int]:
    """Gives LceQuantize twins of the ops that join branches of different ranges; the twins' results."""
    graph = growing.graph
    makers = {i: op for op in graph.ops for i in op.outputs}
    twins: dict[int, int] = {}
    ops: list[Op] = []

    def twin(index: int) -> int:
        if index in twins or index not in growing.ranges:  # a constant is its own
            return twins.get(index, index)
        op = makers.get(index)
        if op is None or not _keeps_signs(op):
            twins[index] = growing.copy(index)
            return twins[index]
        bound = _bound_inputs(graph, op)
        inputs = tuple(twin(i) if i in bound else i for i in op.inputs)
        twins.update({i: growing.add(i) for i in op.outputs})
        ops.append(replace(op, inputs=inputs, outputs=tuple(twins[i] for i in op.outputs)))
        return twins[index]

    signs = set()
    for op in graph.ops:
        widths = [width(growing.ranges[i]) for i in _branches(graph, op, makers)] if op.kind == "LceQuantize" else []
        if len(widths) > 1 and max(widths) > _COARSER * min(widths):
            read = twin(op.inputs[0])
            signs.add(read)
            ops.append(replace(op, inputs=(read,)))
        else:
            ops.append(op)
    growing.graph = replace(growing.graph, ops=tuple(ops))
    return signs


def _branches(graph: Graph, op: Op, makers: Mapping[int, Op]) -> set[int]:
    """The computed tensors that ``op`` reads, looked for behind ops that keep signs."""
    found, seen, waiting = set(), set(), list(op.inputs)
    while waiting:
        index = waiting.pop()
        maker = makers.get(index)
        if index in seen or graph.tensors[index].is_constant:
            continue
        seen.add(index)
        if maker is not None and _keeps_signs(maker):
            waiting.extend(_bound_inputs(graph, maker))
        else:
            found.add(index)
    return found


def _requantize(growing: _Growing, signs: set[int]) -> None:
    """Lets ops that bind several inputs read copies of those that others need in finer steps."""
    graph = growing.graph
    joining = [len(_bound_inputs(graph, op)) > 1 for op in graph.ops]
    alone = replace(graph, ops=tuple(op for op, joins in zip(graph.ops, joining, strict=True) if not joins))
    own, shared = shared_ranges(alone, growing.ranges), shared_ranges(graph, growing.ranges)
    groups, bound = Groups(alone, alone.ops), Groups(graph, graph.ops)
    needed = {groups.of(i) for i in growing.copies.values()}
    needed |= {groups.of(i) for op in graph.ops if not OPS[op.kind].same_scale for i in op.inputs if i in own}
    finest = {bound.of(i) for i in signs}
    ops = []
    for op, joins in zip(graph.ops, joining, strict=True):
        coarse = [
            i
            for i in (_bound_inputs(graph, op) if joins and bound.of(op.outputs[0]) not in finest else ())
            if i in own and groups.of(i) in needed and width(shared[i]) > _COARSER * width(own[i])
        ]
        copies = {i: growing.copy(i) for i in dict.fromkeys(coarse)}
        ops.append(replace(op, inputs=tuple(copies.get(i, i) for i in op.inputs)))
    growing.graph = replace(growing.graph, ops=tuple(ops))


def _keeps_signs(op: Op) -> bool:
    return OPS[op.kind].same_scale and op.kind not in _AVERAGING


def _bound_inputs(graph: Graph, op: Op) -> tuple[int, ...]:
    """Indices of the float inputs of ``op`` that have the scale of its results."""
    return tuple(i for i in OPS[op.kind].of_one_scale(op, graph.tensors) if i in op.inputs)
