from __future__ import annotations

import pytest

pytest.importorskip("larq", reason="the layers of a Keras model are looked at")

from edgebnn._tensorflow import keras
from edgebnn.converters.int8_points import int8_points
from edgebnn.converters.keras_view import view
from tests.support.topologies import build

L = keras.layers


def test_a_convolution_its_batch_norm_and_its_activation_are_one_op() -> None:
    image = L.Input((8, 8, 3))
    x = L.ReLU(name="relu")(L.BatchNormalization(name="norm")(L.Conv2D(4, 3, name="conv")(image)))
    x = L.Dense(2, name="dense")(L.Flatten(name="flat")(L.MaxPooling2D(name="pool")(x)))
    assert int8_points(view(keras.Model(image, x))) == ("relu", "dense")


def test_what_two_layers_read_exists_in_the_file() -> None:
    image = L.Input((8, 8, 3))
    x = L.Conv2D(3, 3, padding="same", name="conv")(image)
    both = L.Add(name="sum")([L.ReLU(name="relu")(x), x])
    assert int8_points(view(keras.Model(image, both))) == ("conv", "relu", "sum")


def test_packed_bits_between_binary_layers_are_not_quantized() -> None:
    points = int8_points(view(build("packed_chain")))
    assert points == ("batch_normalization", "batch_normalization_3", "global_average_pooling2d", "scores")


def test_activations_with_a_scale_of_their_own_stay_as_they_are() -> None:
    image = L.Input((5,))
    assert int8_points(view(keras.Model(image, L.Softmax(name="out")(L.Dense(3, name="dense")(image))))) == ("dense",)
    assert int8_points(view(keras.Model(image, L.Dense(3, activation="softmax")(image)))) == ()
