"""How a Keras model is called: what it takes, in Keras' order and by the names that Keras knows it by."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgebnn._tensorflow import keras, tf
from edgebnn.converters import keras_names
from edgebnn.converters.keras_names import KerasInput
from edgebnn.errors import InputError
from edgebnn.graph.types import Shape


@dataclass(frozen=True)
class Call:
    """How a model is called: positional and keyword arguments, nested as it takes them, with a TensorSpec for each
    tensor and None for what was no tensor; and the names of the tensors, in Keras' order."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    names: tuple[str, ...]

    @property
    def specs(self) -> list[Any]:
        return [leaf for leaf in tf.nest.flatten((self.args, self.kwargs)) if leaf is not None]

    def filled(self, tensors: Sequence[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with ``tensors``, in Keras' order, in their places."""
        left = iter(tensors)
        args, kwargs = tf.nest.map_structure(
            lambda spec: None if spec is None else next(left), (self.args, self.kwargs)
        )
        return args, kwargs


def call_of(model: Any) -> Call:
    """Raises InputError for a model that has neither inputs nor been called."""
    if model.inputs:
        # A Sequential model without an Input layer has the batch of the first call, which means nothing.
        open_batch = isinstance(model, keras.Sequential) and not model._has_explicit_input_shape
        nested = tf.nest.pack_sequence_as(model._nested_inputs, [_spec(tensor, open_batch) for tensor in model.inputs])
        return Call((nested,), {}, keras_names.names(nested, model.input_names))
    saved = model.save_spec()
    if saved is None:
        raise InputError(
            f"model '{model.name}' is not built: call model.build(input_shape) or give it an Input layer; call a "
            "subclassed model once with arrays of the right shapes"
        )
    args, kwargs = tf.nest.map_structure(lambda leaf: None if leaf is None else _spec(leaf), saved)
    parameters = list(inspect.signature(model.call).parameters) or ["inputs"]  # none of a SavedModel without its class
    places = [*(parameters[min(i, len(parameters) - 1)] for i in range(len(args))), *sorted(kwargs)]
    nested = [*args, *(kwargs[name] for name in sorted(kwargs))]
    own = [
        place if leaf is argument else getattr(leaf, "name", None) or place
        for place, argument in zip(places, nested, strict=True)
        for leaf in tf.nest.flatten(argument)
    ]
    found = zip(tf.nest.flatten(nested), keras_names.names(nested, own), strict=True)
    return Call(tuple(args), kwargs, tuple(name for leaf, name in found if leaf is not None))


def _spec(tensor: Any, open_batch: bool = False) -> Any:
    """Keras takes float64 arrays, and computes in float32; in mixed precision it keeps the type it made of them."""
    shape = [None, *tensor.shape[1:]] if open_batch else tensor.shape
    dtype = tf.float32 if tensor.dtype.is_floating else tensor.dtype
    return tf.TensorSpec(shape, dtype, getattr(tensor, "name", None))


def inputs(model: Any) -> tuple[KerasInput, ...]:
    """The model's inputs in Keras' order: that of ``model.inputs``, or of the call of a subclassed model.

    Raises:
        InputError: the model is not built, or the size of an input is open.
    """
    call, found = call_of(model), []
    for name, spec in zip(call.names, call.specs, strict=True):
        shape = tuple(spec.shape[1:])
        if None in shape:
            raise InputError(f"model '{model.name}': input '{name}' has the open shape {list(shape)}; fix its size")
        found.append(KerasInput(name, shape, spec.dtype.name, spec.shape[0] if spec.shape.rank else None))
    return tuple(found)


def input_shapes(model: Any) -> tuple[Shape, ...]:
    """Shapes of the model's inputs without the batch, in Keras' order. Raises as :func:`inputs` does."""
    return tuple(one.shape for one in inputs(model))
