"""What lies here and is wrong is told of before anybody logs in anywhere: the host named here refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from edgebnn.cli.main import cli
from edgebnn.converters.write_tflite import to_bytes
from edgebnn.errors import EdgebnnError
from edgebnn.graph.metadata import ImageFormat, Metadata, recorded
from tests.support.classifiers import LABELS, classifier

pytest.importorskip("asyncssh")
FAR = ("--target", "ssh://nobody@127.0.0.1:9")
VERBS = ("run", "validate", "profile", "benchmark", "deploy")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A classifier; beside it a picture and inputs that fit, and some that do not."""
    path = tmp_path / "colors.tflite"
    path.write_bytes(to_bytes(recorded(classifier(), Metadata(labels=LABELS, image=ImageFormat.of_range(-1, 1)))))
    Image.new("RGB", (6, 4)).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    np.save(tmp_path / "good.npy", np.zeros((1, 4, 6, 3), np.float32))
    np.save(tmp_path / "shape.npy", np.zeros((1, 4, 5, 3), np.float32))
    (tmp_path / "text.schedule.json").write_text("{}")
    return path


def said(verb: str, model: Path, *words: object) -> str:
    output = ("--output", model.parent / "y.npy") if verb == "run" and "--image" not in words else ()
    done = CliRunner().invoke(cli, [verb, str(model), *FAR, *map(str, (*words, *output))])
    assert isinstance(done.exception, EdgebnnError), done.output
    return str(done.exception)


@pytest.mark.parametrize("verb", VERBS)
def test_wrong_inputs_and_schedules_come_first(verb: str, model: Path) -> None:
    here = model.parent
    assert "absent.npy: " in said(verb, model, "--input", here / "absent.npy")
    assert f"{here / 'shape.npy'}: {model}: input 'image' expects" in said(verb, model, "--input", here / "shape.npy")
    good = ("--input", here / "good.npy")
    assert "text.schedule.json: is no schedule" in said(verb, model, *good, "--schedule", here / "text.schedule.json")
    assert "absent.tflite: " in said(verb, here / "absent.tflite", *good)
    assert "refuses ssh" in said(verb, model, *good), "all is well here, so there it is tried"


def test_wrong_pictures_come_first(model: Path) -> None:
    here = model.parent
    good = ("--image", here / "good.png")
    assert "absent.jpg: cannot be read as an image" in said("run", model, *good, "--image", here / "absent.jpg")
    assert "bad.png: cannot be read as an image" in said("run", model, *good, "--image", here / "bad.png")
    assert "refuses ssh" in said("run", model, *good)


def test_what_is_timed_against_comes_first(model: Path) -> None:
    assert "absent.tflite: " in said("benchmark", model, "--against", model.parent / "absent.tflite")
