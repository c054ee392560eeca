"""What a Keras model is deployed as, and what the file takes."""

from __future__ import annotations

import numpy as np
import pytest

from edgebnn._tensorflow import keras
from edgebnn.graph.types import Graph
from edgebnn.targets.model_file import ModelFile, open_model
from edgebnn.workflows.deploying import deployed, format_of, passes_signs_on, resources
from tests.unit.workflows.test_layer_graph import conv, layer_graph


def file(graph: Graph) -> ModelFile:
    return open_model(graph)


@pytest.mark.parametrize(
    ("precisions", "form"),
    [(("float", "float"), "float"), (("float", "w1a8"), "w1a8"), (("float", "w1a8", "w1a1"), "lce")],
)
def test_the_most_binary_layer_decides(precisions: tuple[str, ...], form: str) -> None:
    assert format_of([conv(precision) for precision in precisions]) == form


def test_flash_is_constants_and_ram_the_arena() -> None:
    layer = conv()
    found = resources(layer_graph(layer))
    assert found["flash"] == 4 * (layer.weights + layer.out_channels)
    assert found["ram"] == 4 * 8 * 6 * (40 + 24)
    assert found["int8_macs"] == 0


def test_signs_are_passed_on_where_most_binary_layers_do() -> None:
    assert passes_signs_on(file(layer_graph(conv("w1a1"), packed_output=True)))
    assert not passes_signs_on(file(layer_graph(conv("w1a1"))))
    assert not passes_signs_on(file(layer_graph(conv())))


def test_a_model_becomes_a_file_in_memory() -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Conv2D(8, 3, input_shape=(6, 6, 1)), keras.layers.Flatten()], name="small")
    found = deployed(model, "float", np.zeros((4, 6, 6, 1), np.float32))
    assert found.name == "small"
    assert resources(found.graph)["flash"] >= 4 * (9 * 8 + 8)
    smaller = keras.Sequential([keras.layers.Conv2D(4, 3, input_shape=(6, 6, 1)), keras.layers.Flatten()])
    assert resources(deployed(smaller, "float").graph)["flash"] < resources(found.graph)["flash"]
