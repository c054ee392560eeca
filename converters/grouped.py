"""Convolutions of channels apart, as one grouped convolution.

A group of channels is cut out, convolved, and put beside the others: an op for each, and all channels are written
twice more. CONV_2D has groups of its own: filters of fewer channels than there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgebnn.graph.ops.conv import Conv2DOptions
from edgebnn.graph.types import ABSENT, Array, DType, Graph, Op, Tensor

from .branches import SELECTING, concatenates_channels, moved_channels
from .rewriting import without_dead_ops, without_unused

_GROUPED = 6
"""The version of CONV_2D that has groups."""


def with_grouped_convolutions(graph: Graph) -> Graph:
    """``graph`` with one float CONV_2D in place of several side by side that read channels of one tensor.

    Args:
        graph: of any ops.

    Returns:
        The graph, the very same one where nothing changes.
    """
    givers = {i: op for op in graph.ops for i in op.outputs}
    tensors, ops = list(graph.tensors), []
    for op in graph.ops:
        grouped = _grouped(op, graph, givers, tensors) if concatenates_channels(op, tensors) else None
        ops.append(grouped or op)
    if tuple(ops) == graph.ops:
        return graph
    return without_unused(without_dead_ops(replace(graph, tensors=tuple(tensors), ops=tuple(ops))))


def _grouped(joining: Op, graph: Graph, givers: dict[int, Op], tensors: list[Tensor]) -> Op | None:
    """The convolution that gives what ``joining`` puts together; its constants are added to ``tensors``."""
    parts = [givers.get(i) for i in joining.inputs]
    convolutions = [op for op in parts if op is not None and _convolves(op, graph.tensors)]
    needed = {*graph.outputs, *(i for op in graph.ops if op is not joining for i in op.inputs)}
    if len(convolutions) != len(parts) or len(parts) < 2 or not needed.isdisjoint(joining.inputs):
        return None
    first = convolutions[0]
    if any((op.options, len(op.inputs)) != (first.options, len(first.inputs)) for op in convolutions):
        return None
    source = _source(convolutions, graph, givers)
    filters = [graph.tensors[op.inputs[1]] for op in convolutions]
    if source is None or len({tensor.shape for tensor in filters}) > 1:
        return None
    inputs = [source]
    for role, _ in enumerate(first.inputs[1:], 1):
        together = [graph.tensors[op.inputs[role]] for op in convolutions]
        data = np.concatenate([tensor.data for tensor in together])
        tensors.append(replace(together[0], shape=data.shape, data=data))
        inputs.append(len(tensors) - 1)
    return replace(first, inputs=tuple(inputs), outputs=joining.outputs, version=max(first.version, _GROUPED))


def _convolves(op: Op, tensors: Sequence[Tensor]) -> bool:
    """Whether it is a float CONV_2D of one group by constants."""
    if op.kind != "CONV_2D" or not isinstance(op.options, Conv2DOptions) or ABSENT in op.inputs:
        return False
    image, weights = tensors[op.inputs[0]], tensors[op.inputs[1]]
    constant = all(tensors[i].data is not None and tensors[i].dtype == DType.FLOAT32 for i in op.inputs[1:])
    return constant and image.data is None and image.shape[-1:] == weights.shape[-1:]


def _source(convolutions: Sequence[Op], graph: Graph, givers: dict[int, Op]) -> int | None:
    """The tensor whose channels the convolutions read, each as many, in turn and all of them."""
    cutting = {i: givers[i] for op in convolutions for i in op.inputs[:1] if i in givers}
    sources = {i for op in cutting.values() for i in op.inputs if graph.tensors[i].data is None}
    if len(sources) != 1 or any(op.kind not in SELECTING for op in cutting.values()):
        return None
    (source,) = sources
    channels: dict[int, Array] = {}
    for op in {op.outputs: op for op in cutting.values()}.values():
        channels |= zip(op.outputs, moved_channels(op, graph.tensors, source) or (), strict=False)
    read = [channels[op.inputs[0]] for op in convolutions if op.inputs[0] in channels]
    in_turn = np.arange(graph.tensors[source].shape[-1])
    fits = len(read) == len(convolutions) and len({part.size for part in read}) == 1
    return source if fits and np.array_equal(np.concatenate(read), in_turn) else None
