"""Makes quicknet_int8.tflite: python tests/data/mcu/make_quicknet.py (needs the [train] extra).

Small, of random weights, and not trained; every kind of binary layer that Larq models have, in the order of QuickNet
(Bannink et al., "Larq Compute Engine", MLSys 2021): int8 in between, then packed, pooled and float.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import edgebnn
from edgebnn._tensorflow import keras, lq

SEED, SIZE, WIDTHS = 1, 96, (16, 32, 64)


def network() -> Any:
    layers = keras.layers
    keras.utils.set_random_seed(SEED)

    def binary(x: Any, channels: int, **options: Any) -> Any:
        quantizers = {"input_quantizer": "ste_sign", "kernel_quantizer": "ste_sign"}
        y = lq.layers.QuantConv2D(channels, 3, use_bias=False, **quantizers, **options)(x)
        return layers.BatchNormalization()(y)

    def pointwise(x: Any, channels: int) -> Any:
        y = layers.DepthwiseConv2D(3, 2, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(layers.Conv2D(channels, 1, use_bias=False)(y))

    image = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(8, 3, 2, padding="same", use_bias=False)(image)
    x = pointwise(layers.Activation("relu")(layers.BatchNormalization()(x)), WIDTHS[0])
    for stage, channels in enumerate(WIDTHS):
        if stage:
            x = pointwise(layers.MaxPool2D(2, 1)(layers.Activation("relu")(x)), channels)
        for _ in range(2):
            x = layers.add([x, binary(x, channels, padding="same", pad_values=1.0, activation="relu")])
    x = layers.MaxPool2D(2)(binary(x, 64, padding="same", pad_values=1.0))
    x = binary(binary(x, 64, padding="same", pad_values=0.0), 96, strides=2, padding="valid")
    x = layers.GlobalAveragePooling2D()(layers.Activation("relu")(x))
    return keras.Model(image, layers.Softmax()(layers.Dense(10)(x)))


def set_batch_norms(model: Any, rng: np.random.Generator) -> None:
    """As after training, with factors of both signs."""
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":
            scale, shift, mean, variance = layer.get_weights()
            layer.set_weights(
                [
                    rng.uniform(0.5, 1.5, scale.shape) * rng.choice([-1, 1], scale.shape),
                    rng.normal(size=shift.shape),
                    rng.normal(0, 3, mean.shape),
                    rng.uniform(1, 30, variance.shape),
                ]
            )


if __name__ == "__main__":
    rng = np.random.default_rng(SEED)
    model = network()
    set_batch_norms(model, rng)
    images = rng.uniform(-1, 1, (32, SIZE, SIZE, 3)).astype(np.float32)
    edgebnn.convert(model, str(Path(__file__).with_name("quicknet_int8.tflite")), to="lce", calibration=images)
