"""Quantization-aware training with TF-MOT: a model whose tensors are rounded, while it trains, as its int8 file will.

What is rounded is exactly what becomes an int8 tensor of the file (:mod:`.int8_tensors`), and weights by output
channel. Batch norm needs no folding while training: it scales whole channels, and a channel's scale is part of its
quantization (Jacob et al., CVPR 2018, section 3.2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgebnn._tensorflow import keras, tf
from edgebnn._tfmot import tfmot
from edgebnn.models.rebuild import bare, copied, rebuild, weights_by_name
from edgebnn.training.binarization import has_binary_weights
from edgebnn.training.expansion import affine, expanded, own_classes
from edgebnn.training.int8_tensors import Role, int8_tensors, role
from edgebnn.training.quantizers import Int8Config, Int8Range, WeightQuantizer


def quantize_aware(model: Any) -> Any:
    """``model`` with fake quantization to int8, and its weights: float layers and layers of binary weights alike.

    Args:
        model: a graph of layers; it is not changed.

    Returns:
        A model of one layer an op (:mod:`.expansion`), whose ranges begin with those of the first training batch.
        :func:`strip` is the way back, :func:`frozen` the way on.

    Raises:
        InputError: as :func:`.expansion.expanded`.
    """
    model = expanded(model)
    tensors = int8_tensors(model)
    ranges = [Int8Range(one.members, one.fixed, f"{one.name}_int8_{n}") for n, one in enumerate(tensors.ranges)]
    norms = {name: copied(model.get_layer(name)) for name in set(tensors.fused.values())}

    def change(layer: Any, name: str) -> Any:
        if name in norms:
            return norms[name]
        kernel = _float_kernel(layer)
        copy = copied(layer, name)
        if kernel is None:
            return copy
        norm = norms.get(tensors.fused.get(name, "")) if type(layer) is keras.layers.Dense else None
        if norm is not None and not norm.built:
            norm.build(model.get_layer(norm.name).get_input_shape_at(0))
        config = Int8Config(kernel, WeightQuantizer(_shared_axes(layer), norm))
        return tfmot.quantization.keras.QuantizeWrapperV2(copy, config, name=name)

    def after(key: int, tensor: Any) -> Any:
        if key not in tensors.places:
            return tensor
        number, member = tensors.places[key]
        return ranges[number](tensor, member=member)

    with own_classes():
        return rebuild(model, change, after=after)


def strip(model: Any) -> Any:
    """The expanded model that :func:`quantize_aware` trains, with the weights of now."""

    def change(layer: Any, name: str) -> Any:
        return _passing if isinstance(layer, Int8Range) else copied(bare(layer), name)

    with own_classes():
        return rebuild(model, change)


def frozen(model: Any) -> Any:
    """A quantization-aware model in layers of Keras and Larq alone, its ranges constants: to keep, load and convert.

    Layers that only act in training are left out, and a batch norm that is no part of a convolution is one by itself.
    """

    def change(layer: Any, name: str) -> Callable[..., Any]:
        kind = role(layer)
        made: Callable[..., Any]
        if isinstance(layer, Int8Range):
            bounds = layer.bounds()
            made = lambda x, member, **_: tf.quantization.fake_quant_with_min_max_vars(x, *bounds)  # noqa: E731
        elif kind is Role.VANISHING:
            made = _passing
        elif kind is Role.BOUNDED:
            made = _cut_off(layer, name)
        elif kind is Role.NORMALIZING:
            made = _normalization(layer, name)
        else:
            made = copied(bare(layer), name)
        return made

    with own_classes():
        made = rebuild(model, change)
    for layer in model.layers:
        if layer is not bare(layer):
            config = layer.quantize_config
            kernel = weights_by_name(made.get_layer(layer.name))[config.kernel]
            kernel.assign(config.quantizer(tf.convert_to_tensor(kernel), False, {}))
    return made


def _passing(x: Any, *arguments: Any, **options: Any) -> Any:
    return x


def _cut_off(layer: Any, name: str) -> Callable[..., Any]:
    """A ReLU whose bound is that of its range, or, where others have that range too, one of its own."""
    behind = [node.layer for node in layer.outbound_nodes]
    if len(behind) == 1 and isinstance(behind[0], Int8Range) and behind[0].members == 1:
        return keras.layers.ReLU(name=name)  # type: ignore[no-any-return]
    return lambda x, **_: tf.clip_by_value(x, 0.0, float(layer.max_value))


def _normalization(layer: Any, name: str) -> Callable[..., Any]:
    """A batch norm behind a convolution, which the converter folds into it, or else a depthwise convolution."""
    copy = copied(layer, name)

    def call(x: Any, **_: Any) -> Any:
        if role(x._keras_history.layer) is Role.CONVOLVING or None in x.shape[1:] or len(x.shape) > 4:
            result = copy(x)
            for old, new in zip(layer.weights, copy.weights, strict=True):
                new.assign(old)
            return result
        scale = tf.math.rsqrt(layer.moving_variance + layer.epsilon)
        scale = scale if layer.gamma is None else scale * layer.gamma
        offset = -layer.moving_mean * scale + (0.0 if layer.beta is None else layer.beta)
        return affine(x, scale.numpy(), offset.numpy(), name)

    return call


def _float_kernel(layer: Any) -> str | None:
    """The name of the weights to be rounded to int8; those of one bit need no rounding."""
    if role(layer) is not Role.CONVOLVING or has_binary_weights(layer):
        return None
    return "depthwise_kernel" if hasattr(layer, "depthwise_kernel") else "kernel"


def _shared_axes(layer: Any) -> tuple[int, ...]:
    """Axes of a kernel along which weights have one scale in the file: all but the output channels'."""
    if isinstance(layer, keras.layers.Conv2DTranspose):
        return (0, 1, 3)
    if hasattr(layer, "depthwise_kernel"):
        return tuple(range(len(layer.depthwise_kernel.shape) - 2))
    rank = len(layer.kernel.shape)
    return tuple(range(rank)) if isinstance(layer, keras.layers.Dense) else tuple(range(rank - 1))
