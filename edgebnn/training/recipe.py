"""How a network is trained, as one value that can be compared, stored and repeated; without TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from edgebnn.errors import InputError
from edgebnn.training.augment import AUGMENTATIONS
from edgebnn.training.compute import COMPUTES

OPTIMIZERS = ("adam", "sgd")
# each: the share of the way done, in [0, 1) -> factor on the learning rate
SCHEDULES: Mapping[str, Callable[[float], float]] = MappingProxyType(
    {
        "constant": lambda done: 1.0,
        "cosine": lambda done: 0.5 * (1 + math.cos(math.pi * done)),  # Loshchilov and Hutter, SGDR, ICLR 2017
    }
)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome of a training besides the model and the data.

    The defaults are for binarized networks: Adam at 5e-3 with cosine decay over the whole run.

    Attributes:
        epochs: passes over the training images.
        batch: images in a step; an epoch leaves out what does not fill its last batch.
        learning_rate: the peak.
        schedule: a name in :data:`SCHEDULES`.
        warmup_epochs: epochs, or a fraction of one, in which the rate rises from nothing to its peak.
        optimizer: ``"adam"``, or ``"sgd"`` with momentum 0.9.
        weight_decay: decoupled; spares biases, batch norms, and latent weights of which only the sign counts.
        augmentation: a name in :data:`edgebnn.training.augment.AUGMENTATIONS`.
        hold_out: training images set aside, on which each epoch is judged.
        train_images: train on only so many randomly chosen images; all by default.
        seed: of the order of images, augmentation, dropout, and the choice of images.
        compute: a name in :data:`edgebnn.training.compute.COMPUTES`.
        checkpoint_steps: also make a checkpoint within an epoch, after every so many steps.
    """

    epochs: int
    batch: int = 128
    learning_rate: float = 5e-3
    schedule: str = "cosine"
    warmup_epochs: float = 0.0
    optimizer: str = "adam"
    weight_decay: float = 0.0
    augmentation: str = "none"
    hold_out: int = 0
    train_images: int | None = None
    seed: int = 0
    compute: str = "float32"
    checkpoint_steps: int | None = None

    def __post_init__(self) -> None:
        """Raises :class:`InputError` for a value that makes no training."""
        for name, least in (("epochs", 1), ("batch", 1), ("hold_out", 0), ("train_images", 1), ("checkpoint_steps", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise InputError(f"recipe: {name} must be at least {least}, not {value}")
        for name in ("learning_rate", "warmup_epochs", "weight_decay"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise InputError(f"recipe: {name} must be a finite number, zero or more, not {getattr(self, name)}")
        for name, known in (
            ("schedule", SCHEDULES),
            ("optimizer", OPTIMIZERS),
            ("augmentation", AUGMENTATIONS),
            ("compute", COMPUTES),
        ):
            if getattr(self, name) not in known:
                raise InputError(f"recipe: unknown {name} {getattr(self, name)!r}: choose one of {', '.join(known)}")


def learning_rate(peak: float, schedule: str, step: int, total_steps: int, warmup_steps: int = 0) -> float:
    """The rate of one step: a linear warm-up, then the schedule.

    Of the step's number alone, so that a resumed run continues the same curve.

    Args:
        peak: the highest rate.
        schedule: its name.
        step: number of the step, from 0.
        total_steps: of the run.
        warmup_steps: of them, in which the rate rises.

    Returns:
        The rate.
    """
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    return peak * SCHEDULES[schedule]((step - warmup_steps) / max(1, total_steps - warmup_steps))
