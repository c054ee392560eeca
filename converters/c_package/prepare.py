"""The graph as it is generated: what follows from constants alone is computed, and what nobody reads is left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgebnn.graph.execute import run_op
from edgebnn.graph.opdef import op_view
from edgebnn.graph.types import ABSENT, Array, Graph, Op

OF_SHAPES = frozenset({"SHAPE"})
"""Ops that look at their input's shape alone: constants, since shapes are fixed."""


def prepare(graph: Graph) -> Graph:
    """The same model with fewer ops.

    Args:
        graph: the model.

    Returns:
        It without ops whose inputs are constants, or whose outputs lead to no output of the model.
    """
    return _without_unread(_with_constants_folded(graph))


def _with_constants_folded(graph: Graph) -> Graph:
    tensors = list(graph.tensors)
    kept = []
    for index, op in enumerate(graph.ops):
        view = op_view(graph, index, tensors)
        known = [None if tensor is None else tensor.data for tensor in view.inputs]
        shape_alone = op.kind in OF_SHAPES
        if not shape_alone and any(t is not None and d is None for t, d in zip(view.inputs, known, strict=True)):
            kept.append(op)
            continue
        values: tuple[Array | None, ...] = tuple(known)
        if shape_alone:
            values = tuple(None if t is None else _zeros(t.shape) for t in view.inputs)
        for tensor, data in zip(op.outputs, run_op(view, values), strict=True):
            tensors[tensor] = replace(tensors[tensor], data=data)
    return replace(graph, tensors=tuple(tensors), ops=tuple(kept))


def _zeros(shape: tuple[int, ...]) -> Array:
    return np.broadcast_to(np.int8(0), shape)


def _without_unread(graph: Graph) -> Graph:
    read = set(graph.outputs)
    kept: list[Op] = []
    for op in reversed(graph.ops):
        if read & set(op.outputs):
            kept.append(op)
            read |= set(op.inputs) - {ABSENT}
    return replace(graph, ops=tuple(reversed(kept)))
