"""Graphs made anew: the same function, whatever the graph, and only the exchanged layers differ."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgebnn._tensorflow import keras
from edgebnn.errors import InputError
from edgebnn.models import build
from edgebnn.models.rebuild import copied, rebuild


def branched() -> Any:
    """Two inputs, a layer used twice, and two outputs."""
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    shared = keras.layers.Dense(3, name="shared")
    total = keras.layers.Add(name="total")([shared(left), shared(right)])
    return keras.Model([left, right], [keras.layers.ReLU(name="relu")(total), total], name="branched")


def noise(model: Any) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(2, *tensor.shape[1:])).astype(np.float32) for tensor in model.inputs]


@pytest.mark.parametrize(
    "make",
    [
        branched,
        lambda: build("resnet8", widths=(4, 5, 6)),
        lambda: build("resnet8", widths=(4, 5, 6), precision="w1a8"),
        lambda: build("resnet8", widths=(4, 4, 4), precision="w1a1"),
        lambda: build("alexnet", widths=(2, 3, 4, 3, 2, 5, 6), input_shape=(63, 63, 3)),
        lambda: keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.ReLU()]),
    ],
)
def test_a_copy_computes_the_same_with_variables_of_its_own(make: Any) -> None:
    model = make()
    again = rebuild(model, copied)
    for ours, theirs in zip(again(noise(model)), model(noise(model)), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    kept = {layer.name for layer in again.layers} - {tensor.name for tensor in again.inputs}
    assert kept == {layer.name for layer in model.layers} - {tensor.name for tensor in model.inputs}
    before = [weights.copy() for weights in model.get_weights()]
    for variable in again.weights:
        variable.assign(variable + 1)
    for weights, known in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weights, known)


def test_what_comes_after_a_tensor_is_read_in_its_place() -> None:
    model = branched()
    ids = {id(tensor) for tensor in model.inputs}
    doubled = rebuild(model, copied, after=lambda key, tensor: 2.0 * tensor if key in ids else tensor)
    values = noise(model)
    for ours, theirs in zip(doubled(values), model([2 * value for value in values]), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_models_inside_the_model_are_unfolded() -> None:
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, name="dense")], name="block")
    inputs = keras.Input((4,))
    again = rebuild(model := keras.Model(inputs, inner(inner(inputs))), copied)
    assert [layer.name for layer in again.layers[1:]] == ["block/dense"]
    np.testing.assert_array_equal(again(noise(model)[0]), model(noise(model)[0]))


def test_an_exchanged_layer_keeps_the_weights_it_has_in_common() -> None:
    model = build("resnet8", widths=(4, 5, 6))

    def change(layer: Any, name: str) -> Any:
        if layer.name == "logits":
            return keras.layers.Dense(10, activation="softmax", name="logits")
        return copied(layer)

    (values,) = noise(model)
    np.testing.assert_allclose(
        rebuild(model, change, name="other")(values), keras.activations.softmax(model(values)), rtol=1e-5
    )


def test_a_model_without_a_graph_is_refused() -> None:
    class Own(keras.Model):  # type: ignore[misc]
        def call(self, inputs: Any) -> Any:
            return inputs

    with pytest.raises(InputError, match="no graph of layers"):
        rebuild(Own(name="own"), copied)
