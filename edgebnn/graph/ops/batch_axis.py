"""How the axis along which the samples lie passes through ops: the rules that several ops share.

Each is what :attr:`edgebnn.graph.opdef.OpDef.batch` describes.
"""

from __future__ import annotations

import math

from edgebnn.graph.opdef import COUNTED, Axes, OpView
from edgebnn.graph.types import Shape

from .view import input_tensor


def only(axes: Axes, index: int) -> int | None:
    """The axis of input ``index`` where all other inputs are shared, else None."""
    others = (axis for i, axis in enumerate(axes) if i != index)
    return None if axes[index] == COUNTED or any(axis is not None for axis in others) else axes[index]


def kept(view: OpView, axes: Axes) -> Axes | None:
    """Ops that work element by element on their first input."""
    axis = only(axes, 0)
    return None if axis is None else (axis,) * len(view.outputs)


def kept_but_last(view: OpView, axes: Axes) -> Axes | None:
    """Ops that work along the last axis of their first input."""
    axis = only(axes, 0)
    return None if axis is None or axis == len(input_tensor(view, 0).shape) - 1 else (axis,)


def images(view: OpView, axes: Axes) -> Axes | None:
    """Ops on their first input, images [N, H, W, C]."""
    return (0,) if only(axes, 0) == 0 else None


def rows(view: OpView, axes: Axes) -> Axes | None:
    """Ops that take a sample of their first input as one row, and give one."""
    samples = input_tensor(view, 0).shape[:1]
    return (0,) if only(axes, 0) == 0 and view.outputs[0].shape[:1] == samples else None


def aligned_axis(axes: Axes, shapes: tuple[Shape, ...], rank: int) -> int | None:
    """The axis, of ``rank`` after broadcasting, along which all samples lie; None where they do not agree, or where
    what they share differs along it."""
    found = {axis + rank - len(shape) for axis, shape in zip(axes, shapes, strict=True) if axis is not None}
    if COUNTED in axes or len(found) != 1:
        return None
    (axis,) = found
    for own, shape in zip(axes, shapes, strict=True):
        at = axis - (rank - len(shape))
        if own is None and at >= 0 and shape[at] != 1:
            return None
    return axis


def aligned(view: OpView, axes: Axes) -> Axes | None:
    """Ops that work element by element on inputs that broadcast."""
    shapes = tuple(input_tensor(view, i).shape for i in range(len(view.inputs)))
    axis = aligned_axis(axes, shapes, len(view.outputs[0].shape))
    return None if axis is None else (axis,)


def reshaped(view: OpView, axes: Axes) -> Axes | None:
    """Ops that keep the order of all elements: the axis is that with as many elements in front of it and its size."""
    axis, shape, target = axes[0], input_tensor(view, 0).shape, view.outputs[0].shape
    if axis is None or axis == COUNTED:
        return None
    front = math.prod(shape[:axis])
    places = (at for at, size in enumerate(target) if size == shape[axis] and math.prod(target[:at]) == front)
    found = next(places, None)
    return None if found is None else (found,)
