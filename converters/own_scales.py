"""Scales of their own for tensors that would lose precision to wider ones, with which an op binds them together.

A concatenation has one scale, so beside a branch of values up to 100 one of values up to 1 would be all but zero. In an
int8 network that does little harm, but a binary convolution asks for nothing but signs, and those would be lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from edgebnn.graph.ops import OPS
from edgebnn.graph.types import Graph, Op

from .ranges import COARSER, STEPS, Groups, Range, bound_inputs, keeps_signs, shared_ranges, sign_only, width
from .rewriting import without_dead_ops

_ACCUMULATING = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "LceBconv2d")
"""Ops that round once, what they have accumulated in 32 bits."""

_FINER = 16.0
"""Times that steps are finer than the range asks for where only signs are taken: so many times fewer values next to
zero are rounded to zero, whose sign is positive."""


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


def free(graph: Graph, ranges: Mapping[int, Range], thresholds: Mapping[int, Range]) -> Freed:
    """``graph`` with copies where a tensor would else have steps more than twice as wide as its own range asks for.

    Args:
        graph: a float graph.
        ranges: of its float tensors that are given or computed, as measured.
        thresholds: ranges for those of them of which only signs are taken, see :func:`.batch_norms.as_depthwise`.
    """
    growing = _Growing(graph, dict(ranges))
    alone = sign_only(graph)
    signs = _sign_twins(growing, alone)
    for op in graph.ops:
        if op.kind in _ACCUMULATING and op.outputs[0] in alone:
            growing.ranges[op.outputs[0]] = thresholds.get(op.outputs[0]) or _finer(ranges[op.outputs[0]])
    growing.graph = without_dead_ops(growing.graph, growing.copies.values())
    signs = _among_themselves(growing.graph, signs)
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


def _finer(given: Range) -> Range:
    step = width(given) / _FINER / STEPS
    return -128 * step, 127 * step


def _sign_twins(growing: _Growing, alone: set[int]) -> set[int]:
    """Gives LceQuantize twins of the ops that join branches of different ranges; what is left to signs then: the twins'
    results, and ``alone``, of which nothing else is taken."""
    graph = growing.graph
    makers = {i: op for op in graph.ops for i in op.outputs}
    twins: dict[int, int] = {}
    ops: list[Op] = []

    def twin(index: int) -> int:
        if index in twins or index in alone or index not in growing.ranges:  # a constant is its own
            return twins.get(index, index)
        op = makers.get(index)
        if op is None or not keeps_signs(op):
            twins[index] = growing.copy(index)
            return twins[index]
        bound = bound_inputs(graph, op)
        inputs = tuple(twin(i) if i in bound else i for i in op.inputs)
        twins.update({i: growing.add(i) for i in op.outputs})
        ops.append(replace(op, inputs=inputs, outputs=tuple(twins[i] for i in op.outputs)))
        return twins[index]

    signs = set(alone)
    for op in graph.ops:
        apart = op.kind == "LceQuantize" and op.inputs[0] not in alone
        widths = [width(growing.ranges[i]) for i in _branches(graph, op, makers)] if apart else []
        if len(widths) > 1 and max(widths) > COARSER * min(widths):
            read = twin(op.inputs[0])
            signs.add(read)
            ops.append(replace(op, inputs=(read,)))
        else:
            ops.append(op)
    growing.graph = replace(growing.graph, ops=tuple(ops))
    return signs.union(twins.values())


def _among_themselves(graph: Graph, signs: set[int]) -> set[int]:
    """Those of ``signs`` that share their scale with no computed tensor that is not one of them."""
    groups = Groups(graph, graph.ops)
    computed = {*graph.inputs, *(i for op in graph.ops for i in op.outputs)}
    other = {groups.of(i) for i in computed - signs}
    return {i for i in signs if groups.of(i) not in other}


def _branches(graph: Graph, op: Op, makers: Mapping[int, Op]) -> set[int]:
    """The computed tensors that ``op`` reads, looked for behind ops that keep signs."""
    found, seen, waiting = set(), set(), list(op.inputs)
    while waiting:
        index = waiting.pop()
        maker = makers.get(index)
        if index in seen or graph.tensors[index].is_constant:
            continue
        seen.add(index)
        if maker is not None and keeps_signs(maker):
            waiting.extend(bound_inputs(graph, maker))
        else:
            found.add(index)
    return found


def _requantize(growing: _Growing, signs: set[int]) -> None:
    """Lets ops that bind several inputs read copies of those that others need in finer steps."""
    graph = growing.graph
    joining = [len(bound_inputs(graph, op)) > 1 for op in graph.ops]
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
            for i in (bound_inputs(graph, op) if joins and bound.of(op.outputs[0]) not in finest else ())
            if i in own and groups.of(i) in needed and width(shared[i]) > COARSER * width(own[i])
        ]
        copies = {i: growing.copy(i) for i in dict.fromkeys(coarse)}
        ops.append(replace(op, inputs=tuple(copies.get(i, i) for i in op.inputs)))
    growing.graph = replace(growing.graph, ops=tuple(ops))
