"""Quantizers for training: of weights on their way to one bit (Larq), and of 8-bit ranges and weights (TF-MOT)."""

from __future__ import annotations

from typing import Any

from edgebnn._tensorflow import keras, lq, tf
from edgebnn._tfmot import tfmot
from edgebnn.models.blocks import WEIGHTS_OF_ONE_BIT

Variables = dict[str, Any]

RANGE_DECAY = 0.99
"""Of the moving averages of ranges. TF-MOT's 0.999, begun at -6 and 6, needs thousands of steps to reach the values."""

SMALLEST_RANGE = 1e-3
"""Of results that are always zero."""

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
        if training:
            self.observe(inputs, weights)
        return tf.quantization.fake_quant_with_min_max_vars(inputs, weights["min"], weights["max"], num_bits=8)

    def observe(self, inputs: Any, weights: Variables) -> None:
        """Move the range towards that of ``inputs``."""
        low, high = weights["min"], weights["max"]
        keep = tf.where(tf.equal(low, high), 0.0, RANGE_DECAY)
        # Zero belongs to every range: padding and ReLU need it exact.
        least, most = tf.minimum(tf.reduce_min(inputs), 0.0), tf.maximum(tf.reduce_max(inputs), 0.0)
        low.assign(keep * low + (1 - keep) * least)
        high.assign(keep * high + (1 - keep) * most)

    def get_config(self) -> dict[str, Any]:
        return {}


class Int8Range(keras.layers.Layer):  # type: ignore[misc]
    """The one range of tensors that an op of one scale connects: called with a tensor and its number, it rounds that.

    By ``fake_quant_with_min_max_vars`` where bounds are constants too: ``..._args`` rounds some ties the other way.

    Each has a moving average of its own, and the range spans them all. ``fixed``: the bounds, if nothing is learnt.
    """

    def __init__(self, members: int, fixed: tuple[float, float] | None, name: str) -> None:
        super().__init__(name=name)
        self.members, self.fixed = members, fixed
        self.quantizer = RangeQuantizer()

    def build(self, shape: Any) -> None:
        count = self.members if self.fixed is None else 0
        self.seen = [self.quantizer.build(shape, f"range{number}", self) for number in range(count)]
        self.built = True

    def call(self, x: Any, member: int, training: Any = None) -> Any:
        if self.fixed is not None:
            return tf.quantization.fake_quant_with_min_max_vars(x, *self.fixed)
        if training is None:
            training = keras.backend.learning_phase()
        if not isinstance(training, bool | int):
            raise TypeError("ranges need to know when the model is called whether it is trained")
        if training:
            self.quantizer.observe(x, self.seen[member])
        return tf.quantization.fake_quant_with_min_max_vars(x, *self.spanned())

    def spanned(self) -> tuple[Any, Any]:
        """Least and greatest value of the range."""
        low = tf.reduce_min([tf.convert_to_tensor(seen["min"]) for seen in self.seen])
        return low, tf.reduce_max([tf.convert_to_tensor(seen["max"]) for seen in self.seen])

    def bounds(self) -> tuple[float, float]:
        """The range as numbers, of some width."""
        if self.fixed is not None:
            return self.fixed
        low, high = (float(bound) for bound in self.spanned())
        return low, max(high, low + SMALLEST_RANGE)


class WeightQuantizer(tfmot.quantization.keras.quantizers.Quantizer):  # type: ignore[misc]
    """Weights as the int8 file has them: symmetric, a scale from the largest of those along the axes ``shared``.

    A batch norm behind a convolution scales whole channels, so that folding it changes scales but no integer. Dense
    layers have one scale for all, after their batch norm ``norm`` is folded in.
    """

    def __init__(self, shared: tuple[int, ...], norm: Any = None) -> None:
        self.shared, self.norm = shared, norm

    def build(self, tensor_shape: Any, name: str, layer: Any) -> Variables:
        return {}

    def __call__(self, inputs: Any, training: bool, weights: Variables, **_: Any) -> Any:
        folded = inputs
        factor = tf.constant(1.0)
        if self.norm is not None:
            factor = tf.math.rsqrt(self.norm.moving_variance + self.norm.epsilon)
            factor = factor if self.norm.gamma is None else factor * self.norm.gamma
            factor = tf.where(tf.equal(factor, 0.0), 1.0, factor)
            folded = inputs * factor
        largest = tf.reduce_max(tf.abs(folded), list(self.shared), keepdims=True)
        scale = tf.where(largest > 0, largest, 1.0) / WEIGHT_LEVELS
        return inputs + tf.stop_gradient(tf.round(folded / scale) * scale / factor - inputs)

    def get_config(self) -> dict[str, Any]:
        return {"shared": self.shared}


class Int8Config(tfmot.quantization.keras.QuantizeConfig):  # type: ignore[misc]
    """Of a layer its weights called ``kernel`` are quantized, by ``quantizer``; its result is by an Int8Range."""

    def __init__(self, kernel: str, quantizer: WeightQuantizer) -> None:
        self.kernel, self.quantizer = kernel, quantizer

    def get_weights_and_quantizers(self, layer: Any) -> list[Any]:
        return [(getattr(layer, self.kernel), self.quantizer)]

    def set_quantize_weights(self, layer: Any, quantize_weights: list[Any]) -> None:
        setattr(layer, self.kernel, quantize_weights[0])

    def get_activations_and_quantizers(self, layer: Any) -> list[Any]:
        return []

    def set_quantize_activations(self, layer: Any, quantize_activations: list[Any]) -> None:
        """No activation is quantized apart from the layer's result."""

    def get_output_quantizers(self, layer: Any) -> list[Any]:
        return []

    def get_config(self) -> dict[str, Any]:
        return {"kernel": self.kernel}
