"""Samples that run together give what each gives alone: in the reference executor, whatever a file holds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edgebnn.converters.read_tflite import read
from edgebnn.errors import InputError, InputWarning
from edgebnn.graph.batches import independence, run_all
from edgebnn.graph.execute import run
from edgebnn.graph.ops.elementwise import AddOptions, SubOptions
from edgebnn.graph.ops.reduce import ReducerOptions
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import Array, DType, Graph, Options, Tensor
from tests.support.batch_graphs import graphs
from tests.support.graphs import Step, chain, constant, one_op, tensor
from tests.support.oracles import litert_run
from tests.support.topologies import SIDE, TOPOLOGIES, lce_bytes, tflite_bytes


def samples_of(graph: Graph, count: int, seed: int) -> list[Array]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(count, *graph.tensors[i].shape[1:])).astype(np.float32) for i in graph.inputs]


def one_by_one(graph: Graph, inputs: list[Array]) -> list[Array]:
    """Each sample in an interpreter of its own; outputs without a leading 1 are stacked."""
    alone = [litert_run(graph, [values[i : i + 1] for values in inputs]) for i in range(len(inputs[0]))]
    return [np.concatenate(c) if c[0].shape[:1] == (1,) else np.stack(c) for c in zip(*alone, strict=True)]


@settings(max_examples=60, deadline=None)
@given(graphs(), st.integers(2, 4), st.integers(0, 99))
def test_samples_are_computed_as_if_they_were_alone(graph: Graph, count: int, seed: int) -> None:
    inputs = samples_of(graph, count, seed)
    try:
        expected = one_by_one(graph, inputs)
    except (RuntimeError, ValueError):  # LiteRT has no kernel for this rank
        assume(False)
    for actual, wanted in zip(run_all(graph, inputs), expected, strict=True):
        np.testing.assert_allclose(actual, wanted, rtol=1e-4, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(graphs(shared=True), st.integers(2, 4), st.integers(0, 99))
def test_samples_beside_an_input_that_all_share(graph: Graph, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shapes = [graph.tensors[i].shape for i in graph.inputs]
    x = rng.normal(size=(count, *shapes[0][1:])).astype(np.float32)
    y = rng.normal(size=shapes[1]).astype(np.float32)
    each = rng.normal(size=(count, *shapes[1])).astype(np.float32)
    for second in (y, each):
        alone = [run(graph, [x[i : i + 1], second if second is y else each[i]]) for i in range(count)]
        for actual, column in zip(run_all(graph, [x, second]), zip(*alone, strict=True), strict=True):
            wanted = np.concatenate(column) if column[0].shape[:1] == (1,) else np.stack(column)
            np.testing.assert_allclose(actual, wanted, rtol=1e-4, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(graphs(batch=2), st.integers(0, 99))
def test_chunks_of_a_fixed_batch_give_what_any_neighbour_gives(graph: Graph, seed: int) -> None:
    inputs = samples_of(graph, 3, seed)
    try:
        found = run_all(graph, inputs)
    except InputError:  # samples may influence each other
        return
    others = samples_of(graph, 2, seed + 1)
    for i in range(3):
        for place in (0, 1):
            beside = [values.copy() for values in others]
            for values, sample in zip(beside, inputs, strict=True):
                values[place] = sample[i]
            for actual, pair in zip(found, run(graph, beside), strict=True):
                np.testing.assert_allclose(actual[i], pair[place], rtol=1e-4, atol=1e-5)


def chunked(graph: Graph, inputs: list[Array], size: int) -> bool:
    """Whether that many samples run together."""
    shapes = tuple((size, *values.shape[1:]) for values in inputs)
    return independence(graph)(shapes, (True,) * len(inputs)) is not None


X = np.random.default_rng(0).normal(size=(5, 4, 4, 2)).astype(np.float32)


def test_a_batch_that_a_slice_holds_is_run_sample_by_sample() -> None:
    x, y = tensor("x", (1, 4, 4, 2)), tensor("y", ())
    cut = [constant(n, np.asarray(v, np.int32)) for n, v in (("begin", [0, 0, 0, 0]), ("size", [1, 4, 2, 2]))]
    graph = chain([("SLICE", NoOptions(), [x, *cut], [y], 1), ("RELU", NoOptions(), [y], [tensor("z", ())], 1)])
    assert not chunked(graph, [X], 2)
    np.testing.assert_array_equal(run_all(graph, [X])[0], np.maximum(X[:, :, :2], 0))


@pytest.mark.parametrize("convert", [lce_bytes, tflite_bytes], ids=["lce", "stock"])
@pytest.mark.parametrize("name", [n for n in TOPOLOGIES if n != "uneven"])
def test_convolutional_networks_run_in_batches(name: str, convert: Callable[[str], bytes]) -> None:
    assert chunked(read(convert(name)), [np.zeros((1, SIDE, SIDE, 3))], 32)


def test_one_number_a_sample_gives_a_vector_and_one_vector_a_matrix() -> None:
    x = tensor("x", (1, 4, 4, 2))
    axes = [constant(n, np.asarray(v, np.int32)) for n, v in (("all", [0, 1, 2, 3]), ("most", [0, 1, 2]))]
    steps: list[Step] = [("MEAN", ReducerOptions(), [x, axis], [tensor(f"mean {axis.name}", ())], 1) for axis in axes]
    number, vector = run_all(chain(steps), [X])
    np.testing.assert_allclose(number, X.mean((1, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(vector, X.mean((1, 2)), rtol=1e-5, atol=1e-6)


def with_state() -> Graph:
    """The mean of an image [1, 4, 4, 2] added to a state [2, 1, 2]."""
    state, image, mean = tensor("state", (2, 1, 2)), tensor("image", (1, 4, 4, 2)), tensor("mean", ())
    axes = constant("axes", np.asarray([1, 2], np.int32))
    return chain(
        [
            ("MEAN", ReducerOptions(), [image, axes], [mean], 1),
            ("ADD", AddOptions(), [state, mean], [tensor("next", ())], 1),
        ]
    )


def test_an_input_that_is_no_batch_is_taken_in_the_files_own_shape_or_stacked() -> None:
    graph = with_state()
    order = [graph.tensors[i].name for i in graph.inputs]
    states = np.random.default_rng(1).normal(size=(5, 2, 1, 2)).astype(np.float32)

    def call(state: Array, images: Array) -> Array:
        given = {"state": state, "image": images}
        return run_all(graph, [given[name] for name in order])[0]

    expected = states + X.mean((1, 2))[:, None, None]
    np.testing.assert_allclose(call(states[0], X[:1]), expected[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(call(states, X), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(call(states[0], X), states[:1] + X.mean((1, 2))[:, None, None], rtol=1e-5, atol=1e-6)
    with pytest.raises(InputError, match="different batch sizes"):
        call(states[:3], X)
    with pytest.raises(InputError, match=r"'state' takes \(2, 1, 2\), or \(batch, 2, 1, 2\)"):
        call(states[:, :1], X)


def of_two(kind: str, options: Options, *arguments: Tensor) -> Graph:
    return one_op(kind, options, [tensor("x", (2, 3)), *arguments], [tensor("y", ())])


def test_a_fixed_batch_is_served_in_chunks_where_samples_stay_apart() -> None:
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    np.testing.assert_array_equal(run_all(of_two("RELU", NoOptions()), [x])[0], np.maximum(x, 0))
    axis = constant("axis", np.asarray([0], np.int32))
    mixed = of_two("MEAN", ReducerOptions(), axis)
    np.testing.assert_allclose(run_all(mixed, [x[:2]])[0], x[:2].mean(0))
    with pytest.raises(InputError, match="takes 2 samples at a time, which may influence each other, and 5 are given"):
        run_all(mixed, [x])


def test_samples_of_an_open_batch_that_influence_each_other_are_run_alone_and_it_is_said() -> None:
    axes = constant("axes", np.asarray([0, 1], np.int32))
    x = Tensor("x", (1, 3), DType.FLOAT32, shape_signature=(-1, 3))
    mean = tensor("mean", ())
    steps: list[Step] = [
        ("MEAN", ReducerOptions(), [x, axes], [mean], 1),
        ("SUB", SubOptions(), [x, mean], [tensor("y", ())], 1),
    ]
    values = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    with pytest.warns(InputWarning, match="not known to be independent, so each of the 4 is run alone"):
        (y,) = run_all(chain(steps), [values])
    np.testing.assert_allclose(y, values - values.mean(1, keepdims=True), rtol=1e-5, atol=1e-6)


def test_progress_counts_samples() -> None:
    done: list[int] = []
    x = np.zeros((70, 3), np.float32)
    run_all(one_op("RELU", NoOptions(), [tensor("x", (1, 3))], [tensor("y", ())]), [x], advance=done.append)
    assert sum(done) == 70


def test_a_model_without_inputs_gives_what_it_holds() -> None:
    shape, number = constant("shape", np.asarray([2, 3], np.int32)), constant("number", np.asarray(7, np.float32))
    graph = one_op("FILL", NoOptions(), [shape, number], [tensor("y", ())])
    np.testing.assert_array_equal(run_all(graph, [])[0], np.full((2, 3), 7, np.float32))
