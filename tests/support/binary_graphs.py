"""Graphs of a single quantization or pooling op, for the runtimes; convolutions are in binary_cases."""

from __future__ import annotations

from edgebnn.arithmetic.packing import packed_channels
from edgebnn.graph.ops.binary import (
    LceBMaxPool2dOptions,
    LceDequantizeOptions,
    LceQuantizeOptions,
)
from edgebnn.graph.types import DType, Graph, Op, Options, Quantization, Shape, Tensor


def quantize_graph(shape: Shape, dtype: DType, quantization: Quantization | None) -> Graph:
    words = (*shape[:-1], packed_channels(shape[-1]))
    source = Tensor("input", shape, dtype, quantization)
    return unary_graph("LceQuantize", LceQuantizeOptions(), source, Tensor("output", words, DType.INT32))


def dequantize_graph(shape: Shape, dtype: DType, quantization: Quantization | None) -> Graph:
    words = (*shape[:-1], packed_channels(shape[-1]))
    target = Tensor("output", shape, dtype, quantization)
    return unary_graph("LceDequantize", LceDequantizeOptions(), Tensor("input", words, DType.INT32), target)


def pool_graph(shape: Shape, output_size: tuple[int, int], options: LceBMaxPool2dOptions) -> Graph:
    target = Tensor("output", (shape[0], *output_size, shape[3]), DType.INT32)
    return unary_graph("LceBMaxPool2d", options, Tensor("input", shape, DType.INT32), target)


def unary_graph(kind: str, options: Options, source: Tensor, target: Tensor) -> Graph:
    return Graph(kind, (source, target), (Op(kind, (0,), (1,), options),), (0,), (1,))
