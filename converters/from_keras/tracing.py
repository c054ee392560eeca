"""Keras models traced to SavedModels, which hold all that a converter needs of them: graph and weights."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgebnn._tensorflow import keras, lq, tf
from edgebnn.converters import keras_names
from edgebnn.errors import InputError

from .calls import Call


@dataclass(frozen=True)
class ControlFlow:
    """A layer (the model itself: "") that decides while it runs what is computed: ``op`` is While, If or Case."""

    layer: str
    op: str


@dataclass(frozen=True)
class Traced:
    """What is known of a model that was traced: the names of its outputs, in Keras' order, and its control flow."""

    outputs: tuple[str, ...]
    control_flow: tuple[ControlFlow, ...]


def save(model: Any, call: Call, folder: Path, *, binary: bool) -> Traced:
    """Saves a SavedModel whose arguments and results are keyed by position.

    Args:
        model: it has the quantizers it had before, whatever happens.
        call: how it is called.
        folder: of the SavedModel.
        binary: it is for LCE's converter, which looks for signs.

    Returns:
        What is known of it then.

    Raises:
        InputError: it has weights, changes or steps that no converted file has.
    """
    with (
        _computed_in_float32(model),
        _weights_quantized(model),
        _dilated_in_one_op(model),
        _steps_written_out(model),
        _groups_of_known_size(model),
    ):
        nested, graph = _save(model, call, folder, binary)
        return Traced(_output_names(model, nested), tuple(_control_flow(model, graph)))


def _save(model: Any, call: Call, folder: Path, binary: bool) -> tuple[Any, Any]:
    """Returns the model's results, nested as they are, and the graph that computes them."""
    nested: list[Any] = []
    takes_training = "training" in inspect.signature(model.call).parameters

    def traced(*tensors: Any) -> dict[str, Any]:
        args, kwargs = call.filled(tensors)
        result = model(*args, **kwargs, **({"training": False} if takes_training else {}))
        nested.append(result)
        if binary:
            _keep_other_signs()
        instead = _written_out()
        flat = [instead.get(leaf.ref(), leaf) for leaf in tf.nest.flatten(result) if leaf is not None]
        return {keras_names.key(position): leaf for position, leaf in enumerate(flat)}

    specs = [
        tf.TensorSpec(spec.shape, spec.dtype, keras_names.key(position)) for position, spec in enumerate(call.specs)
    ]
    function = tf.function(traced, input_signature=specs).get_concrete_function()
    _check_changes_nothing(model, function.graph)
    root = tf.Module()
    own = [getattr(variable, "latent_variable", variable) for variable in model.variables]
    root.kept = list({id(v): v for v in (*function.graph.variables, *own)}.values())
    options = tf.saved_model.SaveOptions(save_debug_info=True, experimental_custom_gradients=False)  # nobody trains it
    tf.saved_model.save(root, str(folder), signatures={keras_names.SIGNATURE: function}, options=options)
    return nested[-1], function.graph


_FLOW = re.compile("(?:Stateless)?(While|If|Case)")


def _control_flow(model: Any, graph: Any) -> Iterator[ControlFlow]:
    """By layer, once each; functions that a layer calls are looked into. Converters may still find it constant."""
    content = graph.as_graph_def()
    functions = {function.signature.name: function.node_def for function in content.library.function}
    names = {layer.name for layer in model.submodules if isinstance(layer, keras.layers.Layer)}
    seen = set[str]()
    for node in content.node:
        op = _flow_in([node], functions)
        layer = next((part for part in reversed(node.name.split("/")) if part in names), "")
        if op and layer not in seen:
            seen.add(layer)
            yield ControlFlow(layer, op)


def _flow_in(nodes: Iterable[Any], functions: dict[str, Any]) -> str:
    """The first kind of control flow among nodes of a graph and what they call; empty: none."""
    for node in nodes:
        own = _FLOW.fullmatch(node.op)
        called = [value.func.name for value in node.attr.values() if value.HasField("func")]
        found = own[1] if own else next(filter(None, (_flow_in(functions.get(f, ()), functions) for f in called)), "")
        if found:
            return found
    return ""


_WRITES = re.compile("Assign.*Op|Resource(Scatter|Apply|Sparse|StridedSliceAssign).*")


def _check_changes_nothing(model: Any, graph: Any) -> None:
    """Raises InputError, naming layer and variable, if the model's call changes a variable of its own."""
    outside = {id(inner): outer for outer, inner in graph.captures}
    for op in graph.get_operations():
        if not _WRITES.fullmatch(op.type):
            continue
        handle = outside.get(id(op.inputs[0]))
        found = [
            (layer.name, variable.name.split("/")[-1].split(":")[0])
            for layer in model.submodules
            if isinstance(layer, keras.layers.Layer) and layer is not model
            for variable in layer.variables
            if getattr(variable, "latent_variable", variable).handle is handle
        ]
        layer, variable = found[-1] if found else (op.name.split("/")[-2:][0], "")
        raise InputError(
            f"model '{model.name}', layer '{layer}': changes its variable {variable!r} when it is called, which no "
            "converted file does; let it do so in training alone (and call no layer with training=True), or give the "
            "value as an input and an output"
        )


_SUMS = ("Add", "AddV2", "AddN", "BiasAdd", "Sub")


def _keep_other_signs() -> None:
    """Makes no binary sign of the signs in the graph that LCE's converter takes for one and that are none.

    It takes sign(sign(x) + c) for one whatever c is, as in SteTern's sign(sign(x + t) + sign(x - t)), which is zero in
    the middle. Sums within -1 and 1 have the same signs, and it does not look through that.
    """
    for op in tf.compat.v1.get_default_graph().get_operations():
        total = _source(op.inputs[0]) if op.type == "Sign" else None
        if total is None or total.type not in _SUMS or not any(_source(part).type == "Sign" for part in total.inputs):
            continue
        constants = [tf.get_static_value(part) for part in total.inputs]
        moved = [value for value in constants if value is not None and value.size == 1 and 0 < value.item() < 1]
        if total.type not in ("Add", "AddV2") or not moved:
            op._update_input(0, tf.clip_by_value(op.inputs[0], -1, 1))


def _softsign(x: Any) -> Any:
    """x / (1 + |x|) is x r r, where r is one by the square root of 1 + |x|; of divisions there are only float ones."""
    root = tf.math.rsqrt(1 + tf.abs(x))
    return x * root * root


def _softplus(x: Any) -> Any:
    """log(1 + exp(x)), of which the converter makes just that: infinite above 88, and in int8 nothing is left beside
    the exponentials of a few large values. Sigmoids of |x| lie between a half and 1."""
    return tf.nn.relu(x) - tf.math.log(tf.sigmoid(tf.abs(x)))


def _selu(x: Any) -> Any:
    """The converter takes exponentials of all values and chooses afterwards; here they are 1 at most."""
    scale, alpha = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
    return tf.nn.relu(scale * x) + (scale * alpha * tf.exp(tf.minimum(x, 0.0)) - scale * alpha)


_WRITTEN_OUT = {"Softsign": _softsign, "Softplus": _softplus, "Selu": _selu}
"""Ops that TensorFlow Lite's converter has no op for, or writes out so that int8 cannot hold what is in between, by ops
that it has in int8 too."""


def _written_out() -> dict[Any, Any]:
    """Computes what ops of :data:`_WRITTEN_OUT` do in the graph as stands there.

    Returns:
        What takes the place of each tensor.
    """
    found = dict[Any, Any]()
    graph = tf.compat.v1.get_default_graph()
    for op in [op for op in graph.get_operations() if op.type in _WRITTEN_OUT]:
        (x,), (result,) = op.inputs, op.outputs
        readers = [
            (reader, place)
            for reader in result.consumers()
            for place, read in enumerate(reader.inputs)
            if read is result
        ]
        with tf.name_scope(f"{op.name}/"):
            found[result.ref()] = _WRITTEN_OUT[op.type](x)
        for reader, place in readers:
            reader._update_input(place, found[result.ref()])
    return found


def _source(tensor: Any) -> Any:
    """The op that a tensor's values come from."""
    while tensor.op.type in ("Identity", "IdentityN", "StopGradient"):
        tensor = tensor.op.inputs[tensor.value_index]
    return tensor.op


def _output_names(model: Any, nested: Any) -> tuple[str, ...]:
    """Keras' own, or as it would number those of a subclassed model."""
    flat = tf.nest.flatten(nested)
    named = list(model.output_names or ())
    own = named if len(named) == len(flat) else [f"output_{number}" for number in range(1, len(flat) + 1)]
    found = zip(flat, keras_names.names(nested, own), strict=True)
    return tuple(name for leaf, name in found if leaf is not None)


_HALF = ("float16", "bfloat16")


@contextmanager
def _computed_in_float32(model: Any) -> Iterator[None]:
    """Within it layers of mixed precision compute in the type of their weights: the converters have no op of half
    precision. Raises InputError for weights of half precision."""
    everything = [model, *(one for one in model.submodules if isinstance(one, keras.layers.Layer))]
    layers = [one for one in everything if one.compute_dtype in _HALF]
    halved = [one for one in layers if any(weight.dtype.name in _HALF for weight in one.weights)]
    if halved:
        layer = min(halved, key=lambda one: len(one.weights))
        raise InputError(
            f"model '{model.name}', layer '{layer.name}': has weights of {layer.compute_dtype}, with which no "
            "converted file computes; build the model in float32 and give it these weights (set_weights), or train it "
            "with the policy mixed_float16, which keeps float32"
        )
    before = [layer.dtype_policy for layer in layers]
    try:
        for layer in layers:
            layer._set_dtype_policy("float32")
        yield
    finally:
        for layer, policy in zip(layers, before, strict=True):
            layer._set_dtype_policy(policy)


@contextmanager
def _dilated_in_one_op(model: Any) -> Iterator[None]:
    """Within it a dilated convolution is one op of TensorFlow's, as it is one of TensorFlow Lite's.

    Keras reorders space into batch around it and back, which TensorFlow Lite's converter does not see through between
    fake quantization: convolution and batch norm would stay float.
    """
    plain = (keras.layers.Conv2D, lq.layers.QuantConv2D)
    layers = [one for one in model.submodules if type(one) in plain and max(one.dilation_rate) > 1]

    def direct(layer: Any) -> Callable[[Any, Any], Any]:
        padding = "VALID" if getattr(layer, "pad_values", 0) else layer.padding.upper()  # Larq pads before it
        return lambda x, kernel: tf.nn.conv2d(x, kernel, layer.strides, padding, dilations=layer.dilation_rate)

    for layer in layers:
        layer.convolution_op = direct(layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.convolution_op


@contextmanager
def _groups_of_known_size(model: Any) -> Iterator[None]:
    """Within it group normalization is traced with the sizes that are known, in at most four dimensions.

    Keras asks for all sizes while it runs and weights each element with one, which fails the converter to int8 and
    leaves ops that the IR does not have.
    """
    layers = [one for one in model.submodules if isinstance(one, keras.layers.GroupNormalization)]
    for layer in layers:
        layer.call = _in_groups(layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.call


def _in_groups(layer: Any) -> Callable[..., Any]:
    """The call of a group normalization; its own where elements are masked, sizes open, or channels not the last."""
    plain = layer.call

    def call(inputs: Any, mask: Any = None) -> Any:
        _, *inner, channels = inputs.shape
        axis = layer.axis % inputs.shape.rank
        if mask is not None or axis != inputs.shape.rank - 1 or None in (*inner, channels):
            return plain(inputs, mask=mask)
        size = (layer.groups, channels // layer.groups)
        grouped = tf.reshape(inputs, [-1, math.prod(inner), *size])
        apart = grouped - tf.reduce_mean(grouped, [1, 3], keepdims=True)
        variance = tf.reduce_mean(apart * apart, [1, 3], keepdims=True)
        result = apart * tf.math.rsqrt(variance + layer.epsilon)
        if layer.scale:
            result *= tf.reshape(layer.gamma, size)
        if layer.center:
            result += tf.reshape(layer.beta, size)
        return tf.reshape(result, [-1, *inner, channels])

    as_it_is: Callable[..., Any] = tf.autograph.experimental.do_not_convert(call)
    return as_it_is


@contextmanager
def _steps_written_out(model: Any) -> Iterator[None]:
    """Within it recurrent layers are traced step by step, with the same weights and results.

    As loops they fail or crash converters, or become graphs within the graph, which the IR does not have.
    """
    layers = [one for one in model.submodules if isinstance(one, keras.layers.RNN) and not one.unroll]
    backwards = [one for one in layers if one.go_backwards and one.zero_output_for_mask]
    fused = [getattr(layer, "_could_use_gpu_kernel", None) for layer in layers]  # LSTM and GRU as one function
    try:
        for layer in layers:
            layer.unroll, layer._could_use_gpu_kernel = True, False
        for layer in backwards:
            layer.call = _turned(layer)
        yield
    finally:
        for layer in backwards:
            vars(layer).pop("call", None)
        for layer, one in zip(layers, fused, strict=True):
            layer.unroll = False
            if one is None:
                del layer._could_use_gpu_kernel
            else:
                layer._could_use_gpu_kernel = one


def _turned(layer: Any) -> Callable[..., Any]:
    """The call of a recurrent layer that goes backwards, as that of one which goes forwards over what is turned around.

    Steps that Keras writes out backwards put zeros where the mask is false, but look at it in its own order.
    """
    plain, axis = layer.call, 0 if layer.time_major else 1

    def call(inputs: Any, mask: Any = None, **others: Any) -> Any:
        mask = mask[0] if isinstance(mask, list) else mask
        if mask is None:
            return plain(inputs, **others)
        several = isinstance(inputs, list | tuple)
        steps, *states = inputs if several else [inputs]
        turned = tf.reverse(steps, [axis])
        layer.go_backwards = False
        try:
            return plain([turned, *states] if several else turned, mask=tf.reverse(mask, [axis]), **others)
        finally:
            layer.go_backwards = True

    as_it_is: Callable[..., Any] = tf.autograph.experimental.do_not_convert(call)
    return as_it_is


@contextmanager
def _weights_quantized(model: Any) -> Iterator[None]:
    """Within it latent weights have the values that their quantizers give them, and no quantizer.

    TensorFlow computes what depends on constants alone only up to 128 MiB of them (2.16, tried: 127.75 MiB are folded,
    128.25 are not). Larger weights would be quantized at every inference, from latent ones that take 32 bits each.
    """
    kind = lq.quantized_variable.QuantizedVariable
    variables = {id(v): v for v in model.weights if isinstance(v, kind) and v.quantizer is not None}
    latent = [(v, v.quantizer, v.latent_variable.numpy()) for v in variables.values()]
    try:
        for variable, quantizer, values in latent:
            variable.latent_variable.assign(quantizer(tf.constant(values)))
            variable.quantizer = None
        yield
    finally:
        for variable, quantizer, values in latent:
            variable.quantizer = quantizer
            variable.latent_variable.assign(values)
