"""Channels through functions of TensorFlow, called on Keras tensors or wrapped by Lambda layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgebnn._tensorflow import keras, tf
from edgebnn.pruning.channels import masks, surgery
from edgebnn.pruning.channels.coupling import couple

Function = Callable[[Any], Any]


def network(middle: Function, channels: int = 8) -> keras.Model:
    """``middle`` between two convolutions."""
    keras.utils.set_random_seed(3)
    images = keras.Input((6, 6, 2), name="image")
    x = keras.layers.Conv2D(channels, 3, name="first")(images)
    x = keras.layers.Conv2D(3, 1, name="last")(middle(x))
    return keras.Model(images, keras.layers.GlobalAveragePooling2D(name="out")(x))


def assert_cut_is_masked(model: keras.Model) -> None:
    """With every other channel of all groups that can lose some."""
    keep = {group.name: range(0, group.channels, 2) for group in couple(model).prunable}
    assert keep
    images = np.random.default_rng(0).normal(size=(2, 6, 6, 2)).astype(np.float32)
    smaller = surgery.cut(model, keep)
    assert smaller.count_params() < model.count_params()
    masked = masks.masked(model, keep)
    masked.switch_off(keep)
    np.testing.assert_allclose(smaller(images), masked.model(images), atol=1e-5)


def grouped_by(split: Function) -> Function:
    def middle(x: Any) -> Any:
        parts = [keras.layers.Conv2D(4, 1, name=f"part{i}")(part) for i, part in enumerate(split(x))]
        return tf.concat(parts, axis=-1)

    return middle


@keras.utils.register_keras_serializable("tests.functions")
def up_to_one(x: Any) -> Any:
    return tf.clip_by_value(x, 0.0, 1.0)


UNDERSTOOD: dict[str, Function] = {
    "identity": keras.layers.Lambda(lambda x: x, name="named"),
    "activation by a function": keras.layers.Activation(up_to_one),
    "elementwise": keras.layers.Lambda(lambda x: tf.nn.relu6(x * 0.5 + 0.25)),
    "operators": lambda x: tf.nn.relu(x + x) * 2.0,
    "split": grouped_by(lambda x: tf.split(x, 2, axis=-1)),
    "split in a Lambda": grouped_by(keras.layers.Lambda(lambda x: tf.split(x, 2, axis=3))),
    "rows": lambda x: tf.concat(tf.split(x, [1, 3], axis=1), axis=1),
    "mean of positions": lambda x: x * tf.reduce_mean(x, axis=[1, 2], keepdims=True),
    "pooling": keras.layers.Lambda(lambda x: tf.nn.max_pool2d(x, 2, 2, "VALID")),
    "border": lambda x: tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]),
}


@pytest.mark.parametrize("name", UNDERSTOOD)
def test_channels_are_followed(name: str) -> None:
    model = network(UNDERSTOOD[name])
    assert couple(model).group("first").prunable
    assert_cut_is_masked(model)


def test_equal_parts_lose_channels_together() -> None:
    plan = couple(network(grouped_by(lambda x: tf.split(x, 2, axis=-1))))
    (first,) = (group for group in plan.groups if group.name.startswith("first"))
    assert first.channels == 4, "the i-th channels of both parts are one"
    assert [member.repeat for member in first.members if member.layer == "first"] == [2]


def test_what_a_number_in_the_function_counts_stays() -> None:
    """Of ten channels two are the function's zeros; the wide branch's first two meet them, the others may go."""

    def middle(x: Any) -> Any:
        wide = keras.layers.Conv2D(10, 1, name="wide")(x)
        return wide + tf.pad(x, [[0, 0], [0, 0], [0, 0], [2, 0]])

    plan = couple(network(middle))
    fixed = [group for group in plan.groups if not group.prunable and "fixed number of channels" in group.reason]
    assert [group.channels for group in fixed] == [2]
    assert plan.group("first").prunable
    assert_cut_is_masked(network(middle))


REFUSED: dict[str, tuple[Function, str]] = {
    "fixed sizes": (lambda x: tf.concat(tf.split(x, [3, 5], axis=-1)[::-1], -1), "parts of fixed sizes"),
    "slices": (keras.layers.Lambda(lambda x: x[..., :4], name="slices"), "slices: no rule for what StridedSlice does"),
    "softmax": (keras.layers.Lambda(tf.nn.softmax, name="mixes"), "mixes: no rule for what Softmax does"),
    "softmax as activation": (keras.layers.Activation("softmax", name="mixes"), "mixes: no rule for what Softmax does"),
    "mean": (lambda x: x - tf.reduce_mean(x, axis=-1, keepdims=True), "it mixes channels"),
    "scales": (lambda x: x * tf.constant(np.arange(8.0), tf.float32), "a constant for each channel"),
    "ratios": (lambda x: x / (tf.abs(x) + 1.0), "channels are divided by channels"),
    "mirror": (lambda x: tf.pad(x, [[0, 0]] * 3 + [[1, 1]], mode="REFLECT"), "it repeats channels"),
    "reversal": (lambda x: tf.reverse(x, [3]), "no rule for what ReverseV2 does"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_followed_keeps_its_channels_and_is_named(name: str) -> None:
    function, reason = REFUSED[name]
    group = next(group for group in couple(network(function)).groups if group.name.startswith("first"))
    assert not group.prunable
    assert reason in group.reason
