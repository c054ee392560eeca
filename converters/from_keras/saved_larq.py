"""Larq's layers in SavedModels that were loaded without the code of their quantizers."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from edgebnn._tensorflow import keras, lq, tf
from edgebnn.errors import InputError

_QUANTIZERS = ("input_quantizer", "kernel_quantizer", "depthwise_quantizer", "pointwise_quantizer")
_MULTIPLYING = ("Conv2D", "DepthwiseConv2dNative", "MatMul", "Conv3D", "Conv2DBackpropInput")
_SHAPING = ("Identity", "IdentityN", "Pad", "PadV2", "ExpandDims", "SpaceToBatchND", "Reshape")


def with_larq_layers(model: Any) -> Any:
    """``model`` with Larq's own layers where a SavedModel was loaded without the code of their quantizers.

    Keras then runs the graph that was saved, in which nobody can tell latent weights from binary ones. What the
    quantizers compute is taken from that graph.
    """
    if not isinstance(model, keras.Sequential) and not getattr(model, "_is_graph_network", False):
        return model
    if not any(_is_revived_larq(layer) for layer in model.submodules):
        return model

    def change(layer: Any) -> Any:
        if _is_revived_larq(layer):
            return _larq_layer(layer)
        if isinstance(layer, keras.Model):
            return with_larq_layers(layer)
        return type(layer).from_config(layer.get_config())

    copy = keras.models.clone_model(model, clone_function=change)
    for layer in model.layers:
        copy.get_layer(layer.name).set_weights(layer.get_weights())
    return copy


def _is_revived_larq(layer: Any) -> bool:
    kind = type(layer)
    return kind.__module__.endswith("saved_model.load") and hasattr(lq.layers, kind.__name__)


def _larq_layer(revived: Any) -> Any:
    """The layer of Larq's that ``revived`` was, by its configuration and its graph."""
    config = revived.get_config()
    for name in _QUANTIZERS:
        given = config.get(name)
        if isinstance(given, str) or (isinstance(given, dict) and given.get("class_name") not in vars(lq.quantizers)):
            # A function's name says nothing: another one of Larq's may have it.
            label = given if isinstance(given, str) else str(given.get("class_name"))
            config[name] = _saved_quantizer(revived, name, label)
    return getattr(lq.layers, type(revived).__name__)(**config)


def _saved_quantizer(revived: Any, which: str, name: str) -> Callable[[Any], Any]:
    """A quantizer as the part of a layer's graph from its input or its weights to the product of both.

    Raises InputError where there is no such part.
    """
    freeze = importlib.import_module("tensorflow.python.framework.convert_to_constants")
    saved = revived._serialized_attributes["__call__"].concrete_functions[0]
    graph = freeze.convert_variables_to_constants_v2(saved, lower_control_flow=False)
    products = [op for op in graph.graph.get_operations() if op.type in _MULTIPLYING]
    operand = 0 if which == "input_quantizer" else 1
    product = products[-1 if which == "pointwise_quantizer" else 0] if products else None
    source = None if product is None else _source(product.inputs[operand], operand, revived)
    if product is None or source is None:
        raise InputError(
            f"layer '{revived.name}': its quantizer '{name}' is not in the SavedModel; give package.module:function"
        )
    result = product.inputs[operand]
    while operand == 0 and result.op.type in _SHAPING and result.op.type != "IdentityN" and result is not source:
        result = result.op.inputs[0]
    part = graph.prune([source], [result])

    def quantizer(x: Any) -> Any:
        return part(tf.convert_to_tensor(x))[0]

    quantizer.__name__ = name
    return quantizer


def _source(tensor: Any, operand: int, revived: Any) -> Any:
    """The input or the latent weights that ``tensor`` is computed from; None if neither is."""
    shapes = {tuple(weight.shape) for weight in revived.weights}
    waiting, seen = [tensor], set()
    while waiting:
        found = waiting.pop()
        if operand == 0 and found.op.type == "Placeholder":
            return found
        if operand == 1 and found.op.type == "Const" and tuple(found.shape) in shapes:
            return found
        if found.name not in seen:
            seen.add(found.name)
            waiting.extend(found.op.inputs)
    return None
