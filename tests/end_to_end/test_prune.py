"""``edgebnn prune`` on real images: to a count, to a latency measured on this machine, interrupted, and refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from edgebnn._tensorflow import keras, lq
from edgebnn.training import datasets, mnist
from edgebnn.training.loop import train
from edgebnn.training.recipe import Recipe
from tests.end_to_end.test_cli import as_json, edgebnn, refused

TRAINING, TEST = 1500, 300  # images: the first of MNIST
SIDE = 28  # pixels


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some of MNIST as an image folder: judging all its test images again and again would take most of the time."""
    folder, whole = tmp_path_factory.mktemp("digits"), mnist.load_mnist()
    for name, split, count in (("train", whole.train, TRAINING), ("test", whole.test, TEST)):
        for index in range(count):
            path = folder / name / str(split.labels[index]) / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(split.images[index, :, :, 0]).save(path)
    return folder


def _trained(digits: Path, widths: tuple[int, ...], signs: dict[str, str], folder: Path) -> Path:
    """A network of few layers, of which all but the first take ``signs`` as options, that knows digits a little."""
    keras.utils.set_random_seed(0)
    x = image = keras.Input((SIDE, SIDE, 1), name="image")
    for number, width in enumerate(widths):
        options = {"strides": 2, **signs} if number else {}
        x = lq.layers.QuantConv2D(width, 3, padding="same", use_bias=False, **options)(x)
        x = keras.layers.BatchNormalization(momentum=0.9)(x)
        x = x if signs else keras.layers.ReLU()(x)
    logits = keras.layers.Dense(10, name="logits")(keras.layers.GlobalAveragePooling2D()(x))
    data = datasets.load(digits, (SIDE, SIDE))
    return train(keras.Model(image, logits), data, Recipe(3, batch=25, learning_rate=1e-3), folder).model_path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Path:
    """A binarized one."""
    signs = {"input_quantizer": "ste_sign", "kernel_quantizer": "ste_sign", "kernel_constraint": "weight_clip"}
    return _trained(digits, (16, 32, 32), signs, tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="module")
def trained_float(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Path:
    """One in float: its time follows its widths on every processor, where a binary one's may hardly do so."""
    return _trained(digits, (32, 64, 64), {}, tmp_path_factory.mktemp("trained_float"))


@pytest.fixture
def quick(digits: Path) -> tuple[object, ...]:
    return ("--data", digits, "--short-term", 2, "--hold-out", 100, "--workers", 2)


def check_history(value: dict[str, Any], resource: str, unit: str) -> None:
    """The shape that other programs read."""
    assert (value["resource"], value["unit"]) == (resource, unit)
    assert value["final"]["predicted"] < value["initial"]
    assert value["cpu_class"]
    assert value["accuracy"]["trained"] > 0.2
    assert value["accuracy"]["short_term"] is not None
    for number, iteration in enumerate(value["iterations"], 1):
        assert iteration["iteration"] == number
        assert iteration["layer"] in {proposal["layer"] for proposal in iteration["proposals"]}
        assert iteration["predicted"] <= iteration["target"] * (1 + 1e-9)
        assert iteration["widths"].keys() == value["initial_widths"].keys()
    assert Path(value["model"]).exists()


def test_to_a_count_of_macs_and_on(tmp_path: Path, trained: Path, quick: tuple[object, ...]) -> None:
    output = tmp_path / "smaller.keras"
    arguments = ("prune", trained, "--budget", "macs=0.7x", "--removal", "gradual", "-o", output, *quick)
    ended_early = as_json(*arguments, "--iterations", 1, code=1)
    assert not ended_early["met"]
    assert len(ended_early["iterations"]) == 1
    assert "smaller.keras: exists" in refused(*arguments)
    value = as_json(*arguments, "--resume", "--iterations", 8, "--long-term-epochs", 1)
    check_history(value, "macs", "MACs")
    assert value["met"]
    assert value["iterations"][:1] == ended_early["iterations"]
    assert value["accuracy"]["long_term"] is not None
    folder = Path(value["run_dir"])
    assert json.loads((folder / "history.json").read_text())["iterations"] == value["iterations"]
    assert "within the budget" in (folder / "history.txt").read_text()
    for chart in ("widths.svg", "accuracy.svg"):
        assert (folder / chart).read_text().rstrip().endswith("</svg>")
    smaller, model = keras.models.load_model(output, compile=False), keras.models.load_model(trained, compile=False)
    assert smaller.count_params() < model.count_params()


def test_to_a_latency_measured_here(tmp_path: Path, trained_float: Path, quick: tuple[object, ...]) -> None:
    table = tmp_path / "host.json"
    value = as_json(
        *("prune", trained_float, "--target", "host", "--budget", "latency=0.85x", "--iterations", 8),
        *("-o", tmp_path / "faster.keras", "--table", table, *quick),
    )
    check_history(value, "latency", "ms")
    assert value["kind"] == "measured"
    assert value["table"]["kind"] == "measured"
    assert value["met"]
    measured = [value["initial_measured"], *(iteration["measured"] for iteration in value["iterations"])]
    assert all(time > 0 for time in measured)
    content = json.loads(table.read_text())
    assert content["device"]["threads"] == 1
    done = edgebnn("convert", tmp_path / "faster.keras", "--to", "lce", "-o", tmp_path / "faster.tflite")
    assert done.returncode == 0, done.stderr


def test_what_cannot_be_done_is_said_in_one_line(tmp_path: Path, trained: Path, quick: tuple[object, ...]) -> None:
    output = ("-o", tmp_path / "out.keras", *quick)
    least = refused("prune", trained, "--budget", "macs=0.001x", *output)
    assert "cannot be met" in least
    assert re.search(r"ask for at least 0\.\d+x", least)
    assert "unknown resource 'speed'" in refused("prune", trained, "--budget", "speed=2x", *output)
    assert "unknown target" in refused("prune", trained, "--target", "toaster", *output)
    assert "ends in .keras" in refused("prune", trained, "-o", tmp_path / "out.tflite", *quick)
    assert "cannot be loaded" in refused("prune", __file__, *output)
    assert "dask" in refused("prune", trained, "--budget", "macs=0.9x", "--cluster", "tcp://127.0.0.1:9", *output)
    assert not (tmp_path / "out.keras").exists()
