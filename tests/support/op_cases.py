"""Random single-op graphs with inputs, one hypothesis strategy per op, for float32 and int8 alike.

Scales are chosen so that results use the output's range, overflow it at times, and often fall near a half, where
roundings differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import ceil, floor
from typing import Any

import numpy as np
from hypothesis import strategies as st

from edgebnn.graph.ops.activation import LeakyReluOptions, SoftmaxOptions
from edgebnn.graph.ops.conv import Conv2DOptions, DepthwiseConv2DOptions, TransposeConvOptions
from edgebnn.graph.ops.dense import BatchMatMulOptions, FullyConnectedOptions
from edgebnn.graph.ops.elementwise import AddOptions, DivOptions, MulOptions, SubOptions
from edgebnn.graph.ops.enums import Activation, MirrorPadMode, Padding, TensorType
from edgebnn.graph.ops.pool import Pool2DOptions
from edgebnn.graph.ops.quantize import CastOptions
from edgebnn.graph.ops.reduce import ArgMaxOptions, ArgMinOptions, ReducerOptions
from edgebnn.graph.ops.resize import ResizeBilinearOptions, ResizeNearestNeighborOptions
from edgebnn.graph.ops.shape_ops import (
    ConcatenationOptions,
    GatherOptions,
    PackOptions,
    ReshapeOptions,
    ShapeOptions,
    SplitOptions,
    SqueezeOptions,
    UnpackOptions,
)
from edgebnn.graph.ops.slicing import DepthToSpaceOptions, MirrorPadOptions, SpaceToDepthOptions, StridedSliceOptions
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import Array, DType, Graph, Options, Quantization, Shape, Tensor
from tests.support.graphs import constant, one_op, per_channel, per_tensor, tensor


@dataclass(frozen=True)
class Case:
    """A graph of one op and inputs for it."""

    graph: Graph
    inputs: tuple[Array, ...]


Draw = Callable[[st.SearchStrategy[Any]], Any]
Cases = Callable[[DType], st.SearchStrategy[Case]]

VERSIONS = {"BROADCAST_TO": 2}
"""Op versions that LiteRT demands, where it is not 1."""

ACTIVATIONS = st.sampled_from([Activation.NONE, Activation.RELU, Activation.RELU_N1_TO_1, Activation.RELU6])
PADDINGS = st.sampled_from(Padding)


def power(low: float, high: float) -> st.SearchStrategy[float]:
    """float32 numbers from 2**low to 2**high, evenly on the logarithmic scale; many powers of two, so ties occur."""
    exponents = st.floats(low, high) | st.integers(ceil(low), floor(high))
    return exponents.map(lambda exponent: float(np.float32(2.0**exponent)))


@st.composite
def quantizations(draw: Draw, low: float = -8, high: float = 1) -> Quantization:
    return per_tensor(draw(power(low, high)), draw(st.integers(-128, 127)))


def optional_quantization(draw: Draw, dtype: DType, low: float = -8, high: float = 1) -> Quantization | None:
    return draw(quantizations(low, high)) if dtype == DType.INT8 else None


def values(rng: np.random.Generator, shape: Shape, dtype: DType) -> Array:
    """Values over the whole range of int8, a few units wide for float32 and other integers."""
    if dtype == DType.FLOAT32:
        return rng.normal(scale=3, size=shape).astype(np.float32)
    if dtype == DType.BOOL:
        return rng.integers(0, 2, shape).astype(np.bool_)
    if dtype in (DType.INT8, DType.UINT8):
        limits = np.iinfo(dtype.numpy)
        return rng.integers(limits.min, limits.max + 1, shape).astype(dtype.numpy)
    return rng.integers(-9, 10, shape).astype(dtype.numpy)


def generator(draw: Draw) -> np.random.Generator:
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1)))


def shapes(rank: int, most: int = 6) -> st.SearchStrategy[Shape]:
    return st.tuples(*[st.integers(1, most)] * rank)


def any_shape(smallest_rank: int = 1, largest_rank: int = 4) -> st.SearchStrategy[Shape]:
    return st.integers(smallest_rank, largest_rank).flatmap(shapes)


def case(
    draw: Draw,
    kind: str,
    options: Options,
    inputs: list[Tensor | None],
    output: Tensor | list[Tensor],
    data: list[Array] | None = None,
) -> Case:
    """The op on ``inputs``; those without data get random values unless ``data`` gives them."""
    outputs = output if isinstance(output, list) else [output]
    graph = one_op(kind, options, inputs, outputs, VERSIONS.get(kind, 1))
    if data is None:
        rng = generator(draw)
        tensors = [graph.tensors[i] for i in graph.inputs]
        data = [values(rng, t.shape, t.dtype) for t in tensors]
    return Case(graph, tuple(data))


def int32(name: str, numbers: Any) -> Tensor:
    return constant(name, np.asarray(numbers, np.int32))


# ---- Convolutions and matrix products --------------------------------------------------------------------------------


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


# ---- Pooling and reduction -------------------------------------------------------------------------------------------


def pool(kind: str) -> Cases:
    @st.composite
    def strategy(draw: Draw, dtype: DType) -> Case:
        shape, padding, filter_size = draw(shapes(4, 9)), draw(PADDINGS), draw(shapes(2, 4))
        if padding == Padding.VALID:
            shape = (shape[0], max(shape[1], filter_size[0]), max(shape[2], filter_size[1]), shape[3])
        quantization = optional_quantization(draw, dtype)
        options = Pool2DOptions(
            padding,
            stride_h=draw(st.integers(1, 3)),
            stride_w=draw(st.integers(1, 3)),
            filter_height=filter_size[0],
            filter_width=filter_size[1],
            fused_activation_function=draw(ACTIVATIONS),
        )
        x, y = tensor("x", shape, dtype, quantization), tensor("y", (), dtype, quantization)
        return case(draw, kind, options, [x], y)

    return strategy


def reduction(kind: str, factor: tuple[float, float] | None = None) -> Cases:
    """``factor``: range of output scale / input scale (log2); None where both quantizations must be equal."""

    @st.composite
    def strategy(draw: Draw, dtype: DType) -> Case:
        shape = draw(any_shape())
        axes = draw(st.lists(st.integers(-len(shape), len(shape) - 1), min_size=1, max_size=len(shape)))
        quantization = optional_quantization(draw, dtype, -6, 0)
        output = quantization
        if quantization and factor:
            output = per_tensor(quantization.scale[0] * draw(power(*factor)), draw(st.integers(-128, 127)))
        options = ReducerOptions(keep_dims=draw(st.booleans()))
        x, y = tensor("x", shape, dtype, quantization), tensor("y", (), dtype, output)
        return case(draw, kind, options, [x, int32("axes", axes)], y)

    return strategy


def arg(kind: str, options: Options) -> Cases:
    @st.composite
    def strategy(draw: Draw, dtype: DType) -> Case:
        shape = draw(any_shape())
        x = tensor("x", shape, dtype, optional_quantization(draw, dtype))
        axis = int32("axis", [draw(st.integers(0, len(shape) - 1))])
        return case(draw, kind, options, [x, axis], tensor("y", (), DType.INT32))

    return strategy


# ---- Elementwise -----------------------------------------------------------------------------------------------------


@st.composite
def broadcastable(draw: Draw) -> tuple[Shape, Shape]:
    """Two shapes of one rank in which some axes are 1, or of ranks that differ."""
    shape = draw(any_shape())
    other = tuple(d if draw(st.booleans()) else 1 for d in shape)
    if draw(st.booleans()):
        other = other[draw(st.integers(0, len(shape) - 1)) :]
    return (shape, other) if draw(st.booleans()) else (other, shape)


def elementwise(kind: str, options: Callable[[Activation], Options], scale: tuple[float, float] | None = None) -> Cases:
    """``scale``: range of the output's scale (log2); None where all quantizations must be equal."""

    @st.composite
    def strategy(draw: Draw, dtype: DType) -> Case:
        a_shape, b_shape = draw(broadcastable())
        a = optional_quantization(draw, dtype, -6, 1)
        b = optional_quantization(draw, dtype, -6, 1) if scale else a
        output = optional_quantization(draw, dtype, *scale) if scale else a
        y = tensor("y", (), dtype, output)
        return case(
            draw, kind, options(draw(ACTIVATIONS)), [tensor("a", a_shape, dtype, a), tensor("b", b_shape, dtype, b)], y
        )

    return strategy


def division(kind: str, options: Options) -> Cases:
    @st.composite
    def strategy(draw: Draw, dtype: DType) -> Case:
        a_shape, b_shape = draw(broadcastable())
        rng = generator(draw)
        data = [values(rng, a_shape, dtype), np.asarray(rng.choice([-3, -2, 2, 5], b_shape), dtype.numpy)]
        operands: list[Tensor | None] = [tensor("a", a_shape, dtype), tensor("b", b_shape, dtype)]
        return case(draw, kind, options, operands, tensor("y", (), dtype), data)

    return strategy


@st.composite
def power_of(draw: Draw, dtype: DType) -> Case:
    a_shape, b_shape = draw(broadcastable())
    rng = generator(draw)
    data = [np.abs(values(rng, a_shape, dtype)), values(rng, b_shape, dtype) / 4]
    operands: list[Tensor | None] = [tensor("a", a_shape, dtype), tensor("b", b_shape, dtype)]
    return case(draw, "POW", NoOptions(), operands, tensor("y", (), dtype), data)


def unary(
    kind: str,
    options: Options | None = None,
    transform: Callable[[Array], Array] | None = None,
    output: Quantization | None = None,
    scale: tuple[float, float] = (-7, 0),
) -> Cases:
    """``output``: the quantization that the op prescribes. ``transform`` keeps float inputs in the op's domain."""

    @st.composite
    def strategy(draw: Draw, dtype: DType) -> Case:
        shape = (2, 8, 16) if dtype == DType.INT8 else draw(any_shape(1, 3))  # all values of int8
        x = tensor("x", (1, *shape), dtype, optional_quantization(draw, dtype))
        fitting = output or optional_quantization(draw, dtype, *scale)
        y = tensor("y", (), dtype, fitting if dtype == DType.INT8 else None)
        if dtype == DType.INT8:
            data = np.arange(-128, 128).astype(np.int8).reshape(1, *shape)
        else:
            data = values(generator(draw), (1, *shape), dtype)
            data = transform(data) if transform is not None else data
        return case(draw, kind, options or NoOptions(), [x], y, [data])

    return strategy


@st.composite
def hard_swish(draw: Draw, dtype: DType) -> Case:
    x = tensor("x", draw(any_shape()), dtype, optional_quantization(draw, dtype, -8, 2))
    output = None
    if x.quantization:
        output = per_tensor(x.quantization.scale[0] * draw(power(-6.9, 2)), draw(st.integers(-128, 127)))
    return case(draw, "HARD_SWISH", NoOptions(), [x], tensor("y", (), dtype, output))


@st.composite
def leaky_relu(draw: Draw, dtype: DType) -> Case:
    alpha = float(np.float32(draw(st.floats(0.001953125, 1.5, width=32))))
    return draw(unary("LEAKY_RELU", LeakyReluOptions(alpha))(dtype))


@st.composite
def prelu(draw: Draw, dtype: DType) -> Case:
    shape = draw(shapes(4))
    slopes_shape = draw(st.sampled_from([shape[1:], (1, 1, shape[3])]))
    rng = generator(draw)
    slopes = constant("slopes", values(rng, slopes_shape, dtype), optional_quantization(draw, dtype, -10, -4))
    x = tensor("x", shape, dtype, optional_quantization(draw, dtype))
    y = tensor("y", (), dtype, optional_quantization(draw, dtype))
    return case(draw, "PRELU", NoOptions(), [x, slopes], y)


@st.composite
def softmax(draw: Draw, dtype: DType) -> Case:
    x = tensor(
        "x", draw(any_shape(1, 4).map(lambda s: (*s[:-1], s[-1] * 7))), dtype, optional_quantization(draw, dtype)
    )
    output = per_tensor(1 / 256, -128) if dtype == DType.INT8 else None
    beta = draw(st.sampled_from([1.0, 1.0, 0.5, 3.0]))
    return case(draw, "SOFTMAX", SoftmaxOptions(beta), [x], tensor("y", (), dtype, output))


@st.composite
def rsqrt(draw: Draw, dtype: DType) -> Case:
    shape, rng = draw(any_shape()), generator(draw)
    x = tensor("x", shape, dtype, optional_quantization(draw, dtype))
    y = tensor("y", (), dtype, optional_quantization(draw, dtype, -6, 2))
    if x.quantization is None:
        data = values(rng, shape, dtype) ** 2 + np.float32(0.01)
    else:
        data = rng.integers(x.quantization.zero_point[0], 128, shape).astype(np.int8)
    return case(draw, "RSQRT", NoOptions(), [x], y, [data])


def comparison(kind: str) -> Cases:
    @st.composite
    def strategy(draw: Draw, dtype: DType) -> Case:
        a_shape, b_shape = draw(broadcastable())
        a = tensor("a", a_shape, dtype, optional_quantization(draw, dtype, -8, -1))
        b = tensor("b", b_shape, dtype, optional_quantization(draw, dtype, -8, -1))
        rng = generator(draw)
        data = [values(rng, t.shape, dtype) for t in (a, b)]
        if dtype == DType.FLOAT32:
            data = [np.round(d) for d in data]
        return case(draw, kind, NoOptions(), [a, b], tensor("y", (), DType.BOOL), data)

    return strategy


def selection(kind: str) -> Cases:
    @st.composite
    def strategy(draw: Draw, dtype: DType) -> Case:
        shape = draw(any_shape())
        condition = shape if kind == "SELECT" else tuple(d if draw(st.booleans()) else 1 for d in shape)
        quantization = optional_quantization(draw, dtype)
        a, b = tensor("a", shape, dtype, quantization), tensor("b", shape, dtype, quantization)
        inputs: list[Tensor | None] = [tensor("condition", condition, DType.BOOL), a, b]
        return case(draw, kind, NoOptions(), inputs, tensor("y", (), dtype, quantization))

    return strategy


# ---- Moving values ---------------------------------------------------------------------------------------------------


def moving(
    kind: str, build: Callable[[Draw, Shape], tuple[Options, list[Tensor | None]]], rank: int | None = None
) -> Cases:
    """An op whose first input is data and whose other arguments ``build`` makes from the data's shape."""

    @st.composite
    def strategy(draw: Draw, dtype: DType) -> Case:
        shape = draw(shapes(rank) if rank else any_shape())
        quantization = optional_quantization(draw, dtype)
        options, arguments = build(draw, shape)
        x, y = tensor("x", shape, dtype, quantization), tensor("y", (), dtype, quantization)
        return case(draw, kind, options, [x, *arguments], y)

    return strategy


def _reshape(draw: Draw, shape: Shape) -> tuple[Options, list[Tensor | None]]:
    wanted = draw(st.permutations(list(shape)))
    if draw(st.booleans()):
        wanted[draw(st.integers(0, len(shape) - 1))] = -1
    return ReshapeOptions(), [int32("shape", wanted)]


def _expand(draw: Draw, shape: Shape) -> tuple[Options, list[Tensor | None]]:
    return NoOptions(), [int32("axis", [draw(st.integers(-len(shape) - 1, len(shape)))])]


def _transpose(draw: Draw, shape: Shape) -> tuple[Options, list[Tensor | None]]:
    return NoOptions(), [int32("permutation", draw(st.permutations(range(len(shape)))))]


def _slice(draw: Draw, shape: Shape) -> tuple[Options, list[Tensor | None]]:
    begin = [draw(st.integers(0, d - 1)) for d in shape]
    size = [draw(st.sampled_from([-1, draw(st.integers(1, d - b))])) for d, b in zip(shape, begin, strict=True)]
    return NoOptions(), [int32("begin", begin), int32("size", size)]


def _strided_slice(draw: Draw, shape: Shape) -> tuple[Options, list[Tensor | None]]:
    begin, end, strides = [], [], []
    for d in shape:
        stride = draw(st.sampled_from([-2, -1, 1, 1, 2]))
        low, high = sorted((draw(st.integers(0, d - 1)), draw(st.integers(0, d - 1))))
        begin.append(low if stride > 0 else high)
        end.append(high + 1 if stride > 0 else low - 1 - (d if low == 0 else 0))
        strides.append(stride)
    masks = [draw(st.integers(0, 2 ** len(shape) - 1)) for _ in range(3)]
    shrink = masks[2] & sum(1 << a for a, s in enumerate(strides) if s > 0)
    options = StridedSliceOptions(begin_mask=masks[0] & ~shrink, end_mask=masks[1] & ~shrink, shrink_axis_mask=shrink)
    return options, [int32("begin", begin), int32("end", end), int32("strides", strides)]


def _pad(draw: Draw, shape: Shape) -> tuple[Options, list[Tensor | None]]:
    return NoOptions(), [int32("paddings", [[draw(st.integers(0, 3)), draw(st.integers(0, 3))] for _ in shape])]


def _mirror_pad(draw: Draw, shape: Shape) -> tuple[Options, list[Tensor | None]]:
    mode = draw(st.sampled_from(MirrorPadMode))
    edge = 1 if mode == MirrorPadMode.REFLECT else 0
    paddings = [[draw(st.integers(0, min(3, d - edge))) for _ in range(2)] for d in shape]
    return MirrorPadOptions(mode), [int32("paddings", paddings)]


def _gather(draw: Draw, shape: Shape) -> tuple[Options, list[Tensor | None]]:
    axis = draw(st.integers(0, len(shape) - 1))
    indices = draw(st.lists(st.integers(0, shape[axis] - 1), min_size=1, max_size=5))
    return GatherOptions(axis=axis), [int32("indices", indices)]


def _tile(draw: Draw, shape: Shape) -> tuple[Options, list[Tensor | None]]:
    return NoOptions(), [int32("repeats", [draw(st.integers(1, 3)) for _ in shape])]


def _broadcast_to(draw: Draw, shape: Shape) -> tuple[Options, list[Tensor | None]]:
    grown = [draw(st.integers(1, 4)) if d == 1 else d for d in shape]
    return NoOptions(), [int32("shape", grown)]


def _split_batches(draw: Draw, shape: Shape) -> tuple[Options, list[Tensor | None]]:
    block = [draw(st.integers(1, 3)), draw(st.integers(1, 3))]
    paddings = [[0, (-d) % b] for d, b in zip(shape[1:3], block, strict=True)]
    return NoOptions(), [int32("block", block), int32("paddings", paddings)]


@st.composite
def batch_to_space(draw: Draw, dtype: DType) -> Case:
    n, height, width, channels = draw(shapes(4, 4))
    block = [draw(st.integers(1, 3)), draw(st.integers(1, 3))]
    crops = [[draw(st.integers(0, b - 1)), 0] for b in block]
    quantization = optional_quantization(draw, dtype)
    x = tensor("x", (n * block[0] * block[1], height, width, channels), dtype, quantization)
    arguments: list[Tensor | None] = [x, int32("block", block), int32("crops", crops)]
    return case(draw, "BATCH_TO_SPACE_ND", NoOptions(), arguments, tensor("y", (), dtype, quantization))


@st.composite
def space_to_depth(draw: Draw, dtype: DType) -> Case:
    (n, height, width, channels), block = draw(shapes(4, 4)), draw(st.integers(1, 3))
    quantization = optional_quantization(draw, dtype)
    x = tensor("x", (n, height * block, width * block, channels), dtype, quantization)
    y = tensor("y", (), dtype, quantization)
    return case(draw, "SPACE_TO_DEPTH", SpaceToDepthOptions(block), [x], y)


@st.composite
def depth_to_space(draw: Draw, dtype: DType) -> Case:
    (n, height, width, channels), block = draw(shapes(4, 4)), draw(st.integers(1, 3))
    quantization = optional_quantization(draw, dtype)
    x = tensor("x", (n, height, width, channels * block * block), dtype, quantization)
    y = tensor("y", (), dtype, quantization)
    return case(draw, "DEPTH_TO_SPACE", DepthToSpaceOptions(block), [x], y)


def resize(kind: str, options: Callable[[bool, bool], Options]) -> Cases:
    @st.composite
    def strategy(draw: Draw, dtype: DType) -> Case:
        quantization = optional_quantization(draw, dtype)
        x, y = tensor("x", draw(shapes(4)), dtype, quantization), tensor("y", (), dtype, quantization)
        rule = draw(st.sampled_from([(False, False), (True, False), (False, True)]))
        return case(draw, kind, options(*rule), [x, int32("size", draw(shapes(2, 12)))], y)

    return strategy


@st.composite
def pad_v2(draw: Draw, dtype: DType) -> Case:
    shape = draw(any_shape())
    quantization = optional_quantization(draw, dtype)
    _, paddings = _pad(draw, shape)
    fill = constant("fill", values(generator(draw), (1,), dtype), quantization)
    x, y = tensor("x", shape, dtype, quantization), tensor("y", (), dtype, quantization)
    return case(draw, "PADV2", NoOptions(), [x, *paddings, fill], y)


@st.composite
def squeeze(draw: Draw, dtype: DType) -> Case:
    shape = draw(any_shape(2, 4).map(lambda s: tuple(d if d % 2 else 1 for d in s)))
    ones = [a for a, d in enumerate(shape) if d == 1]
    axes = tuple(a for a in ones if draw(st.booleans()))
    quantization = optional_quantization(draw, dtype)
    x, y = tensor("x", shape, dtype, quantization), tensor("y", (), dtype, quantization)
    return case(draw, "SQUEEZE", SqueezeOptions(axes), [x], y)


@st.composite
def concatenation(draw: Draw, dtype: DType) -> Case:
    shape = draw(any_shape())
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    quantization = optional_quantization(draw, dtype)
    inputs: list[Tensor | None] = []
    for i in range(draw(st.integers(1, 4))):
        part = list(shape)
        part[axis] = draw(st.integers(1, 5))
        inputs.append(tensor(f"x{i}", tuple(part), dtype, quantization))
    y = tensor("y", (), dtype, quantization)
    return case(draw, "CONCATENATION", ConcatenationOptions(axis=axis), inputs, y)


@st.composite
def pack(draw: Draw, dtype: DType) -> Case:
    shape, count = draw(any_shape(1, 3)), draw(st.integers(1, 4))
    quantization = optional_quantization(draw, dtype)
    inputs: list[Tensor | None] = [tensor(f"x{i}", shape, dtype, quantization) for i in range(count)]
    options = PackOptions(values_count=count, axis=draw(st.integers(0, len(shape))))
    return case(draw, "PACK", options, inputs, tensor("y", (), dtype, quantization))


@st.composite
def unpack(draw: Draw, dtype: DType) -> Case:
    shape = draw(any_shape(2, 4))
    axis = draw(st.integers(0, len(shape) - 1))
    quantization = optional_quantization(draw, dtype)
    outputs = [tensor(f"y{i}", (), dtype, quantization) for i in range(shape[axis])]
    x = tensor("x", shape, dtype, quantization)
    return case(draw, "UNPACK", UnpackOptions(num=shape[axis], axis=axis), [x], outputs)


@st.composite
def split(draw: Draw, dtype: DType) -> Case:
    shape, count = list(draw(any_shape())), draw(st.integers(1, 3))
    axis = draw(st.integers(0, len(shape) - 1))
    shape[axis] *= count
    quantization = optional_quantization(draw, dtype)
    outputs = [tensor(f"y{i}", (), dtype, quantization) for i in range(count)]
    x = tensor("x", tuple(shape), dtype, quantization)
    return case(draw, "SPLIT", SplitOptions(count), [int32("axis", axis), x], outputs)


@st.composite
def split_v(draw: Draw, dtype: DType) -> Case:
    shape = list(draw(any_shape()))
    axis = draw(st.integers(0, len(shape) - 1))
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    shape[axis] = sum(sizes)
    if draw(st.booleans()):
        sizes[-1] = -1
    quantization = optional_quantization(draw, dtype)
    outputs = [tensor(f"y{i}", (), dtype, quantization) for i in range(len(sizes))]
    x = tensor("x", tuple(shape), dtype, quantization)
    return case(draw, "SPLIT_V", SplitOptions(len(sizes)), [x, int32("sizes", sizes), int32("axis", axis)], outputs)


def no_activation(options: Callable[[], Options]) -> Callable[[Activation], Options]:
    return lambda _: options()


def _positive(x: Array) -> Array:
    return np.abs(x) + np.float32(0.01)


# ---- Changes of type -------------------------------------------------------------------------------------------------


@st.composite
def quantize(draw: Draw) -> Case:
    source = draw(st.sampled_from([DType.FLOAT32, DType.INT8, DType.UINT8]))
    target = draw(st.sampled_from([DType.INT8, DType.UINT8]))

    def quantization(dtype: DType) -> Quantization | None:
        zero_point = draw(st.integers(-128, 127)) + (128 if dtype == DType.UINT8 else 0)
        return None if dtype == DType.FLOAT32 else per_tensor(draw(power(-6, 1)), zero_point)

    x = tensor("x", draw(any_shape()), source, quantization(source))
    y = tensor("y", (), target, quantization(target))
    data = values(generator(draw), x.shape, source)
    if source == DType.FLOAT32:
        data = np.where(generator(draw).random(x.shape) < 0.3, y.quantization.scale[0] * (np.round(data) + 0.5), data)
    return case(draw, "QUANTIZE", NoOptions(), [x], y, [data.astype(source.numpy)])


@st.composite
def dequantize(draw: Draw) -> Case:
    source = draw(st.sampled_from([DType.INT8, DType.UINT8, DType.INT16, DType.FLOAT16]))
    shape, rng = draw(any_shape()), generator(draw)
    if source == DType.FLOAT16:
        data = constant("x", rng.normal(size=shape).astype(np.float16))
        return case(draw, "DEQUANTIZE", NoOptions(), [data], tensor("y", ()), [])
    zero_point = {DType.INT8: 0, DType.UINT8: 128, DType.INT16: None}[source]
    quantization = per_tensor(
        draw(power(-8, 1)), 0 if zero_point is None else zero_point + draw(st.integers(-128, 127))
    )
    x = tensor("x", shape, source, quantization)
    if source == DType.INT8 and draw(st.booleans()):
        axis = draw(st.integers(0, len(shape) - 1))
        x = tensor("x", shape, source, per_channel([draw(power(-8, 1)) for _ in range(shape[axis])], axis))
    return case(draw, "DEQUANTIZE", NoOptions(), [x], tensor("y", ()), [values(rng, shape, source)])


@st.composite
def cast(draw: Draw) -> Case:
    types = [DType.FLOAT32, DType.INT8, DType.UINT8, DType.INT16, DType.INT32, DType.INT64, DType.BOOL]
    source, target = draw(st.sampled_from(types)), draw(st.sampled_from(types))
    x = tensor("x", draw(any_shape()), source)
    data = values(generator(draw), x.shape, source)
    if source == DType.FLOAT32 and target == DType.UINT8:
        data = np.abs(data)
    options = CastOptions(TensorType[source.name], TensorType[target.name])
    return case(draw, "CAST", options, [x], tensor("y", (), target), [data])


@st.composite
def shape_of(draw: Draw) -> Case:
    dtype = draw(st.sampled_from([DType.INT32, DType.INT64]))
    x = tensor("x", draw(any_shape()), draw(st.sampled_from([DType.FLOAT32, DType.INT8])))
    return case(draw, "SHAPE", ShapeOptions(TensorType[dtype.name]), [x], tensor("y", (), dtype))


@st.composite
def fill(draw: Draw) -> Case:
    dtype = draw(st.sampled_from([DType.FLOAT32, DType.INT32, DType.BOOL]))
    return case(
        draw, "FILL", NoOptions(), [int32("shape", draw(any_shape())), tensor("x", (), dtype)], tensor("y", (), dtype)
    )


def logical(kind: str) -> st.SearchStrategy[Case]:
    @st.composite
    def strategy(draw: Draw) -> Case:
        operand_shapes = draw(broadcastable())[: 1 if kind == "LOGICAL_NOT" else 2]
        inputs: list[Tensor | None] = [tensor(f"x{i}", s, DType.BOOL) for i, s in enumerate(operand_shapes)]
        return case(draw, kind, NoOptions(), inputs, tensor("y", (), DType.BOOL))

    return strategy()


COMMON: Mapping[str, Cases] = {
    "CONV_2D": conv_2d,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d,
    "TRANSPOSE_CONV": transpose_conv,
    "FULLY_CONNECTED": fully_connected,
    "BATCH_MATMUL": batch_matmul,
    "AVERAGE_POOL_2D": pool("AVERAGE_POOL_2D"),
    "MAX_POOL_2D": pool("MAX_POOL_2D"),
    "MEAN": reduction("MEAN", (-1, 6)),
    "SUM": reduction("SUM", (-1, 6)),
    "REDUCE_MAX": reduction("REDUCE_MAX"),
    "REDUCE_MIN": reduction("REDUCE_MIN"),
    "ARG_MAX": arg("ARG_MAX", ArgMaxOptions(TensorType.INT32)),
    "ARG_MIN": arg("ARG_MIN", ArgMinOptions(TensorType.INT32)),
    "ADD": elementwise("ADD", AddOptions, (-6, 2)),
    "SUB": elementwise("SUB", SubOptions, (-6, 2)),
    "MUL": elementwise("MUL", MulOptions, (-10, 4)),
    "SQUARED_DIFFERENCE": elementwise("SQUARED_DIFFERENCE", no_activation(NoOptions), (-3, 4)),
    "MAXIMUM": elementwise("MAXIMUM", no_activation(NoOptions)),
    "MINIMUM": elementwise("MINIMUM", no_activation(NoOptions)),
    "ABS": unary("ABS"),
    "EXP": unary("EXP", scale=(-8, 4)),
    "LOG": unary("LOG", transform=_positive),
    "ELU": unary("ELU"),
    "RELU": unary("RELU"),
    "RELU6": unary("RELU6"),
    "RELU_N1_TO_1": unary("RELU_N1_TO_1"),
    "RELU_0_TO_1": unary("RELU_0_TO_1"),
    "LEAKY_RELU": leaky_relu,
    "PRELU": prelu,
    "HARD_SWISH": hard_swish,
    "LOGISTIC": unary("LOGISTIC", output=per_tensor(1 / 256, -128)),
    "TANH": unary("TANH", output=per_tensor(1 / 128, 0)),
    "SOFTMAX": softmax,
    "RSQRT": rsqrt,
    "RESIZE_NEAREST_NEIGHBOR": resize("RESIZE_NEAREST_NEIGHBOR", ResizeNearestNeighborOptions),
    "RESIZE_BILINEAR": resize("RESIZE_BILINEAR", ResizeBilinearOptions),
    "EQUAL": comparison("EQUAL"),
    "NOT_EQUAL": comparison("NOT_EQUAL"),
    "GREATER": comparison("GREATER"),
    "GREATER_EQUAL": comparison("GREATER_EQUAL"),
    "LESS": comparison("LESS"),
    "LESS_EQUAL": comparison("LESS_EQUAL"),
    "SELECT": selection("SELECT"),
    "SELECT_V2": selection("SELECT_V2"),
    "RESHAPE": moving("RESHAPE", _reshape),
    "EXPAND_DIMS": moving("EXPAND_DIMS", _expand, rank=3),
    "TRANSPOSE": moving("TRANSPOSE", _transpose),
    "SLICE": moving("SLICE", _slice),
    "STRIDED_SLICE": moving("STRIDED_SLICE", _strided_slice),
    "PAD": moving("PAD", _pad),
    "PADV2": pad_v2,
    "MIRROR_PAD": moving("MIRROR_PAD", _mirror_pad),
    "GATHER": moving("GATHER", _gather),
    "TILE": moving("TILE", _tile),
    "BROADCAST_TO": moving("BROADCAST_TO", _broadcast_to),
    "SPACE_TO_BATCH_ND": moving("SPACE_TO_BATCH_ND", _split_batches, rank=4),
    "BATCH_TO_SPACE_ND": batch_to_space,
    "SPACE_TO_DEPTH": space_to_depth,
    "DEPTH_TO_SPACE": depth_to_space,
    "SQUEEZE": squeeze,
    "CONCATENATION": concatenation,
    "PACK": pack,
    "UNPACK": unpack,
    "SPLIT": split,
    "SPLIT_V": split_v,
}
"""Strategies that work for float32 and for int8."""

INTEGERS: Mapping[str, Cases] = {
    kind: COMMON[kind]
    for kind in (
        "ADD",
        "SUB",
        "MUL",
        "MAXIMUM",
        "MINIMUM",
        "REDUCE_MAX",
        "REDUCE_MIN",
        "EQUAL",
        "LESS",
        "GREATER_EQUAL",
    )
}
"""Strategies that work for int32 as well."""

FLOAT_ONLY: Mapping[str, Cases] = {
    "DIV": division("DIV", DivOptions()),
    "NEG": unary("NEG"),
    "SIGN": unary("SIGN"),
    "SQUARE": unary("SQUARE"),
    "SQRT": unary("SQRT", transform=np.abs),
    "REDUCE_PROD": reduction("REDUCE_PROD"),
    "POW": power_of,
    "FLOOR_DIV": division("FLOOR_DIV", NoOptions()),
    "FLOOR": unary("FLOOR"),
    "CEIL": unary("CEIL"),
    "ROUND": unary("ROUND"),
    "SIN": unary("SIN"),
    "COS": unary("COS"),
    "LOG_SOFTMAX": unary("LOG_SOFTMAX"),
}

OF_SEVERAL_TYPES: Mapping[str, st.SearchStrategy[Case]] = {
    "QUANTIZE": quantize(),
    "DEQUANTIZE": dequantize(),
    "CAST": cast(),
    "SHAPE": shape_of(),
    "FILL": fill(),
    "LOGICAL_AND": logical("LOGICAL_AND"),
    "LOGICAL_OR": logical("LOGICAL_OR"),
    "LOGICAL_NOT": logical("LOGICAL_NOT"),
}
"""Ops between types; their results are exact."""
