"""What each step of the demo hands on, as plain values that are recorded."""

from __future__ import annotations

from dataclasses import dataclass

from edgebnn.reports.data import Accuracy, Agreement, Epoch, Finding, Rival, Timing


@dataclass(frozen=True)
class Trained:
    """The outcome of the training; the model itself is in a file."""

    parameters: int
    epochs: tuple[Epoch, ...]


@dataclass(frozen=True)
class Converted:
    """What lint found; ``subjects`` names what it looked at: the Keras model, and the file made of it."""

    subjects: tuple[str, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Answers:
    """How the deployed model did on all test images, and how its outputs compare with Keras'."""

    accuracy: Accuracy
    keras: Agreement


@dataclass(frozen=True)
class Compared:
    """How the deployed model's outputs compare with the reference executor's."""

    reference: Agreement


@dataclass(frozen=True)
class Timed:
    """The profile of one inference, and the deployed file timed in turn with others."""

    timing: Timing
    rivals: tuple[Rival, ...]
