"""Keras graphs made anew with some layers exchanged: whatever built or pruned a model, its own graph is what counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgebnn._tensorflow import keras, tf
from edgebnn.errors import InputError

Change = Callable[[Any], Any]


def copied(layer: Any) -> Any:
    """A layer of the same configuration and name, without weights yet."""
    return type(layer).from_config(layer.get_config())


def rebuild(model: Any, change: Change, *, after_input: Change | None = None, name: str | None = None) -> Any:
    """The functional ``model`` with ``change(layer)`` for each layer but the inputs, and the weights it had.

    ``after_input(input layer)``, if given, makes a layer that stands behind each input. ``name`` is the new model's.
    Weights go by names, see :func:`copy_weights`. Raises InputError for a model that is no graph of layers.
    """
    if isinstance(model, keras.Sequential):
        model = keras.Model(model.inputs, model.outputs, name=model.name)
    if not getattr(model, "_is_graph_network", False):
        raise InputError(f"model '{model.name}' is no graph of layers; build it with keras.Model(inputs, outputs)")
    tensors: dict[str, list[Any]] = {}
    layers: dict[int, Any] = {}

    def keep(key: str, tensor: Any) -> None:
        tensors[key] = [tensor] * model._tensor_usage_count[key]

    inputs = []
    for layer, tensor in zip(model._input_layers, model.inputs, strict=True):
        inputs.append(keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=layer.name))
        keep(str(id(tensor)), inputs[-1] if after_input is None else after_input(layer)(inputs[-1]))
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if node.is_input:
                continue
            arguments, options = node.map_arguments(tensors)
            if id(node.layer) not in layers:
                layers[id(node.layer)] = change(node.layer)
            results = layers[id(node.layer)](*arguments, **options)
            for key, tensor in zip(node.flat_output_ids, tf.nest.flatten(results), strict=True):
                keep(key, tensor)
    outputs = [tensors[str(id(tensor))].pop() for tensor in model.outputs]
    made = keras.Model(inputs, outputs, name=name or model.name)
    copy_weights(model, made)
    return made


def bare(layer: Any) -> Any:
    """The layer inside a wrapper of TF-MOT's, or the layer itself."""
    return layer.layer if isinstance(layer, keras.layers.Wrapper) and hasattr(layer, "quantize_config") else layer


def copy_weights(source: Any, target: Any) -> None:
    """Give the layers of ``target`` the weights that layers of the same name have in ``source``, each by its name."""
    own = {layer.name: weights_by_name(layer) for layer in source.layers}
    for layer in target.layers:
        given = own.get(layer.name, {})
        for name, variable in weights_by_name(layer).items():
            if name in given:
                variable.assign(given[name])


def weights_by_name(layer: Any) -> dict[str, Any]:
    """Variables of a layer by the last part of their names, such as ``kernel`` or ``gamma``."""
    return {variable.name.split(":")[0].split("/")[-1]: variable for variable in layer.weights}
