"""Layers with two-valued int8 weights, as the standard int8 op and as the W1A8 op that stands for it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edgebnn.arithmetic.packing import pack
from edgebnn.graph.ops.conv import Conv2DOptions, DepthwiseConv2DOptions
from edgebnn.graph.ops.dense import FullyConnectedOptions
from edgebnn.graph.ops.enums import Activation, Padding
from edgebnn.graph.ops.w1a8 import EdgebnnConv2dW1A8Options, EdgebnnDenseW1A8Options
from edgebnn.graph.types import ABSENT, Array, DType, Graph, Op, Quantization, Shape, Tensor


@dataclass(frozen=True)
class ConvLayer:
    """``inputs`` and ``outputs`` of a group; depthwise: of the layer, and of an input channel."""

    size: tuple[int, int] = (6, 5)
    filter: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: Padding = Padding.SAME
    groups: int = 1
    inputs: int = 8
    outputs: int = 8
    depthwise: bool = False
    activation: Activation = Activation.NONE

    @property
    def channels_in(self) -> int:
        return self.inputs if self.depthwise else self.inputs * self.groups

    @property
    def channels_out(self) -> int:
        return self.outputs * (self.inputs if self.depthwise else self.groups)

    @property
    def depth(self) -> int:
        return 1 if self.depthwise else self.inputs


@dataclass(frozen=True)
class DenseLayer:
    rows: int = 1
    channels_in: int = 40
    channels_out: int = 12
    keep_num_dims: bool = False
    activation: Activation = Activation.NONE


@dataclass(frozen=True)
class _Weights:
    minus: NDArray[np.bool_]
    """[channels_out, ..., inputs]."""
    magnitude: NDArray[np.int8]
    scale: NDArray[np.float32]
    bias: NDArray[np.int32]

    @property
    def int8(self) -> NDArray[np.int8]:
        magnitude = self.magnitude.reshape(-1, *[1] * (self.minus.ndim - 1))
        return np.where(self.minus, -magnitude, magnitude)


@dataclass(frozen=True)
class _Quantizations:
    input: Quantization
    output: Quantization


def _draw(rng: np.random.Generator, shape: Shape, per_tensor: bool) -> tuple[_Weights, _Quantizations]:
    outputs, terms = shape[0], int(np.prod(shape[1:]))
    scale = np.full(outputs, 0.01, np.float32) if per_tensor else rng.uniform(0.005, 0.02, outputs).astype(np.float32)
    bias = rng.integers(-3000, 3000, outputs).astype(np.int32)
    magnitude = rng.choice([127, 127, 100, 1], outputs).astype(np.int8)
    spread = float(np.float32(terms**0.5 * 0.02 * rng.choice([0.1, 1.0, 3.0])))
    points = [int(p) for p in rng.choice([-128, 127, 0, *rng.integers(-128, 128, 3)], 2)]
    quantizations = _Quantizations(Quantization((0.0235,), (points[0],)), Quantization((spread,), (points[1],)))
    return _Weights(rng.random(shape) < 0.5, magnitude, scale, bias), quantizations


def _tensor(name: str, data: Array, quantization: Quantization | None = None) -> Tensor:
    return Tensor(name, data.shape, DType(data.dtype.name), quantization, data)


def _graph(weights: tuple[Tensor, ...], ends: tuple[Tensor, Tensor], kind: str, options: object) -> Graph:
    count = len(weights)
    op = Op(kind, tuple(range(count + 1)), (count + 1,), options)  # type: ignore[arg-type]
    return Graph("layer", (ends[0], *weights, ends[1]), (op,), (0,), (count + 1,))


def _constants(weights: _Weights, packed: NDArray[np.int32]) -> tuple[Tensor, ...]:
    arrays = {"filter": packed, "scale": weights.scale, "magnitude": weights.magnitude, "bias": weights.bias}
    return tuple(_tensor(name, np.ascontiguousarray(data)) for name, data in arrays.items())


def _int8_constants(
    weights: _Weights, data: NDArray[np.int8], axis: int, entry: Quantization, per_tensor: bool
) -> tuple[Tensor, ...]:
    scales = tuple(float(s) for s in (weights.scale[:1] if per_tensor else weights.scale))
    zeros = (0,) * len(scales)
    products = tuple(float(np.float32(entry.scale[0]) * np.float32(s)) for s in scales)
    return (
        _tensor("filter", np.ascontiguousarray(data), Quantization(scales, zeros, axis)),
        _tensor("bias", weights.bias, Quantization(products, zeros)),
    )


def _out(size: int, filters: int, stride: int, dilation: int, padding: Padding) -> int:
    return -(-(size if padding == Padding.SAME else size - (filters - 1) * dilation) // stride)


def conv_pair(layer: ConvLayer, seed: int = 0, batch: int = 1) -> tuple[Graph, Graph]:
    """The same layer as CONV_2D or DEPTHWISE_CONV_2D, and as EdgebnnConv2dW1A8."""
    rng = np.random.default_rng(seed)
    weights, q = _draw(rng, (layer.channels_out, *layer.filter, layer.depth), per_tensor=False)
    axes = zip(layer.size, layer.filter, layer.stride, layer.dilation, strict=True)
    height, width = (_out(*axis, layer.padding) for axis in axes)
    ends = (
        Tensor("input", (batch, *layer.size, layer.channels_in), DType.INT8, q.input),
        Tensor("output", (batch, height, width, layer.channels_out), DType.INT8, q.output),
    )
    (sh, sw), (dh, dw) = layer.stride, layer.dilation
    shared = {"padding": layer.padding, "fused_activation_function": layer.activation}
    strides = {"stride_h": sh, "stride_w": sw, "dilation_h_factor": dh, "dilation_w_factor": dw}
    if layer.depthwise:
        data, axis = np.moveaxis(weights.int8[..., 0], 0, -1)[None], 3
        packed = pack(np.moveaxis(weights.minus[..., 0], 0, -1)[None])
        options: object = DepthwiseConv2DOptions(**shared, **strides, depth_multiplier=layer.outputs)  # type: ignore[arg-type]
        kind = "DEPTHWISE_CONV_2D"
    else:
        data, axis, packed = weights.int8, 0, pack(weights.minus)
        options, kind = Conv2DOptions(**shared, **strides), "CONV_2D"  # type: ignore[arg-type]
    w1a8 = EdgebnnConv2dW1A8Options(
        channels_in=layer.channels_in,
        groups=layer.groups,
        depthwise=int(layer.depthwise),
        stride_height=sh,
        stride_width=sw,
        dilation_height_factor=dh,
        dilation_width_factor=dw,
        **shared,  # type: ignore[arg-type]
    )
    return (
        _graph(_int8_constants(weights, data, axis, q.input, per_tensor=False), ends, kind, options),
        _graph(_constants(weights, packed), ends, "EdgebnnConv2dW1A8", w1a8),
    )


def dense_pair(layer: DenseLayer, seed: int = 0) -> tuple[Graph, Graph]:
    """The same layer as FULLY_CONNECTED, weights quantized as a whole, and as EdgebnnDenseW1A8."""
    rng = np.random.default_rng(seed)
    weights, q = _draw(rng, (layer.channels_out, layer.channels_in), per_tensor=True)
    front = (1, layer.rows) if layer.keep_num_dims else (layer.rows,)
    ends = (
        Tensor("input", (*front, layer.channels_in), DType.INT8, q.input),
        Tensor("output", (*front, layer.channels_out), DType.INT8, q.output),
    )
    options = FullyConnectedOptions(layer.activation, keep_num_dims=layer.keep_num_dims)
    w1a8 = EdgebnnDenseW1A8Options(
        channels_in=layer.channels_in,
        keep_num_dims=int(layer.keep_num_dims),
        fused_activation_function=layer.activation,
    )
    return (
        _graph(_int8_constants(weights, weights.int8, 0, q.input, per_tensor=True), ends, "FULLY_CONNECTED", options),
        _graph(_constants(weights, pack(weights.minus)), ends, "EdgebnnDenseW1A8", w1a8),
    )


def chain(graphs: list[Graph]) -> Graph:
    """One graph after another; each takes on the input quantization of the one before as its own output's."""
    tensors = list(graphs[0].tensors)
    ops = list(graphs[0].ops)
    for number, (_, after) in enumerate(pairwise(graphs), 1):
        offset, joint = len(tensors) - 1, len(tensors) - 1
        entry = after.tensors[after.inputs[0]]
        last = tensors[joint]
        tensors[joint] = Tensor(last.name, last.shape, last.dtype, entry.quantization)
        renamed = [Tensor(f"{t.name}{number}", t.shape, t.dtype, t.quantization, t.data) for t in after.tensors[1:]]
        tensors += renamed
        for op in after.ops:
            ins = tuple(i if i == ABSENT else i + offset for i in op.inputs)
            ops.append(Op(op.kind, ins, tuple(o + offset for o in op.outputs), op.options))
    return Graph("chain", tuple(tensors), tuple(ops), (0,), (len(tensors) - 1,))
