"""Keras optimizers from recipes."""

from __future__ import annotations

from typing import Any

from edgebnn._tensorflow import keras
from edgebnn.models.rebuild import bare
from edgebnn.training.recipe import Recipe


def make_optimizer(model: keras.Model, recipe: Recipe) -> Any:
    """The optimizer, built, so that its variables can be restored before the first step."""
    decay = recipe.weight_decay or None
    if recipe.optimizer == "adam":
        optimizer = keras.optimizers.Adam(recipe.learning_rate, weight_decay=decay)
    else:
        optimizer = keras.optimizers.SGD(recipe.learning_rate, momentum=0.9, weight_decay=decay)
    decayed = {
        id(weight)
        for layer in model._flatten_layers(include_self=False)
        if isinstance(bare(layer), keras.layers.Conv2D | keras.layers.Dense)
        and getattr(bare(layer), "kernel_quantizer", None) is None  # only the sign of a latent weight counts
        for weight in layer.trainable_weights
        if len(weight.shape) > 1  # the kernel, of which a quantization-aware layer only keeps the rounded values
    }
    optimizer.exclude_from_weight_decay([v for v in model.trainable_variables if id(v) not in decayed])
    optimizer.build(model.trainable_variables)
    return optimizer
