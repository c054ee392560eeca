"""Validation finds the layer at fault, and tells rounding that a sign amplified from an op that is wrong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from edgebnn import target
from edgebnn.converters.read_tflite import read
from edgebnn.errors import InputError
from edgebnn.graph import execute
from edgebnn.graph.types import Array, Graph
from edgebnn.targets.inputs import noise
from edgebnn.targets.model_file import ModelFile, open_model
from edgebnn.targets.session import Session
from edgebnn.targets.validate import validate
from tests.support.topologies import lce_bytes


class Faulty(Session):
    """The reference with ``change`` added to the output of op ``at``; what follows is computed from that."""

    def __init__(self, graph: Graph, at: int, change: float) -> None:
        self.graph, self.at, self.change = graph, at, change

    def trace(self, inputs: Sequence[Array]) -> dict[int, Array]:
        values = {i: tensor.data for i, tensor in enumerate(self.graph.tensors) if tensor.data is not None}
        values |= dict(zip(self.graph.inputs, inputs, strict=True))
        for index, op in enumerate(self.graph.ops):
            view = execute.op_view(self.graph, index)
            results = execute.definition(view).run(view, tuple(values.get(i) for i in op.inputs))
            if index == self.at:
                results = tuple((result + result.dtype.type(self.change)).astype(result.dtype) for result in results)
            values |= dict(zip(op.outputs, results, strict=True))
        return values

    def run(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        values = self.trace(inputs)
        return tuple(values[i] for i in self.graph.outputs)


def check(model: ModelFile, at: int, change: float, layers: bool = True):
    def opened(file: ModelFile, **options: object) -> Faulty:
        return Faulty(file.graph, at, change)

    return validate(opened, "faulty", model, noise(model.graph, 3), layers=layers)


@pytest.fixture(scope="module")
def floats() -> ModelFile:
    return open_model(read(lce_bytes("residual_float")))


@pytest.mark.parametrize("at", [0, 2, 3])
def test_a_wrong_layer_is_the_first_departure(floats: ModelFile, at: int) -> None:
    result = check(floats, at, 1.5)
    assert not result.passed
    assert result.first_departure is not None
    assert result.first_departure.index == at
    assert result.layers is not None
    assert [layer.index for layer in result.layers if layer.departs] == [at]
    assert all(layer.bit_exact for layer in result.layers[:at])


def test_the_departure_is_told_without_the_layers_too(floats: ModelFile) -> None:
    result = check(floats, 3, 1.5, layers=False)
    assert result.layers is None
    assert result.first_departure is not None
    assert result.first_departure.index == 3


def test_rounding_within_the_tolerance_that_flips_signs_is_explained(floats: ModelFile) -> None:
    # Moves every input of the first quantizer by almost the tolerance: some cross zero, and outputs change a lot.
    graph = floats.graph
    sample = next(noise(graph, 1))
    first = execute.trace(graph, sample)[graph.ops[0].outputs[0]]
    result = validate(
        lambda file, **options: Faulty(file.graph, 0, -9e-4 * float(np.abs(first).max())),
        "rounding",
        floats,
        noise(graph, 5),
        tolerance=1e-3,
    )
    assert result.mismatches > 0
    assert result.explained_by_rounding
    assert result.passed
    assert not result.bit_exact


def test_integer_outputs_must_be_equal() -> None:
    model = open_model(read(lce_bytes("residual_int8")))
    last = len(model.graph.ops) - 1
    assert model.graph.tensors[model.graph.outputs[0]].dtype.numpy.kind == "f" or not check(model, last, 1).passed
    whole = check(model, 1, 1)
    assert not whole.passed
    assert not whole.explained_by_rounding


def test_no_samples_are_refused(floats: ModelFile) -> None:
    with pytest.raises(InputError, match="no samples"):
        validate(lambda file, **options: Faulty(file.graph, 0, 0), "none", floats, [])


def test_the_host_takes_graphs_paths_and_images(floats: ModelFile) -> None:
    host = target("host")
    images = np.concatenate([sample[0] for sample in noise(floats.graph, 4)])
    result = host.validate(floats.graph, images, count=3)
    assert (result.samples, result.passed) == (3, True)
    assert host.profile(floats.graph, images, repeats=5).kind == "measured"
