"""Quantization-aware training with TF-MOT: a model whose tensors are rounded, while it trains, as its int8 file will.

What is rounded is exactly what becomes an int8 tensor of the file: the inputs, the results of ops (a convolution, its
batch norm and its ReLU are one op), and weights by output channel. Batch norm needs no folding while training: it
scales whole channels, and a channel's scale is part of its quantization (Jacob et al., CVPR 2018, section 3.2).
"""

from __future__ import annotations

from typing import Any

from edgebnn._tensorflow import keras, lq, tf
from edgebnn._tfmot import tfmot
from edgebnn.models.rebuild import bare, copied, copy_weights, rebuild, weights_by_name
from edgebnn.training.quantizers import ChannelQuantizer, GradualSign, Int8Config, RangeQuantizer

_PASSING = (
    keras.layers.Flatten,
    keras.layers.Reshape,
    keras.layers.Dropout,
    keras.layers.ZeroPadding2D,
    keras.layers.MaxPooling2D,
    keras.layers.AveragePooling2D,
    keras.layers.InputLayer,
)
"""Layers whose result has the scale of what they are given."""

_INPUT = "_int8"  # ends the name of the layer that rounds an input

_CONVOLVING = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense)


class _Scheme(tfmot.quantization.keras.QuantizeScheme):  # type: ignore[misc]
    """Annotated layers as annotated, and nothing else: TF-MOT's default would quantize between batch norm and ReLU."""

    def get_layout_transformer(self) -> Any:
        return self

    def get_quantize_registry(self) -> Any:
        return self

    def apply(self, model: Any, layer_quantize_map: Any) -> tuple[Any, Any]:
        return model, layer_quantize_map

    def supports(self, layer: Any) -> bool:
        return False


def scope() -> Any:
    """In which Keras finds all classes of quantization-aware models: to load them, or to clone them."""
    own = (ChannelQuantizer, GradualSign, Int8Config, RangeQuantizer, lq.layers.QuantConv2D, lq.layers.QuantDense)
    return tfmot.quantization.keras.quantize_scope({kind.__name__: kind for kind in own})


def quantize_aware(model: Any) -> Any:
    """``model`` with fake quantization to int8, and its weights: float layers and layers of binary weights alike.

    Ranges begin with those of the first training batch. :func:`strip` is the way back, :func:`frozen` the way on.
    Raises InputError for a model that is no graph of layers.
    """
    points = set(int8_points(model))

    def annotate(layer: Any) -> Any:
        kernel = _quantized_kernel(layer)
        if kernel is None and layer.name not in points:
            return copied(layer)
        return tfmot.quantization.keras.quantize_annotate_layer(copied(layer), Int8Config(kernel, layer.name in points))

    with scope():
        annotated = rebuild(model, annotate, after_input=_annotated_input)
        made = tfmot.quantization.keras.quantize_apply(annotated, _Scheme(), quantized_layer_name_prefix="")
    copy_weights(model, made)
    return made


def strip(model: Any) -> Any:
    """The model that :func:`quantize_aware` was given, with the weights of now."""
    return _without(model, fixed=False)


def frozen(model: Any) -> Any:
    """A quantization-aware model in layers of Keras and Larq alone, its ranges constants: to keep, load and convert."""
    return _without(model, fixed=True)


def _annotated_input(layer: Any) -> Any:
    identity = keras.layers.Activation("linear", name=f"{layer.name}{_INPUT}")
    return tfmot.quantization.keras.quantize_annotate_layer(identity, Int8Config(None, output=True))


def _without(model: Any, fixed: bool) -> Any:
    """The layers inside the wrappers; with ``fixed`` each is followed by its range, and its weights are rounded."""
    inputs = {f"{layer.name}{_INPUT}" for layer in model._input_layers}

    def change(layer: Any) -> Any:
        inner = _identity if layer.name in inputs else copied(bare(layer))
        if not fixed or layer is bare(layer) or not layer.quantize_config.output:
            return inner
        low, high = (float(weights_by_name(layer)[f"output_{bound}"].numpy()) for bound in ("min", "max"))
        return lambda *x, **options: tf.quantization.fake_quant_with_min_max_args(inner(*x, **options), low, high)

    with scope():
        made = rebuild(model, change)
    if fixed:
        for layer in model.layers:
            if layer is not bare(layer) and layer.quantize_config.kernel is not None:
                kernel = weights_by_name(made.get_layer(layer.name))[layer.quantize_config.kernel]
                kernel.assign(layer.quantize_config.quantizer(bare(layer))(tf.convert_to_tensor(kernel), False, {}))
    return made


def _identity(x: Any) -> Any:
    return x


def int8_points(model: Any) -> tuple[str, ...]:
    """Names of the layers whose results are int8 tensors of the file: each ends an op."""
    followers: dict[str, list[Any]] = {layer.name: [] for layer in model.layers}
    for layer in model.layers:
        for node in layer.inbound_nodes:
            for parent in node.parent_nodes:
                if parent.layer.name in followers:
                    followers[parent.layer.name].append(layer)
    return tuple(
        layer.name
        for layer in model.layers
        if not isinstance(layer, _PASSING) and not _continues(layer, followers[layer.name])
    )


def _continues(layer: Any, followers: list[Any]) -> bool:
    """Whether the one layer behind belongs to the same op."""
    if len(followers) != 1:
        return False
    if isinstance(followers[0], keras.layers.BatchNormalization):
        return isinstance(layer, _CONVOLVING)
    return isinstance(followers[0], keras.layers.ReLU) or _is_relu(followers[0])


def _is_relu(layer: Any) -> bool:
    return isinstance(layer, keras.layers.Activation) and getattr(layer.activation, "__name__", "") in ("relu", "relu6")


def _quantized_kernel(layer: Any) -> str | None:
    """The name of the weights to be rounded to int8; those of one bit need no rounding."""
    if not isinstance(layer, _CONVOLVING) or getattr(layer, "kernel_quantizer", None) is not None:
        return None
    return "depthwise_kernel" if isinstance(layer, keras.layers.DepthwiseConv2D) else "kernel"
