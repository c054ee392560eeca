"""A network like QuickNet (Bannink et al., Larq Compute Engine, MLSys 2021): the shapes its layers have, untrained."""

from __future__ import annotations

from typing import Any

from edgebnn._tensorflow import keras, lq

WIDTHS = (64, 128, 256, 512)
LAYERS = (4, 4, 4, 4)


def quicknet(classes: int = 1000) -> Any:
    """[N, 224, 224, 3] -> [N, classes]: a light float stem, then sections of binary 3x3 layers with shortcuts."""
    layers = keras.layers
    image = keras.Input((224, 224, 3))
    x = layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False)(image)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.DepthwiseConv2D(3, strides=2, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(layers.Conv2D(WIDTHS[0], 1, use_bias=False)(x))
    for section, (width, count) in enumerate(zip(WIDTHS, LAYERS, strict=True)):
        if section > 0:
            x = layers.MaxPool2D(3, strides=2, padding="same")(layers.ReLU()(x))
            x = layers.BatchNormalization()(layers.Conv2D(width, 1, use_bias=False)(x))
        for _ in range(count):
            x = layers.Add()([x, _binary_layer(x, width)])
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(x))
    return keras.Model(image, layers.Dense(classes)(x))


def _binary_layer(x: Any, width: int) -> Any:
    convolution = lq.layers.QuantConv2D(
        width,
        3,
        padding="same",
        pad_values=1.0,
        input_quantizer="ste_sign",
        kernel_quantizer="ste_sign",
        kernel_constraint="weight_clip",
        use_bias=False,
        activation="relu",
    )
    return keras.layers.BatchNormalization()(convolution(x))
