"""Scores of a Keras model on images as they are stored."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgebnn._tensorflow import keras
from edgebnn.preprocessing import preprocess
from edgebnn.training.splits import Split


def predict(model: keras.Model, images: NDArray[np.uint8], batch: int = 250) -> NDArray[np.float32]:
    """Logits [N, classes] for uint8 images [N, H, W, C], preprocessed as in training, in inference mode."""
    _, height, width, _ = model.input_shape
    parts = [
        model.predict_on_batch(preprocess(images[start : start + batch], (height, width)))
        for start in range(0, len(images), batch)
    ]
    return np.concatenate(parts)


def evaluate(model: keras.Model, split: Split) -> tuple[float, float]:
    """Mean cross-entropy in nats, and the share of right answers."""
    logits = predict(model, split.images).astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    log_sums = np.log(np.exp(logits).sum(axis=1))
    loss = float(np.mean(log_sums - logits[np.arange(len(split)), split.labels]))
    return loss, float(np.mean(logits.argmax(axis=1) == split.labels))
