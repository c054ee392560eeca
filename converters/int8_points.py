"""Which layers of a Keras model end an op of the converted file, and so have a result to be quantized.

Convolution, batch norm and activation become one op, whose inner results do not exist in the file; packed bits between
binary layers are never quantized.
"""

from __future__ import annotations

from .keras_rules import FUSED, TRANSPARENT
from .keras_view import KerasLayer, KerasModel, is_sign

_SAME_SCALE = (
    "InputLayer",
    "Flatten",
    "Reshape",
    "Permute",
    "Dropout",
    "ZeroPadding2D",
    "MaxPooling2D",
    "AveragePooling2D",
    "Activation",
)
"""Layers whose result has the quantization of what they are given; an Activation counts by its function."""

_FIXED_RANGE = ("softmax", "sigmoid", "tanh")
"""Activations whose int8 form has a scale of its own, which no calibration may change."""


def int8_points(model: KerasModel) -> tuple[str, ...]:
    """Names of the layers whose results become int8 tensors."""
    return tuple(name for name, layer in model.items() if _ends_an_op(model, layer))


def _ends_an_op(model: KerasModel, layer: KerasLayer) -> bool:
    if layer.kind in _SAME_SCALE and not layer.activation:
        return False
    if layer.activation in _FIXED_RANGE or (_of_binary_conv(model, layer) and _only_binarized(model, layer)):
        return False
    return not _fused_with_next(model, layer)


def _of_binary_conv(model: KerasModel, layer: KerasLayer) -> bool:
    """Whether the layer is a binary convolution, or the batch norm or activation of one."""
    fused = layer.kind in ("BatchNormalization", "ReLU", "Activation")
    return layer.binary_conv or (fused and any(_of_binary_conv(model, model[name]) for name in layer.sources))


def _only_binarized(model: KerasModel, layer: KerasLayer) -> bool:
    """Whether nothing but signs is taken of the result."""
    return bool(layer.targets) and all(
        is_sign(model[name].input_quantizer)
        or (model[name].kind in TRANSPARENT and _only_binarized(model, model[name]))
        for name in layer.targets
    )


def _fused_with_next(model: KerasModel, layer: KerasLayer) -> bool:
    """Whether the one layer behind is part of the same op: a batch norm, or an activation that can be fused."""
    if len(layer.targets) != 1:
        return False
    behind = model[layer.targets[0]]
    if behind.kind == "BatchNormalization":
        return _convolves(layer) or _of_binary_conv(model, layer)
    return behind.kind in ("ReLU", "Activation") and behind.activation in FUSED and not layer.activation


def _convolves(layer: KerasLayer) -> bool:
    return layer.option("kernel") is not None or layer.option("depthwise_kernel") is not None
