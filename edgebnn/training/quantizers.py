"""Quantizers for training: of weights on their way to one bit (Larq), and of 8-bit ranges and weights (TF-MOT)."""

from __future__ import annotations

from typing import Any

from edgebnn._tensorflow import keras, lq, tf
from edgebnn._tfmot import tfmot
from edgebnn.models.blocks import WEIGHTS_OF_ONE_BIT

Variables = dict[str, Any]

RANGE_DECAY = 0.99
"""Of the moving averages of ranges. TF-MOT's 0.999, begun at -6 and 6, needs thousands of steps to reach the values."""

WEIGHT_LEVELS = 127  # int8 without -128, as TFLite wants weights


class GradualSign(lq.quantizers.Quantizer):  # type: ignore[misc]
    """Weights between full precision and one bit: ``(1 - share) * w + share * scaled sign(w)``, a scale a channel.

    ``share`` is a weight of the layer's that training moves from 0 to 1, where :data:`.blocks.WEIGHTS_OF_ONE_BIT` is.
    """

    precision = 1

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.binary = lq.quantizers.get(WEIGHTS_OF_ONE_BIT["kernel_quantizer"])

    def build(self, input_shape: Any) -> None:
        self.share = self.add_weight("share", shape=(), initializer="zeros", trainable=False)
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        share = tf.convert_to_tensor(self.share)
        return (1 - share) * inputs + share * self.binary(inputs)


class RangeQuantizer(tfmot.quantization.keras.quantizers.MovingAverageQuantizer):  # type: ignore[misc]
    """8 bits over a moving average of the batches' ranges, which begins with the range of the first batch."""

    def __init__(self) -> None:
        super().__init__(num_bits=8, per_axis=False, symmetric=False, narrow_range=False)

    def build(self, tensor_shape: Any, name: str, layer: Any) -> Variables:
        return {
            bound: layer.add_weight(f"{name}_{bound}", shape=(), initializer="zeros", trainable=False)
            for bound in ("min", "max")
        }

    def __call__(self, inputs: Any, training: bool, weights: Variables, **_: Any) -> Any:
        low, high = weights["min"], weights["max"]
        if training:
            keep = tf.where(tf.equal(low, high), 0.0, RANGE_DECAY)
            # Zero belongs to every range: padding and ReLU need it exact.
            least, most = tf.minimum(tf.reduce_min(inputs), 0.0), tf.maximum(tf.reduce_max(inputs), 0.0)
            low = low.assign(keep * low + (1 - keep) * least)
            high = high.assign(keep * high + (1 - keep) * most)
        return tf.quantization.fake_quant_with_min_max_vars(inputs, low, high, num_bits=8)

    def get_config(self) -> dict[str, Any]:
        return {}


class ChannelQuantizer(tfmot.quantization.keras.quantizers.Quantizer):  # type: ignore[misc]
    """Weights as the int8 file has them: symmetric, a scale for each output channel from its largest weight.

    A batch norm behind the layer scales whole channels, so that folding it changes scales but no integer.
    """

    def __init__(self, channel_axes: int = 1) -> None:
        self.channel_axes = channel_axes

    def build(self, tensor_shape: Any, name: str, layer: Any) -> Variables:
        return {}

    def __call__(self, inputs: Any, training: bool, weights: Variables, **_: Any) -> Any:
        axes = list(range(len(inputs.shape) - self.channel_axes))
        largest = tf.reduce_max(tf.abs(inputs), axes, keepdims=True)
        scale = tf.where(largest > 0, largest, 1.0) / WEIGHT_LEVELS
        return inputs + tf.stop_gradient(tf.round(inputs / scale) * scale - inputs)

    def get_config(self) -> dict[str, Any]:
        return {"channel_axes": self.channel_axes}


class Int8Config(tfmot.quantization.keras.QuantizeConfig):  # type: ignore[misc]
    """What of a layer is quantized: ``kernel``, the name of its weights, if any; ``output``, whether its result is."""

    def __init__(self, kernel: str | None, output: bool) -> None:
        self.kernel, self.output = kernel, output

    def get_weights_and_quantizers(self, layer: Any) -> list[Any]:
        return [] if self.kernel is None else [(getattr(layer, self.kernel), self.quantizer(layer))]

    def quantizer(self, layer: Any) -> ChannelQuantizer:
        """Of the weights of ``layer``."""
        return ChannelQuantizer(2 if isinstance(layer, keras.layers.DepthwiseConv2D) else 1)

    def set_quantize_weights(self, layer: Any, quantize_weights: list[Any]) -> None:
        if self.kernel is not None:
            setattr(layer, self.kernel, quantize_weights[0])

    def get_activations_and_quantizers(self, layer: Any) -> list[Any]:
        return []

    def set_quantize_activations(self, layer: Any, quantize_activations: list[Any]) -> None:
        """No activation is quantized apart from the layer's result."""

    def get_output_quantizers(self, layer: Any) -> list[Any]:
        return [RangeQuantizer()] if self.output else []

    def get_config(self) -> dict[str, Any]:
        return {"kernel": self.kernel, "output": self.output}
