"""Masked networks train as the networks that they become when cut."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from edgebnn.models.blocks import precision_named
from edgebnn.pruning.channels import masks, surgery
from edgebnn.pruning.channels.coupling import couple
from edgebnn.training.loop import compile_step
from tests.support.random_networks import double_precision, random_keep, randomize

SHAPE, STEM = (8, 8, 3), 6


def _network(precision: str) -> Any:
    """A stem, one residual block and a dense layer behind a flatten."""
    from edgebnn._tensorflow import keras

    layers, chosen = keras.layers, precision_named(precision)
    image = keras.Input(SHAPE)
    x = layers.BatchNormalization(name="stem_bn")(layers.Conv2D(STEM, 3, use_bias=False, name="stem")(image))
    y = layers.BatchNormalization()(chosen.conv(8, 3, strides=2, padding="same", name="conv1")(x))
    y = layers.BatchNormalization()(chosen.conv(STEM, 3, padding="same", name="conv2")(layers.ReLU()(y)))
    x = layers.Add()([y, layers.MaxPool2D(2)(x)])
    return keras.Model(image, layers.Dense(10, name="logits")(layers.Flatten()(x)))


def _model(precision: str, seed: int = 3) -> tuple[Any, dict[str, list[int]], np.random.Generator]:
    rng = np.random.default_rng(seed)
    model = _network(precision)
    randomize(model, rng)
    return model, random_keep(couple(model), rng), rng


def _train(model: Any, images: Any, labels: Any, steps: int = 3) -> list[float]:
    from edgebnn._tensorflow import keras

    optimizer = keras.optimizers.SGD(0.01, momentum=0.9)
    optimizer.build(model.trainable_variables)
    step = compile_step(model, optimizer)
    return [float(step(images, labels)[0]) for _ in range(steps)]


@pytest.mark.parametrize("precision", ["float", "w1a8", "w1a1"])
def test_training_masked_is_training_cut(precision: str) -> None:
    with double_precision():
        model, keep, rng = _model(precision)
        images, labels = rng.normal(size=(8, *SHAPE)), rng.integers(0, 10, 8).astype(np.int32)
        smaller, masked = surgery.cut(model, keep), masks.masked(model, keep)
        losses = _train(smaller, images, labels)
        np.testing.assert_allclose(_train(masked, images, labels), losses, rtol=1e-9)
        assert losses[-1] != losses[0]
        cut_afterwards = surgery.cut(masks.unmask(masked, model), keep)
        for ours, theirs in zip(smaller.get_weights(), cut_afterwards.get_weights(), strict=True):
            np.testing.assert_allclose(theirs, ours, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(masked(images), smaller(images), rtol=1e-7, atol=1e-9)


def test_masks_hold_and_removed_channels_stay_silent_while_training() -> None:
    model, keep, rng = _model("w1a1")
    images = rng.normal(size=(8, *SHAPE)).astype(np.float32)
    masked = masks.masked(model, keep)
    _train(masked, images, np.arange(8, dtype=np.int32))
    masked(images)  # as in TF-MOT, the mask is laid on when the layer is next called
    removed = np.setdiff1d(np.arange(STEM), keep["stem"])
    assert len(removed)
    norm = masked.get_layer("prune_low_magnitude_stem_bn").layer
    np.testing.assert_array_equal(norm.gamma.numpy()[removed], 0)
    np.testing.assert_array_equal(norm.beta.numpy()[removed], 0)
    np.testing.assert_array_equal(norm.moving_mean.numpy()[removed], 0)
    kernel = masked.get_layer("prune_low_magnitude_conv1").layer.kernel
    np.testing.assert_array_equal(kernel.latent_variable.numpy()[:, :, removed], 0)


def test_a_removed_input_of_a_binary_layer_adds_nothing_whatever_its_value() -> None:
    """The sign of a latent zero is +1, so a mask on latent weights alone would add the input's sign."""
    from edgebnn._tensorflow import keras, lq

    image = keras.Input((5, 5, 4))
    x = keras.layers.DepthwiseConv2D(1, name="scale")(keras.layers.Conv2D(6, 1, name="a")(image))
    x = lq.layers.QuantConv2D(
        3, 3, padding="same", pad_values=1.0, input_quantizer="ste_sign", kernel_quantizer="ste_sign", name="b"
    )(x)
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(x)))
    masked = masks.masked(model, {"a": [0, 2]})
    images = np.random.default_rng(0).normal(size=(2, 5, 5, 4)).astype(np.float32)
    layer = masked.get_layer("prune_low_magnitude_b").layer
    inputs = np.random.default_rng(1).normal(size=(2, 5, 5, 6)).astype(np.float32)
    changed = inputs.copy()
    changed[..., [1, 3, 4, 5]] *= -1
    np.testing.assert_array_equal(layer(inputs), layer(changed))
    assert not np.array_equal(layer(inputs), layer(-inputs))
    np.testing.assert_allclose(masked(images), surgery.cut(model, {"a": [0, 2]})(images), rtol=1e-5, atol=1e-6)


def test_keeping_everything_wraps_nothing() -> None:
    model, _, _ = _model("w1a1")
    assert [layer.name for layer in masks.masked(model, {}).layers] == [layer.name for layer in model.layers]


def test_masking_leaves_the_model_alone() -> None:
    model, keep, rng = _model("w1a8")
    images = rng.normal(size=(4, *SHAPE)).astype(np.float32)
    before = np.asarray(model(images))
    masked = masks.masked(model, keep)
    _train(masked, images, np.zeros(4, np.int32), steps=1)
    np.testing.assert_array_equal(model(images), before)


def test_masks_can_be_the_first_import() -> None:
    """TF-MOT touches TensorFlow's Keras when imported: Keras 2 must have been settled before."""
    environment = {name: value for name, value in os.environ.items() if name != "TF_USE_LEGACY_KERAS"}
    subprocess.run([sys.executable, "-c", "import edgebnn.pruning.channels.masks"], env=environment, check=True)
