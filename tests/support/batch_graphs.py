"""Random small graphs for one sample that hold its batch of 1 in every way that a file can: as a constant, moved to
another axis, reduced, joined with others, computed with SHAPE."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from edgebnn.errors import InputError
from edgebnn.graph.ops.activation import SoftmaxOptions
from edgebnn.graph.ops.conv import Conv2DOptions
from edgebnn.graph.ops.dense import BatchMatMulOptions, FullyConnectedOptions
from edgebnn.graph.ops.elementwise import AddOptions, MulOptions
from edgebnn.graph.ops.enums import TensorType
from edgebnn.graph.ops.quantize import CastOptions
from edgebnn.graph.ops.reduce import ReducerOptions
from edgebnn.graph.ops.shape_ops import (
    ConcatenationOptions,
    GatherOptions,
    PackOptions,
    ReshapeOptions,
    ShapeOptions,
    SplitOptions,
    UnpackOptions,
)
from edgebnn.graph.ops.slicing import StridedSliceOptions
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.shapes import walk
from edgebnn.graph.types import Array, DType, Graph, Op, Options, Shape, Tensor
from tests.support.op_cases.base import VERSIONS, Draw

LARGEST = 512  # elements of a tensor


@dataclass
class Builder:
    """A graph that grows; ``draw`` is hypothesis's."""

    draw: Draw
    tensors: list[Tensor]
    ops: list[Op]

    def shape(self, index: int) -> Shape:
        return self.tensors[index].shape

    def constant(self, data: Array) -> int:
        self.tensors.append(Tensor(f"c{len(self.tensors)}", data.shape, DType(data.dtype.name), data=data))
        return len(self.tensors) - 1

    def numbers(self, values: Sequence[int] | int) -> int:
        return self.constant(np.asarray(values, np.int32))

    def weights(self, shape: Shape) -> int:
        seed = self.draw(st.integers(0, 9))
        return self.constant(np.random.default_rng(seed).normal(size=shape).astype(np.float32))

    def op(
        self, kind: str, options: Options, inputs: Sequence[int], dtype: DType = DType.FLOAT32, outputs: int = 1
    ) -> int:
        """Adds an op and gives one of its outputs."""
        start = len(self.tensors)
        self.tensors += [Tensor(f"t{start + i}", (), dtype) for i in range(outputs)]
        indices = tuple(range(start, start + outputs))
        self.ops.append(Op(kind, tuple(inputs), indices, options, VERSIONS.get(kind, 1)))
        graph = Graph("g", tuple(self.tensors), tuple(self.ops), (), ())
        *_, (view, _) = walk(graph)
        for index, tensor in zip(indices, view.outputs, strict=True):
            self.tensors[index] = tensor
        return self.draw(st.sampled_from(indices))

    def axis(self, x: int, more: int = 0) -> int:
        """Often 0, where a batch usually is."""
        return self.draw(st.one_of(st.just(0), st.integers(0, len(self.shape(x)) - 1 + more)))


def _slice(b: Builder, x: int) -> int:
    shape = b.shape(x)
    sizes = [b.draw(st.sampled_from([-1, d, max(1, d - 1)])) for d in shape]
    return b.op("SLICE", NoOptions(), [x, b.numbers([0] * len(shape)), b.numbers(sizes)])


def _strided(b: Builder, x: int) -> int:
    shape = b.shape(x)
    axis = b.axis(x)
    end = [d if i != axis else b.draw(st.integers(1, d)) for i, d in enumerate(shape)]
    strides = [b.draw(st.sampled_from([1, 1, 2])) for _ in shape]
    shrink = b.draw(st.sampled_from([0, 0, 1 << axis]))
    options = StridedSliceOptions(end_mask=b.draw(st.integers(0, 15)) & ~shrink, shrink_axis_mask=shrink)
    arguments = [b.numbers([0] * len(shape)), b.numbers(end), b.numbers(strides)]
    return b.op("STRIDED_SLICE", options, [x, *arguments])


def _broadcast(b: Builder, x: int) -> int:
    shape = tuple(b.draw(st.sampled_from([1, 1, 2, 3])) if d == 1 else d for d in b.shape(x))
    return b.op("BROADCAST_TO", NoOptions(), [x, b.numbers(shape)])


def _reshape(b: Builder, x: int) -> int:
    shape = b.shape(x)
    target = b.draw(
        st.sampled_from([(1, -1), (-1,), (-1, shape[-1]), tuple(reversed(shape)), (*shape, 1), (1, *shape), (-1, 1)])
    )
    return b.op("RESHAPE", ReshapeOptions(), [x, b.numbers(target)])


def _flatten(b: Builder, x: int) -> int:
    """As Keras does it: the first dimension is read from the tensor's own shape."""
    count = _samples(b, x)
    target = b.op("PACK", PackOptions(2, 0), [count, b.numbers(-1)], DType.INT32)
    return b.op("RESHAPE", ReshapeOptions(), [x, target])


def _samples(b: Builder, x: int) -> int:
    shape = b.op("SHAPE", ShapeOptions(TensorType.INT32), [x], DType.INT32)
    arguments = [b.numbers([0]), b.numbers([1]), b.numbers([1])]
    return b.op("STRIDED_SLICE", StridedSliceOptions(shrink_axis_mask=1), [shape, *arguments], DType.INT32)


def _times_samples(b: Builder, x: int) -> int:
    count = b.op("CAST", CastOptions(TensorType.INT32, TensorType.FLOAT32), [_samples(b, x)])
    return b.op("MUL", MulOptions(), [x, count])


def _transpose(b: Builder, x: int) -> int:
    order = b.draw(st.permutations(range(len(b.shape(x)))))
    return b.op("TRANSPOSE", NoOptions(), [x, b.numbers(list(order))])


def _mean(b: Builder, x: int) -> int:
    axes = b.draw(st.lists(st.integers(0, len(b.shape(x)) - 1), min_size=1, max_size=2, unique=True))
    return b.op("MEAN", ReducerOptions(b.draw(st.booleans())), [x, b.numbers(axes)])


def _softmax(b: Builder, x: int) -> int:
    return b.op("SOFTMAX", SoftmaxOptions(1.0), [x])


def _relu(b: Builder, x: int) -> int:
    return b.op("RELU", NoOptions(), [x])


def _add_constant(b: Builder, x: int) -> int:
    shape = list(b.shape(x))
    if shape[0] == 1:
        shape[0] = b.draw(st.sampled_from([1, 1, 2, 3]))
    rest = tuple(shape[b.draw(st.integers(0, len(shape))) :])
    return b.op(*b.draw(st.sampled_from([("ADD", AddOptions()), ("MUL", MulOptions())])), [x, b.weights(rest)])


def _concatenate(b: Builder, x: int) -> int:
    other = b.draw(st.sampled_from([x, b.weights(b.shape(x))]))
    return b.op("CONCATENATION", ConcatenationOptions(axis=b.axis(x)), [x, other])


def _pack(b: Builder, x: int) -> int:
    return b.op("PACK", PackOptions(2, b.axis(x, 1)), [x, x])


def _unpack(b: Builder, x: int) -> int:
    axis = b.axis(x)
    return b.op("UNPACK", UnpackOptions(b.shape(x)[axis], axis), [x], outputs=b.shape(x)[axis])


def _split(b: Builder, x: int) -> int:
    axis = b.axis(x)
    count = 2 if b.shape(x)[axis] % 2 == 0 else 1
    return b.op("SPLIT", SplitOptions(count), [b.numbers(axis), x], outputs=count)


def _gather(b: Builder, x: int) -> int:
    axis = b.axis(x)
    picks = b.draw(st.lists(st.integers(0, b.shape(x)[axis] - 1), min_size=1, max_size=3))
    return b.op("GATHER", GatherOptions(axis=axis), [x, b.numbers(picks)])


def _tile(b: Builder, x: int) -> int:
    repeats = [b.draw(st.sampled_from([1, 1, 2])) for _ in b.shape(x)]
    return b.op("TILE", NoOptions(), [x, b.numbers(repeats)])


def _pad(b: Builder, x: int) -> int:
    return b.op("PAD", NoOptions(), [x, b.numbers([[b.draw(st.sampled_from([0, 0, 1])), 0] for _ in b.shape(x)])])


def _dense(b: Builder, x: int) -> int:
    keep = b.draw(st.booleans())
    return b.op("FULLY_CONNECTED", FullyConnectedOptions(keep_num_dims=keep), [x, b.weights((3, b.shape(x)[-1])), -1])


def _product(b: Builder, x: int) -> int:
    """With its own transpose: a sample meets the others where the batch is among the rows."""
    return b.op("BATCH_MATMUL", BatchMatMulOptions(adj_y=True), [x, x])


def _convolution(b: Builder, x: int) -> int:
    return b.op(
        "CONV_2D", Conv2DOptions(stride_w=1, stride_h=1), [x, b.weights((2, 2, 2, b.shape(x)[-1])), b.weights((2,))]
    )


_ANY: tuple[Callable[[Builder, int], int], ...] = (
    _slice, _strided, _broadcast, _reshape, _flatten, _times_samples, _transpose, _mean, _softmax, _relu, _add_constant,
    _concatenate, _pack, _unpack, _split, _gather, _tile, _pad, _dense,
)  # fmt: skip


@st.composite
def graphs(draw: Draw, longest: int = 4, batch: int = 1, shared: bool = False) -> Graph:
    """A graph with one or two inputs of ``batch`` samples each, or a second one that is no batch, and one output or
    two."""
    b = Builder(draw, [], [])
    shape = (batch, *draw(st.sampled_from([(3, 2, 4), (4,), (3, 4)])))
    b.tensors.append(Tensor("x", shape, DType.FLOAT32))
    two = shared or draw(st.booleans())
    if two:
        second = [(2, shape[-1]), (shape[-1],), (), (3, 1, 1)] if shared else [shape, (batch, shape[-1])]
        b.tensors.append(Tensor("y", draw(st.sampled_from(second)), DType.FLOAT32))
    at = 0
    reached = []
    for _ in range(draw(st.integers(1, longest))):
        shape = b.shape(at)
        if not shape or np.prod(shape) > LARGEST or len(shape) > 4:
            break
        steps = list(_ANY)
        steps += [_product] * (len(shape) in (2, 3, 4)) + [_convolution] * (2 * (len(shape) == 4))
        at = draw(st.sampled_from(steps))(b, at)
        reached.append(at)
    if two:
        try:
            at = b.op("ADD", AddOptions(), [at, 1])
        except InputError:  # they do not broadcast
            b.tensors.pop()
            b.ops.pop()
            at = b.op("RELU", NoOptions(), [1])
        reached.append(at)
    outputs = tuple(dict.fromkeys((reached[-1], draw(st.sampled_from(reached)))))
    return Graph("g", tuple(b.tensors), tuple(b.ops), (0, 1) if two else (0,), outputs)
