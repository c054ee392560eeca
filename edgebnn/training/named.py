"""A network by name, trained on a data set by name: what ``edgebnn train`` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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


@dataclass(frozen=True)
class NamedTraining:
    """What is trained, on what, and how.

    Attributes:
        name: of the model, in :data:`edgebnn.models.MODELS`.
        data: of the data set, as :func:`.datasets.load` takes it.
        precision: "float", "w1a8" or "w1a1".
        widths: output channels of its layers; by default its own.
        image_size: pixels of height and width to which the images of a folder are resized.
        seed: of weights and order.
        changes: to the fields of the recommended recipe.
    """

    name: str
    data: str
    precision: str
    widths: Sequence[int] | None = None
    image_size: int | None = None
    seed: int = 0
    changes: Mapping[str, Any] = field(default_factory=dict)


def train_named(task: NamedTraining, run_dir: Path, progress: ProgressCallback | None = None) -> History:
    """Train a model by the recommended recipe; started again after a kill, it goes on.

    Args:
        task: what is trained.
        run_dir: for checkpoints and metrics.
        progress: told after each step.

    Returns:
        The epochs, and where the model is.

    Raises:
        EdgebnnError: for an unknown name, for data that cannot be read, and as :func:`.loop.train` does.
    """
    size = None if task.image_size is None else (task.image_size, task.image_size)
    dataset = datasets.load(task.data, size)
    keras.utils.set_random_seed(task.seed)
    model = build(
        task.name,
        widths=task.widths,
        classes=len(dataset.classes),
        precision=task.precision,
        input_shape=_input_shape(task.name, dataset),
    )
    recipe = replace(recommended(task.name, task.precision, task.data), seed=task.seed, **task.changes)
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
