"""What a training reports: metrics of each epoch, progress while it runs, and the outcome."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

from edgebnn.files import write_text


@dataclass(frozen=True)
class EpochMetrics:
    """Means over one epoch, measured on ``device``. Accuracies are shares in [0, 1].

    ``loss`` and ``accuracy`` are those of the training steps themselves, while the weights move. The held-out images
    are judged after every epoch (None without any), the test images only after the last.
    """

    epoch: int
    loss: float
    accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    test_loss: float | None
    test_accuracy: float | None
    learning_rate: float
    seconds: float
    device: str
    kind: str = "measured"


@dataclass(frozen=True)
class Progress:
    """Where a training stands: step ``step`` of ``steps`` in epoch ``epoch`` of ``epochs``, all counted from 1.

    ``loss`` and ``accuracy`` are means over the epoch so far; ``finished`` is set once when an epoch has ended.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    accuracy: float
    learning_rate: float
    finished: EpochMetrics | None = None


ProgressCallback: TypeAlias = Callable[[Progress], None]


@dataclass(frozen=True)
class History:
    """The outcome: all epochs in order, and the saved model. ``resumed_from`` counts the steps found already done."""

    epochs: tuple[EpochMetrics, ...]
    model_path: Path
    resumed_from: int

    @property
    def test_accuracy(self) -> float:
        accuracy = self.epochs[-1].test_accuracy
        assert accuracy is not None, "the last epoch is always tested"
        return accuracy

    @property
    def seconds(self) -> float:
        """Time spent in training steps and evaluation, also before a resumption."""
        return sum(epoch.seconds for epoch in self.epochs)


def write_metrics(path: Path, epochs: Sequence[EpochMetrics]) -> None:
    """One JSON object a line, one line an epoch."""
    write_text(path, "".join(json.dumps(asdict(epoch)) + "\n" for epoch in epochs))
