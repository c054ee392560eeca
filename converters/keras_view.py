"""A Keras model as lint sees it: its layers and what feeds them, by attributes alone, so without TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

# Larq's quantizers that LCE's converter takes for a sign, as classes and as functions.
_SIGNS = {
    "SteSign",
    "ApproxSign",
    "SwishSign",
    "MagnitudeAwareSign",
    "ste_sign",
    "approx_sign",
    "swish_sign",
    "magnitude_aware_sign",
}
_KERNEL_QUANTIZERS = ("kernel_quantizer", "depthwise_quantizer", "pointwise_quantizer")


@dataclass(frozen=True)
class KerasLayer:
    """One layer; ``kind`` is its class name, ``sources`` and ``targets`` are the names of the layers around it."""

    name: str
    kind: str
    layer: Any
    sources: tuple[str, ...]
    targets: tuple[str, ...]

    def option(self, name: str) -> Any:
        return getattr(self.layer, name, None)

    @property
    def input_quantizer(self) -> Any:
        return self.option("input_quantizer")

    @property
    def kernel_quantizers(self) -> tuple[Any, ...]:
        return tuple(q for name in _KERNEL_QUANTIZERS if (q := self.option(name)) is not None)

    @property
    def binary_weights(self) -> bool:
        return any(is_sign(q) for q in self.kernel_quantizers)

    @property
    def binary(self) -> bool:
        """Signs times signs."""
        return is_sign(self.input_quantizer) and self.binary_weights

    @property
    def binary_conv(self) -> bool:
        """What LCE can turn into a binary convolution."""
        return self.kind == "QuantConv2D" and self.binary

    @property
    def activation(self) -> str:
        """Name of the activation that the layer is or applies; empty for none."""
        if self.kind in ("ReLU", "PReLU", "LeakyReLU", "ELU", "Softmax", "ThresholdedReLU"):
            return "relu6" if self.kind == "ReLU" and self.option("max_value") == 6 else self.kind.lower()
        function = self.option("activation")
        name = getattr(function, "__name__", type(function).__name__ if function else "")
        return "" if name == "linear" else name

    @property
    def kernel_size(self) -> tuple[int, ...]:
        return tuple(self.option("kernel_size") or ())

    @property
    def input_channels(self) -> int | None:
        """Channels that a convolution with channels last is given; None before it is built."""
        kernel = self.option("kernel")
        return None if kernel is None else int(kernel.shape[-2]) * int(self.option("groups") or 1)

    @property
    def pads_with_zero(self) -> bool:
        """Whether SAME padding of more than a 1x1 filter adds zeros, which are no sign."""
        return (
            self.option("padding") == "same" and not self.option("pad_values") and max(self.kernel_size, default=1) > 1
        )


KerasModel = dict[str, KerasLayer]


def is_sign(quantizer: Any) -> bool:
    return quantizer_name(quantizer) in _SIGNS


def quantizer_name(quantizer: Any) -> str:
    """The name of a quantizer's function or class; empty for none."""
    if quantizer is None:
        return ""
    if isinstance(quantizer, str):
        return quantizer
    return str(getattr(quantizer, "__name__", type(quantizer).__name__))


def view(model: Any) -> KerasModel:
    """The layers of a Keras model by name, those of nested models among them."""
    found: KerasModel = {}
    for owner in _models(model):
        sources = {layer.name: _sources(owner, layer) for layer in owner.layers}
        for layer in owner.layers:
            targets = tuple(name for name, before in sources.items() if layer.name in before)
            found[layer.name] = KerasLayer(layer.name, type(layer).__name__, layer, sources[layer.name], targets)
    return found


def _models(model: Any) -> Iterator[Any]:
    yield model
    for layer in model.layers:
        if hasattr(layer, "layers") and hasattr(layer, "inbound_nodes"):
            yield from _models(layer)


def _sources(model: Any, layer: Any) -> tuple[str, ...]:
    """Names of the layers of ``model`` whose results ``layer`` is given."""
    own = {id(other) for other in model.layers}
    nodes = [parent for node in layer.inbound_nodes for parent in node.parent_nodes]
    return tuple(dict.fromkeys(node.layer.name for node in nodes if id(node.layer) in own))
