"""What a training does beyond the plain one: another loss, something before each step, another model to keep."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from edgebnn._tensorflow import keras

Loss: TypeAlias = Callable[[Any, Any, Any], Any]
"""(images float [N, H, W, C], labels int32 [N], logits [N, classes]) -> a scalar."""


def cross_entropy(images: Any, labels: Any, logits: Any) -> Any:
    """Mean over the images, in nats."""
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, logits)


def nothing(done: float) -> None:
    """Before a step of the plain training."""


@dataclass(frozen=True)
class Method:
    """How :func:`.loop.train` trains. The default is the plain training.

    Attributes:
        loss: to be minimised; regularization losses of the layers are added to it.
        before_step: told before each step, and before an epoch is judged, what share of the run is done, in [0, 1].
            What it changes must follow from that share alone, so that a resumed run is the same.
        result: of the trained model makes the one that is saved.
        identity: plain values that tell this method from others; a run folder is not continued by another.
    """

    loss: Loss = cross_entropy
    before_step: Callable[[float], None] = nothing
    result: Callable[[Any], Any] = lambda model: model
    identity: Mapping[str, Any] = field(default_factory=dict)


PLAIN = Method()
