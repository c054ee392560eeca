"""Int8 layers with the scales that networks have: factors well below 1, outputs over the whole range."""

from __future__ import annotations

import numpy as np

from edgebnn.graph.ops.conv import Conv2DOptions, DepthwiseConv2DOptions
from edgebnn.graph.ops.dense import FullyConnectedOptions
from edgebnn.graph.ops.enums import Activation, Padding
from edgebnn.graph.types import Array, DType, Graph, Shape
from tests.support.graphs import constant, one_op, per_channel, per_tensor, tensor


def values(rng: np.random.Generator, shape: Shape) -> Array:
    return rng.integers(-128, 128, shape).astype(np.int8)


def _of_weights(
    rng: np.random.Generator, shape: Shape, axis: int, taps: int, x_scale: float
) -> tuple[list[object], float]:
    """Weights and bias, and a scale for the output of sums of ``taps`` products."""
    outputs = shape[axis]
    scales = rng.uniform(0.002, 0.02, outputs)
    weights = constant("weights", rng.integers(-127, 128, shape).astype(np.int8), per_channel(list(scales), axis))
    bias = constant(
        "bias",
        rng.integers(-3000, 3000, outputs).astype(np.int32),
        per_channel([x_scale * float(np.float32(s)) for s in scales], 0),
    )
    return [weights, bias], x_scale * float(scales.max()) * 127 * np.sqrt(taps) * 0.7


def convolution(
    size: tuple[int, int],
    channels: tuple[int, int],
    *,
    filter_size: tuple[int, int] = (3, 3),
    groups: int = 1,
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
    padding: Padding = Padding.SAME,
    activation: Activation = Activation.NONE,
    batches: int = 1,
    zero_points: tuple[int, int] = (-5, 9),
    seed: int = 0,
) -> Graph:
    """A CONV_2D of ``channels`` in and out."""
    rng = np.random.default_rng(seed)
    x = tensor("x", (batches, *size, channels[0]), DType.INT8, per_tensor(0.05, zero_points[0]))
    shape = (channels[1], *filter_size, channels[0] // groups)
    operands, scale = _of_weights(rng, shape, 0, int(np.prod(shape[1:])), 0.05)
    options = Conv2DOptions(
        padding=padding,
        stride_h=stride[0],
        stride_w=stride[1],
        dilation_h_factor=dilation[0],
        dilation_w_factor=dilation[1],
        fused_activation_function=activation,
    )
    y = tensor("y", (), DType.INT8, per_tensor(scale, zero_points[1]))
    return one_op("CONV_2D", options, [x, *operands], [y])


def depthwise(
    size: tuple[int, int],
    channels: int,
    *,
    filter_size: tuple[int, int] = (3, 3),
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
    padding: Padding = Padding.SAME,
    activation: Activation = Activation.NONE,
    batches: int = 1,
    seed: int = 0,
) -> Graph:
    """A DEPTHWISE_CONV_2D of one output channel for each input channel."""
    rng = np.random.default_rng(seed)
    x = tensor("x", (batches, *size, channels), DType.INT8, per_tensor(0.05, 11))
    shape = (1, *filter_size, channels)
    operands, scale = _of_weights(rng, shape, 3, int(np.prod(filter_size)), 0.05)
    options = DepthwiseConv2DOptions(
        padding=padding,
        stride_h=stride[0],
        stride_w=stride[1],
        depth_multiplier=1,
        dilation_h_factor=dilation[0],
        dilation_w_factor=dilation[1],
        fused_activation_function=activation,
    )
    y = tensor("y", (), DType.INT8, per_tensor(scale, -20))
    return one_op("DEPTHWISE_CONV_2D", options, [x, *operands], [y])


def dense(rows: int, depth: int, outputs: int, seed: int = 0) -> Graph:
    """A FULLY_CONNECTED."""
    rng = np.random.default_rng(seed)
    x = tensor("x", (rows, depth), DType.INT8, per_tensor(0.05, 4))
    operands, scale = _of_weights(rng, (outputs, depth), 0, depth, 0.05)
    y = tensor("y", (), DType.INT8, per_tensor(scale, 7))
    return one_op("FULLY_CONNECTED", FullyConnectedOptions(), [x, *operands], [y])
