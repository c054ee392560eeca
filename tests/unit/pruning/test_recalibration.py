"""Batch norms whose averages are taken anew from a few batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebnn._tensorflow import keras
from edgebnn.pruning.workers.fine_tuning import recalibrate

BATCHES = [np.random.default_rng(n).normal(n, 1 + n, (16, 4, 4, 3)).astype(np.float32) for n in range(5)]


def normalized(**options: Any) -> tuple[keras.Model, Any]:
    keras.utils.set_random_seed(0)
    images = keras.Input((4, 4, 3))
    norm = keras.layers.BatchNormalization(momentum=0.9, **options)
    return keras.Model(images, keras.layers.Dense(2)(norm(images))), norm


def test_averages_are_those_of_the_batches() -> None:
    network, norm = normalized()
    recalibrate(network, BATCHES)
    mean = np.mean([batch.mean((0, 1, 2)) for batch in BATCHES], axis=0)
    variance = np.mean([batch.var((0, 1, 2), ddof=1) for batch in BATCHES], axis=0)
    np.testing.assert_allclose(norm.moving_mean.numpy(), mean, rtol=1e-5)
    np.testing.assert_allclose(norm.moving_variance.numpy(), variance, rtol=1e-5)
    assert norm.momentum == 0.9


def test_what_is_learned_stays() -> None:
    network, _ = normalized()
    before = [weight.numpy() for weight in network.trainable_weights]
    recalibrate(network, BATCHES)
    for old, weight in zip(before, network.trainable_weights, strict=True):
        np.testing.assert_array_equal(old, weight.numpy())


def test_a_frozen_batch_norm_keeps_its_averages() -> None:
    network, norm = normalized(trainable=False)
    recalibrate(network, BATCHES)
    np.testing.assert_array_equal(norm.moving_mean.numpy(), np.zeros(3))


def test_a_batch_norm_of_a_model_inside_is_found() -> None:
    inner, norm = normalized()
    images = keras.Input((4, 4, 3))
    recalibrate(keras.Model(images, inner(images)), BATCHES)
    assert norm.moving_mean.numpy().all()


def test_without_batch_norms_no_image_is_looked_at() -> None:
    def batches() -> Iterator[NDArray[np.float32]]:
        raise AssertionError("a batch was asked for")
        yield BATCHES[0]

    recalibrate(keras.Sequential([keras.layers.Dense(2, input_shape=(3,))]), batches())
