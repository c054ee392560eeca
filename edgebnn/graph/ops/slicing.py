"""SLICE and STRIDED_SLICE, REVERSE_V2, PAD, PADV2 and MIRROR_PAD, and the exchanges of space with depth and batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgebnn.graph.opdef import Axes, Limits, OpDef, OpView
from edgebnn.graph.types import Array, DType, Options, Shape

from .batch_axis import images, only
from .enums import MirrorPadMode
from .shape_ops import moved
from .types import ANY
from .view import (
    NoOptions,
    axis_of,
    bad_input,
    constant,
    input_tensor,
    options,
    require_rank,
    scale_and_zero_point,
    unsupported,
    value,
)

Index = tuple[slice | int | None, ...]


@dataclass(frozen=True)
class StridedSliceOptions(Options):
    begin_mask: int = 0
    end_mask: int = 0
    ellipsis_mask: int = 0
    new_axis_mask: int = 0
    shrink_axis_mask: int = 0
    offset: bool = False


@dataclass(frozen=True)
class MirrorPadOptions(Options):
    mode: MirrorPadMode = MirrorPadMode.REFLECT


@dataclass(frozen=True)
class SpaceToDepthOptions(Options):
    block_size: int = 0


@dataclass(frozen=True)
class DepthToSpaceOptions(Options):
    block_size: int = 0


def _indexed_shape(shape: Shape, index: Index) -> Shape:
    return np.broadcast_to(np.int8(0), shape)[index].shape


def _slice_index(view: OpView) -> Index:
    shape, begin, size = input_tensor(view, 0).shape, constant(view, 1), constant(view, 2)
    if begin.shape != (len(shape),) or size.shape != (len(shape),):
        raise bad_input(view, f"has begin {begin.tolist()} and size {size.tolist()} for shape {list(shape)}")
    end = np.where(size == -1, shape, begin + size)
    if (begin < 0).any() or (end < begin).any() or (end > shape).any():
        raise bad_input(view, f"cuts begin {begin.tolist()} and size {size.tolist()} out of {list(shape)}")
    return tuple(slice(int(b), int(e)) for b, e in zip(begin, end, strict=True))


def _slice_infer(view: OpView) -> tuple[Shape, ...]:
    return (_indexed_shape(input_tensor(view, 0).shape, _slice_index(view)),)


def _whole(index: Index, axis: int, size: int) -> bool:
    """Whether the index leaves an axis as it is."""
    cut = index[axis] if axis < len(index) else slice(None)
    return isinstance(cut, slice) and range(size)[cut] == range(size)


def _slice_batch(view: OpView, axes: Axes) -> Axes | None:
    """The sizes may be computed from the number of samples."""
    axis = only(axes[:2], 0)
    if axis is None or not _whole(_slice_index(view), axis, input_tensor(view, 0).shape[axis]):
        return None
    return (axis,)


def _slice_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    return moved(value(view, values, 0)[_slice_index(view)])


def _strided_index(view: OpView) -> Index:
    """The NumPy index; masks have one bit per entry of begin, end and strides."""
    opts = options(view, StridedSliceOptions)
    if opts.ellipsis_mask or opts.new_axis_mask or opts.offset:
        raise unsupported(view, "ellipsis_mask, new_axis_mask or offset", "begin, end and shrink_axis masks")
    shape = input_tensor(view, 0).shape
    begin, end, strides = constant(view, 1), constant(view, 2), constant(view, 3)
    if not begin.shape == end.shape == strides.shape or begin.size > len(shape) or (strides == 0).any():
        raise bad_input(view, f"has begin {begin.tolist()}, end {end.tolist()}, strides {strides.tolist()}")
    index: list[slice | int | None] = []
    for axis, (b, e, s) in enumerate(zip(begin.tolist(), end.tolist(), strides.tolist(), strict=True)):
        if opts.shrink_axis_mask >> axis & 1:
            if not -shape[axis] <= b < shape[axis]:
                raise bad_input(view, f"takes entry {b} of axis {axis} of {list(shape)}")
            index.append(b)
        else:
            index.append(slice(None if opts.begin_mask >> axis & 1 else b, None if opts.end_mask >> axis & 1 else e, s))
    return tuple(index)


def _strided_infer(view: OpView) -> tuple[Shape, ...]:
    return (_indexed_shape(input_tensor(view, 0).shape, _strided_index(view)),)


def _strided_batch(view: OpView, axes: Axes) -> Axes | None:
    """The ends may be computed from the number of samples."""
    axis, index = only((*axes[:2], *axes[3:]), 0), _strided_index(view)
    if axis is None or not _whole(index, axis, input_tensor(view, 0).shape[axis]):
        return None
    return (axis - sum(isinstance(cut, int) for cut in index[:axis]),)


def _strided_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    return moved(np.asarray(value(view, values, 0)[_strided_index(view)]))


def _paddings(view: OpView) -> NDArray[np.int64]:
    shape, paddings = input_tensor(view, 0).shape, constant(view, 1)
    if paddings.shape != (len(shape), 2) or (paddings < 0).any():
        raise bad_input(view, f"has paddings {paddings.tolist()} for shape {list(shape)}")
    return paddings


def _pad_infer(view: OpView) -> tuple[Shape, ...]:
    return (tuple(d + int(p.sum()) for d, p in zip(input_tensor(view, 0).shape, _paddings(view), strict=True)),)


def _pad_batch(view: OpView, axes: Axes) -> Axes | None:
    axis = only(axes, 0)
    return None if axis is None or _paddings(view)[axis].any() else (axis,)


def _pad_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    """Pads with the real number 0: the zero point of quantized tensors."""
    output = view.outputs[0]
    fill = 0
    if output.dtype in (DType.INT8, DType.UINT8):
        _, fill = scale_and_zero_point(view, output)
    return moved(np.pad(value(view, values, 0), _paddings(view), constant_values=fill))


def _pad_v2_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    fill = value(view, values, 2).reshape(-1)[0]
    return moved(np.pad(value(view, values, 0), _paddings(view), constant_values=fill))


def _mirror_infer(view: OpView) -> tuple[Shape, ...]:
    edge = 1 if options(view, MirrorPadOptions).mode == MirrorPadMode.REFLECT else 0
    shape = np.asarray(input_tensor(view, 0).shape)
    if (_paddings(view) > (shape - edge)[:, None]).any():
        raise bad_input(view, f"mirrors more than there is: paddings {_paddings(view).tolist()} of {shape.tolist()}")
    return _pad_infer(view)


def _mirror_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    x, paddings = value(view, values, 0), _paddings(view)
    if options(view, MirrorPadOptions).mode == MirrorPadMode.REFLECT:
        return moved(np.pad(x, paddings, mode="reflect"))
    return moved(np.pad(x, paddings, mode="symmetric"))


def _blocks(view: OpView, block: int) -> tuple[int, int, int, int]:
    n, height, width, channels = require_rank(view, input_tensor(view, 0), 4)
    if block < 1:
        raise bad_input(view, f"has block size {block}")
    return n, height, width, channels


def _to_depth_infer(view: OpView) -> tuple[Shape, ...]:
    block = options(view, SpaceToDepthOptions).block_size
    n, height, width, channels = _blocks(view, block)
    if height % block or width % block:
        raise bad_input(view, f"cannot cut {height} x {width} into blocks of {block}")
    return ((n, height // block, width // block, channels * block * block),)


def _to_depth_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    block = options(view, SpaceToDepthOptions).block_size
    n, height, width, _ = view.outputs[0].shape
    x = value(view, values, 0).reshape(n, height, block, width, block, -1).transpose(0, 1, 3, 2, 4, 5)
    return moved(x.reshape(view.outputs[0].shape))


def _to_space_infer(view: OpView) -> tuple[Shape, ...]:
    block = options(view, DepthToSpaceOptions).block_size
    n, height, width, channels = _blocks(view, block)
    if channels % (block * block):
        raise bad_input(view, f"cannot make blocks of {block} from {channels} channels")
    return ((n, height * block, width * block, channels // (block * block)),)


def _to_space_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    block = options(view, DepthToSpaceOptions).block_size
    n, height, width, _ = input_tensor(view, 0).shape
    x = value(view, values, 0).reshape(n, height, width, block, block, -1).transpose(0, 1, 3, 2, 4, 5)
    return moved(x.reshape(view.outputs[0].shape))


def _batch_arguments(view: OpView) -> tuple[list[int], NDArray[np.int64]]:
    """Block sizes and paddings (or crops) of the spatial axes, which follow the batch axis."""
    shape, block, edges = input_tensor(view, 0).shape, constant(view, 1).reshape(-1), constant(view, 2)
    if edges.shape != (block.size, 2) or block.size > len(shape) - 1 or (block < 1).any() or (edges < 0).any():
        raise bad_input(view, f"has blocks {block.tolist()} and edges {edges.tolist()} for shape {list(shape)}")
    return [int(b) for b in block], edges


def _to_batch_infer(view: OpView) -> tuple[Shape, ...]:
    block, edges = _batch_arguments(view)
    shape = list(input_tensor(view, 0).shape)
    for axis, size in enumerate(block, 1):
        padded = shape[axis] + int(edges[axis - 1].sum())
        if padded % size:
            raise bad_input(view, f"cannot cut {padded} into blocks of {size}")
        shape[axis] = padded // size
        shape[0] *= size
    return (tuple(shape),)


def _to_batch_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    block, edges = _batch_arguments(view)
    source, x = input_tensor(view, 0), value(view, values, 0)
    fill = scale_and_zero_point(view, source)[1] if source.dtype == DType.INT8 else 0
    x = np.pad(x, [(0, 0), *edges.tolist(), *[(0, 0)] * (x.ndim - 1 - len(block))], constant_values=fill)
    split = [x.shape[0]]
    for axis, size in enumerate(block, 1):
        split += [x.shape[axis] // size, size]
    count = len(block)
    x = x.reshape(*split, *x.shape[1 + count :])
    inner, outer = [2 * i + 2 for i in range(count)], [2 * i + 1 for i in range(count)]
    x = x.transpose(*inner, 0, *outer, *range(1 + 2 * count, x.ndim))
    return moved(x.reshape(view.outputs[0].shape))


def _from_batch_infer(view: OpView) -> tuple[Shape, ...]:
    block, edges = _batch_arguments(view)
    shape = list(input_tensor(view, 0).shape)
    if shape[0] % int(np.prod(block)):
        raise bad_input(view, f"cannot make blocks {block} from a batch of {shape[0]}")
    shape[0] //= int(np.prod(block))
    for axis, size in enumerate(block, 1):
        shape[axis] = shape[axis] * size - int(edges[axis - 1].sum())
    if min(shape) < 0:
        raise bad_input(view, f"crops more than there is: {edges.tolist()}")
    return (tuple(shape),)


def _from_batch_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    block, edges = _batch_arguments(view)
    x, output = value(view, values, 0), view.outputs[0].shape
    count = len(block)
    spatial = x.shape[1 : 1 + count]
    x = x.reshape(*block, output[0], *x.shape[1:])
    order = [count]
    for i in range(count):
        order += [count + 1 + i, i]
    x = x.transpose(*order, *range(2 * count + 1, x.ndim))
    x = x.reshape(output[0], *(s * b for s, b in zip(spatial, block, strict=True)), *x.shape[1 + 2 * count :])
    cropped = tuple(slice(int(low), x.shape[1 + i] - int(high)) for i, (low, high) in enumerate(edges))
    return moved(x[(slice(None), *cropped)])


def _reversed_axes(view: OpView) -> tuple[int, ...]:
    rank = len(input_tensor(view, 0).shape)
    return tuple(axis_of(view, int(axis), rank) for axis in constant(view, 1).reshape(-1))


def _reverse_infer(view: OpView) -> tuple[Shape, ...]:
    axes = sorted(_reversed_axes(view))
    if not axes or axes != list(range(axes[0], axes[0] + len(axes))):
        raise unsupported(view, f"the axes {axes}", "one axis, or several that follow each other")
    return (input_tensor(view, 0).shape,)


def _reverse_batch(view: OpView, axes: Axes) -> Axes | None:
    axis = only(axes, 0)
    return None if axis is None or axis in _reversed_axes(view) else (axis,)


def _reverse_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    return moved(np.flip(value(view, values, 0), _reversed_axes(view)))


OPS = (
    OpDef(
        "REVERSE_V2",
        NoOptions,
        _reverse_infer,
        _reverse_run,
        schema="ReverseV2Options",
        types=ANY,
        batch=_reverse_batch,
        same_scale=True,
    ),
    OpDef(
        "SLICE",
        NoOptions,
        _slice_infer,
        _slice_run,
        schema="SliceOptions",
        types=ANY,
        batch=_slice_batch,
        same_scale=True,
    ),
    OpDef(
        "STRIDED_SLICE",
        StridedSliceOptions,
        _strided_infer,
        _strided_run,
        schema="StridedSliceOptions",
        types=ANY,
        batch=_strided_batch,
        same_scale=True,
        limits=Limits(required=4),
    ),
    OpDef("PAD", NoOptions, _pad_infer, _pad_run, schema="PadOptions", types=ANY, batch=_pad_batch, same_scale=True),
    OpDef(
        "PADV2", NoOptions, _pad_infer, _pad_v2_run, schema="PadV2Options", types=ANY, batch=_pad_batch, same_scale=True
    ),
    OpDef(
        "MIRROR_PAD",
        MirrorPadOptions,
        _mirror_infer,
        _mirror_run,
        schema="MirrorPadOptions",
        types=ANY,
        batch=_pad_batch,
        same_scale=True,
    ),
    OpDef(
        "SPACE_TO_DEPTH",
        SpaceToDepthOptions,
        _to_depth_infer,
        _to_depth_run,
        schema="SpaceToDepthOptions",
        types=ANY,
        batch=images,
        same_scale=True,
    ),
    OpDef(
        "DEPTH_TO_SPACE",
        DepthToSpaceOptions,
        _to_space_infer,
        _to_space_run,
        schema="DepthToSpaceOptions",
        types=ANY,
        batch=images,
        same_scale=True,
    ),
    OpDef(
        "SPACE_TO_BATCH_ND",
        NoOptions,
        _to_batch_infer,
        _to_batch_run,
        schema="SpaceToBatchNDOptions",
        types=ANY,
        same_scale=True,
    ),
    OpDef(
        "BATCH_TO_SPACE_ND",
        NoOptions,
        _from_batch_infer,
        _from_batch_run,
        schema="BatchToSpaceNDOptions",
        types=ANY,
        same_scale=True,
    ),
)
