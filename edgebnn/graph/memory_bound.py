"""Whether a machine can hold what a model works on: a file of a kilobyte may declare tensors of gigabytes.

What counts is the whole graph: all that is needed at the same time, be it of one op or of many.
"""

from __future__ import annotations

from typing import Any

from edgebnn import machine
from edgebnn.errors import one_line

from .consistency import BITS, Bytes, integers, layer_name
from .liveness import Live, Peak, live_ranges, peak, ranges
from .schema import schema
from .types import ABSENT, Graph

_SMALL = 64 << 20
"""Bytes that any machine has: it is not asked."""

_SHARE = 0.5
"""Of the free memory, for samples that run together only because that is faster."""


def check_file(data: Bytes, name: str) -> tuple[int, ...]:
    """Looks at the shapes that a file declares, open sizes as 1. To be called after :mod:`.consistency`.

    Args:
        data: the file's content.
        name: what errors call it.

    Returns:
        For each graph of the file the most bytes that it needs at the same time.

    Raises:
        InputError: more than is free.
    """
    model = schema.Model.GetRootAs(data)
    found = []
    for number in range(model.SubgraphsLength()):
        graph = model.Subgraphs(number)
        most = peak(_lives(graph))
        if most.bytes > _SMALL and graph.OperatorsLength():
            layer = layer_name(graph, graph.Operators(most.op), most.op)
            machine.require_memory(most.bytes, one_line(f"{name}: layer '{layer}'"))
        found.append(most.bytes)
    return tuple(found)


def check_graph(graph: Graph, keep_all: bool = False) -> None:
    """Looks at the shapes of a graph, as it is sized.

    Args:
        graph: the model.
        keep_all: every tensor is kept to the end.

    Raises:
        InputError: it needs more memory at the same time than is free.
    """
    lives = live_ranges(graph)
    most = Peak(sum(live.bytes for live in lives), len(graph.ops) - 1) if keep_all else peak(lives)
    if most.bytes > _SMALL and graph.ops:
        machine.require_memory(most.bytes, f"{graph.name}: layer '{graph.op_name(most.op)}'")


def working_bytes(graph: Graph) -> int:
    """The most bytes that a graph, as it is sized, needs at the same time."""
    return peak(live_ranges(graph)).bytes


def together(one: int, most: int) -> int:
    """How many samples may run together.

    Args:
        one: bytes that one of them needs.
        most: samples, at most.

    Returns:
        Their number, 1 at least.
    """
    if most <= 1 or one * most <= _SMALL:
        return max(1, most)
    free = machine.free_memory()
    return most if free is None else max(1, min(most, int(_SHARE * free) // max(1, one)))


def _lives(graph: Any) -> tuple[Live, ...]:
    """Of a graph in a file; the state that it keeps between runs is there all the time."""
    tensors = [graph.Tensors(index) for index in range(graph.TensorsLength())]
    operators = [graph.Operators(index) for index in range(graph.OperatorsLength())]
    ops = [
        (integers(op.InputsAsNumpy()), [i for i in integers(op.OutputsAsNumpy()) if i != ABSENT]) for op in operators
    ]
    kept = [index for index, tensor in enumerate(tensors) if tensor.IsVariable()]
    given, results = integers(graph.InputsAsNumpy()), integers(graph.OutputsAsNumpy())
    return ranges(ops, (*given, *kept), (*results, *kept), lambda index: _bytes(tensors[index]))


def _bytes(tensor: Any) -> int:
    elements = 1
    for dimension in integers(tensor.ShapeAsNumpy()):
        elements *= dimension
    return elements * BITS.get(tensor.Type(), 0) // 8
