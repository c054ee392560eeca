"""Convolutions and matrix products."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from edgebnn.graph.ops.conv import Conv2DOptions, DepthwiseConv2DOptions, TransposeConvOptions
from edgebnn.graph.ops.dense import BatchMatMulOptions, FullyConnectedOptions
from edgebnn.graph.ops.enums import Padding
from edgebnn.graph.types import DType, Quantization, Shape, Tensor
from tests.support.graphs import constant, per_channel, per_tensor, tensor
from tests.support.op_cases.base import (
    ACTIVATIONS,
    PADDINGS,
    Case,
    Draw,
    any_shape,
    case,
    generator,
    int32,
    optional_quantization,
    power,
    shapes,
)


def _weights(
    draw: Draw, shape: Shape, axis: int, x: Tensor, channels: int, always_bias: bool = False
) -> tuple[Tensor, Tensor | None, Quantization | None]:
    """Weights and bias that fit ``x``, and an output quantization that makes the real factor 2**-12 to 2."""
    rng = generator(draw)
    with_bias = always_bias or draw(st.booleans())
    if x.quantization is None:
        bias = constant("bias", rng.normal(size=channels).astype(np.float32)) if with_bias else None
        return constant("weights", rng.normal(size=shape).astype(np.float32)), bias, None
    largest = draw(st.sampled_from([1, 5, 127]))
    count = shape[axis] if draw(st.booleans()) else 1
    scales = [float(np.float32(draw(power(-10, 0)))) for _ in range(min(count, 3))]
    scales = [scales[i % len(scales)] for i in range(count)]
    weights = constant(
        "weights",
        rng.integers(-largest, largest + 1, shape).astype(np.int8),
        per_channel(scales, axis),
    )
    input_scale = x.quantization.scale[0]
    span = draw(st.sampled_from([10, 1000, 10**6]))
    bias = constant(
        "bias",
        rng.integers(-span, span + 1, channels).astype(np.int32),
        per_channel([float(np.float32(input_scale) * np.float32(s)) for s in scales], 0),
    )
    output = per_tensor(input_scale * max(scales) * draw(power(-1, 12)), draw(st.integers(-128, 127)))
    return weights, bias if with_bias else None, output


@st.composite
def conv_2d(draw: Draw, dtype: DType) -> Case:
    groups, depth, per_group = draw(st.sampled_from([1, 1, 1, 2, 3])), draw(st.integers(1, 9)), draw(st.integers(1, 5))
    n, height, width, _ = draw(shapes(4, 9))
    filter_size = draw(shapes(2, 4))
    dilation = draw(st.sampled_from([(1, 1), (1, 1), (2, 1), (1, 3), (2, 2)]))
    padding = draw(PADDINGS)
    if padding == Padding.VALID:
        height = max(height, (filter_size[0] - 1) * dilation[0] + 1)
        width = max(width, (filter_size[1] - 1) * dilation[1] + 1)
    x = tensor("x", (min(n, 2), height, width, groups * depth), dtype, optional_quantization(draw, dtype))
    channels = groups * per_group
    weights, bias, output = _weights(draw, (channels, *filter_size, depth), 0, x, channels, always_bias=True)
    options = Conv2DOptions(
        padding=padding,
        stride_h=draw(st.integers(1, 3)),
        stride_w=draw(st.integers(1, 3)),
        fused_activation_function=draw(ACTIVATIONS),
        dilation_h_factor=dilation[0],
        dilation_w_factor=dilation[1],
    )
    return case(draw, "CONV_2D", options, [x, weights, bias], tensor("y", (), dtype, output))


@st.composite
def depthwise_conv_2d(draw: Draw, dtype: DType) -> Case:
    channels, multiplier = draw(st.integers(1, 7)), draw(st.integers(1, 3))
    n, height, width, _ = draw(shapes(4, 9))
    filter_size = draw(shapes(2, 4))
    dilation = draw(st.sampled_from([(1, 1), (1, 1), (2, 1), (1, 3)]))
    padding = draw(PADDINGS)
    if padding == Padding.VALID:
        height = max(height, (filter_size[0] - 1) * dilation[0] + 1)
        width = max(width, (filter_size[1] - 1) * dilation[1] + 1)
    x = tensor("x", (min(n, 2), height, width, channels), dtype, optional_quantization(draw, dtype))
    outputs = channels * multiplier
    weights, bias, output = _weights(draw, (1, *filter_size, outputs), 3, x, outputs, always_bias=True)
    options = DepthwiseConv2DOptions(
        padding=padding,
        stride_h=draw(st.integers(1, 3)),
        stride_w=draw(st.integers(1, 3)),
        depth_multiplier=multiplier,
        fused_activation_function=draw(ACTIVATIONS),
        dilation_h_factor=dilation[0],
        dilation_w_factor=dilation[1],
    )
    return case(draw, "DEPTHWISE_CONV_2D", options, [x, weights, bias], tensor("y", (), dtype, output))


@st.composite
def transpose_conv(draw: Draw, dtype: DType) -> Case:
    n, height, width, depth = draw(shapes(4, 5))
    channels, filter_size, stride = draw(st.integers(1, 5)), draw(shapes(2, 4)), draw(shapes(2, 3))
    padding = draw(PADDINGS)
    size = [
        edge * step if padding == Padding.SAME else (edge - 1) * step + extent
        for edge, step, extent in zip((height, width), stride, filter_size, strict=True)
    ]
    x = tensor("x", (n, height, width, depth), dtype, optional_quantization(draw, dtype))
    weights, bias, output = _weights(draw, (channels, *filter_size, depth), 0, x, channels)
    options = TransposeConvOptions(
        padding, stride_h=stride[0], stride_w=stride[1], fused_activation_function=draw(ACTIVATIONS)
    )
    arguments = [int32("shape", [n, *size, channels]), weights, x, *([bias] if bias else [])]
    return case(draw, "TRANSPOSE_CONV", options, arguments, tensor("y", (), dtype, output))


@st.composite
def fully_connected(draw: Draw, dtype: DType) -> Case:
    depth, channels = draw(st.integers(1, 40)), draw(st.integers(1, 9))
    keep = draw(st.booleans())
    x = tensor("x", (*draw(any_shape(1, 2)), depth), dtype, optional_quantization(draw, dtype))
    weights, bias, output = _weights(draw, (channels, depth), 0, x, channels)
    if weights.quantization and weights.quantization.per_tensor:
        weights = replace(weights, quantization=replace(weights.quantization, zero_point=(draw(st.integers(-3, 3)),)))
    options = FullyConnectedOptions(fused_activation_function=draw(ACTIVATIONS), keep_num_dims=keep)
    return case(draw, "FULLY_CONNECTED", options, [x, weights, bias], tensor("y", (), dtype, output))


@st.composite
def batch_matmul(draw: Draw, dtype: DType) -> Case:
    rows, depth, columns = draw(shapes(3, 7))
    batch = draw(any_shape(1, 2))
    adj_x, adj_y = draw(st.booleans()), draw(st.booleans())
    a = tensor(
        "a", (*batch, depth, rows) if adj_x else (*batch, rows, depth), dtype, optional_quantization(draw, dtype, -5, 0)
    )
    b = tensor(
        "b",
        (*batch, columns, depth) if adj_y else (*batch, depth, columns),
        dtype,
        optional_quantization(draw, dtype, -5, 0),
    )
    output = None
    if a.quantization and b.quantization:
        output = per_tensor(a.quantization.scale[0] * b.quantization.scale[0] * draw(power(0, 10)), 5)
    return case(draw, "BATCH_MATMUL", BatchMatMulOptions(adj_x, adj_y), [a, b], tensor("y", (), dtype, output))
