"""A small deterministic training in a process of its own, which can be told to kill itself.

``python -m tests.support.training_run WHAT RUN_DIR [N]``: with N, in the middle of writing the N-th checkpoint. WHAT is
``plain``, or ``retraining``: quantization-aware, with weights that become binary on the way, taught by a parent.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np

from edgebnn._tensorflow import keras, lq, tf
from edgebnn.training.binarization import binarize, follow
from edgebnn.training.loop import train
from edgebnn.training.method import PLAIN, Method, distilled
from edgebnn.training.plans import Descent, Distillation
from edgebnn.training.quantization import frozen, quantize_aware
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


def tiny_float(classes: int = 2, size: int = 8, width: int = 6) -> Any:
    """Two convolutions with batch norm under a shortcut, the second of which can be binarized, and a classifier."""
    image = keras.Input((size, size, 1), name="image")
    x = keras.layers.Conv2D(width, 3, padding="same", use_bias=False, name="first")(image)
    x = first = keras.layers.ReLU(name="relu1")(keras.layers.BatchNormalization(momentum=0.9, name="norm1")(x))
    x = keras.layers.Conv2D(width, 3, padding="same", use_bias=False, name="second")(x)
    x = keras.layers.BatchNormalization(momentum=0.9, name="norm2")(x)
    x = keras.layers.ReLU(name="relu2")(keras.layers.Add(name="add")([x, first]))
    x = keras.layers.Flatten(name="flat")(keras.layers.MaxPool2D(2, name="pool")(x))
    return keras.Model(image, keras.layers.Dense(classes, name="logits")(x), name="tiny_float")


def retraining(parent: Any) -> tuple[Any, Method]:
    student = quantize_aware(binarize(parent, gradual=True))
    descent, distillation = Descent(0.1, 0.8), Distillation()
    method = Method(
        distilled(parent, distillation), follow(student, descent), result=frozen, identity={"what": "retraining"}
    )
    return student, method


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


def main(what: str, run_dir: str, kill_at: str = "") -> None:
    tf.config.experimental.enable_op_determinism()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    keras.utils.set_random_seed(1)
    if kill_at:
        kill_in_save(int(kill_at))
    model, method = (tiny_model(), PLAIN) if what == "plain" else retraining(tiny_float())
    train(model, blobs(), RECIPE, Path(run_dir), method=method)


if __name__ == "__main__":
    main(*sys.argv[1:])
