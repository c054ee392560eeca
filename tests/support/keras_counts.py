"""Multiply-accumulates and weights of a Keras model, from its layers' shapes alone."""

from __future__ import annotations

from typing import Any

from edgebnn._tensorflow import keras


def weighted_layers(model: Any) -> list[Any]:
    """The convolutions (float or quantized) and dense layers, in order."""
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense)]


def layer_weights(layer: Any) -> int:
    """Elements of the kernel; the bias is not counted."""
    return int(layer.kernel.shape.num_elements())


def layer_macs(layer: Any) -> int:
    """Multiply-accumulates for one image: every output position uses every weight once."""
    positions = 1
    if isinstance(layer, keras.layers.Conv2D):
        _, height, width, _ = layer.output_shape
        positions = height * width
    return positions * layer_weights(layer)
