"""Weights of one bit: which layers get them, what they hold, and the way there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgebnn._tensorflow import keras, tf
from edgebnn.errors import InputError
from edgebnn.models import build
from edgebnn.training.binarization import binarize, binary_layers, follow, has_binary_weights, settle
from edgebnn.training.plans import Descent


def images(count: int = 2, size: int = 16) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (count, size, size, 3)).astype(np.float32)


def resnet(precision: str = "float", widths: tuple[int, ...] = (4, 5, 6)) -> Any:
    return build("resnet8", widths=widths, precision=precision, input_shape=(16, 16, 3))


@pytest.mark.parametrize(
    ("name", "widths", "shape"),
    [("resnet8", (4, 5, 6), (16, 16, 3)), ("alexnet", (2, 3, 4, 3, 2, 5, 6), (63, 63, 3))],
)
def test_a_binarized_float_network_is_the_one_built_so(
    name: str, widths: tuple[int, ...], shape: tuple[int, int, int]
) -> None:
    ours = binarize(build(name, widths=widths, input_shape=shape))
    theirs = build(name, widths=widths, input_shape=shape, precision="w1a8")
    assert list(map(described, ours.layers)) == list(map(described, theirs.layers))


def described(layer: Any) -> tuple[Any, ...]:
    """A layer's class and configuration; of its parts, whose names are numbered, their classes."""
    config = {key: value for key, value in layer.get_config().items() if not isinstance(value, dict)}
    parts = {key: value["class_name"] for key, value in layer.get_config().items() if isinstance(value, dict)}
    return type(layer), config, parts


def test_each_channel_has_two_values_of_its_mean_size() -> None:
    model = resnet()
    layer = binarize(model).get_layer("stage2_block1_conv1")
    kernel, latent = layer.kernel_quantizer(tf.constant(layer.kernel)).numpy(), layer.kernel.latent_variable.numpy()
    size = np.abs(latent).mean(axis=(0, 1, 2))
    np.testing.assert_allclose(kernel, np.where(latent >= 0, size, -size), rtol=1e-6)
    np.testing.assert_array_equal(latent, model.get_layer("stage2_block1_conv1").kernel)


def test_first_last_and_pointwise_layers_keep_their_weights() -> None:
    assert binary_layers(resnet()) == tuple(f"stage{s}_block1_conv{c}" for s in (1, 2, 3) for c in (1, 2))


def test_what_is_binary_stays_as_it_is() -> None:
    model = resnet("w1a8")
    np.testing.assert_array_equal(binarize(model)(images()), model(images()))


def test_a_network_with_nothing_to_binarize_is_refused() -> None:
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(2, 3), keras.layers.Flatten()], name="small")
    with pytest.raises(InputError, match="'small' has no layer"):
        binarize(model)


def test_gradual_weights_begin_as_they_were_and_end_binary() -> None:
    model = resnet()
    gradual, binary = binarize(model, gradual=True), binarize(model)
    before_step = follow(gradual, Descent(0.2, 0.6))
    before_step(0.1)
    np.testing.assert_array_equal(gradual(images()), model(images()))
    before_step(0.4)
    layer = gradual.get_layer("stage1_block1_conv1")
    half = layer.kernel_quantizer(layer.kernel.latent_variable).numpy()
    latent = model.get_layer(layer.name).kernel.numpy()
    sign = np.where(latent >= 0, 1, -1) * np.abs(latent).mean(axis=(0, 1, 2))
    np.testing.assert_allclose(half, (latent + sign) / 2, rtol=1e-5, atol=1e-7)
    before_step(0.6)
    np.testing.assert_array_equal(gradual(images()), binary(images()))


def test_settled_weights_need_none_of_our_classes(tmp_path: Any) -> None:
    gradual = binarize(resnet(), gradual=True)
    follow(gradual, Descent())(1.0)
    settled = settle(gradual)
    assert all(
        "edgebnn" not in type(layer.kernel_quantizer).__module__
        for layer in settled.layers
        if has_binary_weights(layer)
    )
    settled.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_array_equal(loaded(images()), gradual(images()))


def test_all_of_a_gradual_kernels_gradient_arrives() -> None:
    gradual = binarize(resnet(), gradual=True)
    for share in (0.0, 0.5, 1.0):
        follow(gradual, Descent(0, 0.5))(share / 2)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(gradual(images(), training=True) ** 2)
        assert all(np.abs(part).max() > 0 for part in tape.gradient(loss, gradual.trainable_variables)[:-1])
