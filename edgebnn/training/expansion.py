"""Networks as the ops of their int8 files: one layer an op, wherever TFLite has an int8 op for the part.

Models inside models are unfolded, and what one layer computes in several steps becomes several layers: an activation
inside a layer, a separable convolution, a sum of three. The function and the weights stay the same. A part of layer
``conv`` is called ``conv/part``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import numpy as np

from edgebnn._tensorflow import keras, lq, tf
from edgebnn.errors import InputError, one_line
from edgebnn.models.rebuild import copied, rebuild, weights_by_name
from edgebnn.training.quantizers import GradualSign

_ACTIVATED = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv1D,
    keras.layers.SeparableConv2D,
    keras.layers.Dense,
    keras.layers.EinsumDense,
    lq.layers.QuantConv1D,
    lq.layers.QuantConv2D,
    lq.layers.QuantDepthwiseConv2D,
    lq.layers.QuantDense,
)
"""Exactly these classes apply their activation last: a subclass may do more behind it."""

_PAIRWISE = (
    keras.layers.Add,
    keras.layers.Multiply,
    keras.layers.Maximum,
    keras.layers.Minimum,
    keras.layers.Average,
)

_SEPARABLE = {
    keras.layers.SeparableConv1D: (keras.layers.DepthwiseConv1D, keras.layers.Conv1D),
    keras.layers.SeparableConv2D: (keras.layers.DepthwiseConv2D, keras.layers.Conv2D),
}
_POINTWISE = {
    (keras.layers.Dense, 3): keras.layers.Conv1D,
    (keras.layers.Dense, 4): keras.layers.Conv2D,
    (lq.layers.QuantDense, 3): lq.layers.QuantConv1D,
    (lq.layers.QuantDense, 4): lq.layers.QuantConv2D,
}
"""A dense layer on more than vectors, by rank, as the convolution it is: TFLite has no int8 op for the former."""


def expanded(model: Any, *, rounding: bool = False) -> Any:
    """A network of one layer an op, which computes the same.

    Args:
        model: a functional Keras model. It is not changed.
        rounding: keep the fake quantization that it was trained with; by default it is left out.

    Returns:
        A new model with its weights.

    Raises:
        InputError: naming the layer, for one that cannot be made anew: a Lambda that does more than call functions of
            TensorFlow on its inputs, or a class without a configuration.
    """
    with own_classes():
        return rebuild(model, partial(_expansion, rounding=rounding))


def own_classes() -> Any:
    """In which Keras finds the classes of ours that layers in training hold."""
    return keras.utils.custom_object_scope({"GradualSign": GradualSign})


def symbol_of(layer: Any) -> str:
    """The TensorFlow function that an operator or a function on tensors became a layer for, as in ``math.add``; empty
    for other layers."""
    symbol = getattr(layer, "symbol", None)
    return symbol.removeprefix("compat.v1.") if isinstance(symbol, str) else ""


def _expansion(layer: Any, name: str, *, rounding: bool) -> Callable[..., Any]:
    symbol = symbol_of(layer)
    if symbol.startswith("quantization.fake_quant"):
        function: Callable[..., Any] = getattr(tf.quantization, symbol.removeprefix("quantization."))
        return function if rounding else lambda x, *bounds, **options: x
    if symbol in _OPERATORS:
        return _each_call(lambda part: _named(_OPERATORS[symbol], part), name)
    if type(layer) is keras.layers.Lambda:
        return _each_call(lambda part: _unwrapped(layer, part), name)
    if type(layer) in _PAIRWISE:
        return _each_call(lambda part: _pairwise(layer, part), name)
    if type(layer) in _ACTIVATED:
        return _in_parts(layer, name)
    if type(layer) is keras.layers.Rescaling:
        return _each_call(lambda part: _rescaling(layer, part), name)
    if layer.weights:
        made: Callable[..., Any] = copied(layer, name)
        return made
    return _each_call(lambda part: _activation(layer, part), name)


def _each_call(make: Callable[[str], Callable[..., Any]], name: str) -> Callable[..., Any]:
    """A layer without weights has results of its own range wherever it is called: a layer of its own for every call."""
    numbers = count(1)

    def call(*arguments: Any, **options: Any) -> Any:
        number = next(numbers)
        return make(name if number == 1 else f"{name}/{number}")(*arguments, **options)

    return call


def _named(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """``function`` of Keras tensors, its last op called ``name`` and those before it ``name/1`` and so on."""

    def call(inputs: Any, *rest: Any, **options: Any) -> Any:
        results = function(inputs)
        ops = _ops_between(tf.nest.flatten(inputs), tf.nest.flatten(results))
        for number, op in enumerate(ops, 1):
            op._name = name if number == len(ops) else f"{name}/{number}"
        return results

    return call


def _ops_between(inputs: list[Any], results: list[Any]) -> list[Any]:
    """The layers that a function of Keras tensors made, those of its results last."""
    known, found, waiting = {id(tensor) for tensor in inputs}, dict[int, Any](), list(results)
    while waiting:
        tensor = waiting.pop(0)
        if id(tensor) in known:
            continue
        known.add(id(tensor))
        layer, index, _ = tensor._keras_history
        node = layer.inbound_nodes[index]
        if node.is_input:
            raise InputError("its result does not follow from its inputs")
        found.setdefault(id(layer), layer)
        waiting += node.keras_inputs
    return list(reversed(found.values()))


def _unwrapped(layer: Any, name: str) -> Callable[..., Any]:
    """A Lambda layer as the ops that its function is made of, each a layer of Keras."""

    def call(inputs: Any, **options: Any) -> Any:
        try:
            if layer._fn_expects_training_arg:
                raise InputError("it differs in training")
            return _named(lambda x: layer.function(x, **layer.arguments), name)(inputs)
        # The code is the user's: only the base of all exceptions covers what it can raise on symbolic tensors.
        except Exception as error:
            raise InputError(
                one_line(
                    f"layer '{name}' (Lambda): what it does cannot be followed ({error}); use layers of Keras in its "
                    "place, or functions of TensorFlow on its inputs alone"
                )
            ) from error

    return call


# TFLite computes the left in float, and the right in int8.
_OPERATORS: dict[str, Callable[..., Any]] = {
    "math.negative": lambda x: x * -1.0,
    "math.square": lambda x: x * x,
}


def _pairwise(layer: Any, name: str) -> Callable[..., Any]:
    """A sum, product or the like of many, two by two; an average is a sum, scaled."""
    kind = type(layer)
    average = kind is keras.layers.Average
    pair = keras.layers.Add if average else kind

    def call(inputs: Any, **options: Any) -> Any:
        x, *others = tf.nest.flatten(inputs)
        for number, other in enumerate(others, 1):
            last = number == len(others) and not average
            x = pair(name=name if last else f"{name}/{number}")([x, other])
        return _named(lambda total: total * (1.0 / (len(others) + 1)), name)(x) if average else x

    return call


def _activation(layer: Any, name: str) -> Callable[..., Any]:
    """A layer without weights; a hard sigmoid as a line that is cut off, which TFLite does in int8."""
    if getattr(layer, "activation", None) is keras.activations.hard_sigmoid:
        return _named(lambda x: tf.clip_by_value(x * 0.2 + 0.5, 0.0, 1.0), name)
    made: Callable[..., Any] = copied(layer, name)
    return made


def _rescaling(layer: Any, name: str) -> Callable[..., Any]:
    """A scale and an offset for each channel of a map: a depthwise convolution of 1x1."""

    def call(x: Any, **options: Any) -> Any:
        if len(x.shape) != 4:
            return copied(layer, name)(x)
        return affine(x, np.asarray(layer.scale), np.asarray(layer.offset), name)

    return call


def affine(x: Any, scale: Any, offset: Any, name: str) -> Any:
    """``x`` times ``scale`` plus ``offset`` by channel, as a depthwise convolution, which the int8 file has a scale a
    channel for.

    Args:
        x: Keras tensor [N, C], [N, W, C] or [N, H, W, C], of known size but for N.
        scale: [C], or one for all.
        offset: as ``scale``.
        name: of the convolution.

    Returns:
        A Keras tensor of the shape of ``x``.
    """
    shape = tuple(x.shape[1:])
    layer = keras.layers.DepthwiseConv2D(1, name=name, trainable=False)
    maps = x if len(shape) == 3 else tf.reshape(x, (-1, *[1] * (3 - len(shape)), *shape))
    result = layer(maps)
    values = {"depthwise_kernel": scale, "bias": offset}
    for key, variable in weights_by_name(layer).items():
        full = np.broadcast_to(np.ravel(values[key]), (shape[-1],))
        variable.assign(full.reshape(variable.shape))
    return result if len(shape) == 3 else tf.reshape(result, (-1, *shape))


def _in_parts(layer: Any, name: str) -> Callable[..., Any]:
    """A layer with weights, and its activation behind it. Called at several places it is still one layer."""
    act = layer.activation
    plain = act is None or act is keras.activations.linear
    behind = None if plain else keras.layers.Activation(act)
    word = getattr(act, "__name__", type(act).__name__)
    parts: list[Any] = []

    def call(x: Any, **options: Any) -> Any:
        if not parts:
            parts.extend(_linear_parts(layer, name, len(x.shape)))
        for part, _ in parts:
            x = part(x)
        for part, values in parts:
            for key, variable in weights_by_name(part).items():
                if key in values:
                    variable.assign(tf.reshape(values[key], variable.shape))
        return x if behind is None else activate(x)

    def made(part: str) -> Callable[..., Any]:
        assert behind is not None
        return _activation(behind, part)

    activate = _each_call(made, f"{name}/{word}")
    return call


def _linear_parts(layer: Any, name: str, rank: int) -> list[tuple[Any, dict[str, Any]]]:
    """The layers that compute what ``layer`` does before its activation, each with the weights it has."""
    config = {**layer.get_config(), "name": name, "activation": None}
    values = weights_by_name(layer)
    values = {key: getattr(value, "latent_variable", value) for key, value in values.items()}
    if type(layer) in _SEPARABLE:
        return _separable(layer, config, values)
    wide = _POINTWISE.get((type(layer), rank))
    if wide is not None:
        options = {key: value for key, value in config.items() if key != "units"}
        return [(wide.from_config({**options, "filters": layer.units, "kernel_size": 1}), values)]
    return [(type(layer).from_config(config), values)]


def _separable(layer: Any, config: dict[str, Any], values: dict[str, Any]) -> list[tuple[Any, dict[str, Any]]]:
    depthwise, pointwise = _SEPARABLE[type(layer)]
    window = ("kernel_size", "strides", "padding", "data_format", "dilation_rate", "depth_multiplier", "trainable")
    channels = ("filters", "use_bias", "bias_regularizer", "bias_constraint", "data_format", "trainable")
    kernels = ("initializer", "regularizer", "constraint")
    first = {key: config[key] for key in window} | {
        f"depthwise_{what}": config[f"depthwise_{what}"] for what in kernels
    }
    last = {key: config[key] for key in channels} | {f"kernel_{what}": config[f"pointwise_{what}"] for what in kernels}
    name = config["name"]
    return [
        (depthwise.from_config({**first, "use_bias": False, "name": f"{name}/depthwise"}), values),
        (
            pointwise.from_config({**last, "kernel_size": 1, "name": name}),
            {"kernel": values["pointwise_kernel"], **{key: values[key] for key in values if key == "bias"}},
        ),
    ]
