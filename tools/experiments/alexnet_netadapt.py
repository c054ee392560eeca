#!/usr/bin/env python3
"""NetAdapt on AlexNet (Yang et al., ECCV 2018): trained, adapted by MACs, fine-tuned; one test set throughout.

Usage: .venv/bin/python -m tools.experiments.alexnet_netadapt --run-dir DIR [--stage NAME]... [--workers N]
       ... --precision w1a1 --budget latency=0.6x --iterations 10 --run-dir ANOTHER   (the binarized one, by latency)

CIFAR-10 (10 classes) enlarged to 224x224. Stages, in turn: pretrain (two epochs), adapt (13 iterations), onward (to the
iteration that first meets the budget, 454,945,680 multiply-accumulates, 30 at most), finetune (long-term training of
what came out), control (the unpruned network trained on in the same way). Every stage is resumable: run again after a
kill, the script goes on where it was; a stage that is done is only read. What came out is in summary.json, and in
adapt/ the history as JSON, a table and two charts. Checkpoints are large (AlexNet has 57 million weights: 228 MB).
A budget of latency is measured on this machine.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edgebnn import machine
from edgebnn._tensorflow import keras
from edgebnn.errors import InputError
from edgebnn.files import write_text
from edgebnn.pruning.settings import Settings
from edgebnn.training import datasets
from edgebnn.training.compute import COMPUTES
from edgebnn.training.loop import train
from edgebnn.training.named import NamedTraining, train_named
from edgebnn.training.recipe import Recipe
from edgebnn.training.recipes import recommended
from edgebnn.workflows.prune import PruneOptions, prune_in
from tools.experiments.saying import say, say_pruning, say_steps

DATA = "cifar10"
BUDGET = "macs=454945680"
FIRST_ITERATIONS, MOST_ITERATIONS = 13, 30
FINE_TUNING = 1 / 3
"""Of the pre-training's peak rate: the network is trained already."""


@dataclass(frozen=True)
class Experiment:
    """Where it is kept, the seed of everything random, and what it may use and take."""

    folder: Path
    precision: str
    budget: str
    seed: int
    workers: int | None
    pretraining_epochs: int
    epochs: int
    most_iterations: int
    compute: str

    @property
    def fine_tuning(self) -> Recipe:
        recipe = recommended("alexnet", self.precision, DATA)
        rate = recipe.learning_rate * FINE_TUNING
        return replace(
            recipe, epochs=self.epochs, learning_rate=rate, warmup_epochs=0.0, seed=self.seed + 1, compute=self.compute
        )

    @property
    def settings(self) -> Settings:
        """The published ones: 10 short-term steps of 128 images, judged on 1,024 that no training sees."""
        return Settings(seed=self.seed, iterations=self.most_iterations, compute=self.compute)


def pretrain(experiment: Experiment) -> dict[str, Any]:
    """The recommended recipe, two epochs of it by default: on two Zen 4 cores 17 minutes each for float AlexNet, in
    bfloat16 9, reckoned from its measured steps."""
    history = train_named(
        NamedTraining(
            "alexnet",
            DATA,
            experiment.precision,
            seed=experiment.seed,
            changes={"epochs": experiment.pretraining_epochs, "compute": experiment.compute},
        ),
        experiment.folder / "pretrain",
        say_steps,
    )
    say(f"pre-trained in {history.seconds / 60:.0f} minutes: test accuracy {history.test_accuracy:.2%}")
    return {"test_accuracy": history.test_accuracy, "seconds": history.seconds}


def adapt(experiment: Experiment) -> dict[str, Any]:
    """Thirteen iterations, or fewer if the budget is met earlier."""
    first = min(FIRST_ITERATIONS, experiment.most_iterations)
    return _adapted(experiment, replace(experiment.settings, iterations=first))


def onward(experiment: Experiment) -> dict[str, Any]:
    """On to the iteration that first meets the budget."""
    return _adapted(experiment, experiment.settings)


def finetune(experiment: Experiment) -> dict[str, Any]:
    """Long-term training of the network that the search ended with."""
    return _adapted(experiment, replace(experiment.settings, long_term=experiment.fine_tuning))


def control(experiment: Experiment) -> dict[str, Any]:
    """The pre-trained network trained on as long as the pruned one, in the same way: what pruning is compared with."""
    keras.utils.set_random_seed(experiment.fine_tuning.seed)
    history = train(
        _pretrained(experiment),
        datasets.load(DATA),
        experiment.fine_tuning,
        experiment.folder / "control",
        say_steps,
    )
    return {"test_accuracy": history.test_accuracy, "seconds": history.seconds}


def _adapted(experiment: Experiment, settings: Settings) -> dict[str, Any]:
    result = prune_in(
        experiment.folder / "adapt",
        _pretrained(experiment),
        datasets.load(DATA),
        "host",
        experiment.budget,
        PruneOptions(settings, workers=experiment.workers, progress=say_pruning),
    )
    last = result.iterations[-1]
    return {
        "iterations": len(result.iterations),
        "resource": result.history["resource"],
        "initial": result.initial,
        "predicted": result.predicted,
        "measured": result.measured,
        "met": result.met,
        "widths": dict(last.widths),
        "layers": [iteration.layer for iteration in result.iterations],
        "held_out_accuracy": last.accuracy,
        "test_accuracy": asdict(result.accuracy),
    }


def _pretrained(experiment: Experiment) -> keras.Model:
    path = experiment.folder / "pretrain" / "model.keras"
    if not path.exists():
        raise InputError(f"{path}: is missing; run the stage pretrain first")
    return keras.models.load_model(path, compile=False)


STAGES: dict[str, Callable[[Experiment], dict[str, Any]]] = {
    "pretrain": pretrain,
    "adapt": adapt,
    "onward": onward,
    "finetune": finetune,
    "control": control,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--run-dir", type=Path, required=True, help="where checkpoints and results are kept")
    parser.add_argument("--stage", choices=list(STAGES), action="append", help="only this one; all in turn by default")
    parser.add_argument("--precision", default="float", choices=["float", "w1a1"])
    parser.add_argument("--budget", default=BUDGET)
    parser.add_argument("--iterations", type=int, default=MOST_ITERATIONS, help="at most so many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, help="proposals at once (default: by cores and memory)")
    parser.add_argument("--pretraining-epochs", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=1, help="of long-term training, and of the control")
    parser.add_argument(
        "--compute", default="float32", choices=COMPUTES, help="of training; networks are judged in float32"
    )
    options = parser.parse_args()
    experiment = Experiment(
        folder=options.run_dir,
        precision=options.precision,
        budget=options.budget,
        seed=options.seed,
        workers=options.workers,
        pretraining_epochs=options.pretraining_epochs,
        epochs=options.epochs,
        most_iterations=options.iterations,
        compute=options.compute,
    )
    for name in options.stage or STAGES:
        say(f"stage {name}")
        outcome = STAGES[name](experiment)
        path = experiment.folder / "summary.json"
        summary = json.loads(path.read_text()) if path.exists() else {"machine": machine.describe()}
        write_text(path, json.dumps({**summary, name: outcome}, indent=1))
        say(f"{name}: {json.dumps(outcome)}")


if __name__ == "__main__":
    main()
