"""What a graph costs before it runs: multiply-accumulates by precision, weights, and bytes of constants and outputs."""

from __future__ import annotations

import math

from .opdef import Macs, OpView, op_view
from .ops import OPS
from .types import ABSENT, Graph


def op_macs(graph: Graph, index: int) -> Macs:
    """Multiply-accumulates of one op.

    Args:
        graph: the model.
        index: of the op in ``graph.ops``.

    Returns:
        How many there are for the graph's shapes, the batch included, by precision.
    """
    return _macs(op_view(graph, index))


def macs(graph: Graph) -> Macs:
    """Multiply-accumulates of a whole model.

    Args:
        graph: the model.

    Returns:
        How many there are for its shapes, the batch included, by precision of weights and activations.
    """
    return sum((op_macs(graph, index) for index in range(len(graph.ops))), Macs())


def op_weights(graph: Graph, index: int) -> int:
    """Weights of one op.

    Args:
        graph: the model.
        index: of the op in ``graph.ops``.

    Returns:
        How many, 0 for an op that does not multiply and accumulate; biases and per-channel constants are not counted.
    """
    view = op_view(graph, index)
    count = _macs(view)
    packed = count.binary + count.w1a8
    if packed:  # in words, whose number does not tell the channels: every output position uses each weight once
        return packed // math.prod(view.outputs[0].shape[:-1])
    if not count.total:
        return 0
    return sum(t.elements for t in view.inputs if t is not None and t.is_constant and len(t.shape) > 1)


def weights(graph: Graph) -> int:
    """Weights of a whole model.

    Args:
        graph: the model.

    Returns:
        How many, biases excluded.
    """
    return sum(op_weights(graph, index) for index in range(len(graph.ops)))


def op_weight_bytes(graph: Graph, index: int) -> int:
    """Size of the constants of one op: filters, biases, multipliers, thresholds, shapes.

    Args:
        graph: the model.
        index: of the op in ``graph.ops``.

    Returns:
        Bytes.
    """
    return sum(graph.tensors[i].bytes for i in set(graph.ops[index].inputs) - {ABSENT} if graph.tensors[i].is_constant)


def weight_bytes(graph: Graph) -> int:
    """Size of all constants that the ops use; one that several ops share counts once.

    Args:
        graph: the model.

    Returns:
        Bytes.
    """
    used = {index for op in graph.ops for index in op.inputs} - {ABSENT}
    return sum(graph.tensors[index].bytes for index in used if graph.tensors[index].is_constant)


def op_output_bytes(graph: Graph, index: int) -> int:
    """Size of what one op computes.

    Args:
        graph: the model.
        index: of the op in ``graph.ops``.

    Returns:
        Bytes, for the graph's shapes.
    """
    return sum(graph.tensors[i].bytes for i in graph.ops[index].outputs)


def _macs(view: OpView) -> Macs:
    return OPS[view.op.kind].macs(view)
