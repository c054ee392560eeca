"""Ops that move values."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hypothesis import strategies as st

from edgebnn.graph.ops.enums import MirrorPadMode
from edgebnn.graph.ops.shape_ops import (
    ConcatenationOptions,
    GatherOptions,
    PackOptions,
    ReshapeOptions,
    SplitOptions,
    SqueezeOptions,
    UnpackOptions,
)
from edgebnn.graph.ops.slicing import DepthToSpaceOptions, MirrorPadOptions, SpaceToDepthOptions, StridedSliceOptions
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import DType, Options, Shape, Tensor
from tests.support.graphs import constant, tensor
from tests.support.op_cases.base import (
    Case,
    Cases,
    Draw,
    any_shape,
    case,
    generator,
    int32,
    optional_quantization,
    shapes,
    values,
)


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


def _reverse(draw: Draw, shape: Shape) -> tuple[Options, list[Tensor | None]]:
    first = draw(st.integers(0, len(shape) - 1))
    last = draw(st.integers(first, len(shape) - 1))
    return NoOptions(), [int32("axes", draw(st.permutations(range(first, last + 1))))]


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


MOVING: Mapping[str, Cases] = {
    "RESHAPE": moving("RESHAPE", _reshape),
    "EXPAND_DIMS": moving("EXPAND_DIMS", _expand, rank=3),
    "TRANSPOSE": moving("TRANSPOSE", _transpose),
    "SLICE": moving("SLICE", _slice),
    "STRIDED_SLICE": moving("STRIDED_SLICE", _strided_slice),
    "PAD": moving("PAD", _pad),
    "PADV2": pad_v2,
    "MIRROR_PAD": moving("MIRROR_PAD", _mirror_pad),
    "GATHER": moving("GATHER", _gather),
    "REVERSE_V2": moving("REVERSE_V2", _reverse),
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
"""Strategies by op."""
