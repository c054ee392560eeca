"""How a network is retrained for fewer bits, as plain values; without TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from edgebnn.errors import InputError
from edgebnn.training.recipe import Recipe

Target: TypeAlias = Literal["w1a8", "int8", "w1a1"]


@dataclass(frozen=True)
class Descent:
    """Bit widths that fall while a network trains: from 32 in the parent to 8, and then, of weights, to 1.

    Before the share ``begin`` of the run feature maps have 8 bits and the weights to be binarized still 32; up to
    ``end`` these are a mixture that moves evenly (:class:`.quantizers.GradualSign`); from then on they have 1 bit. Each
    step stays close to what the network was (Zhuang et al., Towards Effective Low-bitwidth Convolutional Neural
    Networks, CVPR 2018, section 3.2).
    """

    begin: float = 0.05
    end: float = 0.35

    def __post_init__(self) -> None:
        """Raises InputError unless the weights are binary before the run ends."""
        if not 0 <= self.begin <= self.end < 1:
            raise InputError(f"bit widths: needs 0 <= begin <= end < 1, not {self.begin} and {self.end}")

    def share(self, done: float) -> float:
        """Of one-bit weights in the mixture, when the share ``done`` of the run is done."""
        if done >= self.end:
            return 1.0
        return max(0.0, (done - self.begin) / (self.end - self.begin))


@dataclass(frozen=True)
class Distillation:
    """What the parent has to say.

    Attributes:
        weight: of the parent's answers in the loss, the labels having the rest.
        temperature: by which both networks' logits are divided; higher shows more of the unlikely classes.
    """

    weight: float = 0.7
    temperature: float = 3.0

    def __post_init__(self) -> None:
        """Raises InputError for a weight outside [0, 1] or a temperature that is not positive."""
        if not 0 <= self.weight <= 1 or not self.temperature > 0:
            raise InputError(
                f"distillation: the weight must be from 0 to 1 and the temperature above 0, not {self.weight} and "
                f"{self.temperature}"
            )


@dataclass(frozen=True)
class Plan:
    """How a network is retrained.

    Attributes:
        to: ``"w1a8"``, ``"int8"``, or ``"w1a1"``, which only trains on what was W1A1 before.
        recipe: of the training.
        descent: how weights become binary on the way to ``"w1a8"``; None: all at once, before the first step.
        distillation: what the parent teaches; None: nothing.
    """

    to: Target
    recipe: Recipe
    descent: Descent | None = None
    distillation: Distillation | None = None

    def __post_init__(self) -> None:
        """Raises InputError for an unknown target."""
        if self.to not in get_args(Target):
            raise InputError(f"cannot retrain to {self.to!r}: choose one of {', '.join(get_args(Target))}")
