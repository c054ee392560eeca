#!/usr/bin/env python3
"""What fewer bits cost: ResNet-20 on CIFAR-10 at W32A32, int8, W1A8 and W1A1, from training to the deployed file.

Usage: .venv/bin/python -m tools.experiments.cifar10_study --run-dir DIR [--arm NAME]... [--report DIR]

Every network is trained for 20 epochs: W32A32 and W1A1 from the start, int8 and W1A8 from the W32A32 network, which
teaches them. ``w32a32-longer`` is the W32A32 network trained on in the same way for as many epochs as they were: what
the additional training alone is worth. Every arm is resumable: run again after a kill, the script goes on where it was,
and an arm that is done is only read. With ``--report`` nothing is trained: files are weighed and timed (on a machine
with nothing else to do), and results.json, table.md and accuracy.svg are written for the arms that are done.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

from edgebnn import machine
from edgebnn._tensorflow import keras
from edgebnn.converters.convert import convert
from edgebnn.converters.from_keras import load_model
from edgebnn.errors import InputError
from edgebnn.training import datasets, recipes
from edgebnn.training.history import History
from edgebnn.training.loop import train
from edgebnn.training.named import NamedTraining, train_named
from edgebnn.training.retraining import Stage
from edgebnn.workflows.retrain import file_accuracy, retrain
from tools.experiments.saying import say, say_epochs
from tools.experiments.study_report import Arm, read_arm, write_arm, write_report

MODEL, DATA, WIDTHS, EPOCHS, SEED = "resnet20", "cifar10", (16, 32, 64), 20, 0


def trained_float(folder: Path) -> Arm:
    """W32A32: the parent of the two that are retrained."""
    history = _train_named("float", folder / "w32a32")
    return _deployed(folder, "w32a32", "float", history)


def trained_w1a1(folder: Path) -> Arm:
    """W1A1: of its own topology, a shortcut around every convolution, and so trained from the start."""
    history = _train_named("w1a1", folder / "w1a1")
    return _deployed(folder, "w1a1", "lce", history)


def trained_longer(folder: Path) -> Arm:
    """W32A32 trained on, by the recipe by which the others are retrained and without a teacher."""
    model = load_model(str(_parent(folder)))
    recipe = replace(recipes.retraining("int8", DATA).recipe, epochs=EPOCHS, seed=SEED)
    keras.utils.set_random_seed(SEED)
    history = train(model, datasets.load(DATA), recipe, folder / "w32a32-longer", say_epochs)
    return _deployed(folder, "w32a32-longer", "float", history)


def retrained(folder: Path, to: Literal["int8", "w1a8"]) -> Arm:
    """int8 after quantization-aware training; W1A8 after gradual binarization of the weights on top of it."""
    result = retrain(
        _parent(folder),
        DATA,
        to,
        output=folder / f"{to}.tflite",
        run_dir=folder / to,
        changes={"epochs": EPOCHS, "seed": SEED},
        progress=say_epochs,
        tell=_say_stage,
    )
    return Arm(to, result.stages, result.epochs, str(result.file))


ARMS: dict[str, Callable[[Path], Arm]] = {
    "w32a32": trained_float,
    "w1a8": lambda folder: retrained(folder, "w1a8"),
    "int8": lambda folder: retrained(folder, "int8"),
    "w1a1": trained_w1a1,
    "w32a32-longer": trained_longer,
}


def _train_named(precision: str, run_dir: Path) -> History:
    return train_named(
        NamedTraining(MODEL, DATA, precision, widths=WIDTHS, seed=SEED, changes={"epochs": EPOCHS}), run_dir, say_epochs
    )


def _parent(folder: Path) -> Path:
    path = folder / "w32a32" / "model.keras"
    if not path.exists():
        raise InputError(f"{path}: is missing; run the arm w32a32 first")
    return path


def _deployed(folder: Path, name: str, to: Literal["float", "lce"], history: History) -> Arm:
    """The arm of a training without retraining: its Keras model, and what the file answers."""
    test, file = datasets.load(DATA).test, folder / f"{name}.tflite"
    convert(str(history.model_path), file, to=to)
    stages = (
        Stage("float" if to == "float" else "given", history.test_accuracy, len(test), "Keras"),
        Stage("deployed", file_accuracy(file, test.images, test.labels), len(test), "the file, in the runtime"),
    )
    return Arm(name, stages, history.epochs, str(file))


def _say_stage(stage: Stage) -> None:
    say(f"{stage.name}: {stage.accuracy:.2%} ({stage.where})")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--run-dir", type=Path, required=True, help="where checkpoints and files are kept")
    parser.add_argument("--arm", choices=list(ARMS), action="append", help="only this one; all in turn by default")
    parser.add_argument("--report", type=Path, metavar="DIR", help="measure what is there and write the report")
    options = parser.parse_args()
    if options.report is not None:
        done = [arm for name in ARMS if (arm := read_arm(options.run_dir, name)) is not None]
        if not done:
            raise SystemExit(f"{options.run_dir}: no arm is done yet")
        write_report(options.report, done, machine.describe())
        return
    for name in options.arm or ARMS:
        if read_arm(options.run_dir, name) is None:
            say(f"arm {name}")
            write_arm(options.run_dir, ARMS[name](options.run_dir))
        say(f"arm {name}: done")


if __name__ == "__main__":
    main()
