"""Validation finds the layer at fault, and tells rounding that a sign amplified from an op that is wrong."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from edgebnn import target
from edgebnn.converters.read_tflite import read
from edgebnn.errors import InputError
from edgebnn.graph import execute
from edgebnn.graph.ops.dense import FullyConnectedOptions
from edgebnn.graph.ops.enums import TensorType
from edgebnn.graph.ops.reduce import ReducerOptions
from edgebnn.graph.ops.shape_ops import ReshapeOptions, ShapeOptions
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import Array, DType, Graph, Options, Tensor
from edgebnn.runtime.model import load
from edgebnn.targets.inputs import run_reference
from edgebnn.targets.model_file import ModelFile, Session, open_model
from edgebnn.targets.noise import noise
from edgebnn.targets.validate import validate
from tests.support.graphs import Step, chain, constant, one_op, per_tensor, tensor
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

    return validate(opened, "faulty", model, noise(model, 3), layers=layers)


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
    sample = next(noise(floats, 1))
    first = execute.trace(graph, sample)[graph.ops[0].outputs[0]]
    result = validate(
        lambda file, **options: Faulty(file.graph, 0, -9e-4 * float(np.abs(first).max())),
        "rounding",
        floats,
        noise(floats, 5),
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
    images = np.concatenate([sample[0] for sample in noise(floats, 4)])
    result = host.validate(floats.graph, images, count=3)
    assert (result.samples, result.passed) == (3, True)
    assert host.profile(floats.graph, images, repeats=5).kind == "measured"


def test_computed_arguments_are_compared_layer_by_layer() -> None:
    """A shape that the graph computes is a constant for the reference only while it runs the whole graph."""
    x, shape = tensor("x", (2, 6)), constant("given", np.asarray([2, 6], np.int32))
    made = chain(
        [
            ("SHAPE", ShapeOptions(TensorType.INT32), [x], [tensor("shape", (), DType.INT32)], 1),
            ("ABS", NoOptions(), [x], [tensor("y", ())], 1),
            ("RESHAPE", ReshapeOptions(), [tensor("y", (2, 6)), shape], [tensor("out", ())], 1),
        ]
    )
    computed = made.ops[0].outputs[0]
    reshape = replace(made.ops[2], inputs=(made.ops[2].inputs[0], computed))
    graph = replace(made, ops=(*made.ops[:2], reshape), outputs=made.ops[2].outputs)
    result = target("host").validate(graph, layers=True)
    assert result.passed
    assert result.layers is not None
    assert [layer.op for layer in result.layers] == [op.kind for op in graph.ops]


def test_a_model_without_outputs_is_refused(floats: ModelFile) -> None:
    graph = replace(floats.graph, outputs=(), signatures=())
    with pytest.raises(InputError, match="has no outputs"):
        target("host").validate(graph)


def test_failing_samples_are_dropped_and_looked_into_until_one_shows_a_layer() -> None:
    """Whether a thousand samples fail or one: no more than one is traced once the layer is known, and none is kept."""
    model = open_model(read(lce_bytes("residual_float")))
    traced: list[int] = []

    class Counted(Faulty):
        def trace(self, inputs: Sequence[Array]) -> dict[int, Array]:
            traced.append(1)
            return super().trace(inputs)

        def run(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
            return tuple(Faulty.trace(self, inputs)[i] for i in self.graph.outputs)

    alive: list[weakref.ref[Array]] = []

    def watched() -> Iterator[Sequence[Array]]:
        for sample in noise(model, 4):
            alive.append(weakref.ref(sample[0]))
            yield sample

    result = validate(lambda file, **options: Counted(file.graph, 2, 1.5), "faulty", model, watched())
    assert (result.samples, result.passed, len(traced)) == (4, False, 1)
    assert sum(ref() is not None for ref in alive) <= 1


@pytest.mark.parametrize("seed", range(3))
def test_terms_that_cancel_are_no_fault(seed: int) -> None:
    """The mean of a thousand numbers around 0 is in its last places what the order of summation makes it."""
    values = np.random.default_rng(seed).normal(size=(1, 1000)).astype(np.float32)
    values -= values.mean(dtype=np.float64).astype(np.float32)
    axes = constant("axes", np.asarray([0, 1], np.int32))
    graph = one_op("MEAN", ReducerOptions(), [tensor("x", (1, 1000)), axes], [tensor("y", ())])
    assert target("host").validate(graph, values).passed


@pytest.mark.parametrize("dtype", [DType.FLOAT32, DType.INT8])
@pytest.mark.parametrize("kind", ["ELU", "ROUND", "CEIL", "SUM"])
def test_ops_without_a_reference_kernel_run_on_others_alone_and_it_is_said(kind: str, dtype: DType) -> None:
    if (dtype == DType.INT8 and kind in ("ROUND", "CEIL")) or (dtype == DType.FLOAT32 and kind == "SUM"):
        pytest.skip("no such op, or a right kernel")
    quantization = per_tensor(0.05, 3) if dtype == DType.INT8 else None
    rng = np.random.default_rng(0)
    filter_data = constant("w", rng.integers(-127, 128, (8, 16)).astype(np.int8), per_tensor(0.01, 0))
    if dtype == DType.FLOAT32:
        filter_data = constant("w", rng.normal(size=(8, 16)).astype(np.float32))

    def step(number: int, kind: str, options: Options, source: Tensor, *more: Tensor) -> Step:
        return (kind, options, [source, *more], [tensor(f"t{number}", (), dtype, quantization)], 1)

    x = tensor("x", (1, 4, 16), dtype, quantization)
    first, second = tensor("t0", (4, 8), dtype, quantization), tensor("t1", (1,), dtype, quantization)
    options: Options = ReducerOptions(keep_dims=True) if kind == "SUM" else NoOptions()
    more = [constant("axes", np.asarray([1], np.int32))] if kind == "SUM" else []
    graph = chain(
        [
            step(0, "FULLY_CONNECTED", FullyConnectedOptions(), x, filter_data),
            step(1, kind, options, first, *more),
            step(2, "TANH" if dtype == DType.FLOAT32 else "ABS", NoOptions(), second),
        ]
    )
    result = target("host").validate(graph, layers=True)
    assert result.passed
    assert result.inexact == (f"{kind} 't1'",)
    assert result.layers is not None
    assert [layer.index for layer in result.layers] == [0, 1, 2]
    assert result.bit_exact or dtype == DType.FLOAT32
    batch = rng.integers(-128, 128, (3, 4, 16)).astype(np.int8) if dtype == DType.INT8 else None
    model = load(open_model(graph).content, exact=True)
    assert model.inexact == result.inexact
    if batch is not None:
        (expected,) = run_reference(open_model(graph), (batch,))
        np.testing.assert_array_equal(model(batch), expected)
