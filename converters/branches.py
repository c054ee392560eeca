"""Sums and slices of concatenated branches, as concatenations of the branches that they are made of.

``concat(x, y) + pad(z)`` is ``concat(x, y + z)`` where z lies beside y, and a slice of ``concat(x, y)`` may be y
itself. Values are the same, to the bit; and in int8 each branch keeps a scale of its own for longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgebnn.graph.execute import run_op
from edgebnn.graph.opdef import OpView
from edgebnn.graph.ops.elementwise import AddOptions
from edgebnn.graph.ops.enums import Activation
from edgebnn.graph.ops.shape_ops import ConcatenationOptions
from edgebnn.graph.types import Array, DType, Graph, Op, Tensor

from .rewriting import without_dead_ops

SELECTING = ("SPLIT", "SPLIT_V", "SLICE", "STRIDED_SLICE")
"""Ops that give some of what they read."""


def apart(graph: Graph) -> Graph:
    """``graph``, a float graph of batch size 1, with sums and slices above concatenations by channel where they fit
    the branches; the same graph if none do."""
    rewriting = _Rewriting(graph)
    for op in graph.ops:
        op = replace(op, inputs=tuple(rewriting.same.get(i, i) for i in op.inputs))
        if not (rewriting.selected(op) or rewriting.added(op)):
            rewriting.keep(op)
    if not rewriting.changed:
        return graph
    return without_dead_ops(replace(graph, tensors=tuple(rewriting.tensors), ops=tuple(rewriting.ops)))


def concatenates_channels(op: Op, tensors: Sequence[Tensor]) -> bool:
    """Whether ``op`` does nothing but put images of float together by channel."""
    if op.kind != "CONCATENATION" or not isinstance(op.options, ConcatenationOptions):
        return False
    result = tensors[op.outputs[0]]
    by_channel = len(result.shape) == 4 and op.options.axis in (-1, 3)
    return by_channel and result.dtype == DType.FLOAT32 and op.options.fused_activation_function == Activation.NONE


def moved_channels(op: Op, tensors: Sequence[Tensor], source: int) -> list[Array] | None:
    """For each result of an op the channels of ``source`` that its own are, -1 where they are padding; None if it does
    anything else. Found by having the op move the numbers of the channels."""
    image = tensors[source]
    constants = [tensors[i].data for i in op.inputs if i != source]
    if len(image.shape) != 4 or image.dtype != DType.FLOAT32 or any(data is None for data in constants):
        return None
    inputs, outputs = (tuple(tensors[i] for i in indices) for indices in (op.inputs, op.outputs))
    view = OpView(outputs[0].name, op, inputs, outputs)
    numbers = np.broadcast_to(np.arange(1, image.shape[-1] + 1, dtype=np.float32), image.shape)
    results = run_op(view, tuple(numbers if i == source else tensors[i].data for i in op.inputs))
    places = [result[0, 0, 0].astype(int) - 1 for result in results if result.ndim == 4 and result.size]
    if len(places) != len(results):
        return None
    by_channel = all((y == y[0, 0, 0]).all() and y.shape[:3] == image.shape[:3] for y in results)
    return places if by_channel else None


class _Rewriting:
    """The tensors and ops of a graph while it is rewritten.

    same: tensors that are no more, and what stands for them. parts: the branches of a tensor. padded: result of a
    padding by channel -> what was padded, and the first channel that it has there.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.tensors, self.ops = list(graph.tensors), list[Op]()
        self.same: dict[int, int] = {}
        self.parts: dict[int, tuple[int, ...]] = {}
        self.padded: dict[int, tuple[int, int]] = {}
        self.changed = False

    def keep(self, op: Op) -> None:
        self.ops.append(op)
        if concatenates_channels(op, self.tensors):
            self.parts[op.outputs[0]] = tuple(part for i in op.inputs for part in self.parts.get(i, (i,)))
        if op.kind == "PAD" and (places := moved_channels(op, self.tensors, op.inputs[0])) is not None:
            own = np.flatnonzero(places[0] >= 0)
            if own.size == self._channels(op.inputs[0]):
                self.padded[op.outputs[0]] = op.inputs[0], int(own[0])

    def selected(self, op: Op) -> bool:
        """Replaces ``op`` if each of its results is some branches of what it reads."""
        source = next((i for i in op.inputs if i in self.parts), None)
        if op.kind not in SELECTING or source is None or (places := moved_channels(op, self.tensors, source)) is None:
            return False
        starts = np.cumsum([0, *map(self._channels, self.parts[source])])
        chosen = []
        for channels in places:
            inside = (starts[:-1] >= channels[0]) & (starts[1:] <= channels[-1] + 1)
            branches = tuple(part for part, fits in zip(self.parts[source], inside, strict=True) if fits)
            in_row = np.array_equal(channels, np.arange(channels[0], channels[0] + len(channels)))
            if not in_row or sum(map(self._channels, branches)) != len(channels):
                return False
            chosen.append(branches)
        for result, branches in zip(op.outputs, chosen, strict=True):
            if len(branches) == 1 and result not in self.graph.outputs:
                self.same[result] = branches[0]
                self.changed = True
            else:
                self._join(branches, result)
        return True

    def added(self, op: Op) -> bool:
        """Replaces ``op`` if it adds, to branches, one that was padded to lie beside another."""
        if op.kind != "ADD" or not isinstance(op.options, AddOptions):
            return False
        plain = op.options.fused_activation_function == Activation.NONE
        for joined, other in (op.inputs, op.inputs[::-1]):
            if not plain or joined not in self.parts or other not in self.padded:
                continue
            small, start = self.padded[other]
            parts = self.parts[joined]
            starts = [int(i) for i in np.cumsum([0, *map(self._channels, parts)])]
            beside = starts.index(start) if start in starts else len(parts)
            if beside == len(parts) or self.tensors[parts[beside]].shape != self.tensors[small].shape:
                continue
            self.tensors.append(replace(self.tensors[small], name=f"{self.tensors[op.outputs[0]].name}/branch"))
            total = len(self.tensors) - 1
            self.ops.append(replace(op, inputs=(parts[beside], small), outputs=(total,)))
            self._join((*parts[:beside], total, *parts[beside + 1 :]), op.outputs[0])
            return True
        return False

    def _join(self, parts: tuple[int, ...], result: int) -> None:
        self.ops.append(Op("CONCATENATION", parts, (result,), ConcatenationOptions(-1)))
        self.parts[result] = parts
        self.changed = True

    def _channels(self, index: int) -> int:
        return self.tensors[index].shape[-1]
