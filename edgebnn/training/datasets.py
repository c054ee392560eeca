"""Data sets by name: MNIST, CIFAR-10, or any folder of images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from edgebnn.errors import InputError
from edgebnn.training.cifar10 import load_cifar10
from edgebnn.training.image_folder import load_folder
from edgebnn.training.mnist import load_mnist
from edgebnn.training.splits import Dataset, Split

__all__ = ["SOURCES", "Dataset", "Split", "load"]

SOURCES: Mapping[str, Callable[[], Dataset]] = MappingProxyType({"mnist": load_mnist, "cifar10": load_cifar10})


def load(spec: str | Path, size: tuple[int, int] | None = None) -> Dataset:
    """A data set by name, or an image folder.

    Args:
        spec: ``"mnist"``, ``"cifar10"``, or the path of a folder that holds ``train/CLASS/*`` and ``test/CLASS/*``, or
            only ``CLASS/*`` (then a fifth of each class is the test set).
        size: height and width to which every image is resized; needed where they differ in size.

    Returns:
        Images uint8 [N, H, W, C] and labels, for training and for the test.

    Raises:
        InputError: naming the folder or file, for anything missing, empty, unreadable or of unequal size.
    """
    if str(spec) not in SOURCES:
        return load_folder(Path(spec), size)
    if size is not None:
        raise InputError(f"{spec} has images of one size: leave the size out")
    return SOURCES[str(spec)]()
