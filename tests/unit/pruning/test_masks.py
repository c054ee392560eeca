"""Masked networks train as the networks that they become when cut, and channels go gradually."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from edgebnn.models.blocks import precision_named
from edgebnn.pruning.channels import masks, surgery
from edgebnn.pruning.channels.coupling import couple
from edgebnn.training.loop import compile_step
from edgebnn.training.method import make_optimizer
from edgebnn.training.recipe import Recipe
from tests.support.random_networks import double_precision, random_keep, randomize

SHAPE, STEM = (8, 8, 3), 6


def _network(precision: str) -> Any:
    """A stem, one residual block and a dense layer behind a flatten."""
    from edgebnn._tensorflow import keras

    layers, chosen = keras.layers, precision_named(precision)
    image = keras.Input(SHAPE)
    stem = layers.Conv2D(STEM, 3, use_bias=False, kernel_regularizer="l2", name="stem")(image)
    x = layers.BatchNormalization(name="stem_bn")(stem)
    y = layers.BatchNormalization()(chosen.conv(8, 3, strides=2, padding="same", name="conv1")(x))
    y = layers.BatchNormalization()(chosen.conv(STEM, 3, padding="same", name="conv2")(layers.ReLU()(y)))
    x = layers.Add()([y, layers.MaxPool2D(2)(x)])
    return keras.Model(image, layers.Dense(10, name="logits")(layers.Flatten()(x)))


def _model(precision: str, seed: int = 3) -> tuple[Any, dict[str, list[int]], np.random.Generator]:
    rng = np.random.default_rng(seed)
    model = _network(precision)
    randomize(model, rng)
    return model, random_keep(couple(model), rng), rng


def _off(model: Any, keep: dict[str, list[int]]) -> masks.Masked:
    masked = masks.masked(model, keep)
    masked.switch_off(keep)
    return masked


def _train(model: Any, images: Any, labels: Any, steps: int = 3) -> list[float]:
    recipe = Recipe(1, optimizer="sgd", learning_rate=0.01, weight_decay=0.1)
    step = compile_step(model, make_optimizer(model, recipe))
    return [float(step(images, labels)[0]) for _ in range(steps)]


@pytest.mark.parametrize("precision", ["float", "w1a8", "w1a1"])
def test_training_masked_is_training_cut(precision: str) -> None:
    with double_precision():
        model, keep, rng = _model(precision)
        images, labels = rng.normal(size=(8, *SHAPE)), rng.integers(0, 10, 8).astype(np.int32)
        smaller, masked = surgery.cut(model, keep), _off(model, keep)
        losses = _train(smaller, images, labels)
        np.testing.assert_allclose(_train(masked.model, images, labels), losses, rtol=1e-9)
        assert losses[-1] != losses[0]
        outputs = masked.model(images)
        masked.unmask()
        for ours, theirs in zip(smaller.get_weights(), surgery.cut(model, keep).get_weights(), strict=True):
            np.testing.assert_allclose(theirs, ours, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(outputs, smaller(images), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("precision", ["float", "w1a8", "w1a1"])
def test_channels_go_while_it_trains_and_the_cut_changes_nothing(precision: str) -> None:
    """Three steps with none, some and all of the channels off; one after the other they go by :func:`keep`'s order."""
    with double_precision():
        model, keep, rng = _model(precision)
        images, labels = rng.normal(size=(8, *SHAPE)), rng.integers(0, 10, 8).astype(np.int32)
        masked = masks.masked(model, keep)
        step = compile_step(masked.model, make_optimizer(masked.model, Recipe(1, learning_rate=0.01)))
        halfway = {name: sorted({*kept, *range(0, couple(model).widths[name], 2)}) for name, kept in keep.items()}
        expected, outputs = [surgery.cut(model, {}), surgery.cut(model, halfway)], []
        for stage in ({}, halfway, keep):
            masked.switch_off(stage)
            outputs.append(np.asarray(masked.model(images)))
        for smaller, output in zip(expected, outputs, strict=False):
            np.testing.assert_allclose(output, smaller(images), rtol=1e-9, atol=1e-12)
        assert all(np.ptp(one - other) > 1e-3 for one, other in pairwise(outputs))
        for stage in ({}, halfway, keep, keep):
            masked.switch_off(stage)
            step(images, labels)
        output = masked.model(images)
        masked.unmask()
        np.testing.assert_allclose(surgery.cut(model, keep)(images), output, rtol=1e-7, atol=1e-9)


def test_more_and_more_channels_are_off_and_all_from_the_middle_on() -> None:
    for steps, going, channels in ((10, 8, 16), (40, 24, 64), (160, 1, 8), (1, 3, 4), (3, 3, 4)):
        off = [masks.channels_off(step, steps, going, channels) for step in range(steps)]
        assert off == sorted(off)
        assert set(off[max(1, steps // 2) - 1 :]) == {going}
    assert [masks.channels_off(step, 10, 8, 16) for step in range(5)] == [4, 6, 7, 8, 8]  # 8 - 8 * (1 - p) ** 3


def test_channels_that_are_off_stay_silent_while_training() -> None:
    model, keep, rng = _model("w1a1")
    images = rng.normal(size=(8, *SHAPE)).astype(np.float32)
    masked = _off(model, keep)
    _train(masked.model, images, np.arange(8, dtype=np.int32))
    masked.model(images)  # as in TF-MOT, the mask is laid on when the layer is next called
    removed = np.setdiff1d(np.arange(STEM), keep["stem"])
    assert len(removed)
    norm = masked.model.get_layer("prune_low_magnitude_stem_bn").layer
    np.testing.assert_array_equal(norm.gamma.numpy()[removed], 0)
    np.testing.assert_array_equal(norm.beta.numpy()[removed], 0)
    kernel = masked.model.get_layer("prune_low_magnitude_conv1").layer.kernel
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
    masked = _off(model, {"a": [0, 2]}).model
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
    assert [layer.name for layer in masks.masked(model, {}).model.layers] == [layer.name for layer in model.layers]


def test_the_model_stays_as_it_is_until_it_is_unmasked() -> None:
    model, keep, rng = _model("w1a8")
    images = rng.normal(size=(4, *SHAPE)).astype(np.float32)
    before = np.asarray(model(images))
    masked = _off(model, keep)
    _train(masked.model, images, np.zeros(4, np.int32), steps=1)
    np.testing.assert_array_equal(model(images), before)
    masked.unmask()
    assert not np.array_equal(model(images), before)


def test_masks_can_be_the_first_import() -> None:
    """TF-MOT touches TensorFlow's Keras when imported: Keras 2 must have been settled before."""
    environment = {name: value for name, value in os.environ.items() if name != "TF_USE_LEGACY_KERAS"}
    subprocess.run([sys.executable, "-c", "import edgebnn.pruning.channels.masks"], env=environment, check=True)
