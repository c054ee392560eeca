#!/usr/bin/env python3
"""NetAdapt on AlexNet (Yang et al., ECCV 2018): trained, adapted by MACs, fine-tuned; one test set throughout.

Usage: .venv/bin/python -m tools.experiments.alexnet_netadapt --run-dir DIR [--stage NAME] [--seed N]

CIFAR-10 (10 classes) enlarged to 224x224. Every stage is resumable: run again after a kill, the script goes on where
it was; a stage that is done is only read. Checkpoints are large (AlexNet has 57 million weights: 228 MB).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgebnn.training.history import Progress
from edgebnn.training.named import train_named

DATA = "cifar10"
PRETRAINING_EPOCHS = 2
SAY_EVERY = 10  # steps


@dataclass(frozen=True)
class Experiment:
    """Where it is kept, and the seed of everything random."""

    folder: Path
    seed: int


def pretrain(experiment: Experiment) -> None:
    """Two epochs of the recommended recipe for float AlexNet: 23 minutes each on two cores."""
    history = train_named(
        "alexnet",
        DATA,
        experiment.folder / "pretrain",
        precision="float",
        seed=experiment.seed,
        changes={"epochs": PRETRAINING_EPOCHS},
        progress=_say_progress,
    )
    say(f"pre-trained in {history.seconds / 60:.0f} minutes: test accuracy {history.test_accuracy:.2%}")


STAGES: dict[str, Callable[[Experiment], None]] = {"pretrain": pretrain}


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _say_progress(at: Progress) -> None:
    if at.finished is not None or at.step % SAY_EVERY == 0:
        say(
            f"epoch {at.epoch} of {at.epochs}, step {at.step} of {at.steps}: "
            f"loss {at.loss:.3f}, accuracy {at.accuracy:.2%}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--run-dir", type=Path, required=True, help="where checkpoints and results are kept")
    parser.add_argument("--stage", choices=list(STAGES), action="append", help="only this one; all in turn by default")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    experiment = Experiment(options.run_dir, options.seed)
    for name in options.stage or STAGES:
        say(f"stage {name}")
        STAGES[name](experiment)


if __name__ == "__main__":
    main()
