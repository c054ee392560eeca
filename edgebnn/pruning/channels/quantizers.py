"""What pruning must know of quantizers and activations: their bits, and whether they look at each number by itself."""

from __future__ import annotations

from typing import Any

from edgebnn._tensorflow import keras, lq

_Q = lq.quantizers
_ELEMENTWISE_QUANTIZERS = (_Q.SteSign, _Q.ApproxSign, _Q.SwishSign, _Q.SteHeaviside, _Q.NoOp)

_A = keras.activations
_ELEMENTWISE_ACTIVATIONS = (
    *(_A.linear, _A.relu, _A.elu, _A.selu, _A.gelu, _A.swish, _A.mish, _A.exponential),
    *(_A.sigmoid, _A.hard_sigmoid, _A.tanh, _A.softplus, _A.softsign),
    *(lq.activations.hard_tanh, lq.activations.leaky_tanh),
)


def elementwise_quantizer(quantizer: Any) -> bool:
    """Whether each number is quantized by itself, so that leaving out channels changes no other; None is no quantizer.

    Not so where a scale or a threshold comes from the whole tensor (MagnitudeAwareSign, DoReFa for weights, SteTern
    with TWN thresholds), and unknown for quantizers that are not Larq's.
    """
    if quantizer is None or type(quantizer) in _ELEMENTWISE_QUANTIZERS:
        return True
    if type(quantizer) is _Q.DoReFa:
        return bool(quantizer.mode == "activations")
    return type(quantizer) is _Q.SteTern and not quantizer.ternary_weight_networks


def elementwise_activation(activation: Any) -> bool:
    """Whether an activation function looks at each number by itself; of unknown functions it is not assumed."""
    known = any(activation is function for function in _ELEMENTWISE_ACTIVATIONS)
    return known or (activation is not None and elementwise_quantizer(activation))


def is_binary(quantizer: Any) -> bool:
    return getattr(quantizer, "precision", None) == 1 and not isinstance(quantizer, _Q.NoOp)


def precision(input_quantizer: Any, kernel_quantizer: Any) -> str:
    """The name in :data:`edgebnn.pruning.channels.layers.PRECISIONS` of a layer with these quantizers."""
    if not is_binary(kernel_quantizer):
        return "float"
    return "w1a1" if is_binary(input_quantizer) else "w1a8"
