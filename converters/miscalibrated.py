"""Where TensorFlow Lite's own calibration goes wrong, so that ranges are to be measured (:mod:`.post_training`)."""

from __future__ import annotations

from collections import Counter

import numpy as np

from edgebnn.graph.ops import OPS
from edgebnn.graph.types import DType, Graph, Tensor

_CHOOSING = ("MAXIMUM", "MINIMUM", "SELECT", "SELECT_V2")
"""Ops that may leave out the greatest and least values of what they read."""

_PARTIAL = ("GATHER", "MAX_POOL_2D", "SLICE", "SPLIT", "SPLIT_V", "STRIDED_SLICE", "UNPACK")
_AVERAGING = ("AVERAGE_POOL_2D", "RESIZE_BILINEAR")
"""Ops that may leave them out too, or that make smaller ones of them. Calibration gives what these read the range of
their results where a constant is padded to those."""


def is_miscalibrated(graph: Graph) -> bool:
    """Whether an int8 file that was calibrated by TensorFlow Lite is wrong by more than its steps."""
    return _cuts_ranges(graph) or _rounds_signs(graph)


def _rounds_signs(graph: Graph) -> bool:
    """Whether signs that are added up are not -1, 0 and 1 in int8: as -0.996 and 1.004 opposite ones do not add up to
    zero, whose sign is what a ternary quantizer makes of them."""
    signs = {op.outputs[0] for op in graph.ops if op.kind == "SIGN"}
    forms = {op.outputs[0] for op in graph.ops if op.kind == "QUANTIZE" and op.inputs[0] in signs}
    added = (op.inputs for op in graph.ops if op.kind in ("ADD", "SUB") and forms.issuperset(op.inputs))
    return any(_rounds(graph.tensors[i], (-1.0, 0.0, 1.0)) for inputs in added for i in inputs)


def _rounds(tensor: Tensor, values: tuple[float, ...]) -> bool:
    """Whether an int8 tensor has room for one of ``values``, but not exactly."""
    if tensor.quantization is None or tensor.dtype != DType.INT8:
        return False
    scale, zero_point = tensor.quantization.scale[0], tensor.quantization.zero_point[0]
    steps = np.array(values) / scale + zero_point
    held = steps[(steps > -129) & (steps < 128)]
    return bool(np.any(np.abs(held - np.round(held)) > 0.01))


def _cuts_ranges(graph: Graph) -> bool:
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
