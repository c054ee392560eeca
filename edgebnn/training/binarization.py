"""Weights of one bit in a model that has others: its own graph with some layers exchanged, so of any widths."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgebnn._tensorflow import keras, lq
from edgebnn.errors import InputError
from edgebnn.models.blocks import WEIGHTS_OF_ONE_BIT
from edgebnn.models.rebuild import copied, rebuild
from edgebnn.training.plans import Descent
from edgebnn.training.quantizers import GradualSign

_BINARY = {keras.layers.Conv2D: lq.layers.QuantConv2D, keras.layers.Dense: lq.layers.QuantDense}
"""Exactly these classes: a subclass computes something else."""


def binarize(model: Any, gradual: bool = False) -> Any:
    """A model with scaled signs for weights in all layers that :func:`binary_layers` names; latent weights stay.

    Args:
        model: a Keras model, which is not changed.
        gradual: begin in full precision (:class:`.quantizers.GradualSign`).

    Returns:
        The binarized model.

    Raises:
        InputError: nothing is or becomes binary.
    """
    chosen = set(binary_layers(model))
    if not chosen and not any(map(has_binary_weights, model.layers)):
        raise InputError(
            f"model '{model.name}' has no layer whose weights could be binary: the first, the last and 1x1 shortcuts "
            "stay 8-bit"
        )

    def change(layer: Any, name: str) -> Any:
        if layer.name in chosen:
            exchanged = {"kernel_quantizer": GradualSign()} if gradual else {}
            return _BINARY[type(layer)].from_config({**layer.get_config(), **WEIGHTS_OF_ONE_BIT, **exchanged})
        return copied(layer, name)

    return rebuild(model, change)


def settle(model: Any) -> Any:
    """A model that :func:`binarize` made gradual, with weights of one bit for good, in layers that Larq itself has."""

    def change(layer: Any, name: str) -> Any:
        if isinstance(getattr(layer, "kernel_quantizer", None), GradualSign):
            return type(layer).from_config({**layer.get_config(), **WEIGHTS_OF_ONE_BIT})
        return copied(layer, name)

    return rebuild(model, change)


def follow(model: Any, descent: Descent) -> Callable[[float], None]:
    """How the mixture of full precision and signs goes on in every gradual kernel of a model.

    Args:
        model: a Keras model, binarized gradually.
        descent: how the mixture falls.

    Returns:
        A function that sets the mixtures; it is told what share of a run is done, 0 to 1.
    """
    shares = [
        quantizer.share
        for layer in model._flatten_layers(include_self=False)
        if isinstance(quantizer := getattr(layer, "kernel_quantizer", None), GradualSign)
    ]

    def before_step(done: float) -> None:
        for share in shares:
            share.assign(descent.share(done))

    return before_step


def binary_layers(model: Any) -> tuple[str, ...]:
    """Names of the layers that W1A8 binarizes: convolutions and dense layers but the first, the last, and 1x1.

    First and last stay 8-bit as usual (Rastegari et al., 2016, section 4); 1x1 are the projections of shortcuts, a
    hundredth of the weights, on which the residual stream passes unbinarized (Liu et al., Bi-Real Net, ECCV 2018).
    """
    weighted = [layer for layer in model.layers if hasattr(layer, "kernel") or hasattr(layer, "depthwise_kernel")]
    return tuple(layer.name for layer in weighted[1:-1] if type(layer) in _BINARY and max(_kernel_size(layer)) > 1)


def has_binary_weights(layer: Any) -> bool:
    kernels = ("kernel_quantizer", "depthwise_quantizer", "pointwise_quantizer")
    return any(getattr(getattr(layer, name, None), "precision", None) == 1 for name in kernels)


def _kernel_size(layer: Any) -> tuple[int, ...]:
    """Of a convolution; a dense layer sees its whole input."""
    return tuple(getattr(layer, "kernel_size", (2,)))
