"""TFLite metadata between us and the packages that define them: the schema, a reader, a writer, and a user of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import edgebnn
from edgebnn.converters.write_tflite import to_bytes
from edgebnn.graph import metadata_format as ours
from edgebnn.graph.metadata import ImageFormat, Metadata, recorded
from tests.support.aside import require, run
from tests.support.classifiers import LABELS, classifier
from tools.side_packages import MEDIAPIPE, TFLITE_SUPPORT

FACTS = Metadata(
    name="Signs",
    description="Told apart by color.",
    version="3",
    author="Ada",
    license="Apache-2.0",
    image=ImageFormat((123.5, 116.0, 103.0), (58.5, 57.0, 57.5), "rgb"),
    labels=LABELS,
)

READ = """
from tensorflow_lite_support.metadata.python import metadata
shown = metadata.MetadataDisplayer.with_model_file(sys.argv[1])
print(shown.get_metadata_json())
print("----")
print(shown.get_associated_file_buffer("labels.txt").decode(), end="")
"""

WRITE = """
from tensorflow_lite_support.metadata.python.metadata_writers import image_classifier, writer_utils
labels = sys.argv[3]
writer = image_classifier.MetadataWriter.create_for_inference(
    writer_utils.load_file(sys.argv[1]), [123.5, 116.0, 103.0], [58.5, 57.0, 57.5], [labels])
writer_utils.save_file(writer.populate(), sys.argv[2])
"""

CLASSIFY = """
import json
import numpy as np, mediapipe
from mediapipe.tasks.python import BaseOptions, vision
options = vision.ImageClassifierOptions(BaseOptions(model_asset_path=sys.argv[1]))
with vision.ImageClassifier.create_from_options(options) as classifier:
    image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.load(sys.argv[2]))
    found = classifier.classify(image).classifications[0].categories
print(json.dumps([[one.category_name, one.score] for one in found]))
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.tflite"
    path.write_bytes(to_bytes(recorded(classifier(), FACTS)))
    return path


def test_the_schema_is_the_official_one() -> None:
    text = next(require(MEDIAPIPE).glob("mediapipe/tasks/metadata/metadata_schema.fbs")).read_text()
    text = re.sub(r"//[^\n]*|\(force_align: 16\)", "", text)
    unions = {
        name: dict(enumerate((part.strip() for part in body.split(",") if part.strip()), 1))
        for name, body in re.findall(r"union (\w+) \{(.*?)\}", text, re.DOTALL)
    }
    enums = set(re.findall(r"enum (\w+) : byte", text))

    def kind(written: str) -> ours.Kind:
        if written.startswith("["):
            return (str(kind(written.strip("[]"))),)
        if written in unions:
            return unions[written]
        return "byte" if written in enums else written

    official = {
        name: tuple((field, kind(of)) for field, of in re.findall(r"(\w+)\s*:\s*(\[?\w+\]?)", body))
        for name, body in re.findall(r"table (\w+)\s*\{(.*?)\}", text, re.DOTALL)
    }
    assert len(official) > 15
    assert dict(ours.SCHEMA) == official
    assert re.findall(r"root_type (\w+)", text) == [ours.ROOT]
    assert re.findall(r'file_identifier "(\w+)"', text) == [ours.IDENTIFIER.decode()]


def test_the_official_reader_reads_what_is_written_here(model: Path) -> None:
    shown, _, labels = run(TFLITE_SUPPORT, READ, str(model)).partition("----\n")
    found = json.loads(shown)
    assert {key: found[key] for key in ("name", "description", "version", "author", "license")} == {
        "name": "Signs",
        "description": "Told apart by color.",
        "version": "3",
        "author": "Ada",
        "license": "Apache-2.0",
    }
    (graph,) = found["subgraph_metadata"]
    (image,), (scores,) = graph["input_tensor_metadata"], graph["output_tensor_metadata"]
    assert image["content"]["content_properties"] == {
        "color_space": "RGB",
        "default_size": {"width": 6, "height": 4},
    }
    assert image["process_units"][0]["options"] == {"mean": [123.5, 116.0, 103.0], "std": [58.5, 57.0, 57.5]}
    assert scores["associated_files"][0]["type"] == "TENSOR_AXIS_LABELS"
    assert tuple(labels.splitlines()) == LABELS


def test_what_the_official_writer_writes_is_read_here(tmp_path: Path) -> None:
    bare, described, labels = (tmp_path / name for name in ("bare.tflite", "described.tflite", "classes.txt"))
    bare.write_bytes(to_bytes(classifier()))
    labels.write_text("\n".join(LABELS))
    run(TFLITE_SUPPORT, WRITE, str(bare), str(described), str(labels))
    found = edgebnn.load(described).metadata
    assert found is not None
    assert found.labels == LABELS
    assert found.image is not None
    assert found.image.mean == (123.5, 116.0, 103.0)
    assert found.image.std == (58.5, 57.0, 57.5)
    assert found.image.channel_order == "rgb"
    # what we add leaves the rest as it was, for their reader too
    again = tmp_path / "again.tflite"
    again.write_bytes(to_bytes(recorded(edgebnn.read(described), Metadata(author="Ada", labels=("x", "y", "z")))))
    shown, _, names = run(TFLITE_SUPPORT, READ, str(again)).partition("----\n")
    units = json.loads(shown)["subgraph_metadata"][0]["input_tensor_metadata"][0]["process_units"]
    assert units[0]["options"]["mean"] == [123.5, 116.0, 103.0]
    assert names == "x\ny\nz\n"


def test_mediapipe_classifies_by_them_as_we_do(tmp_path: Path) -> None:
    model = tmp_path / "model.tflite"  # mediapipe takes one mean and one std for all channels
    facts = Metadata(image=ImageFormat.of_range(-1, 1), labels=LABELS)
    model.write_bytes(to_bytes(recorded(classifier(), facts)))
    image = np.random.default_rng(0).integers(0, 256, (4, 6, 3)).astype(np.uint8)
    np.save(tmp_path / "image.npy", image)
    shown = run(MEDIAPIPE, CLASSIFY, str(model), str(tmp_path / "image.npy"), unused=("cv2", "sounddevice"))
    theirs = json.loads(shown)
    mine = edgebnn.load(model).classify(image)
    assert [name for name, _ in theirs] == [one.label for one in mine]
    np.testing.assert_allclose([score for _, score in theirs], [one.score for one in mine], rtol=1e-5)
