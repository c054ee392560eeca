"""What a long run says meanwhile, on standard error, a line at a time with the hour."""

from __future__ import annotations

import sys
import time

from edgebnn.pruning import progress as pruning_progress
from edgebnn.reports.format import amount
from edgebnn.training.history import EpochMetrics, Progress

EVERY = 50  # steps


def say(message: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {message}", file=sys.stderr, flush=True)


def say_epochs(at: Progress) -> None:
    """Of a training, the ends of epochs."""
    if at.finished is not None:
        say(_epoch(at.finished))


def say_steps(at: Progress) -> None:
    """Of a training whose epochs are long, some steps too."""
    if at.finished is not None:
        say(_epoch(at.finished))
    elif at.step % EVERY == 0:
        say(f"epoch {at.epoch} of {at.epochs}, step {at.step} of {at.steps}: loss {at.loss:.3f}, {at.accuracy:.2%}")


def _epoch(epoch: EpochMetrics) -> str:
    held_out = "" if epoch.validation_accuracy is None else f", held out {epoch.validation_accuracy:.2%}"
    return f"epoch {epoch.epoch}: training {epoch.accuracy:.2%}{held_out}, {epoch.seconds:.0f} s"


def say_pruning(at: pruning_progress.Progress) -> None:
    """Of a pruning, every proposal, every iteration, and some steps of the training at its end."""
    if at.stage == "note":
        say(at.message)
    elif at.stage != "long_term" or at.done % EVERY == 0:
        judged = "" if at.accuracy is None else f", {at.accuracy:.2%}"
        left = "" if at.seconds_left is None else f", about {at.seconds_left / 60:.0f} minutes left"
        now = f"{amount(at.predicted, at.unit)} {at.unit}"
        say(f"{at.stage} {at.iteration}, {at.layer} {at.done} of {at.total}{judged}, {now}{left}")
