"""What each step of the demo hands on, as plain values that are recorded, and what the demo as a whole gives."""

from __future__ import annotations

from dataclasses import dataclass

from edgebnn.reports.data import Agreement, Epoch, Finding, Pruning, Retraining, Rival, Timing
from edgebnn.runtime.profile import Kind


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
    """Accuracies of the deployed model and of Keras on all test images, and how their outputs compare."""

    deployed: float
    keras: float
    agreement: Agreement


@dataclass(frozen=True)
class Compared:
    """How the deployed model's outputs compare with the reference executor's."""

    reference: Agreement


@dataclass(frozen=True)
class Timed:
    """The profile of one inference, and the deployed file timed in turn with others."""

    timing: Timing
    rivals: tuple[Rival, ...]


@dataclass(frozen=True)
class DemoResult:
    """The outcome; field names are the JSON's. Accuracies are shares, ``latency_ms`` is of this machine,
    ``latency_kind`` says how.

    ``passed`` is whether the deployed model reached ``required``, and the pruned one and the one retrained to W1A8
    what they have to.
    """

    passed: bool
    accuracy: float
    required: float
    keras_accuracy: float
    samples: int
    agreements: tuple[Agreement, ...]
    latency_ms: float
    latency_kind: Kind
    file_bytes: int
    float_file_bytes: int
    retraining: Retraining
    pruning: Pruning
    seconds: float
    model: str
    pruned_model: str
    retrained_model: str
    report: str
    report_data: str
