"""A small deterministic pruning in a process of its own.

``python -m tests.support.pruning_run RUN_DIR [EXECUTOR] [N]``: EXECUTOR is ``in_turn``, ``local:WORKERS``, or a dask
scheduler's address; with N, the process kills itself when the N-th proposal of all has been finished.
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
from edgebnn.pruning import executors
from edgebnn.pruning.budget import parse
from edgebnn.pruning.history import Progress
from edgebnn.pruning.netadapt import adapt
from edgebnn.pruning.settings import Settings
from edgebnn.training.recipe import Recipe
from tests.support.images import blobs

SETTINGS = Settings(
    ratio=0.2, iterations=3, step=4, steps=3, batch=32, hold_out=64, seed=3, long_term=Recipe(1, batch=32, seed=3)
)
BUDGET = parse("macs=0.5x")


def small_model() -> Any:
    """Two float convolutions with a shortcut, a binary one, and a classifier."""
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
    return keras.Model(images, keras.layers.Dense(2, name="logits")(x), name="small")


def executor(name: str) -> AbstractContextManager[Executor]:
    if name == "in_turn":
        return executors.in_turn()
    if name.startswith("local:"):
        return executors.local_pool(int(name.removeprefix("local:")))
    return executors.cluster(name)


def main(run_dir: str, where: str = "in_turn", kill_after: str = "") -> None:
    tf.config.experimental.enable_op_determinism()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    finished = 0

    def tell(event: Progress) -> None:
        nonlocal finished
        finished += event.stage == "search"
        print(event, flush=True)
        if kill_after and finished == int(kill_after):
            os.kill(os.getpid(), signal.SIGKILL)

    with executor(where) as pool:
        adapt(small_model(), blobs(), BUDGET, SETTINGS, Path(run_dir), executor=pool, progress=tell)


if __name__ == "__main__":
    main(*sys.argv[1:])
