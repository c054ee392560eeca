"""Ops that only move values: reshaping, transposing, joining, splitting."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgebnn.graph.opdef import COUNTED, Axes, Limits, OpDef, OpView
from edgebnn.graph.types import Array, DType, Options, Shape, Tensor

from .batch_axis import kept, only, reshaped
from .enums import Activation, TensorType
from .types import ANY, EVERY_TYPE, unchanged
from .view import (
    NoOptions,
    axis_of,
    bad_input,
    bad_values,
    broadcast,
    constant,
    input_tensor,
    optional_input,
    options,
    same_shape,
    scalar,
    shape_argument,
    unsupported,
    value,
)


@dataclass(frozen=True)
class ReshapeOptions(Options):
    """``new_shape`` counts only where the op has no second input."""

    new_shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class SqueezeOptions(Options):
    squeeze_dims: tuple[int, ...] = ()


@dataclass(frozen=True)
class ConcatenationOptions(Options):
    axis: int = 0
    fused_activation_function: Activation = Activation.NONE


@dataclass(frozen=True)
class PackOptions(Options):
    values_count: int = 0
    axis: int = 0


@dataclass(frozen=True)
class UnpackOptions(Options):
    num: int = 0
    axis: int = 0


@dataclass(frozen=True)
class SplitOptions(Options):
    num_splits: int = 0


@dataclass(frozen=True)
class ShapeOptions(Options):
    out_type: TensorType = TensorType.FLOAT32


@dataclass(frozen=True)
class GatherOptions(Options):
    axis: int = 0
    batch_dims: int = 0


def moved(array: Array) -> tuple[Array, ...]:
    """The single result of an op that only moves values."""
    return (np.asarray(array, order="C"),)


def _reshape_infer(view: OpView) -> tuple[Shape, ...]:
    x = input_tensor(view, 0)
    if optional_input(view, 1) is not None:
        wanted = [int(d) for d in constant(view, 1).reshape(-1)]
    else:
        wanted = list(options(view, ReshapeOptions).new_shape)
    known = int(np.prod([d for d in wanted if d != -1], dtype=np.int64))
    if wanted.count(-1) == 1 and known > 0 and x.elements % known == 0:
        wanted[wanted.index(-1)] = x.elements // known
    elif min(wanted, default=0) < 0 or known != x.elements:
        raise bad_input(view, f"cannot reshape {list(x.shape)} to {wanted}")
    return (tuple(wanted),)


def _reshape_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    return moved(value(view, values, 0).reshape(view.outputs[0].shape))


def _squeeze_infer(view: OpView) -> tuple[Shape, ...]:
    shape = input_tensor(view, 0).shape
    axes = {axis_of(view, a, len(shape)) for a in options(view, SqueezeOptions).squeeze_dims}
    if any(shape[a] != 1 for a in axes):
        raise bad_input(view, f"cannot squeeze axes {sorted(axes)} of {list(shape)}")
    return (tuple(d for a, d in enumerate(shape) if (a not in axes if axes else d != 1)),)


def _expand_infer(view: OpView) -> tuple[Shape, ...]:
    shape = input_tensor(view, 0).shape
    axis = axis_of(view, scalar(view, 1), len(shape) + 1)
    return ((*shape[:axis], 1, *shape[axis:]),)


def _permutation(view: OpView) -> tuple[int, ...]:
    rank = len(input_tensor(view, 0).shape)
    axes = tuple(axis_of(view, int(a), rank) for a in constant(view, 1))
    if sorted(axes) != list(range(rank)):
        raise bad_input(view, f"has permutation {list(axes)} for a tensor of rank {rank}")
    return axes


def _transpose_infer(view: OpView) -> tuple[Shape, ...]:
    shape = input_tensor(view, 0).shape
    return (tuple(shape[a] for a in _permutation(view)),)


def _transpose_batch(view: OpView, axes: Axes) -> Axes | None:
    axis = only(axes, 0)
    return None if axis is None else (_permutation(view).index(axis),)


def _transpose_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    return moved(value(view, values, 0).transpose(_permutation(view)))


def _joined_shapes(view: OpView) -> list[Shape]:
    if not view.inputs:
        raise bad_input(view, "has no inputs")
    return [input_tensor(view, i).shape for i in range(len(view.inputs))]


def _concatenation_infer(view: OpView) -> tuple[Shape, ...]:
    shapes = _joined_shapes(view)
    axis = axis_of(view, options(view, ConcatenationOptions).axis, len(shapes[0]))
    rest = {(*s[:axis], *s[axis + 1 :]) for s in shapes}
    if len(rest) != 1 or len({len(s) for s in shapes}) != 1:
        raise bad_input(view, f"cannot join {', '.join(str(list(s)) for s in shapes)} along axis {axis}")
    return ((*shapes[0][:axis], sum(s[axis] for s in shapes), *shapes[0][axis + 1 :]),)


def _common(axes: Axes) -> int | None:
    """The axis along which the samples of all inputs lie."""
    return axes[0] if len(set(axes)) == 1 and axes[0] != COUNTED else None


def _concatenation_batch(view: OpView, axes: Axes) -> Axes | None:
    axis = _common(axes)
    joined = axis_of(view, options(view, ConcatenationOptions).axis, len(view.outputs[0].shape))
    return None if axis is None or axis == joined else (axis,)


def _concatenation_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    opts = options(view, ConcatenationOptions)
    if opts.fused_activation_function != Activation.NONE:
        raise unsupported(view, f"fused activation {opts.fused_activation_function.name}", "NONE")
    return (np.concatenate([value(view, values, i) for i in range(len(view.inputs))], axis=opts.axis),)


def _pack_infer(view: OpView) -> tuple[Shape, ...]:
    shapes = _joined_shapes(view)
    axis = axis_of(view, options(view, PackOptions).axis, len(shapes[0]) + 1)
    if len(set(shapes)) != 1:
        raise bad_input(view, f"cannot stack shapes {', '.join(str(list(s)) for s in shapes)}")
    return ((*shapes[0][:axis], len(shapes), *shapes[0][axis:]),)


def _pack_batch(view: OpView, axes: Axes) -> Axes | None:
    axis = _common(axes)
    added = axis_of(view, options(view, PackOptions).axis, len(view.outputs[0].shape))
    return None if axis is None else (axis + (added <= axis),)


def _pack_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    arrays = [value(view, values, i) for i in range(len(view.inputs))]
    return (np.stack(arrays, axis=options(view, PackOptions).axis),)


def _unpack_infer(view: OpView) -> tuple[Shape, ...]:
    opts, shape = options(view, UnpackOptions), input_tensor(view, 0).shape
    axis = axis_of(view, opts.axis, len(shape))
    if shape[axis] != opts.num:
        raise bad_input(view, f"unstacks {opts.num} tensors from axis {axis} of {list(shape)}")
    return ((*shape[:axis], *shape[axis + 1 :]),) * opts.num


def _unpack_batch(view: OpView, axes: Axes) -> Axes | None:
    axis = only(axes, 0)
    removed = axis_of(view, options(view, UnpackOptions).axis, len(input_tensor(view, 0).shape))
    return None if axis is None or axis == removed else (axis - (removed < axis),) * len(view.outputs)


def _unpack_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    x = np.moveaxis(value(view, values, 0), options(view, UnpackOptions).axis, 0)
    return _pieces(list(x))


def _pieces(arrays: list[Array]) -> tuple[Array, ...]:
    return tuple(np.asarray(a, order="C") for a in arrays)


def _split_axis(view: OpView, axis_input: int, data_input: int) -> tuple[int, Tensor]:
    x = input_tensor(view, data_input)
    return axis_of(view, scalar(view, axis_input), len(x.shape)), x


def _split_infer(view: OpView) -> tuple[Shape, ...]:
    axis, x = _split_axis(view, 0, 1)
    count = options(view, SplitOptions).num_splits
    if count < 1 or x.shape[axis] % count:
        raise bad_input(view, f"cannot split axis {axis} of {list(x.shape)} into {count} equal parts")
    return ((*x.shape[:axis], x.shape[axis] // count, *x.shape[axis + 1 :]),) * count


def _parted(view: OpView, axis: int | None, cut: int) -> Axes | None:
    return None if axis is None or axis == cut else (axis,) * len(view.outputs)


def _split_batch(view: OpView, axes: Axes) -> Axes | None:
    return _parted(view, only(axes, 1), _split_axis(view, 0, 1)[0])


def _split_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    axis, _ = _split_axis(view, 0, 1)
    return _pieces(np.split(value(view, values, 1), options(view, SplitOptions).num_splits, axis=axis))


def _split_sizes(view: OpView) -> tuple[int, Tensor, list[int]]:
    axis, x = _split_axis(view, 2, 0)
    sizes = [int(s) for s in constant(view, 1).reshape(-1)]
    if sizes.count(-1) == 1:
        sizes[sizes.index(-1)] = x.shape[axis] - (sum(sizes) + 1)
    if min(sizes, default=0) < 0 or sum(sizes) != x.shape[axis]:
        raise bad_input(view, f"cannot split axis {axis} of {list(x.shape)} into parts of {sizes}")
    return axis, x, sizes


def _split_v_infer(view: OpView) -> tuple[Shape, ...]:
    axis, x, sizes = _split_sizes(view)
    return tuple((*x.shape[:axis], size, *x.shape[axis + 1 :]) for size in sizes)


def _split_v_batch(view: OpView, axes: Axes) -> Axes | None:
    return _parted(view, only(axes, 0), _split_sizes(view)[0])


def _split_v_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    axis, _, sizes = _split_sizes(view)
    return _pieces(np.split(value(view, values, 0), np.cumsum(sizes)[:-1], axis=axis))


def _shape_infer(view: OpView) -> tuple[Shape, ...]:
    return ((len(input_tensor(view, 0).shape),),)


def _shape_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    return (np.asarray(value(view, values, 0).shape, dtype=view.outputs[0].dtype.numpy),)


def _gather_infer(view: OpView) -> tuple[Shape, ...]:
    opts = options(view, GatherOptions)
    if opts.batch_dims != 0:
        raise unsupported(view, f"batch_dims = {opts.batch_dims}", "0")
    shape, indices = input_tensor(view, 0).shape, input_tensor(view, 1).shape
    axis = axis_of(view, opts.axis, len(shape))
    return ((*shape[:axis], *indices, *shape[axis + 1 :]),)


def _gather_batch(view: OpView, axes: Axes) -> Axes | None:
    """Samples lie along another axis of the table than the one picked from, or along an axis of the indices."""
    shape, indices = input_tensor(view, 0).shape, input_tensor(view, 1).shape
    picked = axis_of(view, options(view, GatherOptions).axis, len(shape))
    of_indices, of_table = only(axes, 1), only(axes, 0)
    if of_indices is not None:
        return (picked + of_indices,)
    if of_table is None or of_table == picked:
        return None
    return (of_table if of_table < picked else of_table - 1 + len(indices),)


def _gather_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    x, indices = value(view, values, 0), value(view, values, 1).astype(np.int64)
    axis = axis_of(view, options(view, GatherOptions).axis, x.ndim)
    if indices.size and not (indices.min() >= 0 and indices.max() < x.shape[axis]):
        raise bad_values(view, f"has an index outside its {x.shape[axis]} entries")
    return moved(np.take(x, indices, axis=axis))


def _broadcast_to_infer(view: OpView) -> tuple[Shape, ...]:
    shape = shape_argument(view, 1)
    if broadcast(view, input_tensor(view, 0).shape, shape) != shape:
        raise bad_input(view, f"cannot broadcast {list(input_tensor(view, 0).shape)} to {list(shape)}")
    return (shape,)


def _broadcast_to_batch(view: OpView, axes: Axes) -> Axes | None:
    """The shape may be computed from the number of samples, of which the data then has one each."""
    if axes[0] is None or axes[0] == COUNTED:
        return None
    return (axes[0] + len(view.outputs[0].shape) - len(input_tensor(view, 0).shape),)


def _broadcast_to_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    return moved(np.broadcast_to(value(view, values, 0), view.outputs[0].shape))


def _tile_infer(view: OpView) -> tuple[Shape, ...]:
    shape, repeats = input_tensor(view, 0).shape, constant(view, 1)
    if repeats.shape != (len(shape),) or (repeats < 0).any():
        raise bad_input(view, f"has repeats {repeats.tolist()} for a tensor of rank {len(shape)}")
    return (tuple(d * int(r) for d, r in zip(shape, repeats, strict=True)),)


def _tile_batch(view: OpView, axes: Axes) -> Axes | None:
    axis = only(axes, 0)
    return None if axis is None or constant(view, 1)[axis] != 1 else (axis,)


def _tile_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    return moved(np.tile(value(view, values, 0), constant(view, 1).tolist()))


def _fill_infer(view: OpView) -> tuple[Shape, ...]:
    return (shape_argument(view, 0),)


def _fill_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    return (np.full(view.outputs[0].shape, value(view, values, 1)),)


_SPLIT_TYPES = tuple((DType.INT32, t) for t in EVERY_TYPE)
_FILL_TYPES = tuple((a, b) for a in (DType.INT32, DType.INT64) for b in EVERY_TYPE)
_SHAPE_TYPES = tuple((a, b) for a in EVERY_TYPE for b in (DType.INT32, DType.INT64))


def _zeros_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    return (np.zeros_like(value(view, values, 0)),)


OPS = (
    OpDef(
        "RESHAPE",
        ReshapeOptions,
        _reshape_infer,
        _reshape_run,
        schema="ReshapeOptions",
        types=ANY,
        batch=reshaped,
        same_scale=True,
    ),
    OpDef(
        "SQUEEZE",
        SqueezeOptions,
        _squeeze_infer,
        _reshape_run,
        schema="SqueezeOptions",
        types=ANY,
        batch=reshaped,
        same_scale=True,
    ),
    OpDef(
        "EXPAND_DIMS",
        NoOptions,
        _expand_infer,
        _reshape_run,
        schema="ExpandDimsOptions",
        types=ANY,
        batch=reshaped,
        same_scale=True,
    ),
    OpDef(
        "TRANSPOSE",
        NoOptions,
        _transpose_infer,
        _transpose_run,
        schema="TransposeOptions",
        types=ANY,
        batch=_transpose_batch,
        same_scale=True,
    ),
    OpDef(
        "CONCATENATION",
        ConcatenationOptions,
        _concatenation_infer,
        _concatenation_run,
        schema="ConcatenationOptions",
        types=ANY,
        batch=_concatenation_batch,
        same_scale=True,
        limits=Limits(scaled=True),
    ),
    OpDef(
        "PACK", PackOptions, _pack_infer, _pack_run, schema="PackOptions", types=ANY, batch=_pack_batch, same_scale=True
    ),
    OpDef(
        "UNPACK",
        UnpackOptions,
        _unpack_infer,
        _unpack_run,
        schema="UnpackOptions",
        types=ANY,
        batch=_unpack_batch,
        same_scale=True,
    ),
    OpDef(
        "SPLIT",
        SplitOptions,
        _split_infer,
        _split_run,
        schema="SplitOptions",
        types=_SPLIT_TYPES,
        batch=_split_batch,
        same_scale=True,
    ),
    OpDef(
        "SPLIT_V",
        SplitOptions,
        _split_v_infer,
        _split_v_run,
        schema="SplitVOptions",
        types=ANY,
        batch=_split_v_batch,
        same_scale=True,
    ),
    OpDef("SHAPE", ShapeOptions, _shape_infer, _shape_run, schema="ShapeOptions", types=_SHAPE_TYPES),
    OpDef(
        "GATHER",
        GatherOptions,
        _gather_infer,
        _gather_run,
        schema="GatherOptions",
        types=ANY,
        batch=_gather_batch,
        same_scale=True,
    ),
    OpDef(
        "BROADCAST_TO",
        NoOptions,
        _broadcast_to_infer,
        _broadcast_to_run,
        schema="BroadcastToOptions",
        types=ANY,
        batch=_broadcast_to_batch,
        same_scale=True,
    ),
    OpDef(
        "TILE", NoOptions, _tile_infer, _tile_run, schema="TileOptions", types=ANY, batch=_tile_batch, same_scale=True
    ),
    OpDef(
        "ZEROS_LIKE",
        NoOptions,
        same_shape,
        _zeros_run,
        schema="ZerosLikeOptions",
        types=unchanged(DType.FLOAT32, DType.INT32, DType.INT64),
        batch=kept,
    ),
    OpDef("FILL", NoOptions, _fill_infer, _fill_run, schema="FillOptions", types=_FILL_TYPES, same_scale=True),
)
