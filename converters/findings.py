"""What lint, calibration and rewrites report, and what a lint rule is: the tables of rules are made of it, and
:mod:`.lint`, above them, reads those."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

Level = Literal["error", "warning", "info"]
Model = TypeVar("Model")
Layer = TypeVar("Layer")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong (error), silently slow or inexact (warning), or worth knowing (info).

    ``layer`` is the layer it concerns, empty for the whole model; ``remedy`` says what to change.
    """

    level: Level
    rule: str
    layer: str
    message: str
    remedy: str


@dataclass(frozen=True)
class Rule(Generic[Model, Layer]):
    """One thing lint looks for: ``check`` gives the message for a layer, or None where there is nothing to say.

    ``targets`` are the conversions for which it matters. The docstring of ``check`` explains the rule to users.
    """

    id: str
    level: Level
    check: Callable[[Model, Layer], str | None]
    remedy: str
    targets: tuple[str, ...] = ("lce",)

    @property
    def doc(self) -> str:
        return self.check.__doc__ or ""
