"""Inputs and outputs of converted files: Keras' order and names, whatever the converters make of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgebnn
from edgebnn.converters.convert import Target
from edgebnn.converters.keras_names import names
from edgebnn.converters.read_tflite import read
from edgebnn.errors import EdgebnnError, InputError
from edgebnn.graph.types import Array, DType

pytest.importorskip("larq_compute_engine", reason="conversion needs the training extra")

from edgebnn._tensorflow import keras, tf
from edgebnn.converters import from_keras

L = keras.layers
TARGETS = ("float", "lce", "int8", "w1a8", "portable", "lce int8")


@pytest.mark.parametrize(
    ("structure", "own", "expected"),
    [
        (0, ["image"], ("image",)),
        ([0, 0], ["left", "right"], ("left", "right")),
        ({"width": 0, "age": 0}, ["layer_1", "layer_2"], ("age", "width")),
        ({"pair": [0, 0], "one": {"deep": 0}}, ["a", "b", "c"], ("deep", "b", "c")),
        ({"left": {"x": 0}, "right": {"x": 0}}, ["a", "b"], ("left/x", "right/x")),
        ([0, 0, 0], ["x", "x", "x_1"], ("x", "x_2", "x_1")),
        ({2: 0, 10: 0}, ["a", "b"], ("2", "10")),
    ],
)
def test_a_leaf_is_called_by_its_key_or_its_layer(structure: Any, own: list[str], expected: tuple[str, ...]) -> None:
    assert names(structure, own) == expected


def _dense(units: int, name: str | None = None) -> Any:
    return L.Dense(units, name=name, kernel_initializer=keras.initializers.RandomNormal(0, 1, seed=units))


def _lists() -> Any:
    """Named against the alphabet, all of one shape: order is all that tells them apart."""
    left, right, mask = (L.Input((4,), name=name) for name in ("left", "right", "mask"))
    difference = L.Subtract()([L.Subtract()([_dense(3)(left), right[:, :3]]), mask[:, :3]])
    return keras.Model([left, right, mask], [_dense(3, "zebra")(difference), _dense(3, "ant")(left)])


def _dicts() -> Any:
    """Keys that are not the layers' names, lists in dicts, a dict of outputs."""
    a, b, c = (L.Input((4,), name=name) for name in "cab")
    outputs = {"score": _dense(2)(L.Subtract()([a, b])), "masks": [_dense(2, "q")(c), _dense(2, "p")(a)]}
    return keras.Model({"pair": [a, b], "age": c}, outputs)


def _shared() -> Any:
    """An input nobody uses, an output given twice, and an input that is an output."""
    a, unused = L.Input((4,), name="a"), L.Input((4,), name="unused")
    y = _dense(3, "d")(a)
    return keras.Model([a, unused], [y, y, a])


class _Subclassed(keras.Model):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(name="own")
        self.first, self.second = _dense(3), _dense(3)

    def call(self, points: Any, shift: Any = None, training: bool = False) -> Any:
        return {"b": self.first(points["p"]), "a": self.second(points["age"]) + shift}


def _subclassed() -> Any:
    model = _Subclassed()
    model({"p": np.zeros((1, 4), np.float32), "age": np.zeros((1, 4), np.float32)}, shift=np.zeros((1, 3), np.float32))
    return model


MODELS = {
    "lists": (_lists, ("left", "right", "mask"), ("zebra", "ant")),
    "dicts": (_dicts, ("age", "c", "a"), ("q", "p", "score")),
    "shared": (_shared, ("a", "unused"), ("d", "d_1", "a")),
    "subclassed": (_subclassed, ("age", "p", "shift"), ("a", "b")),
}


def _called(model: Any, arrays: list[Array]) -> list[Array]:
    if model.inputs:
        results = model(tf.nest.pack_sequence_as(model._nested_inputs, arrays))
    else:
        results = model({"age": arrays[0], "p": arrays[1]}, shift=arrays[2])
    return [np.asarray(values) for values in tf.nest.flatten(results)]


def _converted(model: Any, path: Path, to: str, calibration: Any) -> Path:
    kind: Any = {"portable": "w1a8", "lce int8": "lce"}.get(to, to)
    given = None if to in ("float", "lce") else calibration
    return edgebnn.convert(model, path, kind, given, portable=to == "portable").path


@pytest.fixture
def converted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What differs only in what is done with the converter's file is converted once: int8, w1a8, portable."""
    to_graph, made = from_keras.to_graph, {}

    def once(model: Any, to: Any, calibration: Any = None) -> Any:
        given = None if calibration is None else tuple((a.shape, a.dtype, a.tobytes()) for a in calibration)
        if (id(model), to, given) not in made:
            made[id(model), to, given] = to_graph(model, to, calibration)
        return made[id(model), to, given]

    monkeypatch.setattr(from_keras, "to_graph", once)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.usefixtures("converted_once")
def test_a_file_takes_and_gives_what_the_model_does_in_its_order(name: str, tmp_path: Path) -> None:
    build, inputs, outputs = MODELS[name]
    model = build()
    generator = np.random.default_rng(0)
    shapes = from_keras.input_shapes(model)
    scales = (1.0, 4.0, 16.0)  # calibration that is given to another input clips, or is too coarse
    arrays = [
        scale * generator.normal(size=(64, *s)).astype(np.float32) for scale, s in zip(scales, shapes, strict=False)
    ]
    expected = _called(model, arrays)
    for to in TARGETS:
        for calibration in (arrays, dict(zip(inputs, arrays, strict=True))):
            path = _converted(model, tmp_path / "out.tflite", to, calibration)
            loaded, graph = edgebnn.load(path), read(path)
            assert tuple(port.name for port in loaded.inputs) == inputs, to
            assert tuple(port.name for port in loaded.outputs) == outputs, to
            assert graph.signatures[0].inputs == tuple(zip(inputs, graph.inputs, strict=True)), to
            assert graph.signatures[0].outputs == tuple(zip(outputs, graph.outputs, strict=True)), to
            results = loaded(*arrays)
            for result, values in zip(results, expected, strict=True):
                np.testing.assert_allclose(
                    result, values, atol=(1e-5 if to in ("float", "lce") else 0.05) * np.ptp(values), err_msg=to
                )
            if to != "int8":
                break


def test_a_subclassed_model_that_was_not_called_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model 'own' is not built: .* call a subclassed model once"):
        edgebnn.convert(_Subclassed(), tmp_path / "out.tflite", "float")


def test_a_sequential_model_built_by_its_first_call_takes_any_batch(tmp_path: Path) -> None:
    model = keras.Sequential([_dense(3)])
    model(np.zeros((2, 4)))  # float64
    edgebnn.convert(model, tmp_path / "out.tflite", "float")
    values = np.ones((5, 4), np.float32)
    np.testing.assert_allclose(edgebnn.load(tmp_path / "out.tflite")(values), model(values), atol=1e-5)


class _Loop(L.Layer):  # type: ignore[misc]
    """A sum over the steps, as a loop."""

    def call(self, x: Any) -> Any:
        def step(inputs: Any, states: Any) -> Any:
            return inputs + states[0], [inputs + states[0]]

        return keras.backend.rnn(step, x, [x[:, 0]])[0]


def test_a_converter_that_crashes_is_an_error_with_the_remedy(tmp_path: Path) -> None:
    image = L.Input((6, 4), batch_size=1)
    arrays = [np.random.default_rng(0).normal(size=(40, 6, 4)).astype(np.float32)]
    model = keras.Model(image, _Loop()(image), name="net")
    for to, message in (
        ("int8", "crashed.*SIGSEGV.*; it decides while it runs"),
        ("float", "it decides while it runs"),
    ):
        with pytest.raises(EdgebnnError, match=f"model 'net', layer 'private__loop'.*{message}") as caught:
            edgebnn.convert(model, tmp_path / "out.tflite", to, None if to == "float" else arrays)  # type: ignore[arg-type]
        assert "out.tflite" not in str(caught.value), "a file that is not there"
    assert list(tmp_path.iterdir()) == []
    edgebnn.convert(keras.Model(image, _dense(2)(image)), tmp_path / "out.tflite", "int8", arrays)


@pytest.mark.parametrize("to", ["float", "lce", "int8"])
def test_recurrent_layers_are_written_out_step_by_step(to: Target, tmp_path: Path) -> None:
    x = L.Input((6, 4), name="x")
    cells = L.RNN(L.StackedRNNCells([L.GRUCell(3), L.LSTMCell(2)]), return_sequences=True)
    steps = L.GRU(5, return_sequences=True)(cells(L.SimpleRNN(4, return_sequences=True)(x)))
    model = keras.Model(x, L.Bidirectional(L.LSTM(3))(steps))
    values = np.random.default_rng(0).normal(size=(40, 6, 4)).astype(np.float32)
    before = model(values).numpy()
    found = edgebnn.convert(model, tmp_path / "out.tflite", to, values if to == "int8" else None).findings
    assert sum(finding.rule == "steps-written-out" for finding in found) == 4
    result = edgebnn.load(tmp_path / "out.tflite")(values)
    np.testing.assert_allclose(result, before, atol=0.1 if to == "int8" else 1e-5)
    np.testing.assert_array_equal(model(values).numpy(), before)
    assert not any(layer.unroll for layer in model.submodules if isinstance(layer, L.RNN))


def _embedded() -> Any:
    return L.Embedding(9, 4, mask_zero=True, embeddings_initializer=keras.initializers.RandomNormal(0, 1, seed=1))


MASKED: dict[str, tuple[Any, Any]] = {
    "tokens, one after the other": ((5,), lambda x: L.GRU(2)(L.LSTM(3, return_sequences=True)(_embedded()(x)))),
    "both ways, with zeros": ((5,), lambda x: L.Bidirectional(L.LSTM(3, return_sequences=True))(_embedded()(x))),
    "both ways, last step": ((5,), lambda x: L.Bidirectional(L.GRU(3), merge_mode="sum")(_embedded()(x))),
    "steps of zeros": ((5, 4), lambda x: L.SimpleRNN(3, return_sequences=True)(L.Masking()(x))),
}


@pytest.mark.parametrize("to", ["float", "lce", "int8"])
@pytest.mark.parametrize("what", MASKED)
def test_masks_are_heeded_sample_by_sample(what: str, to: Target, tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    shape, layers = MASKED[what]
    x = L.Input(shape, dtype="int32" if len(shape) == 1 else "float32", name="x")
    model = keras.Model(x, layers(x))
    present = np.asarray([[1, 1, 0, 1, 0], [0, 1, 1, 1, 1], [0, 0, 0, 0, 0], [1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    r = np.random.default_rng(0)
    values = r.integers(1, 9, (40, 5)) if len(shape) == 1 else r.normal(size=(40, *shape)).astype(np.float32)
    values = values * np.tile(present, (8, 1)).reshape(40, 5, *[1] * (len(shape) - 1))
    values = values.astype(x.dtype.as_numpy_dtype)
    edgebnn.convert(model, tmp_path / "out.tflite", to, values if to == "int8" else None)
    expected = model(values).numpy()
    atol = 0.05 * np.ptp(expected) if to == "int8" else 1e-5
    np.testing.assert_allclose(edgebnn.load(tmp_path / "out.tflite")(values), expected, atol=atol)
    graph = read(tmp_path / "out.tflite")
    assert graph.tensors[graph.outputs[0]].dtype == (DType.INT8 if to == "int8" else DType.FLOAT32)
    assert not any("call" in vars(layer) for layer in model.submodules), "as they were"


def test_what_is_turned_around_in_int8_keeps_its_values(tmp_path: Path) -> None:
    """TensorFlow Lite's quantizer gives the ends of a REVERSE_V2 two scales."""
    x = L.Input((6, 4), name="x")
    y = tf.reverse(L.Dense(3)(x) * 0.1, [1])
    model = keras.Model(x, L.Dense(2)(L.Concatenate()([y, L.Dense(3)(x)])))
    values = np.random.default_rng(0).normal(size=(40, 6, 4)).astype(np.float32)
    found = edgebnn.convert(model, tmp_path / "out.tflite", "int8", values).findings
    assert not [finding for finding in found if finding.rule == "change-of-scale"]
    expected = model(values).numpy()
    result = edgebnn.load(tmp_path / "out.tflite")(values)
    np.testing.assert_allclose(result, expected, atol=0.03 * np.ptp(expected))


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (L.GRU(5, stateful=True, name="memory"), "'memory': keeps its state from call to call.*stateful=False"),
        (L.ConvLSTM1D(2, 3, name="memory"), "'memory': is a loop that Keras cannot unroll; call its cell"),
    ],
    ids=["stateful", "convolutional"],
)
def test_recurrent_layers_that_no_file_can_hold_are_refused_with_the_remedy(layer: Any, message: str) -> None:
    x = L.Input((6, 4, 2) if "conv" in type(layer).__name__.lower() else (6, 4), batch_size=1)
    with pytest.raises(InputError, match=message):
        edgebnn.convert(keras.Model(x, layer(x)), "out.tflite", "float")


def test_a_model_file_is_called_one_and_known_by_its_content(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model: a converted model is a \.tflite file; give a name that ends in"):
        edgebnn.convert("absent.keras", tmp_path / "model")


def test_a_model_of_a_fixed_batch_is_calibrated_by_batches(tmp_path: Path) -> None:
    x = L.Input(batch_shape=(4, 5), name="x")
    model = keras.Model(x, _dense(3)(x))
    values = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    edgebnn.convert(model, tmp_path / "out.tflite", "lce", values)
    expected = np.asarray(model(values[:4]))
    result = edgebnn.load(tmp_path / "out.tflite")(values[:4])
    np.testing.assert_allclose(result, expected, atol=0.03 * np.ptp(expected))
