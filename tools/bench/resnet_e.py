"""The binary ResNet-E18 of Bethge et al., "Back to Simplicity" (2019), in the shapes of Larq Zoo's, untrained."""

from __future__ import annotations

from typing import Any

from edgebnn._tensorflow import keras, lq

WIDTHS = (64, 128, 256, 512)
LAYERS = 4
"""Binary layers of each width; each has a shortcut of its own."""


def resnet_e18(classes: int = 1000) -> Any:
    """[N, 224, 224, 3] -> [N, classes]: shortcuts around every binary layer, pooled and widened in float."""
    layers = keras.layers
    image = keras.Input((224, 224, 3))
    x = layers.Conv2D(WIDTHS[0], 7, strides=2, padding="same", use_bias=False)(image)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.BatchNormalization()(layers.MaxPool2D(3, strides=2, padding="same")(x))
    for stage, width in enumerate(WIDTHS):
        for layer in range(LAYERS):
            narrows = stage > 0 and layer == 0
            x = layers.Add()([_binary_layer(x, width, 2 if narrows else 1), _shortcut(x, width) if narrows else x])
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(x))
    return keras.Model(image, layers.Softmax()(layers.Dense(classes)(x)))


def _shortcut(x: Any, width: int) -> Any:
    pooled = keras.layers.AveragePooling2D(2, strides=2)(x)
    return keras.layers.BatchNormalization()(keras.layers.Conv2D(width, 1, use_bias=False)(pooled))


def _binary_layer(x: Any, width: int, strides: int) -> Any:
    """Padded with zeros, which Larq does by default."""
    convolution = lq.layers.QuantConv2D(
        width,
        3,
        strides=strides,
        padding="same",
        input_quantizer=lq.quantizers.SteSign(clip_value=1.25),
        kernel_quantizer=lq.quantizers.SteSign(clip_value=1.25),
        kernel_constraint=lq.constraints.WeightClip(clip_value=1.25),
        use_bias=False,
    )
    return keras.layers.BatchNormalization()(convolution(x))
