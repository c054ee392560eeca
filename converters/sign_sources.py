"""Signs taken of what an activation reads, where the activation has the very same ones.

A PReLU with positive slopes changes no sign, so a binarization behind it may as well read what the PReLU reads: an op
less, and in int8 the only right way. A small slope brings what is below zero so near to it that int8 rounds it to
zero, whose sign is positive.

Where a slope is not positive, nothing that the PReLU gives is below zero, as with a slope of zero. So slopes of one and
zero give the same signs as any others, and with them int8 rounds nothing away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgebnn.graph.ops.activation import LeakyReluOptions
from edgebnn.graph.types import DType, Graph, Op, Tensor

from .ranges import keeps_signs, signs_taken
from .rewriting import without_dead_ops, without_unused

_LEAST_SLOPE = 1e-6
"""Products with positive slopes below that might vanish in float32, and their signs with them."""

_SAME_SIGNS = ("RELU_N1_TO_1", "TANH")
"""Activations without slopes whose results have the signs of what they read."""


def with_signs_of_sources(graph: Graph, *, becomes_int8: bool = False) -> Graph:
    """``graph`` with binarizations that read what float activations read which keep signs.

    Args:
        graph: a graph of LCE's ops.
        becomes_int8: whether a PReLU that others read too, and that does not keep signs, is to have a twin with slopes
            of one and zero for the binarizations: an op more, which float files do not need.

    Returns:
        The graph, the very same one where nothing changes.
    """
    rewriting = _Rewriting(graph, becomes_int8)
    for op in graph.ops:
        rewriting.visit(op)
    if tuple(rewriting.ops) == graph.ops:
        return graph
    changed = replace(graph, tensors=tuple(rewriting.tensors), ops=tuple(rewriting.ops))
    return without_unused(without_dead_ops(changed))


def positive_slopes(op: Op, tensors: Sequence[Tensor]) -> NDArray[np.float32] | None:
    """The slopes below zero of a float PReLU or LeakyReLU that rises everywhere: one, or one a channel."""
    slopes = _slopes(op, tensors)
    by_channel = slopes is not None and slopes.size in (1, slopes.shape[-1])
    return slopes if slopes is not None and by_channel and (slopes >= _LEAST_SLOPE).all() else None


def _slopes(op: Op, tensors: Sequence[Tensor]) -> NDArray[np.float32] | None:
    if tensors[op.outputs[0]].dtype != DType.FLOAT32:
        return None
    if isinstance(op.options, LeakyReluOptions):
        return np.full(1, op.options.alpha, np.float32)
    return tensors[op.inputs[1]].data if op.kind == "PRELU" else None


class _Rewriting:
    """The tensors and ops of the graph as they grow. ``sources``: result of an activation -> what has its signs."""

    def __init__(self, graph: Graph, twins: bool) -> None:
        self.tensors, self.ops = list(graph.tensors), list[Op]()
        self.sources: dict[int, int] = {}
        self._twins = twins
        self._signs = signs_taken(graph)
        self._wanted = {i for op in graph.ops if self._takes_signs(op) for i in op.inputs}

    def visit(self, op: Op) -> None:
        if self._takes_signs(op):
            op = replace(op, inputs=tuple(self.sources.get(i, i) for i in op.inputs))
        self.ops.append(op)
        slopes = self._slopes(op)
        if slopes is None or not ((slopes <= 0) | (slopes >= _LEAST_SLOPE)).all():
            return
        source, result = op.inputs[0], op.outputs[0]
        signs_alone = result in self._signs
        if (slopes > 0).all():
            self.sources[result] = self.sources.get(source, source)
        elif op.kind == "PRELU" and (signs_alone or (self._twins and result in self._wanted)):
            plain = (slopes > 0).astype(np.float32)
            if signs_alone:
                self.ops[-1] = self._with_slopes(op, plain)
            else:
                self.tensors.append(replace(self.tensors[result], name=f"{self.tensors[result].name}/signs"))
                self.sources[result] = len(self.tensors) - 1
                self.ops.append(replace(self._with_slopes(op, plain), outputs=(self.sources[result],)))

    def _takes_signs(self, op: Op) -> bool:
        return op.kind == "LceQuantize" or (keeps_signs(op) and self._signs.issuperset(op.outputs))

    def _slopes(self, op: Op) -> NDArray[np.float32] | None:
        same_signs = op.kind in _SAME_SIGNS and self.tensors[op.outputs[0]].dtype == DType.FLOAT32
        return np.ones(1, np.float32) if same_signs else _slopes(op, self.tensors)

    def _with_slopes(self, op: Op, slopes: NDArray[np.float32]) -> Op:
        old = self.tensors[op.inputs[1]]
        if old.data is not None and np.array_equal(old.data, slopes):
            return op
        self.tensors.append(replace(old, name=f"{old.name}/signs", data=slopes))
        return replace(op, inputs=(op.inputs[0], len(self.tensors) - 1))
