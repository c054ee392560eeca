"""A loaded model computes every sample as if it were alone, from its initial state, whatever the file holds."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from click.testing import CliRunner
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edgebnn.cli.main import cli
from edgebnn.converters.write_tflite import to_bytes
from edgebnn.errors import InputError, InputWarning, ModelFormatError
from edgebnn.graph.batches import BATCH, run_all
from edgebnn.graph.ops.elementwise import MulOptions, SubOptions
from edgebnn.graph.ops.enums import TensorType
from edgebnn.graph.ops.reduce import ReducerOptions
from edgebnn.graph.ops.shape_ops import ShapeOptions
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import Array, DType, Graph, Signature
from edgebnn.runtime.model import MAX_BATCH, Model, load
from edgebnn.targets import target
from edgebnn.targets.inputs import run_reference, write_arrays
from edgebnn.targets.model_file import open_model
from edgebnn.targets.native import run_native
from edgebnn.workflows.benchmark import benchmark
from tests.support.batch_graphs import graphs
from tests.support.graphs import Step, chain, constant, one_op, per_tensor, tensor
from tests.support.topologies import images, lce_bytes
from tests.unit.graph.test_batches import X, one_by_one, samples_of, with_state

DATA = Path(__file__).parents[2] / "data" / "runtime"


def alone(file: str, signature: str, arrays: dict[str, Array]) -> dict[str, Array]:
    """The outputs by name, each sample in an interpreter of its own."""
    count = len(next(iter(arrays.values())))
    results: list[dict[str, Array]] = []
    for i in range(count):
        runner = Interpreter(model_path=str(DATA / file)).get_signature_runner(signature)
        results.append(runner(**{name: values[i : i + 1] for name, values in arrays.items()}))
    stacked = {name: np.stack([r[name] for r in results]) for name in results[0]}
    return {name: v[:, 0] if v.shape[1:2] == (1,) else v for name, v in stacked.items()}


def noise(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def outputs(model: Model, arrays: Sequence[Array]) -> tuple[Array, ...]:
    found = model(*arrays)
    return found if isinstance(found, tuple) else (found,)


@settings(max_examples=40, deadline=None)
@given(graphs(), st.integers(2, 4), st.integers(0, 99))
def test_samples_are_computed_as_if_they_were_alone(graph: Graph, count: int, seed: int) -> None:
    inputs = samples_of(graph, count, seed)
    try:
        expected = one_by_one(graph, inputs)
    except (RuntimeError, ValueError):  # LiteRT has no kernel for this rank
        assume(False)
    for actual, wanted in zip(outputs(load(to_bytes(graph)), inputs), expected, strict=True):
        np.testing.assert_allclose(actual, wanted, rtol=1e-4, atol=1e-5)


def runs(monkeypatch: pytest.MonkeyPatch, model: Model, x: Array) -> list[int]:
    """The samples of each invoke of one call."""
    found: list[int] = []
    run = model._runner.run
    monkeypatch.setattr(model._runner, "run", lambda values, keep: found.append(len(values[0])) or run(values, keep))
    model(x)
    return found


def test_convolutional_networks_run_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    assert runs(monkeypatch, load(lce_bytes("packed_chain")), images(70)) == [32, 32, 6]


def test_a_file_that_changed_since_it_was_loaded_proves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(lce_bytes("packed_chain"))
    model = load(path)
    other = tmp_path / "other"
    other.write_bytes(lce_bytes("uneven"))
    other.rename(path)
    assert runs(monkeypatch, model, images(3)) == [1, 1, 1]


def test_a_file_with_ops_outside_the_ir_runs_sample_by_sample() -> None:
    x = noise(3, 8, 8, 4)
    np.testing.assert_allclose(load(DATA / "cumulative_sum.tflite")(x), np.cumsum(x, axis=1), rtol=1e-4, atol=1e-5)


def test_an_input_that_is_no_batch_is_taken_in_the_files_own_shape_or_stacked() -> None:
    graph = with_state()
    model = load(to_bytes(graph))
    state_first = model.inputs[0].name == "state"
    states = noise(5, 2, 1, 2, seed=1)

    def run(state: Array, image: Array) -> Array:
        return np.asarray(model(state, image) if state_first else model(image, state))

    expected = states + X.mean((1, 2))[:, None, None]
    np.testing.assert_allclose(run(states[0], X[:1]), expected[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(run(states, X), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(run(states[0], X), states[:1] + X.mean((1, 2))[:, None, None], rtol=1e-5, atol=1e-6)
    with pytest.raises(InputError, match=r"shape \(2, 1, 2\), or \(batch, 2, 1, 2\), got shape \(5, 1, 1, 2\)"):
        run(states[:, :1], X)


def test_an_input_that_is_one_number_stays_one(tmp_path: Path) -> None:
    graph = one_op("MUL", MulOptions(), [tensor("x", (1, 4)), tensor("gain", ())], [tensor("y", ())])
    x, gain = noise(5, 4), np.float32(3)
    path = tmp_path / "gain.tflite"
    path.write_bytes(to_bytes(graph))
    file = open_model(path)
    for run in (load(path), lambda *arrays: run_reference(file, arrays)[0]):
        np.testing.assert_array_equal(run(x, gain), x * gain)
        gains = np.arange(5, dtype=np.float32)
        np.testing.assert_array_equal(run(x, gains), x * gains[:, None])
    assert target("host").validate(file, x, gain).passed


@pytest.mark.parametrize("given", [np.float32(3), np.array([1, 2, 3], np.float32)])
def test_a_model_of_numbers_gives_as_many_as_it_is_given(given: Array) -> None:
    result = load(to_bytes(one_op("ABS", NoOptions(), [tensor("x", ())], [tensor("y", ())])))(given)
    assert isinstance(result, np.ndarray)
    np.testing.assert_array_equal(result, given)
    assert result.shape == given.shape


def test_a_fixed_batch_whose_samples_meet_takes_no_other_number() -> None:
    axis = constant("axis", np.asarray([0], np.int32))
    mixed = load(to_bytes(one_op("MEAN", ReducerOptions(), [tensor("x", (2, 3)), axis], [tensor("y", ())])))
    x = noise(5, 3)
    np.testing.assert_allclose(mixed(x[:2]), x[:2].mean(0), rtol=1e-6)
    with pytest.raises(InputError, match="takes 2 samples at a time, which may influence each other, and 5 are given"):
        mixed(x)


@pytest.mark.parametrize("run", ["load", "reference"])
def test_what_all_samples_share_is_repeated_for_a_last_one_that_runs_alone(run: str) -> None:
    size, weights = tensor("size", (), DType.INT32), constant("weights", noise(2, 3))
    steps: list[Step] = [
        ("SHAPE", ShapeOptions(out_type=TensorType.INT32), [weights], [size], 1),
        ("ABS", NoOptions(), [tensor("x", (1, 4))], [tensor("y", ())], 1),
    ]
    graph = chain(steps)
    x = noise((MAX_BATCH if run == "load" else BATCH) + 1, 4)
    found = outputs(load(to_bytes(graph)), [x]) if run == "load" else run_all(graph, [x])
    by_type = {array.dtype.kind: array for array in found}
    np.testing.assert_array_equal(by_type["i"], [[2, 3]] * len(x))
    np.testing.assert_array_equal(by_type["f"], np.abs(x))


# -- strings --


def test_strings_go_in_and_come_out_sample_by_sample(tmp_path: Path) -> None:
    model = load(DATA / "texts.tflite")
    x = np.eye(3, dtype=np.float32)
    for words in (np.array(["a", "bb", "ä"]), np.array([b"a", b"bb", "ä".encode()], dtype=object)):
        label, scaled, word = model(x, np.float32(2), words)
        assert label.tolist() == [b"cat", b"dog", b"bird"]
        np.testing.assert_array_equal(scaled, 2 * x)
        assert word.tolist() == [b"a", b"bb", "ä".encode()]
    with pytest.raises(InputError, match="'word' expects an array of strings, str or bytes, and shape"):
        model(x, np.float32(2), x[:, 0])
    np.savez(tmp_path / "in.npz", x=x, gain=np.float32(2), word=np.array(["a", "bb", "c"]))
    arguments = ["--input", str(tmp_path / "in.npz"), "--output", str(tmp_path / "out.npz")]
    assert CliRunner().invoke(cli, ["run", str(DATA / "texts.tflite"), *arguments]).exit_code == 0
    with np.load(tmp_path / "out.npz") as kept:
        assert [b"cat", b"dog", b"bird"] in [kept[name].tolist() for name in kept.files]


def test_a_string_that_a_file_of_arrays_would_shorten_is_refused(tmp_path: Path) -> None:
    file = open_model(DATA / "texts.tflite")
    found = outputs(load(DATA / "texts.tflite"), [noise(1, 3), np.float32(1), np.array([b"a\0"], dtype=object)])
    with pytest.raises(InputError, match="zero bytes at the end of a string"):
        write_arrays(tmp_path / "y.npz", file, found)


# -- state --


@pytest.mark.parametrize(
    ("file", "signature", "shape"), [("lstm.tflite", "serving_default", (6, 5)), ("variable.tflite", "add", (4,))]
)
def test_every_sample_and_every_call_begins_with_the_initial_state(
    file: str, signature: str, shape: tuple[int, ...]
) -> None:
    model, x = load(DATA / file), noise(3, *shape)
    (name,) = model._runner.entry.arguments[0]
    (expected,) = alone(file, signature, {name: x}).values()
    for _ in range(2):
        np.testing.assert_allclose(model(x), expected, rtol=1e-5, atol=1e-6)
    model.invoke([x[:1]])
    np.testing.assert_allclose(model.invoke([x[1:2]])[0], expected[1:2], rtol=1e-5, atol=1e-6)


def test_a_state_that_cannot_be_reset_is_an_error_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = load(DATA / "lstm.tflite"), noise(1, 6, 5)

    def refuse(self: Interpreter) -> None:
        raise RuntimeError("Failed to reset\nvariables.")

    monkeypatch.setattr(Interpreter, "reset_all_variables", refuse)
    with pytest.raises(ModelFormatError, match=r"lstm\.tflite: LiteRT cannot run it: Failed to reset variables"):
        model(x)


def test_a_stream_keeps_the_state_and_the_model_does_not_see_it() -> None:
    model, x = load(DATA / "variable.tflite"), noise(4, 4)
    weights = np.arange(12, dtype=np.float32).reshape(4, 3) / 10
    stream = model.stream()
    sums = np.cumsum(x @ weights, axis=0)
    np.testing.assert_allclose(stream(x[:3]), sums[:3], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model(x[:1]), sums[:1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(stream(x[3:]), sums[3:], rtol=1e-5, atol=1e-6)
    stream.reset()
    np.testing.assert_allclose(stream(x), sums, rtol=1e-5, atol=1e-6)


def test_a_stream_of_frames_gives_what_lstm_cells_give_that_go_on() -> None:
    model, x = load(DATA / "lstm.tflite"), noise(3, 6, 5)
    interpreter = Interpreter(model_path=str(DATA / "lstm.tflite"))
    interpreter.allocate_tensors()
    expected = []
    for sample in x:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], sample[None])
        interpreter.invoke()
        expected.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])
    stream = model.stream()
    np.testing.assert_allclose(stream(x), expected, rtol=1e-5, atol=1e-6)
    assert not np.allclose(model(x), expected, atol=1e-4)
    stream.reset()
    np.testing.assert_allclose(stream(x[:1]), expected[:1], rtol=1e-5, atol=1e-6)


# -- signatures --


def test_of_several_signatures_one_must_be_named() -> None:
    with pytest.raises(InputError, match=r"signatures\.tflite: has the signatures 'add', 'plain', 'two'; say which"):
        load(DATA / "signatures.tflite")
    with pytest.raises(InputError, match="has no signature 'three'; its signatures are 'add', 'plain', 'two'"):
        load(DATA / "signatures.tflite", signature="three")
    with pytest.raises(InputError, match="has no signature 'x'; it names none"):
        load(DATA / "cumulative_sum.tflite", signature="x")


@pytest.mark.parametrize(("signature", "names"), [("add", "x"), ("plain", "x"), ("two", "ab")])
def test_each_signature_runs_on_its_own_graph(signature: str, names: str) -> None:
    model = load(DATA / "signatures.tflite", signature=signature)
    arrays = {name: noise(4, 4, seed=ord(name)) for name in names}
    expected = alone("signatures.tflite", signature, arrays)
    found = model(**arrays)
    found = found if isinstance(found, tuple) else (found,)
    for name, actual in zip(model._runner.entry.arguments[1], found, strict=True):
        np.testing.assert_allclose(actual, expected[name], rtol=1e-5, atol=1e-6)
    assert model.signature == signature
    with pytest.raises(InputError, match="give all inputs in order, or all by name; their names are"):
        model(nobody=noise(4, 4))


def two_results(signature: Signature) -> Graph:
    """x - y, and x, of which a signature names what it wants."""
    inputs = [tensor("x", (1, 4)), tensor("y", (1, 4))]
    graph = one_op("SUB", SubOptions(), inputs, [tensor("difference", ())])
    return replace(graph, outputs=(0, *graph.outputs), signatures=(signature,))


def answers(graph: Graph, signature: str | None, arrays: Sequence[Array]) -> list[tuple[Array, ...]]:
    """The answers of all that runs a file."""
    file = replace(open_model(graph), made_from=None, signature=signature)
    assert target("host").validate(file, *arrays).passed
    return [
        outputs(load(file.content, signature=signature), arrays),
        run_reference(file, arrays),
        run_native(file, arrays),
        run_reference(replace(open_model(graph), signature=signature), arrays),
    ]


def test_a_signature_that_leaves_out_results_gives_those_that_it_names_everywhere() -> None:
    graph = two_results(Signature("difference", (("x", 0), ("y", 1)), (("d", 2),)))
    both = replace(graph, signatures=(*graph.signatures, Signature("all", (("x", 0), ("y", 1)), (("x", 0), ("d", 2)))))
    x, y = noise(3, 4), noise(3, 4, seed=1)
    for found in answers(graph, None, [x, y]) + answers(both, "difference", [x, y]):
        np.testing.assert_array_equal(found, [x - y])
    for found in answers(both, "all", [x, y]):
        np.testing.assert_array_equal(found, [x, x - y])
    assert len(open_model(both).graph.outputs) == 2  # none is meant: all are counted


def test_a_file_with_a_signature_is_cut_at_what_reference_kernels_lack() -> None:
    x, middle = tensor("x", (1, 4)), tensor("middle", ())
    graph = chain(
        [
            ("ABS", NoOptions(), [x], [middle], 1),
            ("ELU", NoOptions(), [middle], [tensor("bent", ())], 1),
            ("NEG", NoOptions(), [middle], [tensor("turned", ())], 1),
        ]
    )
    named = Signature("main", (("x", graph.inputs[0]),), tuple((f"y{n}", i) for n, i in enumerate(graph.outputs)))
    model, values = load(to_bytes(replace(graph, signatures=(named,))), exact=True), noise(3, 4)
    assert model.inexact == ("ELU 'bent'",)
    for found, wanted in zip(outputs(model, [values]), (np.abs(values), -np.abs(values)), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_an_input_that_a_signature_leaves_out_must_be_given() -> None:
    graph = two_results(Signature("main", (("y", 1),), (("d", 2),)))
    x, y = noise(3, 4), noise(3, 4, seed=1)
    with pytest.raises(InputError, match="2 inputs expected, 1 given"):
        load(to_bytes(graph))(y)
    for found in answers(graph, "main", [x, y]):
        np.testing.assert_array_equal(found, [x - y])


# -- open sizes --


def test_an_open_size_is_no_size() -> None:
    model = load(DATA / "open_size.tflite")
    for shape in ((1, 8, 8, 3), (3, 12, 9, 3), (2, 8, 8, 3)):
        x = noise(*shape)
        expected = []
        for sample in x:
            interpreter = Interpreter(model_path=str(DATA / "open_size.tflite"))
            interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], (1, *shape[1:]))
            interpreter.allocate_tensors()
            interpreter.set_tensor(interpreter.get_input_details()[0]["index"], sample[None])
            interpreter.invoke()
            expected.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])
        np.testing.assert_allclose(model(x), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match=r"does not run on inputs of shape \[1, 3, 3, 3\]"):
        model(noise(1, 3, 3, 3))
    assert np.asarray(model(noise(1, 8, 8, 3))).shape == (1, 4, 4, 4)


# -- values on another scale --


def images_model(int8_inside: bool) -> Model:
    """Takes values from -1 to 1, as int8, or as floats that it makes int8."""
    scale = per_tensor(1 / 127.5, 0)
    x = tensor("image", (1, 2, 2, 3), DType.FLOAT32 if int8_inside else DType.INT8, None if int8_inside else scale)
    y = tensor("y", (), DType.INT8, scale)
    graph = one_op("QUANTIZE", NoOptions(), [x], [y]) if int8_inside else one_op("RELU", NoOptions(), [x], [y])
    return load(to_bytes(graph))


@pytest.mark.parametrize("int8_inside", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_pixels_for_an_input_from_minus_one_to_one_are_warned_of(int8_inside: bool, dtype: type) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 2, 2, 3)).astype(dtype)
    with pytest.warns(InputWarning, match=r"input 'image' takes values from -1.* to 1.*edgebnn\.preprocessing"):
        images_model(int8_inside)(pixels)
    few = np.zeros((4, 2, 2, 3), dtype)
    few[0, 0, 0, 0] = 200
    with pytest.warns(InputWarning, match="2.1% of those given"):
        images_model(int8_inside)(few)


@pytest.mark.parametrize("int8_inside", [False, True])
def test_values_on_the_right_scale_are_not_warned_of(int8_inside: bool) -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (40, 2, 2, 3)).astype(np.float32)
    x[0, 0, 0, 0] = 1.4  # seldom and slightly beyond
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        images_model(int8_inside)(x)


# -- targets --


def test_a_session_begins_every_run_with_the_initial_state_and_runs_the_signature_that_is_meant() -> None:
    x = noise(2, 4)
    for file, signature in (("variable.tflite", "add"), ("signatures.tflite", "plain"), ("signatures.tflite", "add")):
        session = target("host").open(open_model(DATA / file, signature))
        (expected,) = alone(file, signature, {"x": x}).values()
        for i in (0, 1, 1):
            np.testing.assert_allclose(session.run([x[i : i + 1]])[0][0], expected[i], rtol=1e-5, atol=1e-6)
    with pytest.raises(InputError, match="only the first graph of a file can be looked into, not 'plain'"):
        target("host").profile(open_model(DATA / "signatures.tflite", "plain"))
    with pytest.raises(InputError, match="--against litert runs the first graph of a file only"):
        benchmark(target("host"), open_model(DATA / "signatures.tflite", "plain"), against="litert")


def test_the_size_that_is_meant_is_counted(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", noise(3, 12, 9, 3))
    command = ["analyze", str(DATA / "open_size.tflite"), "--input", str(tmp_path / "x.npy"), "--json"]
    result = CliRunner().invoke(cli, command, standalone_mode=False)
    assert json.loads(result.stdout)["totals"]["macs"]["float"] == 8 * 5 * 4 * 5 * 5 * 3
