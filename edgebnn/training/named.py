"""A network by name, trained on a data set by name: what ``edgebnn train`` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgebnn._tensorflow import keras
from edgebnn.models import MODELS, build
from edgebnn.training import datasets
from edgebnn.training.history import History, ProgressCallback
from edgebnn.training.loop import train
from edgebnn.training.recipes import recommended
from edgebnn.training.splits import Dataset

SMALL = 32
"""Networks designed for images up to this size take smaller ones as they are."""


def train_named(
    name: str,
    data: str,
    run_dir: Path,
    *,
    precision: str,
    widths: Sequence[int] | None = None,
    image_size: int | None = None,
    seed: int = 0,
    changes: Mapping[str, Any] | None = None,
    progress: ProgressCallback | None = None,
) -> History:
    """Train the model ``name`` of :data:`edgebnn.models.MODELS` on ``data`` (see :func:`.datasets.load`).

    The recipe is the recommended one with ``changes`` to its fields. Started again after a kill, it goes on. Raises
    :class:`EdgebnnError` for an unknown name, for data that cannot be read, and as :func:`.loop.train` does.
    """
    size = None if image_size is None else (image_size, image_size)
    dataset = datasets.load(data, size)
    keras.utils.set_random_seed(seed)
    model = build(
        name,
        widths=widths,
        classes=len(dataset.classes),
        precision=precision,
        input_shape=_input_shape(name, dataset),
    )
    recipe = replace(recommended(name, precision, data), seed=seed, **(changes or {}))
    return train(model, dataset, recipe, run_dir, progress)


def _input_shape(name: str, dataset: Dataset) -> tuple[int, int, int]:
    """The images' own shape, or the model's where that is larger: networks for 224x224 enlarge small images."""
    height, width, channels = dataset.input_shape
    if name not in MODELS:
        return dataset.input_shape  # build() says which names there are
    wanted_height, wanted_width, _ = MODELS[name].input_shape
    if wanted_height > max(height, SMALL):
        return wanted_height, wanted_width, channels
    return height, width, channels
