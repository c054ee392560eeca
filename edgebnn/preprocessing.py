"""What happens to an image between its file and a network, in plain NumPy, for training and deployment alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

MEAN = STD = 127.5
"""What :func:`preprocess` takes off each pixel value, and divides it by."""


def preprocess(images: NDArray[Any], size: tuple[int, int] | None = None) -> NDArray[np.float32]:
    """Images as the input of a network: ``x / 127.5 - 1``.

    Zero is mid-grey, so that the signs of the first layer's inputs carry information.

    Args:
        images: uint8 [N, H, W, C].
        size: height and width to which they are enlarged or reduced, bilinearly. Default: as they are.

    Returns:
        float32 [N, H, W, C], in [-1, 1].
    """
    scaled = images.astype(np.float32) * np.float32(1 / STD) - np.float32(MEAN / STD)
    if size is None or images.shape[1:3] == size:
        return scaled
    count, height, width, channels = images.shape
    rows, columns = _interpolation(height, size[0]), _interpolation(width, size[1])
    tall = rows @ scaled.reshape(count, height, width * channels)
    wide: NDArray[np.float32] = columns @ tall.reshape(count, size[0], width, channels)
    return wide


def resize(image: NDArray[Any], size: tuple[int, int]) -> NDArray[np.float32]:
    """One image in another size, as Pillow does it with its bilinear filter.

    What becomes smaller is averaged, where plain interpolation would leave pixels out. Photographs of image folders are
    brought to the size of a training by that filter.

    Args:
        image: [H, W, C], of any numbers.
        size: height and width of the result.

    Returns:
        float32 [*size, C].
    """
    result = np.asarray(image, np.float32)
    for axis, target in enumerate(size):
        if result.shape[axis] != target:
            lines = np.moveaxis(result, axis, 0)
            result = np.moveaxis(
                np.stack([np.tensordot(w, lines[at], 1) for at, w in _filter(len(lines), target)]), 0, axis
            )
    return np.ascontiguousarray(result, np.float32)


def _filter(source: int, target: int) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """For each line of the target the lines of the source that it is made of, and their weights: a triangle as wide as
    two target lines, or as two source lines where these are larger."""
    ratio = source / target
    reach = max(ratio, 1.0)
    for line in range(target):
        centre = (line + 0.5) * ratio
        first, last = max(int(centre - reach + 0.5), 0), min(int(centre + reach + 0.5), source)
        weights = np.maximum(0, 1 - np.abs(np.arange(first, last) + 0.5 - centre) / reach)
        yield slice(first, last), (weights / weights.sum()).astype(np.float32)


def _interpolation(source: int, target: int) -> NDArray[np.float32]:
    """The matrix [target, source] that resamples one axis linearly, pixel centres at halves, edges repeated."""
    position = np.clip((np.arange(target) + 0.5) * (source / target) - 0.5, 0, source - 1)
    left = np.minimum(position.astype(np.int64), max(source - 2, 0))
    matrix = np.zeros((target, source))
    matrix[np.arange(target), left] = 1 - (position - left)
    matrix[np.arange(target), np.minimum(left + 1, source - 1)] += position - left
    return matrix.astype(np.float32)
