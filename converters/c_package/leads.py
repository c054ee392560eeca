"""By how much an output must lie before the input that it may be written over, so that nothing is read too late."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgebnn.graph.ops.windows import Window


def elementwise(input_bytes: int, output_bytes: int) -> int:
    """The lead of a kernel that reads element k before it writes element k, in order, of as many elements on each side.

    Args:
        input_bytes, output_bytes: of all elements.
    """
    return max(0, output_bytes - input_bytes)


def sliding(window: Window, batches: int, size: tuple[int, int], input_pixel: int, output_pixel: int) -> int:
    """The lead of a kernel that takes output pixels in order, some at a time: it reads their windows, then writes them.

    However many pixels it takes at a time, when those before pixel p are written nothing is read any more but by p and
    those that follow.

    Args:
        window: over images of ``size`` (height, width).
        batches: images, one behind the other.
        input_pixel, output_pixel: bytes of a pixel, all channels.

    Returns:
        Bytes by which the output must start before the input.
    """
    height, width = size
    y = np.clip(np.arange(window.output[0]) * window.stride[0] - window.before[0], 0, height - 1)
    x = np.clip(np.arange(window.output[1]) * window.stride[1] - window.before[1], 0, width - 1)
    first = (np.arange(batches)[:, None, None] * height + y[:, None]) * width + x
    begins = first.reshape(-1) * input_pixel
    needed = np.minimum.accumulate(begins[::-1])[::-1]
    written = np.arange(begins.size) * output_pixel
    return int((written - needed).max(initial=0))


def copying(ends: NDArray[np.int64], starts: NDArray[np.int64]) -> int:
    """The lead of a kernel that copies runs in order, none of which lies over itself then.

    Args:
        ends: [R] the byte of the output behind each run.
        starts: [R] the first byte of the input that it is copied from; -1: it is filled.

    Returns:
        Bytes by which the output must start before the input.
    """
    needed = np.where(starts < 0, np.iinfo(np.int64).max, starts)
    needed = np.minimum.accumulate(needed[::-1])[::-1]
    written = np.maximum.accumulate(ends)
    reads = needed < np.iinfo(np.int64).max
    return max(0, int((written[reads] - needed[reads]).max(initial=0)))
