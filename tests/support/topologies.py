"""Small Larq models, one per structure that a converted file can have, and their converted files.

Weights and batch-norm statistics are random but seeded, with negative gammas among them, so that every output
transform of LCE (flipped filters, constant channels, shortcuts) occurs. Converting takes seconds, so the files are
cached below ``build/``, keyed by this module's own text.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SIDE = 13  # of the square input images: odd, so that strides and SAME padding are uneven
CACHE = Path(__file__).parents[2] / "build" / "test_models"


def _layers() -> tuple[Any, Any, Any]:
    from edgebnn._tensorflow import keras, lq, tf

    return keras, lq, tf


def _bconv(x: Any, filters: int, **options: Any) -> Any:
    """A convolution with signs for inputs and weights, and its batch norm."""
    keras, lq, _ = _layers()
    settings = {"kernel_size": 3, "padding": "same", "pad_values": 1.0, "use_bias": False, **options}
    x = lq.layers.QuantConv2D(
        filters, input_quantizer="ste_sign", kernel_quantizer="ste_sign", kernel_constraint="weight_clip", **settings
    )(x)
    return keras.layers.BatchNormalization(momentum=0.9)(x)


def _stem(filters: int) -> tuple[Any, Any]:
    """Input image and a float convolution of it with batch norm."""
    keras, _, _ = _layers()
    image = keras.layers.Input((SIDE, SIDE, 3), name="image")
    x = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False, name="stem")(image)
    return image, keras.layers.BatchNormalization(momentum=0.9)(x)


def _head(image: Any, x: Any, name: str) -> Any:
    keras, _, _ = _layers()
    x = keras.layers.GlobalAveragePooling2D()(x)
    return _seeded(keras.Model(image, keras.layers.Dense(10, name="scores")(x), name=name))


def _seeded(model: Any) -> Any:
    """``model`` with weights and batch-norm statistics drawn from a generator seeded by its name."""
    keras, _, _ = _layers()
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(model.name.encode()).digest()[:4], "little"))
    for layer in model.layers:
        shapes = [weight.shape for weight in layer.weights]
        if isinstance(layer, keras.layers.BatchNormalization):
            channels = shapes[0]
            spread = np.sqrt(_fan_in(layer))
            layer.set_weights([
                rng.uniform(0.5, 1.5, channels) * rng.choice([-1, 1, 1, 1], channels),
                rng.normal(0, 0.5, channels),
                rng.normal(0, 0.3 * spread, channels),
                rng.uniform(0.5, 1.5, channels) * spread**2,
            ])  # fmt: skip
        else:
            layer.set_weights([rng.uniform(-1, 1, shape) / np.sqrt(np.prod(shape[:-1])) for shape in shapes])
    return model


def _fan_in(layer: Any) -> float:
    """Variance of what a batch norm is given: the taps of a binary convolution, 1 after a float layer."""
    source = layer.input.node.layer
    if getattr(source, "input_quantizer", None) is None:
        return 1.0
    return float(np.prod(source.kernel.shape[:-1]))


def _fake_quant(x: Any, bound: float = 3.0) -> Any:
    _, _, tf = _layers()
    return tf.quantization.fake_quant_with_min_max_vars(x, -bound, bound)


def plain() -> Any:
    """Float stem, two binary convolutions one after the other (the first writes packed bits), dense head."""
    image, x = _stem(32)
    return _head(image, _bconv(_bconv(x, 64), 48, padding="valid"), "plain")


def residual_float() -> Any:
    """Shortcuts around each binary convolution, ReLU between convolution and batch norm, one strided block."""
    keras, _, _ = _layers()
    image, x = _stem(32)
    for _ in range(2):
        x = keras.layers.add([x, _bconv(x, 32, activation="relu")])
    shortcut = keras.layers.AveragePooling2D(2, 2, padding="same")(x)
    shortcut = keras.layers.BatchNormalization()(keras.layers.Conv2D(64, 1, use_bias=False)(shortcut))
    return _head(image, keras.layers.add([shortcut, _bconv(x, 64, strides=2)]), "residual_float")


def residual_int8() -> Any:
    """The same idea with fake quantization on every activation: an int8 file with int8 binary convolutions."""
    keras, _, _ = _layers()
    image = keras.layers.Input((SIDE, SIDE, 3), name="image")
    x = keras.layers.Conv2D(32, 3, padding="same", name="stem")(_fake_quant(image, 1.0))
    x = _fake_quant(x)
    for _ in range(2):
        x = _fake_quant(keras.layers.add([x, _fake_quant(_bconv(x, 32))]))
    x = _fake_quant(_bconv(x, 48, strides=2, activation="relu"))
    x = _fake_quant(keras.layers.GlobalAveragePooling2D()(x))
    return _seeded(keras.Model(image, _fake_quant(keras.layers.Dense(10, name="scores")(x), 6.0), name="residual_int8"))


def packed_chain() -> Any:
    """Binary convolution, max pooling, binary convolution: nothing but packed bits in between."""
    keras, _, _ = _layers()
    image, x = _stem(32)
    x = keras.layers.MaxPooling2D(2, 1)(x)
    x = keras.layers.MaxPooling2D((3, 2), (1, 2), padding="same")(_bconv(x, 64))
    x = keras.layers.MaxPooling2D(2, 2)(_bconv(x, 96))
    return _head(image, _bconv(x, 32), "packed_chain")


def grouped() -> Any:
    """Two groups of 32 and of 64 channels."""
    image, x = _stem(64)
    return _head(image, _bconv(_bconv(x, 128, groups=2), 64, groups=2, padding="valid"), "grouped")


def same_zero() -> Any:
    """SAME padding with zeros, with and without stride."""
    image, x = _stem(32)
    return _head(image, _bconv(_bconv(x, 64, pad_values=0.0), 32, pad_values=0.0, strides=2), "same_zero")


def uneven() -> Any:
    """Strides, dilation, a 5x3 filter, and channels that are no multiple of 32."""
    image, x = _stem(20)
    x = _bconv(x, 40, kernel_size=(5, 3), strides=(1, 2))
    return _head(image, _bconv(x, 24, dilation_rate=2), "uneven")


TOPOLOGIES: dict[str, Callable[[], Any]] = {
    builder.__name__: builder
    for builder in (plain, residual_float, residual_int8, packed_chain, grouped, same_zero, uneven)
}


def build(name: str) -> Any:
    """The Keras model of a topology; its layers have the same names whatever was built before."""
    keras, _, _ = _layers()
    keras.backend.reset_uids()
    return TOPOLOGIES[name]()


def images(count: int = 1, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Inputs for every topology: float32 [count, SIDE, SIDE, 3] within [-1, 1]."""
    return np.random.default_rng(seed).uniform(-1, 1, (count, SIDE, SIDE, 3)).astype(np.float32)


def lce_bytes(name: str, int8: bool = False) -> bytes:
    """The LCE file of a topology. ``int8`` gives every activation the range [-3, 3], and so an int8 file."""

    def convert() -> bytes:
        model = build(name)  # which imports TensorFlow the right way, before LCE imports it
        import larq_compute_engine as lce

        return bytes(lce.convert_keras_model(model, experimental_default_int8_range=(-3.0, 3.0) if int8 else None))

    return _cached(f"{name}.{'int8' if int8 else 'float'}.lce", convert)


def tflite_bytes(name: str, int8: bool = False) -> bytes:
    """The stock TFLite file of a topology (signs become ordinary ops), float or fully int8."""

    def convert() -> bytes:
        _, _, tf = _layers()
        converter = tf.lite.TFLiteConverter.from_keras_model(build(name))
        if int8:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ([image[None]] for image in images(64))
        return bytes(converter.convert())

    return _cached(f"{name}.{'int8' if int8 else 'float'}.tflite", convert)


def _cached(name: str, make: Callable[[], bytes]) -> bytes:
    key = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]
    path = CACHE / key / name
    if not path.exists():
        data = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as temporary:
            temporary.write(data)
        os.replace(temporary.name, path)
    return path.read_bytes()
