"""AVERAGE_POOL_2D and MAX_POOL_2D, float32 and int8. Padding takes no part in either."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgebnn.graph.opdef import Limits, OpDef, OpView
from edgebnn.graph.types import Array, DType, Options, Shape

from .batch_axis import images
from .enums import Activation, Padding
from .fused import activate, integer_bounds
from .view import input_tensor, options, require_rank, value
from .windows import Window, output_shape, padded, taps, window, window_positions


@dataclass(frozen=True)
class Pool2DOptions(Options):
    padding: Padding = Padding.SAME
    stride_w: int = 0
    stride_h: int = 0
    filter_width: int = 0
    filter_height: int = 0
    fused_activation_function: Activation = Activation.NONE


def pool_window(view: OpView) -> Window:
    opts = options(view, Pool2DOptions)
    _, height, width, _ = require_rank(view, input_tensor(view, 0), 4)
    return window(
        view,
        (height, width),
        (opts.filter_height, opts.filter_width),
        (opts.stride_h, opts.stride_w),
        opts.padding,
    )


def _infer(view: OpView) -> tuple[Shape, ...]:
    batch, _, _, channels = require_rank(view, input_tensor(view, 0), 4)
    return (output_shape(batch, pool_window(view), channels),)


def _activated(view: OpView, y: Array) -> Array:
    activation = options(view, Pool2DOptions).fused_activation_function
    if y.dtype == np.float32:
        return activate(view, y, activation)
    low, high = integer_bounds(view, activation)
    return np.clip(y, low, high).astype(np.int8)


def _average_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    """int8: the mean is rounded to nearest, halves away from zero, in integers."""
    x, win = value(view, values, 0), pool_window(view)
    count = window_positions(win, (x.shape[1], x.shape[2]))[None, :, :, None]
    sum_type = np.float32 if x.dtype == np.float32 else np.int64
    sums: Array = np.zeros((x.shape[0], *win.output, x.shape[3]), sum_type)
    for _, _, tap in taps(padded(x, win, 0), win):
        sums += tap
    if x.dtype == np.float32:
        return (_activated(view, sums / count.astype(np.float32)),)
    means = np.sign(sums) * ((np.abs(sums) + count // 2) // count)
    return (_activated(view, means),)


def _max_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    x, win = value(view, values, 0), pool_window(view)
    lowest = float(np.finfo(np.float32).min) if x.dtype == np.float32 else -128.0
    y = np.full((x.shape[0], *win.output, x.shape[3]), lowest, x.dtype)
    for _, _, tap in taps(padded(x, win, lowest), win):
        np.maximum(y, tap, out=y)
    return (_activated(view, y),)


_TYPES = ((DType.FLOAT32, DType.FLOAT32), (DType.INT8, DType.INT8))

OPS = (
    OpDef(
        "AVERAGE_POOL_2D",
        Pool2DOptions,
        _infer,
        _average_run,
        schema="Pool2DOptions",
        types=_TYPES,
        batch=images,
        same_scale=True,
        limits=Limits(scaled=True),
    ),
    OpDef(
        "MAX_POOL_2D",
        Pool2DOptions,
        _infer,
        _max_run,
        schema="Pool2DOptions",
        types=_TYPES,
        batch=images,
        same_scale=True,
        limits=Limits(scaled=True),
    ),
)
