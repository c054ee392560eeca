"""Comparisons, logic and selection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebnn.arithmetic.fixed_point import multiply_by_quantized_multiplier, quantize_multiplier
from edgebnn.graph.opdef import Axes, Limits, OpDef, OpView
from edgebnn.graph.types import Array, DType, Shape

from .batch_axis import aligned, aligned_axis, kept
from .shape_ops import moved
from .types import EVERY_TYPE, NUMBERS, unchanged
from .view import (
    NoOptions,
    bad_input,
    broadcast,
    input_tensor,
    same_shape,
    scale_and_zero_point,
    unsupported,
    value,
)

INT8_SHIFT = 8
"""Bits of headroom in which int8 operands of different scales are compared."""


def _infer(view: OpView) -> tuple[Shape, ...]:
    return (broadcast(view, input_tensor(view, 0).shape, input_tensor(view, 1).shape),)


def _comparable(view: OpView, values: tuple[Array | None, ...]) -> list[NDArray[Any]]:
    """Both operands; int8 in fixed point, each multiplied by its own scale, rounded twice."""
    if input_tensor(view, 0).dtype != input_tensor(view, 1).dtype:
        types = f"{input_tensor(view, 0).dtype.value} and {input_tensor(view, 1).dtype.value}"
        raise unsupported(view, f"operands of types {types}", "two operands of one type")
    operands = [value(view, values, i) for i in (0, 1)]
    if operands[0].dtype != np.int8:
        return operands
    scaled = []
    for i, q in enumerate(operands):
        scale, zero_point = scale_and_zero_point(view, input_tensor(view, i))
        shifted = (q.astype(np.int64) - zero_point) << INT8_SHIFT
        scaled.append(multiply_by_quantized_multiplier(shifted, *quantize_multiplier(float(scale))))
    return scaled


def _comparison(kind: str, schema: str, compare: Callable[[Array, Array], Array]) -> OpDef:
    def run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
        a, b = _comparable(view, values)
        return (np.asarray(compare(a, b)),)

    return OpDef(
        kind,
        NoOptions,
        _infer,
        run,
        schema=schema,
        types=tuple((t, DType.BOOL) for t in NUMBERS),
        batch=aligned,
        limits=Limits(compares=True),
    )


def _logical(kind: str, schema: str, combine: Callable[[Array, Array], Array]) -> OpDef:
    def run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
        return (np.asarray(combine(value(view, values, 0), value(view, values, 1))),)

    return OpDef(kind, NoOptions, _infer, run, schema=schema, types=unchanged(DType.BOOL), batch=aligned)


def _not_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    return (np.logical_not(value(view, values, 0)),)


def _select_infer(view: OpView) -> tuple[Shape, ...]:
    """SELECT takes a condition of the operands' shape, or one that picks whole entries of the first axis."""
    condition, shape = input_tensor(view, 0).shape, input_tensor(view, 1).shape
    if input_tensor(view, 2).shape != shape or (condition != shape and condition not in ((), (1,), shape[:1])):
        raise bad_input(
            view, f"has a condition {list(condition)} for {list(shape)} and {list(input_tensor(view, 2).shape)}"
        )
    return (shape,)


def _select_v2_infer(view: OpView) -> tuple[Shape, ...]:
    return (broadcast(view, *(input_tensor(view, i).shape for i in range(3))),)


def _select_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    condition, a, b = (value(view, values, i) for i in range(3))
    if view.op.kind == "SELECT" and condition.shape != a.shape:
        condition = condition.reshape(-1, *[1] * (a.ndim - 1))
    return moved(np.where(condition, a, b))


def _select_batch(view: OpView, axes: Axes) -> Axes | None:
    """A condition of fewer dimensions picks whole entries of the first axis."""
    condition, operand = input_tensor(view, 0).shape, input_tensor(view, 1).shape
    if len(condition) in (0, len(operand)):
        return aligned(view, axes)
    picking = (*condition, *[1] * (len(operand) - 1))
    axis = aligned_axis(axes, (picking, operand, operand), len(operand))
    return None if axis is None else (axis,)


_SELECT_TYPES = tuple((DType.BOOL, t) for t in EVERY_TYPE)

OPS = (
    _comparison("EQUAL", "EqualOptions", np.equal),
    _comparison("NOT_EQUAL", "NotEqualOptions", np.not_equal),
    _comparison("GREATER", "GreaterOptions", np.greater),
    _comparison("GREATER_EQUAL", "GreaterEqualOptions", np.greater_equal),
    _comparison("LESS", "LessOptions", np.less),
    _comparison("LESS_EQUAL", "LessEqualOptions", np.less_equal),
    _logical("LOGICAL_AND", "LogicalAndOptions", np.logical_and),
    _logical("LOGICAL_OR", "LogicalOrOptions", np.logical_or),
    OpDef(
        "LOGICAL_NOT",
        NoOptions,
        same_shape,
        _not_run,
        schema="LogicalNotOptions",
        types=unchanged(DType.BOOL),
        batch=kept,
    ),
    OpDef(
        "SELECT",
        NoOptions,
        _select_infer,
        _select_run,
        schema="SelectOptions",
        types=_SELECT_TYPES,
        batch=_select_batch,
        same_scale=True,
    ),
    OpDef(
        "SELECT_V2",
        NoOptions,
        _select_v2_infer,
        _select_run,
        schema="SelectV2Options",
        types=_SELECT_TYPES,
        batch=aligned,
        same_scale=True,
    ),
)
