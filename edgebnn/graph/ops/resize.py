"""RESIZE_NEAREST_NEIGHBOR and RESIZE_BILINEAR of NHWC images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgebnn.arithmetic.rounding import round_half_away
from edgebnn.graph.opdef import Limits, OpDef, OpView
from edgebnn.graph.types import Array, Options, Shape

from .batch_axis import images
from .shape_ops import moved
from .types import FLOAT_OR_INT8
from .view import bad_input, constant, input_tensor, options, require_rank, unsupported, value

FRACTION_BITS = 10
"""Of positions in int8 bilinear interpolation."""


@dataclass(frozen=True)
class ResizeNearestNeighborOptions(Options):
    align_corners: bool = False
    half_pixel_centers: bool = False


@dataclass(frozen=True)
class ResizeBilinearOptions(Options):
    align_corners: bool = False
    half_pixel_centers: bool = False


ResizeOptions = ResizeNearestNeighborOptions | ResizeBilinearOptions


def _infer(view: OpView) -> tuple[Shape, ...]:
    opts = view.op.options
    if isinstance(opts, ResizeOptions) and opts.align_corners and opts.half_pixel_centers:
        raise unsupported(view, "both align_corners and half_pixel_centers", "at most one of them")
    n, height, width, channels = require_rank(view, input_tensor(view, 0), 4)
    size = constant(view, 1).reshape(-1)
    if size.shape != (2,) or min(*size, height, width) < 1:
        raise bad_input(view, f"resizes {height} x {width} to {size.tolist()}")
    return ((n, int(size[0]), int(size[1]), channels),)


def _nearest(opts: ResizeOptions, size: int, count: int) -> NDArray[np.int64]:
    """For each of ``count`` outputs along an axis of ``size``, the input it takes; computed in float32."""
    corners = opts.align_corners and count > 1
    scale = np.float32(size - 1) / np.float32(count - 1) if corners else np.float32(size) / np.float32(count)
    at = (np.arange(count, dtype=np.float32) + np.float32(0.5 if opts.half_pixel_centers else 0)) * scale
    position = round_half_away(at) if opts.align_corners else np.floor(at)
    return np.clip(position.astype(np.int64), 0, size - 1)


def _nearest_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    opts = options(view, ResizeNearestNeighborOptions)
    x, (_, height, width, _) = value(view, values, 0), view.outputs[0].shape
    rows, columns = _nearest(opts, x.shape[1], height), _nearest(opts, x.shape[2], width)
    return moved(x[:, rows[:, None], columns])


def between(opts: ResizeOptions, size: int, count: int) -> tuple[Array, Array, Array]:
    """Lower and upper input of each output, and how far it is from the lower, in float32."""
    corners = opts.align_corners and count > 1
    scale = np.float32(size - 1) / np.float32(count - 1) if corners else np.float32(size) / np.float32(count)
    at = np.arange(count, dtype=np.float32)
    at = (at + np.float32(0.5)) * scale - np.float32(0.5) if opts.half_pixel_centers else at * scale
    lower = np.maximum(np.floor(at).astype(np.int64), 0)
    return lower, np.minimum(np.ceil(at).astype(np.int64), size - 1), at - lower.astype(np.float32)


def between_fixed(opts: ResizeOptions, size: int, count: int) -> tuple[Array, Array, Array]:
    """As :func:`between`, with positions in units of 2**-10; integer divisions truncate towards zero."""
    one = 1 << FRACTION_BITS
    if opts.align_corners and count > 1:
        scale = (one * (size - 1) + (count - 1) // 2) // (count - 1)
    else:
        scale = (one * size + count // 2) // count
    at = np.arange(count, dtype=np.int64) * scale
    if opts.half_pixel_centers:
        at = at + scale // 2 - one // 2
    lower = np.maximum(at // one, 0)
    upper = np.minimum((at + one - 1) // one, size - 1)
    return lower, upper, at - one * lower


def _interpolate(x: Array, rows: tuple[Array, Array, Array], columns: tuple[Array, Array, Array], one: int) -> Array:
    (y0, y1, dy), (x0, x1, dx) = rows, columns
    dy, dx = dy[:, None, None], dx[:, None]
    upper = x[:, y0[:, None], x0] * (one - dy) * (one - dx) + x[:, y1[:, None], x0] * dy * (one - dx)
    return np.asarray(upper + x[:, y0[:, None], x1] * (one - dy) * dx + x[:, y1[:, None], x1] * dy * dx)


def _bilinear_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    """int8: weights in fixed point, the sum rounded half away from zero."""
    opts = options(view, ResizeBilinearOptions)
    x, (_, height, width, _) = value(view, values, 0), view.outputs[0].shape
    if x.dtype == np.float32:
        rows, columns = between(opts, x.shape[1], height), between(opts, x.shape[2], width)
        return (_interpolate(x, rows, columns, 1).astype(np.float32, copy=False),)
    rows, columns = between_fixed(opts, x.shape[1], height), between_fixed(opts, x.shape[2], width)
    sums = _interpolate(x.astype(np.int64), rows, columns, 1 << FRACTION_BITS)
    half = 1 << (2 * FRACTION_BITS - 1)
    return ((np.sign(sums) * ((np.abs(sums) + half) >> (2 * FRACTION_BITS))).astype(np.int8),)


OPS = (
    OpDef(
        "RESIZE_NEAREST_NEIGHBOR",
        ResizeNearestNeighborOptions,
        _infer,
        _nearest_run,
        schema="ResizeNearestNeighborOptions",
        types=FLOAT_OR_INT8,
        batch=images,
        same_scale=True,
        limits=Limits(scaled=True),
    ),
    OpDef(
        "RESIZE_BILINEAR",
        ResizeBilinearOptions,
        _infer,
        _bilinear_run,
        schema="ResizeBilinearOptions",
        types=FLOAT_OR_INT8,
        batch=images,
        same_scale=True,
        limits=Limits(scaled=True),
    ),
)
