"""A Keras model as lint sees it: its layers and what feeds them, by attributes alone, so without TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from edgebnn.graph.types import Array

_KERNELS = {
    "kernel_quantizer": "kernel",
    "depthwise_quantizer": "depthwise_kernel",
    "pointwise_quantizer": "pointwise_kernel",
}
"""The weights that each quantizer is of."""

_PROBE = np.array([-3, -1, -0.7, -0.2, -0.01, 0.01, 0.2, 0.7, 1, 3], np.float32)
"""Values that signs and the quantizers of more bits answer differently to."""


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
        return tuple(q for name in _KERNELS if (q := self.option(name)) is not None)

    @cached_property
    def sign_input(self) -> bool:
        """Whether the input quantizer gives signs, whatever it is called: -1 and +1, as LCE packs them."""
        if self.input_quantizer is None:
            return False
        shape = self.option("input_shape") or (None, None, None, 1)
        ones = [1] * (len(shape) - 2)
        values = np.repeat(_PROBE.reshape(-1, *ones, 1), shape[-1], axis=-1)
        found = _quantized(self.input_quantizer, values)
        if found is None and None not in shape[1:]:  # some take nothing but whole feature maps
            values = np.broadcast_to(values, (len(_PROBE), *shape[1:]))
            found = _quantized(self.input_quantizer, values)
        return found is not None and np.array_equal(found, np.sign(values))

    @cached_property
    def sign_kernels(self) -> tuple[bool, ...]:
        """For each kernel quantizer whether its weights are -m and +m, m by output channel: scaled signs are, too."""
        return tuple(
            _two_valued(quantizer, self.option(kernel), outputs=2 if kernel == "depthwise_kernel" else 1)
            for name, kernel in _KERNELS.items()
            if (quantizer := self.option(name)) is not None
        )

    @property
    def binary_weights(self) -> bool:
        return any(self.sign_kernels)

    @property
    def binary(self) -> bool:
        """Signs times signs."""
        return self.sign_input and self.binary_weights

    @property
    def no_signs(self) -> tuple[Any, ...]:
        """The quantizers that give something else than signs."""
        kernels = [q for q, sign in zip(self.kernel_quantizers, self.sign_kernels, strict=True) if not sign]
        return (*kernels,) if self.sign_input or self.input_quantizer is None else (self.input_quantizer, *kernels)

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


def _quantized(quantizer: Any, values: Array) -> Array | None:
    """What ``quantizer`` makes of ``values``; None where it fails, as the code may be anybody's."""
    try:
        return np.asarray(quantizer(values), np.float32)  # NumPy compares no bfloat16
    except Exception:  # the converter will say what
        return None


def _two_valued(quantizer: Any, kernel: Any, outputs: int) -> bool:
    """Whether the weights of each channel, the last axes of ``kernel``, are -m and +m with one m > 0."""
    if kernel is None:
        return False
    latent = np.asarray(getattr(kernel, "latent_variable", kernel))
    found = _quantized(quantizer, latent)
    if found is None or not found.size:
        return False
    sizes = np.abs(found.reshape(-1, int(np.prod(found.shape[-outputs:]))))
    return bool(sizes.all() and np.allclose(sizes, sizes[:1], rtol=1e-6, atol=0))


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
