"""A small deterministic pruning in a process of its own, which can be told to kill itself or its training processes.

``python -m tests.support.pruning_run RUN_DIR EXECUTOR [WHOM N]``: EXECUTOR is ``local:WORKERS``, or a dask
scheduler's address; WHOM is ``main`` or ``trainers``, killed when the N-th proposal has been finished. Prints the layer
of every finished proposal.
"""

from __future__ import annotations

import os
import signal
import sys
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from edgebnn._tensorflow import keras, lq, tf
from edgebnn.pruning.progress import Progress
from edgebnn.pruning.search.budget import parse
from edgebnn.pruning.search.netadapt import adapt, check
from edgebnn.pruning.search.run_folder import RunFolder
from edgebnn.pruning.search.task import Task
from edgebnn.pruning.settings import Settings
from edgebnn.pruning.workers import executors
from edgebnn.training.recipe import Recipe
from tests.support.images import blobs
from tests.support.processes import training_processes

SETTINGS = Settings(ratio=0.11, step=4, steps=3, batch=32, hold_out=64, seed=3)
LONG_TERM = Recipe(1, batch=64, seed=3)
BUDGET = parse("macs=0.68x")


def small_model() -> Any:
    """A convolution with a shortcut around the next, a binary one, and two dense layers."""
    keras.utils.set_random_seed(7)
    images = keras.Input((8, 8, 1), name="image")
    x = keras.layers.Conv2D(16, 3, padding="same", activation="relu", name="first")(images)
    y = keras.layers.Conv2D(16, 3, padding="same", name="second")(x)
    x = keras.layers.Add(name="sum")([x, y])
    x = lq.layers.QuantConv2D(
        24,
        3,
        strides=2,
        padding="same",
        pad_values=1.0,
        input_quantizer="approx_sign",
        kernel_quantizer="ste_sign",
        kernel_constraint="weight_clip",
        use_bias=False,
        name="binary",
    )(x)
    x = keras.layers.BatchNormalization(momentum=0.9, name="norm")(x)
    x = keras.layers.Flatten(name="flat")(x)
    x = keras.layers.Dropout(0.2, name="dropout")(x)
    x = keras.layers.Dense(128, activation="relu", name="hidden")(x)
    return keras.Model(images, keras.layers.Dense(2, name="logits")(x), name="small")


def executor(name: str) -> AbstractContextManager[Executor]:
    if name.startswith("local:"):
        return executors.local_pool(int(name.removeprefix("local:")))
    return executors.cluster(name)


def kill(whom: str) -> None:
    if whom == "main":
        os.kill(os.getpid(), signal.SIGKILL)
    for child in training_processes():
        child.kill()


def main(run_dir: str, where: str, whom: str = "", after: str = "0") -> None:
    tf.config.experimental.enable_op_determinism()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    finished = 0

    def tell(event: Progress) -> None:
        nonlocal finished
        if event.stage == "search":
            finished += 1
            print(f"{event.iteration} {event.layer}", flush=True)
            if finished == int(after):
                kill(whom)

    settings = Settings(**{**vars(SETTINGS), "long_term": LONG_TERM})
    with executor(where) as pool:
        task = Task(small_model(), blobs(), BUDGET, settings)
        adapt(check(task), RunFolder(Path(run_dir)), executor=pool, progress=tell)


if __name__ == "__main__":
    main(*sys.argv[1:])
