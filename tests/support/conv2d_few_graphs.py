"""Graphs that begin with a convolution of few input channels, with or without max-pooling behind it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgebnn.graph.opdef import op_view
from edgebnn.graph.ops import OPS
from edgebnn.graph.ops.binary import LceQuantizeOptions
from edgebnn.graph.ops.conv import Conv2DOptions
from edgebnn.graph.ops.enums import Activation, Padding
from edgebnn.graph.ops.pool import Pool2DOptions
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import DType, Graph, Op, Tensor
from tests.support.graphs import constant, one_op, per_channel, per_tensor, tensor


def first_layer(
    size: tuple[int, int],
    channels: tuple[int, int],
    *,
    filter_size: tuple[int, int] = (3, 3),
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
    padding: Padding = Padding.SAME,
    activation: Activation = Activation.NONE,
    batches: int = 1,
    zero_points: tuple[int, int] = (-5, 9),
    bias: bool = True,
    per_tensor_scale: bool = False,
    dtype: DType = DType.INT8,
    seed: int = 0,
) -> Graph:
    """A CONV_2D with scales that networks have."""
    rng = np.random.default_rng(seed)
    shape = (channels[1], *filter_size, channels[0])
    options = Conv2DOptions(
        padding=padding,
        stride_h=stride[0],
        stride_w=stride[1],
        dilation_h_factor=dilation[0],
        dilation_w_factor=dilation[1],
        fused_activation_function=activation,
    )
    if dtype == DType.FLOAT32:
        weights, constants = (constant(n, rng.normal(size=s).astype(np.float32)) for n, s in _named(shape))
        x = tensor("x", (batches, *size, channels[0]))
        return one_op("CONV_2D", options, [x, weights, constants if bias else None], [tensor("conv", ())])
    scales = list(rng.uniform(0.002, 0.02, 1 if per_tensor_scale else channels[1]))
    output_scale = 0.05 * max(scales) * 127 * float(np.prod(shape[1:])) ** 0.5 * 0.7
    weights = constant("weights", rng.integers(-127, 128, shape).astype(np.int8), per_channel(scales, 0))
    bias_scales = per_channel([0.05 * float(np.float32(s)) for s in scales], 0)
    constants = constant("bias", rng.integers(-3000, 3000, channels[1]).astype(np.int32), bias_scales)
    x = tensor("x", (batches, *size, channels[0]), DType.INT8, per_tensor(0.05, zero_points[0]))
    y = tensor("conv", (), DType.INT8, per_tensor(output_scale, zero_points[1]))
    return one_op("CONV_2D", options, [x, weights, constants if bias else None], [y])


def _named(shape: tuple[int, ...]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    return (("weights", shape), ("bias", (shape[0],)))


def bordered(graph: Graph, border: tuple[int, int, int, int]) -> Graph:
    """With a PAD in front of the first op: so many zeros of the image it read are above, below, left and right."""
    top, bottom, left, right = border
    inner = graph.tensors[graph.inputs[0]]
    batches, height, width, channels = inner.shape
    x = replace(inner, name="image", shape=(batches, height - top - bottom, width - left - right, channels))
    sizes = constant("sizes", np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32))
    count = len(graph.tensors)
    pad = Op("PAD", (count, count + 1), (graph.inputs[0],), NoOptions())
    return replace(graph, tensors=(*graph.tensors, x, sizes), ops=(pad, *graph.ops), inputs=(count,))


def pooled(graph: Graph, options: Pool2DOptions) -> Graph:
    """With a MAX_POOL_2D of the output."""
    return append(graph, "MAX_POOL_2D", options, "pool")


def signed(graph: Graph) -> Graph:
    """With the signs of the output, packed."""
    return append(graph, "LceQuantize", LceQuantizeOptions(), "signs", Tensor("signs", (), DType.INT32))


def append(
    graph: Graph, kind: str, options: object, name: str, like: Tensor | None = None, operand: Tensor | None = None
) -> Graph:
    """With an op more that reads the first output; what it gives is like that tensor unless ``like`` says otherwise.
    ``operand``: what it reads besides, an input of the graph where it is no constant."""
    source, operands = graph.outputs[0], () if operand is None else (operand,)
    made, first = replace(like or graph.tensors[source], name=name, shape=()), len(graph.tensors)
    read, result = tuple(range(first, first + len(operands))), first + len(operands)
    grown = replace(
        graph,
        tensors=(*graph.tensors, *operands, made),
        ops=(*graph.ops, Op(kind, (source, *read), (result,), options)),
        inputs=(*graph.inputs, *(i for i, one in zip(read, operands, strict=True) if one.data is None)),
        outputs=(result,),
    )
    (shape,) = OPS[kind].infer(op_view(grown, len(grown.ops) - 1))
    return replace(grown, tensors=(*grown.tensors[:-1], replace(made, shape=shape)))
