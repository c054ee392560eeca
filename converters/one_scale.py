"""Ops that only move or choose values, given what they read in the scale that they write.

They copy integers. TensorFlow Lite's quantizer does not know that of all of them: to a REVERSE_V2 it gives a scale for
what it reads and another one for what it writes, and the results are off by the ratio of both.
"""

from __future__ import annotations

from dataclasses import replace

from edgebnn.graph.ops import OPS
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import DType, Graph, Op, Tensor


def requantized(graph: Graph) -> Graph:
    """``graph`` with a QUANTIZE to the scale of its result before each op that copies int8 values of another one; the
    same graph if there is none."""
    tensors, ops = list(graph.tensors), list[Op]()
    for op in graph.ops:
        copies = {}
        for index in mismatched(op, graph.tensors):
            written = graph.tensors[op.outputs[0]].quantization
            copies[index] = len(tensors)
            tensors.append(replace(graph.tensors[index], data=None, quantization=written))
            ops.append(Op("QUANTIZE", (index,), (copies[index],), NoOptions()))
        ops.append(replace(op, inputs=tuple(copies.get(i, i) for i in op.inputs)) if copies else op)
    return graph if len(ops) == len(graph.ops) else replace(graph, tensors=tuple(tensors), ops=tuple(ops))


def mismatched(op: Op, tensors: tuple[Tensor, ...]) -> tuple[int, ...]:
    """The int8 tensors that ``op`` copies values of into one of another quantization."""
    bound = OPS[op.kind].of_one_scale(op, tensors)
    if not bound or tensors[bound[0]].dtype != DType.INT8:
        return ()
    written = tensors[bound[0]].quantization
    return tuple(i for i in dict.fromkeys(bound) if i in op.inputs and tensors[i].quantization != written)
