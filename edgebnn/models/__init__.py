"""Networks by name. Listing them does not load TensorFlow; building one does.

Adding a model is one line of ``MODELS``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from edgebnn.errors import InputError

if TYPE_CHECKING:
    from edgebnn._tensorflow import keras

__all__ = ["MODELS", "ModelEntry", "build"]


@dataclass(frozen=True)
class ModelEntry:
    """Where a model's builder is, the arguments that the name stands for, and the input it was designed for."""

    module: str
    function: str
    summary: str
    input_shape: tuple[int, int, int]
    arguments: Mapping[str, Any] = field(default_factory=dict)


_RESNET, _ALEXNET = "edgebnn.models.resnet", "edgebnn.models.alexnet"

MODELS: Mapping[str, ModelEntry] = MappingProxyType(
    {
        "resnet8": ModelEntry(_RESNET, "resnet", "MLPerf Tiny's ResNet-8", (32, 32, 3), {"depth": 8}),
        "resnet18": ModelEntry(_RESNET, "resnet", "ImageNet ResNet-18 (binary: Bi-Real)", (224, 224, 3), {"depth": 18}),
        "resnet20": ModelEntry(_RESNET, "resnet", "CIFAR ResNet-20", (32, 32, 3), {"depth": 20}),
        "alexnet": ModelEntry(_ALEXNET, "alexnet", "AlexNet of NetAdapt's figures", (224, 224, 3)),
    }
)


def build(
    name: str,
    *,
    widths: Sequence[int] | None = None,
    classes: int = 10,
    precision: str = "float",
    input_shape: tuple[int, int, int] | None = None,
) -> keras.Model:
    """A model by its name, untrained: [N, *input_shape] -> [N, classes] logits.

    Args:
        name: one of :data:`MODELS`.
        widths: output channels of its layers. Default: the model's own.
        classes: how many it tells.
        precision: "float", "w1a8" or "w1a1".
        input_shape: height, width and channels of an image. Default: the model's own.

    Returns:
        The Keras model.

    Raises:
        InputError: there is no such model, or it cannot be built with these arguments.
    """
    if name not in MODELS:
        raise InputError(f"unknown model {name!r}: choose one of {', '.join(MODELS)}")
    entry = MODELS[name]
    arguments: dict[str, Any] = {**entry.arguments, "classes": classes, "precision": precision}
    if widths is not None:
        arguments["widths"] = tuple(widths)
    builder = getattr(import_module(entry.module), entry.function)
    return builder(input_shape=entry.input_shape if input_shape is None else input_shape, **arguments)
