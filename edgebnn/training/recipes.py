"""Recipes that were tried, by model, precision and data; and the trainings that the demo runs.

For binarized networks on MNIST (ResNet-8, 32, 64 and 128 channels) the defaults of :class:`Recipe` reached 98.9 % in
five epochs, and 99.1 % (two seeds) with images shifted by a pixel; one epoch of 15,000 images 95.3 to 95.9 % (three
seeds). What fails there is Keras' batch-norm momentum of 0.99 (see :mod:`edgebnn.models.blocks`) with Adam at
1e-2: 26 to 43 % validation accuracy after two epochs. On the way, while the learning rate is high, accuracy in
inference mode may still drop sharply for an epoch; it settles with the cosine's last quarter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgebnn.models import MODELS
from edgebnn.training.datasets import SOURCES
from edgebnn.training.plans import Descent, Distillation, Plan, Target
from edgebnn.training.recipe import Recipe


@dataclass(frozen=True)
class Training:
    """A model by name, the data set it learns, and how."""

    model: str
    precision: str
    widths: tuple[int, ...]
    dataset: str
    recipe: Recipe


DEMO = Training("resnet8", "w1a1", (32, 64, 128), "mnist", Recipe(epochs=5, hold_out=5000, augmentation="shift"))
DEMO_FAST = Training("resnet8", "w1a1", (32, 64, 128), "mnist", Recipe(epochs=1, hold_out=2000, train_images=15_000))

# The network retrained to W1A8 in the demo, and how: half as wide as the W1A1 one, and float to begin with.
DEMO_PARENT = Training(
    "resnet8",
    "float",
    (16, 32, 64),
    "mnist",
    Recipe(
        4,
        optimizer="sgd",
        learning_rate=0.05,
        weight_decay=5e-4,
        warmup_epochs=0.25,
        hold_out=5000,
        augmentation="shift",
    ),
)
DEMO_PARENT_FAST = replace(DEMO_PARENT, recipe=DEMO_FAST.recipe)


def recommended(model: str, precision: str, dataset: str) -> Recipe:
    """A recipe to start from.

    Args:
        model: a name of :data:`edgebnn.models.MODELS`.
        precision: "float", "w1a8" or "w1a1".
        dataset: what :func:`.datasets.load` takes.

    Returns:
        The recipe.
    """
    digits = dataset == "mnist"
    large = MODELS[model].input_shape[0] > 64
    binary = Recipe(
        epochs=6 if digits else 60,
        warmup_epochs=0.0 if digits else 1.0,
        hold_out=5000 if dataset in SOURCES else 0,
        augmentation="shift" if digits else "shift_flip",
        checkpoint_steps=100 if large else None,  # an epoch of AlexNet on CIFAR-10 takes 23 minutes on two cores
    )
    if precision in ("w1a1", "w1a8"):
        return binary
    # SGD with momentum and weight decay (He et al., 2016)
    rate = float_rate(normalized=model != "alexnet")
    return replace(binary, optimizer="sgd", learning_rate=rate, weight_decay=5e-4, warmup_epochs=0.5)


def float_rate(*, normalized: bool) -> float:
    """The peak learning rate of SGD with momentum for a float network, with batch norm (``normalized``) or without."""
    return 0.05 if normalized else 0.01


def retraining(to: Target, dataset: str) -> Plan:
    """How to retrain a network to fewer bits.

    Args:
        to: the precision.
        dataset: what :func:`.datasets.load` takes.

    Returns:
        Recipe, descent of the weights and distillation.
    """
    digits = dataset == "mnist"
    recipe = Recipe(
        epochs=4 if digits else 20,
        learning_rate=2e-3,
        warmup_epochs=0.25,
        hold_out=5000 if dataset in SOURCES else 0,
        augmentation="shift" if digits else "shift_flip",
    )
    return Plan(to, recipe, Descent() if to == "w1a8" else None, Distillation())


DEMO_RETRAINING = retraining("w1a8", "mnist")
DEMO_RETRAINING_FAST = replace(
    DEMO_RETRAINING,
    recipe=replace(DEMO_RETRAINING.recipe, epochs=1, hold_out=2000, train_images=15_000, augmentation="none"),
)
