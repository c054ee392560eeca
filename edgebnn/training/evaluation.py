"""Scores of a Keras model on images as they are stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgebnn._tensorflow import keras, tf
from edgebnn.preprocessing import preprocess
from edgebnn.training.splits import Split

Inference: TypeAlias = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def inference(model: keras.Model, batch: int = 250) -> Inference:
    """A model as a function. It follows later changes of the model's weights.

    Compiled without AutoGraph, which no layer needs: rewriting the source of Keras takes seconds.

    Args:
        model: [N, H, W, C] -> [N, classes] logits.
        batch: images of one step.

    Returns:
        A function from uint8 images [N, H, W, C], preprocessed as in training, to logits [N, classes].
    """
    _, height, width, _ = model.input_shape
    call = tf.function(lambda images: model(images, training=False), autograph=False, reduce_retracing=True)

    def predict(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        parts = [
            call(preprocess(images[start : start + batch], (height, width))).numpy()
            for start in range(0, len(images), batch)
        ]
        return np.concatenate(parts)

    return predict


def evaluate(predict: Inference, split: Split) -> tuple[float, float]:
    """How good the answers of a model are.

    Args:
        predict: from uint8 images [N, H, W, C] to logits [N, classes], as :func:`inference` gives it.
        split: images and labels.

    Returns:
        Mean cross-entropy in nats, and the share of right answers.
    """
    logits = predict(split.images).astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    log_sums = np.log(np.exp(logits).sum(axis=1))
    loss = float(np.mean(log_sums - logits[np.arange(len(split)), split.labels]))
    return loss, float(np.mean(logits.argmax(axis=1) == split.labels))
