"""Ops that only move or choose values, given what they read in the scale that they write.

They copy integers. TensorFlow Lite's quantizer does not know that of all of them: to a REVERSE_V2 it gives a scale for
what it reads and another one for what it writes, and the results are off by the ratio of both.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from edgebnn.graph.ops import OPS
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import DType, Graph, Op, Tensor

_CHOOSING = ("MAXIMUM", "MINIMUM", "SELECT", "SELECT_V2")
"""Ops that may leave out the greatest and least values of what they read."""

_PARTIAL = ("GATHER", "MAX_POOL_2D", "SLICE", "SPLIT", "SPLIT_V", "STRIDED_SLICE", "UNPACK")
_AVERAGING = ("AVERAGE_POOL_2D", "RESIZE_BILINEAR")
"""Ops that may leave them out too, or that make smaller ones of them. Calibration gives what these read the range of
their results where a constant is padded to those."""


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


def cuts_ranges(graph: Graph) -> bool:
    """Whether an int8 tensor may saturate where other ops read it, for the sake of one that chooses between values.

    TensorFlow Lite's calibration gives a MINIMUM, and what it reads, the range of its results; and a PADV2, through ops
    of one scale, what stands in front of it. That does no harm to these results, but to whatever else is made of what
    is read, and to averages of it.
    """
    padded = _padded(graph)
    if any(op.kind in _AVERAGING and op.outputs[0] in padded for op in graph.ops):
        return True
    readers = Counter([*(i for op in graph.ops for i in dict.fromkeys(op.inputs)), *graph.outputs])
    made = {i: op for op in graph.ops for i in op.outputs}
    seen, waiting = (
        set[int](),
        [op for op in graph.ops if op.kind in _CHOOSING or (op.kind in _PARTIAL and not padded.isdisjoint(op.outputs))],
    )
    while waiting:
        op = waiting.pop()
        bound = op.inputs if op.kind == "DEQUANTIZE" else OPS[op.kind].of_one_scale(op, graph.tensors)
        for index in set(bound) - set(op.outputs) - seen:
            seen.add(index)
            source = made.get(index)
            is_int8 = graph.tensors[index].dtype == DType.INT8 or (source is not None and source.kind == "DEQUANTIZE")
            if graph.tensors[index].is_constant or not is_int8:
                continue
            if readers[index] > 1:
                return True
            waiting.extend([] if source is None else [source])
    return False


def _padded(graph: Graph) -> set[int]:
    """The int8 tensors that a PADV2 reads, or ops of one scale in front of it."""
    found = set[int]()
    for op in reversed(graph.ops):
        if op.kind == "PADV2" or not found.isdisjoint(op.outputs):
            bound = set(OPS[op.kind].of_one_scale(op, graph.tensors)) & set(op.inputs)
            found |= {i for i in bound if graph.tensors[i].dtype == DType.INT8 and not graph.tensors[i].is_constant}
    return found
