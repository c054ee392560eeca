"""Reductions over axes: MEAN, SUM, REDUCE_MAX, REDUCE_MIN, REDUCE_PROD, REDUCE_ANY, REDUCE_ALL, ARG_MAX and ARG_MIN."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebnn.arithmetic.fixed_point import (
    Multiplier,
    multiply_by_quantized_multiplier,
    multiply_int48,
    quantize_multiplier,
    wrap_int32,
)
from edgebnn.arithmetic.rounding import round_half_away
from edgebnn.graph.opdef import Axes, Limits, OpDef, OpView
from edgebnn.graph.types import Array, DType, Options, Shape

from .batch_axis import only
from .enums import TensorType
from .shape_ops import moved
from .types import FLOAT_OR_INT8, NUMBERS, unchanged
from .view import axis_of, constant, input_tensor, options, scalar, scale_and_zero_point, value


@dataclass(frozen=True)
class ReducerOptions(Options):
    keep_dims: bool = False


@dataclass(frozen=True)
class ArgMaxOptions(Options):
    output_type: TensorType = TensorType.FLOAT32


@dataclass(frozen=True)
class ArgMinOptions(Options):
    output_type: TensorType = TensorType.FLOAT32


def reduced_axes(view: OpView) -> tuple[int, ...]:
    rank = len(input_tensor(view, 0).shape)
    return tuple(sorted({axis_of(view, int(a), rank) for a in constant(view, 1).reshape(-1)}))


def _infer(view: OpView) -> tuple[Shape, ...]:
    axes, keep = reduced_axes(view), options(view, ReducerOptions).keep_dims
    shape = input_tensor(view, 0).shape
    return (tuple(1 if a in axes else d for a, d in enumerate(shape) if keep or a not in axes),)


def _batch(view: OpView, axes: Axes) -> Axes | None:
    axis, reduced = only(axes, 0), reduced_axes(view)
    if axis is None or axis in reduced:
        return None
    return (axis if options(view, ReducerOptions).keep_dims else axis - sum(a < axis for a in reduced),)


def mean_multiplier(multiplier: Multiplier, count: int) -> Multiplier:
    """``multiplier`` / ``count`` in integers, as TFLite divides: by 2**floor(log2(count)) in the shift, the rest by a
    truncating division of the multiplier, which is first shifted left to keep its bits."""
    shift = min(count.bit_length() - 1, 32, 31 + multiplier.shift)
    return Multiplier((multiplier.value << shift) // count, multiplier.shift - shift)


def _mean_int8(view: OpView, q: Array) -> Array:
    scale, zero_point = scale_and_zero_point(view, input_tensor(view, 0))
    output_scale, output_zero_point = scale_and_zero_point(view, view.outputs[0])
    axes = reduced_axes(view)
    multiplier = quantize_multiplier(float(scale) / float(output_scale))
    sums = (q.astype(np.int64) - zero_point).sum(axis=axes)
    multiplier = mean_multiplier(multiplier, int(np.prod([q.shape[a] for a in axes], dtype=np.int64)))
    scaled = multiply_by_quantized_multiplier(np.asarray(sums), *multiplier)
    return np.clip(scaled + output_zero_point, -128, 127).astype(np.int8)


def sum_to_int8(view: OpView, sums: NDArray[np.int64], count: int) -> NDArray[np.int8]:
    """The output for sums of ``count`` values.

    LiteRT's one kernel of it that works scales in float32, where its kernel of MEAN does in fixed point.
    """
    scale, zero_point = scale_and_zero_point(view, input_tensor(view, 0))
    output_scale, output_zero_point = scale_and_zero_point(view, view.outputs[0])
    factor = scale / output_scale
    bias = np.float32(-zero_point) * factor * np.float32(count)
    scaled = sums.astype(np.float32) * factor + bias
    if not np.isfinite(scaled).all():
        raise OverflowError("their ratio is beyond float32")
    return np.clip(round_half_away(scaled).astype(np.int64) + output_zero_point, -128, 127).astype(np.int8)


def _sum_int8(view: OpView, q: Array) -> Array:
    axes = reduced_axes(view)
    count = int(np.prod([q.shape[a] for a in axes], dtype=np.int64))
    return sum_to_int8(view, np.asarray(q.sum(axis=axes, dtype=np.int64)), count)


def _mean_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    x = value(view, values, 0)
    y = _mean_int8(view, x) if x.dtype == np.int8 else x.mean(axis=reduced_axes(view), dtype=np.float32)
    return (np.asarray(y).reshape(view.outputs[0].shape),)


def _sum_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    x = value(view, values, 0)
    y = _sum_int8(view, x) if x.dtype == np.int8 else x.sum(axis=reduced_axes(view), dtype=x.dtype)
    return (np.asarray(y).reshape(view.outputs[0].shape),)


def _of_nothing(x: Array, largest: bool) -> dict[str, Any]:
    """What a reduction of no numbers gives, as NumPy's argument: as in TFLite the finite number at the other end."""
    if x.size:
        return {}
    limits = np.finfo(x.dtype) if x.dtype.kind == "f" else np.iinfo(x.dtype)
    return {"initial": limits.max if largest else limits.min}


def _max_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    x = value(view, values, 0)
    y = x.max(axis=reduced_axes(view), **_of_nothing(x, largest=False))
    return moved(np.asarray(y).reshape(view.outputs[0].shape))


def _min_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    x = value(view, values, 0)
    y = x.min(axis=reduced_axes(view), **_of_nothing(x, largest=True))
    return moved(np.asarray(y).reshape(view.outputs[0].shape))


def product_multiplier(view: OpView, count: int) -> Multiplier:
    """By what an int8 product of ``count`` values is rescaled with every one of them.

    Raises:
        OverflowError: there are no values, or the scales are too far apart.
    """
    scale, _ = scale_and_zero_point(view, input_tensor(view, 0))
    output_scale, _ = scale_and_zero_point(view, view.outputs[0])
    if not count:
        raise OverflowError("a product of no values has no scale")
    multiplier = quantize_multiplier(float(scale) / float(output_scale) ** (1 / count))
    if multiplier.shift > 14:
        raise OverflowError(f"rescales a product by 2**{multiplier.shift - 1} and more; there are 14 bits for that")
    return multiplier


def _prod_int8(view: OpView, q: Array) -> Array:
    """Factor by factor, in LiteRT's order: each product is brought towards the output's scale at once, so that it stays
    in 32 bits, and rounded."""
    _, zero_point = scale_and_zero_point(view, input_tensor(view, 0))
    _, output_zero_point = scale_and_zero_point(view, view.outputs[0])
    axes = reduced_axes(view)
    rows = np.moveaxis(q, axes, range(len(axes))).astype(np.int64) - zero_point
    rows = rows.reshape(math.prod(rows.shape[: len(axes)]), -1)
    multiplier = product_multiplier(view, len(rows))
    product = rows[0]
    for factors in rows[1:]:
        product = multiply_int48(product * factors, multiplier)
    scaled = wrap_int32(multiply_int48(product, multiplier) + output_zero_point)
    return np.clip(scaled, -128, 127).astype(np.int8)


def _prod_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    x = value(view, values, 0)
    y = _prod_int8(view, x) if x.dtype == np.int8 else x.prod(axis=reduced_axes(view), dtype=x.dtype)
    return (np.asarray(y).reshape(view.outputs[0].shape),)


def _any_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    return (np.asarray(value(view, values, 0).any(axis=reduced_axes(view))).reshape(view.outputs[0].shape),)


def _all_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    return (np.asarray(value(view, values, 0).all(axis=reduced_axes(view))).reshape(view.outputs[0].shape),)


def arg_axis(view: OpView) -> int:
    """The axis along which ARG_MAX and ARG_MIN look."""
    return axis_of(view, scalar(view, 1), len(input_tensor(view, 0).shape))


def _arg_infer(view: OpView) -> tuple[Shape, ...]:
    shape, axis = input_tensor(view, 0).shape, arg_axis(view)
    return ((*shape[:axis], *shape[axis + 1 :]),)


def _arg_batch(view: OpView, axes: Axes) -> Axes | None:
    axis, reduced = only(axes, 0), arg_axis(view)
    return None if axis is None or axis == reduced else (axis - (reduced < axis),)


def _arg_max_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    y = value(view, values, 0).argmax(axis=arg_axis(view))
    return (np.asarray(y).astype(view.outputs[0].dtype.numpy),)


def _arg_min_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    y = value(view, values, 0).argmin(axis=arg_axis(view))
    return (np.asarray(y).astype(view.outputs[0].dtype.numpy),)


_ARG_TYPES = tuple((a, b) for a in (*NUMBERS, DType.UINT8) for b in (DType.INT32, DType.INT64))
_SUM_TYPES = unchanged(*NUMBERS)

OPS = (
    OpDef(
        "MEAN",
        ReducerOptions,
        _infer,
        _mean_run,
        schema="ReducerOptions",
        types=FLOAT_OR_INT8,
        batch=_batch,
        limits=Limits(scaled=True),
    ),
    OpDef(
        "SUM",
        ReducerOptions,
        _infer,
        _sum_run,
        schema="ReducerOptions",
        types=_SUM_TYPES,
        batch=_batch,
        # Its int8 input is taken for unsigned (LiteRT 2.3.0: -7 counts as 249).
        no_reference=(DType.INT8,),
        limits=Limits(scaled=True),
    ),
    OpDef(
        "REDUCE_MAX",
        ReducerOptions,
        _infer,
        _max_run,
        schema="ReducerOptions",
        types=_SUM_TYPES,
        batch=_batch,
        same_scale=True,
    ),
    OpDef(
        "REDUCE_MIN",
        ReducerOptions,
        _infer,
        _min_run,
        schema="ReducerOptions",
        types=_SUM_TYPES,
        batch=_batch,
        same_scale=True,
    ),
    OpDef(
        "REDUCE_PROD",
        ReducerOptions,
        _infer,
        _prod_run,
        schema="ReducerOptions",
        types=_SUM_TYPES,
        batch=_batch,
        limits=Limits(scaled=True),
    ),
    OpDef(
        "REDUCE_ANY",
        ReducerOptions,
        _infer,
        _any_run,
        schema="ReducerOptions",
        types=unchanged(DType.BOOL),
        batch=_batch,
    ),
    OpDef(
        "REDUCE_ALL",
        ReducerOptions,
        _infer,
        _all_run,
        schema="ReducerOptions",
        types=unchanged(DType.BOOL),
        batch=_batch,
    ),
    OpDef(
        "ARG_MAX", ArgMaxOptions, _arg_infer, _arg_max_run, schema="ArgMaxOptions", types=_ARG_TYPES, batch=_arg_batch
    ),
    OpDef(
        "ARG_MIN", ArgMinOptions, _arg_infer, _arg_min_run, schema="ArgMinOptions", types=_ARG_TYPES, batch=_arg_batch
    ),
)
