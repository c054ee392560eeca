"""Factors from accumulators to int8 results that XNNPACK computes with: below 256.

One is greater where samples showed of a result little but zero: a dense layer on the zeros that a recurrent layer
starts from, a convolution whose ReLU never opens. XNNPACK refuses the whole file then. The result is given steps of
1/255 of an accumulator's, and requantized to those it had: what that rounds away is less than an accumulator's step.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import DType, Graph, Op, Quantization, Tensor

_LIMIT = 256.0

_OPERANDS = {"FULLY_CONNECTED": (0, 1), "CONV_2D": (0, 1), "DEPTHWISE_CONV_2D": (0, 1), "TRANSPOSE_CONV": (2, 1)}
"""Where these ops have what they multiply, values and weights."""


def representable(graph: Graph) -> Graph:
    """``graph`` with coarser results, and a QUANTIZE behind them, of ops whose factors XNNPACK does not take; the same
    graph if there are none."""
    tensors, ops = list(graph.tensors), list[Op]()
    for op in graph.ops:
        scale = _coarser(op, graph.tensors)
        if scale is None:
            ops.append(op)
            continue
        (result,) = op.outputs
        fine = tensors[result].quantization
        assert fine is not None, "it has a factor"
        tensors.append(replace(tensors[result], quantization=Quantization((scale,), fine.zero_point)))
        ops += [
            replace(op, outputs=(len(tensors) - 1,)),
            Op("QUANTIZE", (len(tensors) - 1,), (result,), NoOptions()),
        ]
    return graph if len(ops) == len(graph.ops) else replace(graph, tensors=tuple(tensors), ops=tuple(ops))


def _coarser(op: Op, tensors: tuple[Tensor, ...]) -> float | None:
    """The scale that the int8 result of ``op`` needs, where its own is too fine."""
    if op.kind not in _OPERANDS or tensors[op.outputs[0]].dtype != DType.INT8:
        return None
    values, weights, result = (
        tensors[i].quantization for i in (*(op.inputs[i] for i in _OPERANDS[op.kind]), op.outputs[0])
    )
    if values is None or weights is None or result is None:
        return None
    accumulated = values.scale[0] * max(weights.scale)
    return float(np.float32(accumulated / (_LIMIT - 1))) if accumulated / result.scale[0] >= _LIMIT else None
