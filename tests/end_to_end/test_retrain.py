"""``edgebnn retrain``, from a saved Keras model to the deployed file, on a folder of images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import edgebnn
from edgebnn._tensorflow import keras
from edgebnn.converters.read_tflite import read
from edgebnn.preprocessing import preprocess
from edgebnn.training import datasets
from edgebnn.training.loop import train
from edgebnn.training.recipe import Recipe
from tests.end_to_end.test_cli import as_json, refused
from tests.support.images import blobs
from tests.support.training_run import tiny_float


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of two classes, and a float model that tells them apart."""
    place = tmp_path_factory.mktemp("retrain")
    data = blobs(train=256, test=60)
    for name, split in (("train", data.train), ("test", data.test)):
        for index, (image, label) in enumerate(zip(split.images, split.labels, strict=True)):
            path = place / "images" / name / data.classes[label] / f"{index:04d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[..., 0], "L").save(path)
    keras.utils.set_random_seed(0)
    model = tiny_float(width=32)
    train(model, datasets.load(place / "images"), Recipe(3, batch=32, learning_rate=0.01), place / "parent")
    model.save(place / "start.keras")
    return place


def test_the_command_goes_from_the_model_to_the_file(folder: Path) -> None:
    out = folder / "out.tflite"
    command = ("retrain", folder / "start.keras", "--data", folder / "images", "-o", out)
    options = ("--epochs", 3, "--batch", 32, "--learning-rate", 0.01)
    value = as_json(*command, *options)
    assert (value["model"], value["to"], value["bytes"]) == (str(out), "w1a8", out.stat().st_size)
    accuracy = {stage["name"]: stage["accuracy"] for stage in value["stages"]}
    assert list(accuracy) == ["float", "post-training", "retrained", "converted", "deployed"]
    assert {stage["samples"] for stage in value["stages"]} == {60}
    assert accuracy["deployed"] > 0.9
    assert abs(accuracy["converted"] - accuracy["retrained"]) <= 1 / 60
    assert "EdgebnnConv2dW1A8" in [op.kind for op in read(out).ops]

    test = datasets.load(folder / "images").test
    images = preprocess(test.images)
    outputs = edgebnn.load(out)(images)
    assert isinstance(outputs, np.ndarray)
    assert np.mean(outputs.argmax(axis=1) == test.labels) == pytest.approx(accuracy["deployed"])

    assert as_json(*command, *options)["stages"] == value["stages"]
    assert "holds another" in refused(*command, "--epochs", 4)

    kept = keras.models.load_model(value["keras_model"], compile=False)
    again = edgebnn.convert(kept, folder / "again.tflite", to="w1a8").path
    np.testing.assert_array_equal(edgebnn.load(again)(images), outputs)


def test_impossible_retrainings_are_refused_in_one_line(folder: Path) -> None:
    images, out = folder / "images", folder / "x.tflite"
    assert "no such file" in refused("retrain", folder / "none.keras", "--data", images, "-o", out)
    assert "does not exist" in refused(
        "retrain", folder / "start.keras", "--data", images, "-o", folder / "no" / "x.tflite"
    )
    line = refused("retrain", folder / "start.keras", "--to", "w1a1", "--data", images, "-o", out)
    assert "edgebnn train --precision w1a1" in line
