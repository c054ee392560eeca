"""Labelled images in memory: a split, and a data set of a training and a test split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgebnn.errors import InputError

_HOLD_OUT_STREAM = 0x401D  # keeps the choice of held-out images apart from other uses of the same seed


@dataclass(frozen=True)
class Split:
    """``images`` uint8 [N, H, W, C] as stored (see :func:`edgebnn.preprocessing.preprocess`), ``labels`` int32 [N]."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int32]

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.dtype != np.uint8 or self.labels.shape != self.images.shape[:1]:
            raise InputError(
                f"a split wants uint8 images [N, H, W, C] and N labels, "
                f"not {self.images.dtype} {self.images.shape} and {self.labels.shape}"
            )

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: NDArray[np.int64]) -> Split:
        return Split(self.images[indices], self.labels[indices])


@dataclass(frozen=True)
class Dataset:
    """A named data set: label i is the class ``classes[i]``."""

    name: str
    classes: tuple[str, ...]
    train: Split
    test: Split

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the stored images."""
        _, height, width, channels = self.train.images.shape
        return height, width, channels

    def hold_out(self, count: int, seed: int) -> tuple[Split, Split]:
        """The training images without some that are chosen randomly, and those.

        Args:
            count: how many are held out.
            seed: the same images for the same seed.

        Returns:
            The images to train on, and those held out.

        Raises:
            InputError: unless at least one image remains to train on.
        """
        if not 0 <= count < len(self.train):
            raise InputError(f"cannot hold out {count} of the {len(self.train)} training images of {self.name}")
        order = np.random.default_rng([seed, _HOLD_OUT_STREAM]).permutation(len(self.train))
        return self.train.take(np.sort(order[count:])), self.train.take(np.sort(order[:count]))
