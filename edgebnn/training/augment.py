"""Random changes of training images, uint8 [N, H, W, C] -> the same shape; what is shifted in repeats the edge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Images: TypeAlias = NDArray[np.uint8]


def shift(images: Images, rng: np.random.Generator, share: int) -> Images:
    """Each image moved by up to a ``share``-th of its height and width."""
    count, height, width, _ = images.shape
    down = rng.integers(-(height // share), height // share + 1, (count, 1))
    right = rng.integers(-(width // share), width // share + 1, (count, 1))
    rows = np.clip(np.arange(height) + down, 0, height - 1)
    columns = np.clip(np.arange(width) + right, 0, width - 1)
    shifted: Images = images[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return shifted


def flip(images: Images, rng: np.random.Generator) -> Images:
    """A random half of the images mirrored left to right."""
    mirrored = rng.random(len(images)) < 0.5
    return np.where(mirrored[:, None, None, None], images[:, :, ::-1], images)


# Digits may be moved by a pixel of 28, but not mirrored; natural images by the usual 4 of 32 (He et al., 2016).
AUGMENTATIONS: Mapping[str, Callable[[Images, np.random.Generator], Images]] = MappingProxyType(
    {
        "none": lambda images, rng: images,
        "shift": lambda images, rng: shift(images, rng, share=28),
        "shift_flip": lambda images, rng: flip(shift(images, rng, share=8), rng),
    }
)
