"""What a Keras model is deployed as, and what the file takes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from edgebnn._tensorflow import keras
from edgebnn.cli.main import cli
from edgebnn.converters.convert import convert
from edgebnn.errors import InputError
from edgebnn.graph.types import Graph
from edgebnn.targets.model_file import ModelFile, open_model
from edgebnn.workflows.deploying import deployed, file_of, format_of, passes_signs_on, resources
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


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Conv2D(8, 3, input_shape=(6, 6, 1)), keras.layers.Flatten(), keras.layers.Dense(4)]
    path = tmp_path_factory.mktemp("keras") / "small.keras"
    keras.Sequential(layers, name="small").save(path)
    return path


def _planned(*arguments: object) -> dict[str, object]:
    done = CliRunner().invoke(cli, ["plan", *map(str, arguments), "--hardware", "pi4", "--json"])
    assert done.exit_code == 0, done.output
    value: dict[str, object] = json.loads(done.stdout)
    return value


@pytest.mark.parametrize("to", ["float", "int8"])
def test_a_keras_model_is_planned_as_the_file_that_converting_it_writes(saved: Path, tmp_path: Path, to: str) -> None:
    inputs = np.random.default_rng(0).normal(size=(4, 6, 6, 1)).astype(np.float32)
    np.save(tmp_path / "x.npy", inputs)
    calibrated = ("--calibration", tmp_path / "x.npy") if to == "int8" else ()
    path = tmp_path / "small.tflite"
    convert(saved, path, to=to, calibration=(inputs,) if calibrated else None)  # type: ignore[arg-type]
    found, of_the_file = _planned(saved, "--to", to, *calibrated), _planned(path)
    assert found["model"] == str(saved)
    assert found["layers"] == of_the_file["layers"]
    assert {layer["precision"] for layer in found["layers"]} == {to}  # type: ignore[attr-defined]


def test_a_tflite_file_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(file(layer_graph(conv())).content)
    assert file_of(str(path))[0].content == path.read_bytes()
    with pytest.raises(InputError, match=r"model\.tflite: is a \.tflite file, which is taken as it is"):
        file_of(str(path), "float")


@pytest.mark.parametrize("name", ["none", 256 * "n"])
def test_no_model_at_all(name: str, tmp_path: Path) -> None:
    wanted = rf"{name}: no such file; give a \.tflite file, a saved Keras model or package"
    with pytest.raises(InputError, match=wanted):
        file_of(str(tmp_path / name))


def test_without_tensorflow_a_keras_model_is_refused_in_a_line(saved: Path) -> None:
    program = "import sys; sys.modules['tensorflow'] = None; from edgebnn.cli.main import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", program, "plan", str(saved)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"edgebnn: {saved}: is no .tflite file, and for Keras models this needs TensorFlow")
    assert "pip install 'edgebnn[train]'" in line
