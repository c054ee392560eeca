"""Keras graphs made anew with some layers exchanged: whatever built or pruned a model, its own graph is what counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from edgebnn._tensorflow import keras, tf
from edgebnn.errors import InputError, one_line

Change: TypeAlias = Callable[[Any, str], Callable[..., Any]]
"""(a layer, its name in the new model) -> what takes its place: a layer, or a function of the layer's arguments."""

After: TypeAlias = Callable[[int, Any], Any]
"""(id of a tensor of the old model, the tensor in its place) -> what those that read it are given instead."""

# What Keras, and the classes of users, raise when a layer cannot be made from its configuration.
_CONFIG_ERRORS = (TypeError, ValueError, NotImplementedError, LookupError, AttributeError)


def copied(layer: Any, name: str | None = None) -> Any:
    """A layer of the same configuration, without weights yet.

    Args:
        layer: a Keras layer.
        name: of the copy; by default the layer's own.

    Returns:
        A new layer.

    Raises:
        InputError: naming the layer, if its class cannot be made from its configuration.
    """
    try:
        made = type(layer).from_config(layer.get_config())
    except _CONFIG_ERRORS as error:
        raise InputError(
            one_line(
                f"layer '{name or layer.name}' ({type(layer).__name__}) cannot be made anew from its configuration "
                f"({error}); give its class get_config() and from_config(), or use layers of Keras in its place"
            )
        ) from error
    if name is not None:
        made._name = name
    return made


def rebuild(model: Any, change: Change, *, after: After | None = None, name: str | None = None) -> Any:
    """A functional model with layers exchanged, and the weights it had.

    Models inside the model are unfolded: a layer ``conv`` of a model ``block`` becomes the layer ``block/conv``.

    Args:
        model: a graph of layers, of any number of inputs and outputs.
        change: called once for each layer but the inputs. A layer that it gives gets the weights of the old one, see
            :func:`copy_weights`; a function has to see to its own.
        after: called with each tensor of the new model, those of the inputs among them.
        name: of the new model; by default the old one's.

    Returns:
        A new Keras model with the same structure of inputs and outputs.

    Raises:
        InputError: for a model that is no graph of layers, or a layer that cannot be made anew.
    """
    graph = _graph(model)
    made: dict[int, Any] = {}
    follow = after or (lambda key, tensor: tensor)

    def run(layer: Any, path: str, arguments: Any, options: Any) -> Any:
        if id(layer) not in made:
            made[id(layer)] = layer, change(layer, path)
        return made[id(layer)][1](*arguments, **options)

    inputs = [
        keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=layer.name)
        for layer, tensor in zip(graph._input_layers, graph.inputs, strict=True)
    ]
    outputs = _replayed(graph, inputs, run, follow)
    again = keras.Model(
        tf.nest.pack_sequence_as(graph._nested_inputs, inputs),
        tf.nest.pack_sequence_as(graph._nested_outputs, outputs),
        name=name or model.name,
    )
    for old, new in made.values():
        if isinstance(new, keras.layers.Layer):
            copy_weights(old, new)
    return again


def _graph(model: Any) -> Any:
    """The model as a functional one."""
    if not getattr(model, "_is_graph_network", False):
        if isinstance(model, keras.Sequential) and not model.built:
            raise InputError(f"model '{model.name}' is not built: give it an Input layer")
        raise InputError(f"model '{model.name}' is no graph of layers; build it with keras.Model(inputs, outputs)")
    return keras.Model(model.inputs, model.outputs, name=model.name) if isinstance(model, keras.Sequential) else model


def _replayed(graph: Any, inputs: list[Any], run: Callable[..., Any], after: After, path: str = "") -> list[Any]:
    """The outputs of ``graph`` on ``inputs``, with each layer's part done by ``run``."""
    tensors: dict[str, list[Any]] = {}

    def keep(key: str, tensor: Any) -> None:
        tensors[key] = [after(int(key), tensor)] * graph._tensor_usage_count[key]

    for old, given in zip(graph.inputs, inputs, strict=True):
        keep(str(id(old)), given)
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            if node.is_input:
                continue
            arguments, options = node.map_arguments(tensors)
            name = path + node.layer.name
            if getattr(node.layer, "_is_graph_network", False):
                results = _unfolded(node.layer, arguments, options, run, after, f"{name}/")
            else:
                results = run(node.layer, name, arguments, options)
            for key, tensor in zip(node.flat_output_ids, tf.nest.flatten(results), strict=True):
                keep(key, tensor)
    return [tensors[str(id(tensor))].pop() for tensor in graph.outputs]


def _unfolded(model: Any, arguments: Any, options: Any, run: Callable[..., Any], after: After, path: str) -> Any:
    """The results of a model inside the model; where it was called with ``training``, its layers are too."""
    graph = _graph(model)
    training = options.get("training")

    def told(layer: Any, name: str, given: Any, own: Any) -> Any:
        if training is not None and own.get("training") is None and layer._call_spec.expects_training_arg:
            own = {**own, "training": training}
        return run(layer, name, given, own)

    inputs = graph._flatten_to_reference_inputs(arguments[0] if arguments else options["inputs"])
    outputs = _replayed(graph, inputs, told, after, path)
    return tf.nest.pack_sequence_as(graph._nested_outputs, outputs)


def bare(layer: Any) -> Any:
    """The layer inside a wrapper of TF-MOT's, or the layer itself."""
    return layer.layer if isinstance(layer, keras.layers.Wrapper) and hasattr(layer, "quantize_config") else layer


def copy_weights(source: Any, target: Any) -> None:
    """Give the layer ``target`` the weights of the layer ``source``: each by its place where both have the same, and
    otherwise by the last part of its name, such as ``kernel`` or ``gamma``."""
    given, taken = list(source.weights), list(target.weights)
    if list(map(_last_part, given)) == list(map(_last_part, taken)):
        for old, new in zip(given, taken, strict=True):
            new.assign(old)
        return
    own = weights_by_name(source)
    for name, variable in weights_by_name(target).items():
        if name in own:
            variable.assign(own[name])


def weights_by_name(layer: Any) -> dict[str, Any]:
    """Variables of a layer by the last part of their names, such as ``kernel`` or ``gamma``."""
    return {_last_part(variable): variable for variable in layer.weights}


def _last_part(variable: Any) -> str:
    return str(variable.name).split(":")[0].split("/")[-1]
