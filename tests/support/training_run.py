"""A small deterministic training in a process of its own, which can be told to kill itself.

``python -m tests.support.training_run RUN_DIR [N]``: with N, in the middle of writing the N-th checkpoint.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np

from edgebnn._tensorflow import keras, lq, tf
from edgebnn.training.loop import train
from edgebnn.training.recipe import Recipe
from tests.support.images import blobs

RECIPE = Recipe(2, batch=16, augmentation="shift_flip", hold_out=24, warmup_epochs=0.5, checkpoint_steps=6, seed=5)
STEPS = 10  # of an epoch: (192 - 24) / 16, so that checkpoints lie after 6, 10, 16 and 20 steps


def tiny_model(classes: int = 2, size: int = 8, dropout: float = 0.2) -> Any:
    """A binary convolution, batch norm, dropout and a classifier."""
    return keras.Sequential(
        [
            keras.Input((size, size, 1)),
            keras.layers.Conv2D(8, 3, name="first"),
            lq.layers.QuantConv2D(
                8,
                3,
                input_quantizer="approx_sign",
                kernel_quantizer="ste_sign",
                kernel_constraint="weight_clip",
                use_bias=False,
                name="binary",
            ),
            keras.layers.BatchNormalization(momentum=0.9, name="norm"),
            keras.layers.Flatten(name="flat"),
            keras.layers.Dropout(dropout, name="dropout"),
            keras.layers.Dense(classes, name="logits"),
        ],
        name="tiny",
    )


def kill_in_save(count: int) -> None:
    original, calls = np.savez, 0

    def savez(path: Path, **arrays: Any) -> None:
        nonlocal calls
        original(path, **arrays)
        calls += 1
        if calls == count:
            os.truncate(path, path.stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    np.savez = savez


def main(run_dir: str, kill_at: str = "") -> None:
    tf.config.experimental.enable_op_determinism()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    keras.utils.set_random_seed(1)
    if kill_at:
        kill_in_save(int(kill_at))
    train(tiny_model(), blobs(), RECIPE, Path(run_dir))


if __name__ == "__main__":
    main(*sys.argv[1:])
