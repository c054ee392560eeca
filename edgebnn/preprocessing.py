"""What happens to an image between its file and a network, in plain NumPy, for training and deployment alike."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def preprocess(images: NDArray[Any], size: tuple[int, int] | None = None) -> NDArray[np.float32]:
    """uint8 images [N, H, W, C] as the float32 input of a network, in [-1, 1]: ``x / 127.5 - 1``.

    With ``size`` (height, width) they are also enlarged or reduced to it, bilinearly. Zero is mid-grey, so that the
    signs of the first layer's inputs carry information.
    """
    scaled = images.astype(np.float32) * np.float32(1 / 127.5) - np.float32(1)
    if size is None or images.shape[1:3] == size:
        return scaled
    count, height, width, channels = images.shape
    rows, columns = _interpolation(height, size[0]), _interpolation(width, size[1])
    tall = rows @ scaled.reshape(count, height, width * channels)
    wide: NDArray[np.float32] = columns @ tall.reshape(count, size[0], width, channels)
    return wide


def _interpolation(source: int, target: int) -> NDArray[np.float32]:
    """The matrix [target, source] that resamples one axis linearly, pixel centres at halves, edges repeated."""
    position = np.clip((np.arange(target) + 0.5) * (source / target) - 0.5, 0, source - 1)
    left = np.minimum(position.astype(np.int64), max(source - 2, 0))
    matrix = np.zeros((target, source))
    matrix[np.arange(target), left] = 1 - (position - left)
    matrix[np.arange(target), np.minimum(left + 1, source - 1)] += position - left
    return matrix.astype(np.float32)
