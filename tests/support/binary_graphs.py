"""Graphs of a single binary op, for the runtimes: LCE's interpreter and ours behind LiteRT."""

from __future__ import annotations

from edgebnn.arithmetic.packing import packed_channels
from edgebnn.graph.ops.binary import (
    LceBconv2dOptions,
    LceBMaxPool2dOptions,
    LceDequantizeOptions,
    LceQuantizeOptions,
)
from edgebnn.graph.types import ABSENT, Array, DType, Graph, Op, Options, Quantization, Shape, Tensor

from .binary_cases import ConvCase, Operands


def conv_options(case: ConvCase) -> LceBconv2dOptions:
    return LceBconv2dOptions(
        channels_in=case.groups * case.channels_in,
        dilation_height_factor=case.dilation[0],
        dilation_width_factor=case.dilation[1],
        fused_activation_function=case.activation,
        pad_values=case.pad_value,
        padding=case.padding,
        stride_height=case.stride[0],
        stride_width=case.stride[1],
    )


def conv_graph(case: ConvCase, operands: Operands, output_size: tuple[int, int]) -> Graph:
    """LceBconv2d with a batch size of 1. ``output_size``: height and width of its output."""
    dtype = DType(case.output)
    outputs = case.groups * case.channels_out
    channels = packed_channels(outputs) if dtype == DType.INT32 else outputs
    packed = dtype == DType.INT32
    tensors = (
        Tensor("input", (1, *operands.x.shape[1:]), DType.INT32),
        _constant("filter", operands.filters),
        _constant("multiplier", operands.multiplier),
        _constant("bias", operands.bias),
        _constant("threshold", operands.threshold),
        Tensor("output", (1, *output_size, channels), dtype, case.quantization() if dtype == DType.INT8 else None),
    )
    inputs = (0, 1, ABSENT, ABSENT, 4) if packed else (0, 1, 2, 3, ABSENT)
    if packed and case.pads_with_zeros:  # LCE's interpreter reads the multiplier then, present or not
        inputs = (0, 1, 2, 3, 4)
    return Graph("conv", tensors, (Op("LceBconv2d", inputs, (5,), conv_options(case)),), (0,), (5,))


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


def _constant(name: str, data: Array) -> Tensor:
    return Tensor(name, data.shape, DType(data.dtype.name), data=data)
