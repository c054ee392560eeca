"""Sliding windows over NHWC tensors: output sizes, padding, and views of every window without copying."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgebnn.graph.opdef import Loops, Macs, OpView
from edgebnn.graph.types import Array, Shape

from .enums import Padding
from .view import bad_input

CHUNK_BYTES = 32 * 2**20
"""Unfolded windows are made for as many samples at once as fit in this."""


@dataclass(frozen=True)
class Window:
    """Geometry of a window along both axes: filter, stride, dilation, padding before and after, output size."""

    filter: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    before: tuple[int, int]
    after: tuple[int, int]
    output: tuple[int, int]


def window(
    view: OpView,
    size: tuple[int, int],
    filter_size: tuple[int, int],
    stride: tuple[int, int],
    padding: Padding,
    dilation: tuple[int, int] = (1, 1),
) -> Window:
    """TFLite's padding rule: SAME gives ceil(size / stride) outputs, the odd element of padding goes after.

    Args:
        view: the op, for messages.
        size: height and width of the input.
        filter_size: height and width of the filter.
        stride: steps down and right.
        padding: SAME or VALID.
        dilation: steps between the filter's elements.

    Returns:
        Positions and padding.

    Raises:
        InputError: a size is not positive, or the filter larger than the input.
    """
    if min(*stride, *dilation, *filter_size) < 1:
        raise bad_input(view, f"has filter {filter_size}, stride {stride}, dilation {dilation}; all must be at least 1")
    before, after, output = [], [], []
    for i in range(2):
        extent = (filter_size[i] - 1) * dilation[i] + 1
        count = -(-size[i] // stride[i]) if padding == Padding.SAME else (size[i] - extent) // stride[i] + 1
        if count < 1:
            raise bad_input(view, f"has a window of {extent} for an input of {size[i]} without padding")
        total = max((count - 1) * stride[i] + extent - size[i], 0) if padding == Padding.SAME else 0
        before.append(total // 2)
        after.append(total - total // 2)
        output.append(count)
    return Window(filter_size, stride, dilation, (before[0], before[1]), (after[0], after[1]), (output[0], output[1]))


def padded(x: Array, win: Window, fill: float) -> Array:
    """``x`` [N, H, W, C] with the window's padding filled with ``fill``."""
    (top, left), (bottom, right) = win.before, win.after
    if not (top or left or bottom or right):
        return x
    return np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)


def taps(x: Array, win: Window) -> Iterator[tuple[int, int, Array]]:
    """For each filter position (row, column): the strided view [N, OH, OW, C] of the padded ``x`` it meets."""
    for row in range(win.filter[0]):
        for column in range(win.filter[1]):
            top, left = row * win.dilation[0], column * win.dilation[1]
            bottom = top + (win.output[0] - 1) * win.stride[0] + 1
            right = left + (win.output[1] - 1) * win.stride[1] + 1
            yield row, column, x[:, top : bottom : win.stride[0], left : right : win.stride[1]]


def unfold(x: Array, win: Window) -> Array:
    """Padded ``x`` [N, H, W, C] -> [N * OH * OW, KH * KW * C], each window a row."""
    n, _, _, channels = x.shape
    out = np.empty((n, *win.output, win.filter[0] * win.filter[1], channels), x.dtype)
    for row, column, tap in taps(x, win):
        out[:, :, :, row * win.filter[1] + column] = tap
    return out.reshape(n * win.output[0] * win.output[1], -1)


def chunks(samples: int, bytes_per_sample: int) -> Iterator[slice]:
    """Slices of the batch axis whose unfolded windows fit in :data:`CHUNK_BYTES`."""
    step = max(1, CHUNK_BYTES // max(1, bytes_per_sample))
    for start in range(0, samples, step):
        yield slice(start, min(start + step, samples))


def window_positions(win: Window, size: tuple[int, int]) -> NDArray[np.int64]:
    """How many filter positions of each window lie inside the input: [OH, OW]."""
    inside = []
    for i in range(2):
        starts = np.arange(win.output[i]) * win.stride[i] - win.before[i]
        at = starts[:, None] + np.arange(win.filter[i]) * win.dilation[i]
        inside.append(((at >= 0) & (at < size[i])).sum(axis=1))
    return np.asarray(np.multiply.outer(inside[0], inside[1]))


def output_shape(batch: int, win: Window, channels: int) -> Shape:
    return (batch, *win.output, channels)


def sliding_loops(x: Shape, win: Window, groups: int, channels_out: int, macs: Macs) -> Loops:
    """The nest of a convolution of ``x`` [N, H, W, C] with ``channels_out`` channels, all groups together."""
    return Loops(
        groups=groups,
        batch=x[0],
        out_channels=channels_out // groups,
        in_channels=x[3] // groups,
        macs=macs,
        out_size=win.output,
        filter_size=win.filter,
        in_size=(x[1], x[2]),
        before=win.before,
        stride=win.stride,
        dilation=win.dilation,
    )
