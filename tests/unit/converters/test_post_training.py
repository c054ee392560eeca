"""LCE files made int8 around their binary ops: they agree with Keras whatever layers are in between."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgebnn
from edgebnn.converters.convert import convert
from edgebnn.converters.read_tflite import read
from edgebnn.errors import EdgebnnError
from edgebnn.graph.types import Array, DType, Graph

pytest.importorskip("larq_compute_engine", reason="conversion needs the training extra")

from edgebnn._tensorflow import keras, lq, tf

L = keras.layers

TOLERANCE = 0.08
"""Mean difference, of the range: int8 rounds what is next to zero to zero, so that a few signs in a thousand change."""


def sign_conv(filters: int, **options: Any) -> Any:
    signs = {"input_quantizer": "ste_sign", "kernel_quantizer": "ste_sign", "kernel_constraint": "weight_clip"}
    return lq.layers.QuantConv2D(filters, 3, padding="same", pad_values=1.0, use_bias=False, **signs, **options)


def shaken(model: Any, seed: int = 1) -> Any:
    """``model`` with batch norms that are no identities."""
    rng = np.random.default_rng(seed)
    for layer in model.submodules:
        if isinstance(layer, L.BatchNormalization):
            n = layer.gamma.shape[0]
            values = rng.uniform(0.5, 2, n), rng.normal(0, 0.5, n), rng.normal(0, 0.5, n), rng.uniform(0.5, 2, n)
            layer.set_weights(values)
    return model


def concatenated() -> Any:
    """Two chained concatenations, a maximum, bilinear upsampling and global max pooling."""
    image = L.Input((8, 8, 3))
    x = L.BatchNormalization()(L.Conv2D(32, 3, padding="same")(image))
    for _ in range(2):
        x = L.Concatenate()([x, L.BatchNormalization()(sign_conv(32)(x))])
    x = L.Maximum()([x, L.BatchNormalization()(sign_conv(96)(x))])
    x = L.UpSampling2D(2, interpolation="bilinear")(x)
    return shaken(keras.Model(image, L.Dense(4)(L.GlobalMaxPooling2D()(x))))


def nested() -> Any:
    """A model used twice inside a Sequential inside a model."""
    i = L.Input((8, 8, 8))
    block = keras.Model(i, L.ReLU()(L.BatchNormalization()(sign_conv(8)(i))))
    stack = keras.Sequential([L.Input((8, 8, 8)), block, L.Conv2D(8, 1), block])
    image = L.Input((8, 8, 3))
    x = stack(L.Conv2D(8, 3, padding="same")(image))
    return shaken(keras.Model(image, L.Dense(4)(L.GlobalAveragePooling2D()(x))))


def shared_relu() -> Any:
    """One ReLU at two places, whose ranges differ tenfold."""
    image = L.Input((8, 8, 8))
    relu = L.ReLU()
    x = relu(L.BatchNormalization()(sign_conv(32)(image)))
    wide = keras.initializers.RandomNormal(0, 2.0, seed=3)
    y = relu(L.Conv2D(32, 3, padding="same", kernel_initializer=wide)(x))
    return shaken(keras.Model(image, L.Dense(4)(L.GlobalAveragePooling2D()(y))))


def split_and_cropped() -> Any:
    """Several results of one op, slices, cropping, padding and a minimum; two outputs."""
    image = L.Input((8, 8, 8))
    x = L.BatchNormalization()(sign_conv(64)(image))
    a, b = L.Lambda(lambda both: tf.split(both, 2, -1))(x)
    y = L.Minimum()([a, L.ZeroPadding2D(1)(L.Cropping2D(1)(b))])
    z = L.BatchNormalization()(sign_conv(32)(y))
    return shaken(keras.Model(image, [L.GlobalMaxPooling2D()(z[:, 1:, ::2]), L.Dense(4)(L.Flatten()(y))]))


def normed_pool() -> Any:
    """A batch norm behind pooling, which no convolution takes in."""
    image = L.Input((8, 8, 3))
    x = L.BatchNormalization()(L.MaxPooling2D()(L.Conv2D(32, 3, padding="same")(image)))
    x = L.BatchNormalization()(sign_conv(32)(x))
    return shaken(keras.Model(image, L.Dense(4)(L.GlobalAveragePooling2D()(x))))


def moved() -> Any:
    """What moves or chooses values in one row, and activations with a scale of their own beside it."""
    image = L.Input((8, 8, 8))
    x = L.BatchNormalization()(sign_conv(32)(image))

    def move(t: Any) -> Any:
        t = tf.pad(t, [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=-1.5)
        t = tf.transpose(tf.pad(t, [[0, 0], [1, 1], [0, 0], [0, 0]], "REFLECT"), [0, 2, 1, 3])
        t = tf.nn.depth_to_space(tf.nn.space_to_depth(t[:, 1:9, 1:9], 2), 2)
        t = tf.stack(tf.unstack(tf.gather(t, [1, 0, 2, 3, 4, 5, 7, 6], axis=1), axis=1), axis=2)
        t = tf.tile(t, [1, 1, 2, 1])[:, :, 3:11]
        return tf.where(t > 20.0, tf.reduce_min(t, [1, 2], keepdims=True), t)

    x = L.Concatenate()([L.Activation("sigmoid")(x), L.Activation("tanh")(x), L.Lambda(move)(x)])
    x = L.UpSampling2D(2)(L.AveragePooling2D(2, 1, padding="same")(L.MaxPooling2D()(x)))
    z = L.BatchNormalization()(sign_conv(32)(x))
    return shaken(keras.Model(image, L.Dense(4)(L.GlobalMaxPooling2D()(z))))


def timed() -> Any:
    """Layers inside TimeDistributed, and models nested in nested ones, of two inputs and two outputs."""
    i, j = L.Input((8, 8, 8)), L.Input((8, 8, 8))
    x = L.Concatenate()([L.BatchNormalization()(sign_conv(16)(i)), L.Conv2D(16, 1)(j)])
    pair = keras.Model([i, j], [x, L.Maximum()([i, j])])
    a, b = L.Input((8, 8, 8)), L.Input((8, 8, 8))
    wide, narrow = pair([a, b])
    outer = keras.Model([a, b], [L.BatchNormalization()(sign_conv(32)(wide)), pair([narrow, b])[0]])
    image = L.Input((2, 8, 8, 3))
    frames = L.TimeDistributed(L.Conv2D(8, 3, padding="same"))(image)
    first, second = outer([frames[:, 0], frames[:, 1]])
    return shaken(keras.Model(image, L.Dense(4)(L.GlobalAveragePooling2D()(L.Concatenate()([first, second])))))


NETWORKS = (concatenated, nested, shared_relu, split_and_cropped, normed_pool, moved, timed)


@pytest.mark.parametrize(
    "narrow",
    [
        lambda t: tf.clip_by_value(t, 0.5, 1.2),
        lambda t: tf.clip_by_value(tf.transpose(tf.concat([t, t], 3), [0, 2, 1, 3]), 0.5, 1.2),
    ],
    ids=["clipped", "moved before"],
)
def test_what_is_clipped_has_the_steps_of_what_is_left(narrow: Callable[[Any], Any], tmp_path: Path) -> None:
    """Of values from -40 to 40 as many are needed as the bounds leave."""
    image = L.Input((8, 8, 3))
    wide = L.Conv2D(8, 3, padding="same", kernel_initializer=keras.initializers.RandomNormal(0, 3.0, seed=3))(image)
    model, path = keras.Model(image, L.Lambda(narrow)(wide)), tmp_path / "out.tflite"
    inputs = np.random.default_rng(0).uniform(-1, 1, (40, 8, 8, 3)).astype(np.float32)
    converted(model, inputs, path)
    expected, found = model(inputs).numpy(), edgebnn.load(path)(inputs)
    assert np.abs(found - expected).mean() < 0.005 * np.ptp(expected)


@pytest.mark.parametrize("unit", [1.0, 1e-5])
def test_ranges_are_of_any_unit(unit: float, tmp_path: Path) -> None:
    """Of a sensor that gives amperes, say, where another one gives microamperes."""
    image = L.Input((8, 8, 3))
    model = keras.Model(image, L.Conv2D(4, 1)(L.MaxPooling2D()(L.Conv2D(8, 3, padding="same")(image))))
    inputs = (unit * np.random.default_rng(0).uniform(-1, 1, (40, 8, 8, 3))).astype(np.float32)
    converted(model, inputs, path := tmp_path / "out.tflite")
    expected, found = model(inputs).numpy(), edgebnn.load(path)(inputs)
    assert np.abs(found - expected).mean() < 0.01 * np.ptp(expected)


def test_ranges_learnt_that_an_op_cannot_have_are_explained(tmp_path: Path) -> None:
    def ranged(x: Any, bound: float) -> Any:
        return tf.quantization.fake_quant_with_min_max_vars(x, -bound, bound)

    image = L.Input((8, 8, 3))
    x = ranged(L.Conv2D(32, 3, padding="same")(ranged(image, 1.0)), 3.0)
    y = L.Maximum(name="greater")([x, ranged(L.BatchNormalization()(sign_conv(32)(x)), 30.0)])
    y = ranged(L.GlobalAveragePooling2D()(ranged(L.BatchNormalization()(sign_conv(32)(y)), 30.0)), 20.0)
    with pytest.raises(EdgebnnError, match=r"layer 'greater'.*maximum has one scale .* steps of .* range") as caught:
        convert(keras.Model(image, ranged(L.Dense(4)(y), 40.0)), tmp_path / "out.tflite", "lce")
    assert "tfl." not in str(caught.value)


def test_each_input_is_calibrated_with_its_own_samples(tmp_path: Path) -> None:
    small, large = L.Input((8, 8, 4), name="zebra"), L.Input((8, 8, 4), name="ant")
    x = L.Add()([L.Conv2D(8, 1)(small), L.Conv2D(8, 1)(large)])
    convert(keras.Model([small, large], L.Flatten()(x)), path := tmp_path / "out.tflite", "lce", _two_inputs())
    graph = read(path)
    scales = {
        graph.tensors[op.inputs[0]].name: graph.tensors[op.outputs[0]].quantization
        for op in graph.ops
        if op.kind == "QUANTIZE"
    }
    widths = {name: 255 * found.scale[0] for name, found in scales.items() if found is not None}
    assert {name: round(width) for name, width in widths.items() if "zebra" in name} != {}
    assert all(round(width) == (2 if "zebra" in name else 200) for name, width in widths.items())


def _two_inputs() -> list[Array]:
    rng = np.random.default_rng(0)
    return [rng.uniform(-bound, bound, (40, 8, 8, 4)).astype(np.float32) for bound in (1, 100)]


def converted(model: Any, inputs: Array, path: Path) -> Graph:
    convert(model, path, "lce", inputs)
    return read(path)


def outputs(model: Any, inputs: Array) -> list[Array]:
    results = model(inputs)
    return [np.asarray(y) for y in (results if isinstance(results, list | tuple) else [results])]


@pytest.mark.parametrize("build", NETWORKS)
def test_everything_is_int8_and_agrees_with_keras(build: Callable[[], Any], tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    model, path = build(), tmp_path / "out.tflite"
    inputs = np.random.default_rng(0).uniform(-1, 1, (40, *model.input_shape[1:])).astype(np.float32)
    graph = converted(model, inputs, path)
    assert {op.kind for op in graph.ops if graph.tensors[op.outputs[0]].dtype == DType.FLOAT32} == {"DEQUANTIZE"}
    assert "LceBconv2d" in {op.kind for op in graph.ops}
    for expected, found in zip(outputs(model, inputs), outputs(edgebnn.load(path), inputs), strict=True):
        assert np.abs(found - expected).mean() < TOLERANCE * np.ptp(expected)
