"""Single convolutions as models: binary, and float32 and int8 of the same shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgebnn.arithmetic.packing import pack, packed_channels
from edgebnn.graph.ops.binary import LceBconv2dOptions
from edgebnn.graph.ops.conv import Conv2DOptions
from edgebnn.graph.ops.enums import Padding, TensorType
from edgebnn.graph.ops.w1a8 import EdgebnnConv2dW1A8Options
from edgebnn.graph.types import ABSENT, Array, DType, Graph, Op, Quantization, Tensor


@dataclass(frozen=True)
class Layer:
    """A square convolution with SAME padding, of ones where it is binary."""

    size: int
    channels_in: int
    channels_out: int
    filter: int = 3
    stride: int = 1

    @property
    def name(self) -> str:
        out = "" if self.channels_out == self.channels_in else f" to {self.channels_out}"
        stride = f" stride {self.stride}" if self.stride != 1 else ""
        return f"{self.filter}x{self.filter}{stride} {self.size}x{self.size}x{self.channels_in}{out}"

    @property
    def output_size(self) -> int:
        return -(-self.size // self.stride)

    @property
    def macs(self) -> int:
        return self.output_size**2 * self.channels_out * self.channels_in * self.filter**2

    @property
    def _filter_shape(self) -> tuple[int, int, int, int]:
        return (self.channels_out, self.filter, self.filter, self.channels_in)

    @property
    def _input_shape(self) -> tuple[int, int, int, int]:
        return (1, self.size, self.size, self.channels_in)

    @property
    def _output_shape(self) -> tuple[int, int, int, int]:
        return (1, self.output_size, self.output_size, self.channels_out)


def packed_input(layer: Layer) -> NDArray[np.int32]:
    return pack(np.random.default_rng(1).random(layer._input_shape) < 0.5)


def binary(layer: Layer, output: DType = DType.FLOAT32, pad_value: int = 1) -> Graph:
    """LceBconv2d with float32, int8 or packed (int32) output; weights are random. ``pad_value``: 1, or 0."""
    rng = np.random.default_rng(0)
    filters = pack(rng.random(layer._filter_shape) < 0.5)
    channels = layer.channels_out
    products = layer.filter**2 * layer.channels_in
    is_packed = output == DType.INT32
    shape = (*layer._output_shape[:3], packed_channels(channels)) if is_packed else layer._output_shape
    constants = {
        "filter": filters,
        "multiplier": rng.random(channels, dtype=np.float32),
        "bias": rng.normal(size=channels).astype(np.float32),
        "threshold": np.full(channels, products // 2, np.int32),
    }
    quantization = Quantization((float(np.float32(products**0.5 / 40)),), (3,)) if output == DType.INT8 else None
    tensors = (
        Tensor("input", (1, layer.size, layer.size, packed_channels(layer.channels_in)), DType.INT32),
        *(Tensor(name, data.shape, DType(data.dtype.name), data=data) for name, data in constants.items()),
        Tensor("output", shape, output, quantization),
    )
    options = LceBconv2dOptions(
        channels_in=layer.channels_in,
        pad_values=pad_value,
        padding=Padding.SAME,
        stride_height=layer.stride,
        stride_width=layer.stride,
    )
    inputs = (0, 1, ABSENT, ABSENT, 4) if is_packed else (0, 1, 2, 3, ABSENT)
    if is_packed and pad_value == 0:
        inputs = (0, 1, 2, 3, 4)  # LCE does not use the multiplier then, but reads it
    return _graph(tensors, Op("LceBconv2d", inputs, (5,), options))


def w1a8(layer: Layer, groups: int = 1) -> Graph:
    """EdgebnnConv2dW1A8, quantized per channel, depthwise if ``groups`` are the channels; weights are random."""
    rng = np.random.default_rng(0)
    channels, depthwise = layer.channels_out, groups == layer.channels_in
    minus = rng.random((channels, layer.filter, layer.filter, layer.channels_in // groups)) < 0.5
    constants = {
        "filter": pack(np.moveaxis(minus[..., 0], 0, -1)[None] if depthwise else minus),
        "scale": rng.uniform(0.5, 1, channels).astype(np.float32) / 128,
        "magnitude": np.full(channels, 127, np.int8),
        "bias": rng.integers(-1000, 1000, channels).astype(np.int32),
    }
    output_scale = float(np.float32((layer.filter**2 * layer.channels_in) ** 0.5 / 40))
    tensors = (
        Tensor("input", layer._input_shape, DType.INT8, Quantization((2.0**-6,), (-5,))),
        *(Tensor(name, data.shape, DType(data.dtype.name), data=data) for name, data in constants.items()),
        Tensor("output", layer._output_shape, DType.INT8, Quantization((output_scale,), (3,))),
    )
    options = EdgebnnConv2dW1A8Options(
        channels_in=layer.channels_in,
        groups=1 if depthwise else groups,
        depthwise=int(depthwise),
        padding=Padding.SAME,
        stride_height=layer.stride,
        stride_width=layer.stride,
    )
    return _graph(tensors, Op("EdgebnnConv2dW1A8", (0, 1, 2, 3, 4), (5,), options))


def float32(layer: Layer) -> Graph:
    rng = np.random.default_rng(0)
    filters = rng.normal(size=layer._filter_shape).astype(np.float32)
    bias = rng.normal(size=layer.channels_out).astype(np.float32)
    tensors = (
        Tensor("input", layer._input_shape, DType.FLOAT32),
        _constant("filter", filters),
        _constant("bias", bias),
        Tensor("output", layer._output_shape, DType.FLOAT32),
    )
    return _graph(tensors, Op("CONV_2D", (0, 1, 2), (3,), _options(layer)))


def int8(layer: Layer) -> Graph:
    """Quantized per channel, as TFLite's converter does it."""
    rng = np.random.default_rng(0)
    filters = rng.integers(-127, 128, layer._filter_shape).astype(np.int8)
    bias = rng.integers(-1000, 1000, layer.channels_out).astype(np.int32)
    input_scale = 2.0**-6
    scales = tuple(float(s) for s in rng.uniform(0.5, 1, layer.channels_out).astype(np.float32) / 128)
    bias_scales = tuple(float(np.float32(s * input_scale)) for s in scales)
    zeros = (0,) * layer.channels_out
    output_scale = float(np.float32((layer.filter**2 * layer.channels_in) ** 0.5 / 40))
    tensors = (
        Tensor("input", layer._input_shape, DType.INT8, Quantization((input_scale,), (-5,))),
        _constant("filter", filters, Quantization(scales, zeros)),
        _constant("bias", bias, Quantization(bias_scales, zeros)),
        Tensor("output", layer._output_shape, DType.INT8, Quantization((output_scale,), (3,))),
    )
    return _graph(tensors, Op("CONV_2D", (0, 1, 2), (3,), _options(layer)))


def _constant(name: str, data: Array, quantization: Quantization | None = None) -> Tensor:
    return Tensor(name, data.shape, DType(data.dtype.name), quantization, data)


def _options(layer: Layer) -> Conv2DOptions:
    return Conv2DOptions(
        Padding.SAME, stride_w=layer.stride, stride_h=layer.stride, quantized_bias_type=TensorType.FLOAT32
    )


def _graph(tensors: tuple[Tensor, ...], op: Op) -> Graph:
    return Graph("layer", tensors, (op,), (0,), op.outputs)
