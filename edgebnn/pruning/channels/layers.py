"""Multiply-accumulate layers by shape alone: what a cost is computed from and a target can measure, no Keras needed."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = ("conv2d", "depthwise_conv2d", "dense")
PRECISIONS = ("float", "w1a1", "w1a8", "int8")


@dataclass(frozen=True)
class LayerShape:
    """One call of one layer that multiplies and accumulates.

    Attributes:
        name: the Keras layer's, behind its nested models' (``"backbone/conv1"``); ``"conv1#2"`` is a second call of a
            shared layer, and a separable convolution is the two layers ``"name/depthwise"`` and ``"name/pointwise"``.
        kind: ``"conv2d"``, ``"depthwise_conv2d"`` or ``"dense"``.
        precision: ``"w1a1"`` when weights and inputs are quantized to signs, ``"w1a8"`` when only the weights are,
            else ``"float"`` in a Keras model; ``"int8"`` is what conversion makes of that in a network that is W1A8.
        in_channels: of the whole input, over all convolution groups; of the flattened input for a dense layer.
        out_channels: filters, units, or for a depthwise convolution inputs times multiplier.
        kernel, strides, dilation: (height, width); 1 for dense layers.
        padding: ``"same"`` or ``"valid"``.
        pad_values: what ``"same"`` pads with: +1 or -1 for signs that shall stay signs, else 0.
        groups: of a grouped convolution, ``in_channels`` for a depthwise one, else 1.
        input_size, output_size: (height, width) of the feature maps; a dense layer is applied at each position.
    """

    name: str
    kind: str
    precision: str
    in_channels: int
    out_channels: int
    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilation: tuple[int, int]
    padding: str
    pad_values: float
    groups: int
    input_size: tuple[int, int]
    output_size: tuple[int, int]

    @property
    def weights(self) -> int:
        """Kernel elements, biases excluded."""
        return self.kernel[0] * self.kernel[1] * (self.in_channels // self.groups) * self.out_channels

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image, padding counted as usual."""
        return self.output_size[0] * self.output_size[1] * self.weights
