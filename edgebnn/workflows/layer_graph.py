"""A layer by its shape as a model of that one layer, to be measured: random weights, batch 1, no TensorFlow.

The op is the one that converting the whole network would give. Where LCE has no binary op (depthwise layers, groups
that do not fill words of 32) the float op that its converter leaves stands for the layer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgebnn.arithmetic.packing import WORD_BITS, pack, packed_channels
from edgebnn.errors import InputError
from edgebnn.graph.ops.binary import LceBconv2dOptions, LceQuantizeOptions
from edgebnn.graph.ops.conv import Conv2DOptions, DepthwiseConv2DOptions
from edgebnn.graph.ops.dense import FullyConnectedOptions
from edgebnn.graph.ops.enums import Activation, Padding
from edgebnn.graph.ops.w1a8 import EdgebnnConv2dW1A8Options, EdgebnnDenseW1A8Options
from edgebnn.graph.types import ABSENT, Array, DType, Graph, Op, Options, Quantization, Shape, Tensor
from edgebnn.pruning.channels.layers import LayerShape

_ACTIVATION_SCALE = Quantization((2.0**-6,), (-5,))

_BLOCK = 65_521  # a prime: rows of weights do not repeat each other


@dataclass(frozen=True)
class _Step:
    """An op between the tensor before it and the one that it makes."""

    kind: str
    options: Options
    constants: tuple[Tensor | None, ...]
    output: Tensor


def layer_graph(layer: LayerShape, *, packed_output: bool = False) -> Graph:
    """The model of ``layer``: float in and out, or int8 (of int8 and W1A8 layers); a binary one with its quantization.

    With ``packed_output`` a binary convolution takes packed signs and gives packed signs, as between binary
    convolutions with nothing but batch normalisation and pooling between them. Raises InputError for a shape that is
    no layer.
    """
    if min(layer.in_channels, layer.out_channels, *layer.input_size, *layer.output_size) < 1:
        raise InputError(f"layer '{layer.name}': has no channels or no size left")
    if is_binary(layer):
        return _binary(layer, packed_output)
    if layer.precision == "w1a8":
        return _w1a8(layer)
    if layer.precision == "int8":
        return _int8(layer)
    return _float(layer)


def is_binary(layer: LayerShape) -> bool:
    """Whether conversion makes a binary convolution of ``layer``; of a dense layer of signs, one of a single pixel."""
    whole_words = layer.groups == 1 or (layer.in_channels // layer.groups) % WORD_BITS == 0
    one_pixel = layer.kind == "dense" and layer.output_size == (1, 1)
    return layer.precision == "w1a1" and (one_pixel or (layer.kind == "conv2d" and whole_words))


def _binary(layer: LayerShape, packed_output: bool) -> Graph:
    rng = np.random.default_rng(0)
    depth, channels = layer.in_channels // layer.groups, layer.out_channels
    signs = Tensor("signs", (1, *layer.input_size, packed_channels(layer.in_channels)), DType.INT32)
    options = LceBconv2dOptions(
        channels_in=layer.in_channels,
        dilation_height_factor=layer.dilation[0],
        dilation_width_factor=layer.dilation[1],
        pad_values=int(layer.padding == "same" and layer.pad_values != 0),  # -1 costs what 1 costs
        padding=_padding(layer),
        stride_height=layer.strides[0],
        stride_width=layer.strides[1],
    )
    filters = _constant("filter", _random_signs(rng, (channels, *layer.kernel, depth)))
    if packed_output:
        products = layer.kernel[0] * layer.kernel[1] * depth
        threshold = _constant("threshold", np.full(channels, products // 2, np.int32))
        words = Tensor("output", (1, *layer.output_size, packed_channels(channels)), DType.INT32)
        return _chain(signs, [_Step("LceBconv2d", options, (filters, None, None, threshold), words)])
    multiplier = _constant("multiplier", rng.random(channels, dtype=np.float32))
    bias = _constant("bias", rng.normal(size=channels).astype(np.float32))
    image = Tensor("input", (1, *layer.input_size, layer.in_channels), DType.FLOAT32)
    output = Tensor("output", (1, *layer.output_size, channels), DType.FLOAT32)
    return _chain(
        image,
        [
            _Step("LceQuantize", LceQuantizeOptions(), (), signs),
            _Step("LceBconv2d", options, (filters, multiplier, bias, None), output),
        ],
    )


def _float(layer: LayerShape) -> Graph:
    rng = np.random.default_rng(0)
    bias = _constant("bias", rng.normal(size=layer.out_channels).astype(np.float32))
    weights = _constant("filter", _repeated(rng.standard_normal(_BLOCK, dtype=np.float32), _filter_shape(layer)))
    kind, options = _standard_op(layer)
    source, output = (Tensor(name, shape, DType.FLOAT32) for name, shape in _ends(layer).items())
    return _chain(source, [_Step(kind, options, (weights, bias), output)])


def _int8(layer: LayerShape) -> Graph:
    """TFLite's op in int8, with a scale for each channel; dense layers have one for all."""
    rng = np.random.default_rng(0)
    channels = 1 if layer.kind == "dense" else layer.out_channels
    scales = tuple(float(scale) for scale in rng.uniform(0.005, 0.02, channels).astype(np.float32))
    (input_scale,) = _ACTIVATION_SCALE.scale
    weights = _constant(
        "filter",
        _repeated(rng.integers(-127, 128, _BLOCK).astype(np.int8), _filter_shape(layer)),
        Quantization(scales, (0,) * channels, axis=3 if layer.kind == "depthwise_conv2d" else 0),
    )
    bias = _constant(
        "bias",
        rng.integers(-3000, 3000, layer.out_channels).astype(np.int32),
        Quantization(tuple(float(np.float32(scale * input_scale)) for scale in scales), (0,) * channels),
    )
    kind, options = _standard_op(layer)
    shapes = _ends(layer)
    source = Tensor("input", shapes["input"], DType.INT8, _ACTIVATION_SCALE)
    output = Tensor("output", shapes["output"], DType.INT8, _output_scale(layer))
    return _chain(source, [_Step(kind, options, (weights, bias), output)])


def _output_scale(layer: LayerShape) -> Quantization:
    """Of an int8 result, such that the random sums fill its range: from 0 on, as that of a ReLU is.

    Bounds inside the range, which no conversion leaves, cost kernels of microcontrollers more instructions.
    """
    return Quantization((float(np.float32((layer.weights / layer.out_channels) ** 0.5 * 0.01)),), (-128,))


def _w1a8(layer: LayerShape) -> Graph:
    rng = np.random.default_rng(0)
    channels = layer.out_channels
    constants = (
        _constant("filter", _random_signs(rng, _filter_shape(layer))),
        _constant("scale", rng.uniform(0.005, 0.02, channels).astype(np.float32)),
        _constant("magnitude", np.full(channels, 127, np.int8)),
        _constant("bias", rng.integers(-3000, 3000, channels).astype(np.int32)),
    )
    shapes = _ends(layer)
    source = Tensor("input", shapes["input"], DType.INT8, _ACTIVATION_SCALE)
    output = Tensor("output", shapes["output"], DType.INT8, _output_scale(layer))
    options: Options
    if layer.kind == "dense":
        kind = "EdgebnnDenseW1A8"
        options = EdgebnnDenseW1A8Options(channels_in=layer.in_channels, keep_num_dims=int(len(shapes["input"]) > 2))
    else:
        kind = "EdgebnnConv2dW1A8"
        options = EdgebnnConv2dW1A8Options(
            channels_in=layer.in_channels,
            groups=1 if layer.kind == "depthwise_conv2d" else layer.groups,
            depthwise=int(layer.kind == "depthwise_conv2d"),
            padding=_padding(layer),
            stride_height=layer.strides[0],
            stride_width=layer.strides[1],
            dilation_height_factor=layer.dilation[0],
            dilation_width_factor=layer.dilation[1],
            fused_activation_function=Activation.RELU,
        )
    return _chain(source, [_Step(kind, options, constants, output)])


def _standard_op(layer: LayerShape) -> tuple[str, Options]:
    """TFLite's op, with the ReLU that a network has fused into it."""
    if layer.kind == "dense":
        keep = layer.output_size != (1, 1)
        return "FULLY_CONNECTED", FullyConnectedOptions(Activation.RELU, keep_num_dims=keep)
    (stride_h, stride_w), (dilation_h, dilation_w) = layer.strides, layer.dilation
    if layer.kind == "depthwise_conv2d":
        return "DEPTHWISE_CONV_2D", DepthwiseConv2DOptions(
            padding=_padding(layer),
            stride_w=stride_w,
            stride_h=stride_h,
            depth_multiplier=layer.out_channels // layer.in_channels,
            fused_activation_function=Activation.RELU,
            dilation_w_factor=dilation_w,
            dilation_h_factor=dilation_h,
        )
    return "CONV_2D", Conv2DOptions(
        padding=_padding(layer),
        stride_w=stride_w,
        stride_h=stride_h,
        fused_activation_function=Activation.RELU,
        dilation_w_factor=dilation_w,
        dilation_h_factor=dilation_h,
    )


def _filter_shape(layer: LayerShape) -> Shape:
    """As TFLite stores it; the last axis is the one that packing packs."""
    if layer.kind == "dense":
        return (layer.out_channels, layer.in_channels)
    if layer.kind == "depthwise_conv2d":
        return (1, *layer.kernel, layer.out_channels)
    return (layer.out_channels, *layer.kernel, layer.in_channels // layer.groups)


def _ends(layer: LayerShape) -> dict[str, Shape]:
    """Shapes of input and output; a dense layer that is applied once takes and gives rows."""
    if layer.kind == "dense" and layer.output_size == (1, 1):
        return {"input": (1, layer.in_channels), "output": (1, layer.out_channels)}
    return {"input": (1, *layer.input_size, layer.in_channels), "output": (1, *layer.output_size, layer.out_channels)}


def _padding(layer: LayerShape) -> Padding:
    return Padding.SAME if layer.padding == "same" else Padding.VALID


def _random_signs(rng: np.random.Generator, shape: Shape) -> Array:
    return pack(_repeated(rng.random(_BLOCK) < 0.5, shape))


def _repeated(block: Array, shape: Shape) -> Array:
    """An array made of copies of ``block``: drawing the 38 million weights of a layer of AlexNet takes a second."""
    return np.resize(block, shape)


def _constant(name: str, data: Array, quantization: Quantization | None = None) -> Tensor:
    return Tensor(name, data.shape, DType(data.dtype.name), quantization, data)


def _chain(source: Tensor, steps: list[_Step]) -> Graph:
    """The steps one after another, from ``source`` on."""
    tensors, ops, at = [source], [], 0
    for step in steps:
        indices = [at]
        for tensor in step.constants:
            indices.append(ABSENT if tensor is None else len(tensors))
            if tensor is not None:
                tensors.append(tensor)
        at = len(tensors)
        tensors.append(step.output)
        ops.append(Op(step.kind, tuple(indices), (at,), step.options))
    return Graph("layer", tuple(tensors), tuple(ops), (0,), (at,))
