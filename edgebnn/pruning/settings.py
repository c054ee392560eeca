"""How NetAdapt searches: the published constants by default, as one value that can be compared, stored and repeated."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from edgebnn.errors import InputError
from edgebnn.training.compute import COMPUTES
from edgebnn.training.recipe import OPTIMIZERS, Recipe

SELECTIONS = ("accuracy", "ratio")
REMOVALS = ("cut", "gradual")

ImportanceFunction: TypeAlias = Callable[..., Any]


@dataclass(frozen=True)
class Settings:
    """What decides the outcome of a pruning besides the network, the data and the budget.

    Constants are those of Yang et al., "NetAdapt", ECCV 2018, and of the authors' code (denru01/netadapt).

    Attributes:
        ratio: the first iteration's saving, as a share of the unpruned network's resource.
        decay: factor on the saving from one iteration to the next.
        step: widths are multiples of this many channels.
        iterations: at most so many.
        selection: ``"accuracy"``, the proposal with the highest accuracy (the paper), or ``"ratio"``, that with the
            least (accuracy lost + 1e-6) / (resource saved + 1e-5) (the authors' code).
        importance: which channels stay: a name in :data:`.importance.IMPORTANCES`, or a function like
            those there that worker processes can import.
        importance_images: training images that importances which need data look at.
        removal: ``"cut"``, a proposal's channels go before its fine-tuning (the paper), or ``"gradual"``, they are
            masked one by one during its first half (:mod:`edgebnn.pruning.channels.masks`), then cut.
        steps: of short-term fine-tuning of every proposal.
        batch: images in such a step.
        recalibration: batches of training images from which a proposal's batch norms take their averages anew before it
            is judged (:func:`.recalibrate`), which the paper does not have; 0 leaves them as the training did.
        optimizer: ``"sgd"`` with momentum 0.9, or ``"adam"``.
        learning_rate: of short-term fine-tuning.
        weight_decay: of short-term fine-tuning, decoupled.
        compute: of short-term fine-tuning, a name in :data:`edgebnn.training.compute.COMPUTES`.
        hold_out: training images set aside, on which proposals are judged; the test set plays no part in the search.
        seed: of the choice of held-out images, of every proposal's batches, and of random importances.
        long_term: how the pruned network is trained at the end; None leaves that to the user.
    """

    ratio: float = 0.025
    decay: float = 0.96
    step: int = 8
    iterations: int = 30
    selection: str = "accuracy"
    importance: str | ImportanceFunction = "l2"
    importance_images: int = 128
    removal: str = "cut"
    steps: int = 10
    batch: int = 128
    recalibration: int = 8
    optimizer: str = "sgd"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    compute: str = "float32"
    hold_out: int = 1024
    seed: int = 0
    long_term: Recipe | None = None

    def __post_init__(self) -> None:
        """Raises :class:`InputError` for a value that makes no search."""
        for name, least in (
            ("step", 1),
            ("iterations", 1),
            ("steps", 0),
            ("batch", 1),
            ("recalibration", 0),
            ("hold_out", 1),
        ):
            if getattr(self, name) < least:
                raise InputError(f"pruning: {name} must be at least {least}, not {getattr(self, name)}")
        for name in ("ratio", "decay"):
            if not 0 < getattr(self, name) <= 1:
                raise InputError(f"pruning: {name} must be above 0 and at most 1, not {getattr(self, name)}")
        for name in ("learning_rate", "weight_decay"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise InputError(f"pruning: {name} must be a finite number, zero or more, not {getattr(self, name)}")
        for name, known in (
            ("selection", SELECTIONS),
            ("removal", REMOVALS),
            ("optimizer", OPTIMIZERS),
            ("compute", COMPUTES),
        ):
            if getattr(self, name) not in known:
                raise InputError(f"pruning: unknown {name} {getattr(self, name)!r}: choose one of {', '.join(known)}")

    @property
    def importance_name(self) -> str:
        """The importance as a user would write it: a name, or ``package.module:function``."""
        if isinstance(self.importance, str):
            return self.importance
        return f"{self.importance.__module__}:{getattr(self.importance, '__qualname__', self.importance)}"

    def as_json(self) -> dict[str, Any]:
        """Every field as JSON can hold it."""
        long_term = None if self.long_term is None else asdict(self.long_term)
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**fields, "importance": self.importance_name, "long_term": long_term}
