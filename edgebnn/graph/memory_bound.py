"""Whether a machine can hold what a model works on: a file of a kilobyte may declare tensors of gigabytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from edgebnn import machine
from edgebnn.errors import one_line

from .consistency import BITS, Bytes, integers, layer_name
from .schema import schema
from .types import ABSENT, Graph

_SMALL = 64 << 20
"""Bytes that any machine has: it is not asked."""


def check_file(data: Bytes, name: str) -> None:
    """Looks at the shapes that a file declares, open sizes as 1. To be called after :mod:`.consistency`.

    Args:
        data: the file's content.
        name: what errors call it.

    Raises:
        InputError: an op's inputs and outputs need more memory than is free.
    """
    model = schema.Model.GetRootAs(data)
    for number in range(model.SubgraphsLength()):
        graph = model.Subgraphs(number)
        sizes = [_bytes(graph.Tensors(index)) for index in range(graph.TensorsLength())]
        for index in range(graph.OperatorsLength()):
            op = graph.Operators(index)
            needed = _together(sizes, integers(op.InputsAsNumpy()), integers(op.OutputsAsNumpy()))
            if needed > _SMALL:
                machine.require_memory(needed, one_line(f"{name}: layer '{layer_name(graph, op, index)}'"))


def check_graph(graph: Graph) -> None:
    """Looks at the shapes of a graph, as it is sized.

    Args:
        graph: the model.

    Raises:
        InputError: an op's inputs and outputs need more memory than is free.
    """
    sizes = [tensor.elements * tensor.dtype.numpy.itemsize for tensor in graph.tensors]
    for index, op in enumerate(graph.ops):
        needed = _together(sizes, op.inputs, op.outputs)
        if needed > _SMALL:
            machine.require_memory(needed, f"{graph.name}: layer '{graph.op_name(index)}'")


def _together(sizes: list[int], *indices: Iterable[int]) -> int:
    used = {index for part in indices for index in part if index != ABSENT}
    return sum(sizes[index] for index in used)


def _bytes(tensor: Any) -> int:
    elements = 1
    for dimension in integers(tensor.ShapeAsNumpy()):
        elements *= dimension
    return elements * BITS.get(tensor.Type(), 0) // 8
