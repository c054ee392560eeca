"""Image folders and tiny learnable data sets, made from a seed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from edgebnn.training.splits import Dataset, Split


def write_image(path: Path, size: tuple[int, int] = (6, 5), mode: str = "RGB", level: int = 100) -> None:
    """An image of one colour, ``size`` (width, height) pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, level if mode == "L" else (level,) * len(mode)).save(path)


def write_folder(root: Path, counts: Mapping[str, int], mode: str = "RGB") -> None:
    """``counts[CLASS]`` numbered PNG images in ``root``/CLASS, each of a grey level of its own."""
    for label, (name, count) in enumerate(counts.items()):
        for index in range(count):
            write_image(root / name / f"{index:04d}.png", mode=mode, level=label * 100 + index)


def blobs(train: int = 192, test: int = 64, size: int = 8, seed: int = 0) -> Dataset:
    """Two classes told apart by whether the upper or the lower half is brighter, [N, size, size, 1]."""
    rng = np.random.default_rng(seed)

    def split(count: int) -> Split:
        labels = rng.integers(0, 2, count).astype(np.int32)
        images = rng.integers(0, 120, (count, size, size, 1))
        for image, label in zip(images, labels, strict=True):
            half = size // 2
            image[half * label : half * label + half] += 100
        return Split(images.astype(np.uint8), labels)

    return Dataset("blobs", ("upper", "lower"), split(train), split(test))
