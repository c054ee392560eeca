"""What a converted file says of the model: given, known from training, kept when a file is rewritten."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import edgebnn
from edgebnn.cli.main import cli
from edgebnn.converters.convert import convert
from edgebnn.converters.write_tflite import to_bytes, write
from edgebnn.errors import InputError
from edgebnn.graph.kept_metadata import keep, kept
from edgebnn.graph.metadata import ImageFormat, Metadata, recorded
from tests.support.classifiers import LABELS, classifier
from tests.support.topologies import lce_bytes
from tests.support.two_valued_layers import one_conv, plus_minus

FACTS = Metadata(license="MIT", labels=LABELS, image=ImageFormat.of_range(-1, 1, "bgr"))


def edgebnn_command(*arguments: object) -> str:
    result = CliRunner().invoke(cli, [str(one) for one in arguments], catch_exceptions=False, standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result.stdout


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.txt"
    path.write_text("\N{ZERO WIDTH NO-BREAK SPACE}red\r\ngreen\r\nblue\r\n", "utf-8")
    return path


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    write(classifier(), tmp_path / "bare.tflite")
    return tmp_path / "bare.tflite"


def test_a_file_is_told_its_labels_and_classifies_pictures(bare: Path, labels: Path, tmp_path: Path) -> None:
    told, picture = tmp_path / "told.tflite", tmp_path / "blue.png"
    Image.new("RGB", (12, 8), (0, 0, 255)).save(picture)
    options = ("--labels", labels, "--image-range", -1, 1, "--license", "MIT", "--author", "Ada")
    edgebnn_command("convert", bare, *options, "-o", told)
    shown = json.loads(edgebnn_command("run", told, "--image", picture, "--image", picture, "--top", 2, "--json"))
    assert [one["image"] for one in shown["images"]] == [str(picture)] * 2
    assert shown["images"][0]["classes"][0]["label"] == "blue"
    assert len(shown["images"][0]["classes"]) == 2
    assert "blue" in edgebnn_command("run", told, "--image", picture)
    facts = json.loads(edgebnn_command("analyze", told, "--json"))["metadata"]
    assert facts["labels"] == list(LABELS)
    assert facts["image"] == {
        "mean": [127.5],
        "std": [127.5],
        "channel_order": "rgb",
        "input": 0,
        "size": [4, 6],
    }
    assert (facts["license"], facts["author"]) == ("MIT", "Ada")
    assert "4 x 6, rgb, pixels 0 to 255 as -1 to 1" in edgebnn_command("analyze", told)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--mean", "1"], "--mean and --std together"),
        (["--mean", "1", "--std", "2", "--image-range", "0", "1"], "or --mean and --std together"),
        (["--mean", "1,x", "--std", "2"], "--mean 1,x: give one number"),
        (["--image-range", "1", "0"], "from a lower to a higher number"),
        (["--labels", "absent.txt"], r"absent\.txt"),
        (["--channel-order", "grey"], "grey has 1 channels; the input"),
    ],
)
def test_options_that_make_no_sense_are_refused(bare: Path, tmp_path: Path, options: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        edgebnn_command("convert", bare, *options, "-o", tmp_path / "told.tflite")
    assert not (tmp_path / "told.tflite").exists()


def test_labels_that_leave_a_line_empty_or_do_not_fit_are_refused(bare: Path, labels: Path, tmp_path: Path) -> None:
    for text, message in (("a\n\nb", "line 2 is empty"), ("", "line 1 is empty"), ("a\nb", "2 labels fit no output")):
        labels.write_text(text)
        with pytest.raises(InputError, match=message):
            edgebnn_command("convert", bare, "--labels", labels, "-o", tmp_path / "told.tflite")
    labels.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"labels\.txt: is not text in UTF-8"):
        edgebnn_command("convert", bare, "--labels", labels, "-o", tmp_path / "told.tflite")


def test_they_survive_rewriting(tmp_path: Path) -> None:
    """To W1A8, to binary dense layers, and as the standard file that it is."""
    int8 = one_conv(plus_minus((32, 3, 3, 3)))
    facts = Metadata(license="MIT", image=ImageFormat.of_range(-1, 1, "bgr"))
    lce = edgebnn.read(lce_bytes("packed_chain"))
    names = Metadata(labels=tuple(f"class {i}" for i in range(lce.tensors[lce.outputs[0]].shape[-1])))
    for graph, told, to, portable in (
        (int8, facts, "w1a8", False),
        (int8, facts, "w1a8", True),
        (lce, names, "lce", False),
    ):
        source, result = tmp_path / "source.tflite", tmp_path / "result.tflite"
        source.write_bytes(to_bytes(recorded(graph, told)))
        before = edgebnn.load(source).metadata
        convert(source, result, to=to, portable=portable)  # type: ignore[arg-type]
        assert before is not None
        assert edgebnn.load(result).metadata == before
        convert(source, result, to=to, portable=portable, metadata=Metadata(author="Ada"))  # type: ignore[arg-type]
        after = edgebnn.load(result).metadata
        assert after is not None
        assert (after.author, after.license, after.labels) == ("Ada", told.license, told.labels)


def test_a_keras_file_keeps_them_until_it_is_converted(tmp_path: Path) -> None:
    keras = pytest.importorskip("edgebnn._tensorflow").keras
    image = keras.Input((4, 6, 3), name="image")
    network = keras.Model(image, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(image)))
    path, result = tmp_path / "network.keras", tmp_path / "network.tflite"
    network.save(path)
    assert kept(path) is None
    keep(path, Metadata(license="GPL"))
    keep(path, FACTS)
    assert kept(path) == FACTS
    with zipfile.ZipFile(path) as archive:  # with a fourth file, Keras could not read the weights under Python 3.12.1
        assert sorted(archive.namelist()) == ["config.json", "metadata.json", "model.weights.h5"]
    again = keras.models.load_model(path, compile=False)
    np.testing.assert_array_equal(again.get_weights()[0], network.get_weights()[0])
    convert(path, result, to="float", metadata=Metadata(author="Ada", license="MIT"))
    model = edgebnn.load(result)
    assert model.metadata is not None
    assert (model.metadata.author, model.metadata.license, model.metadata.labels) == ("Ada", "MIT", LABELS)
    assert model.metadata.image is not None
    assert model.metadata.image.channel_order == "bgr"


def test_damaged_facts_do_not_keep_a_keras_file_from_being_read(tmp_path: Path) -> None:
    path = tmp_path / "x.keras"
    assert kept(path) is None
    path.write_text("no archive")
    assert kept(path) is None
