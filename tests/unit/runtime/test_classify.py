"""Images as a model takes them, and what it says they are of."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgebnn.converters.write_tflite import to_bytes
from edgebnn.errors import InputError, InputWarning
from edgebnn.graph.metadata import ChannelOrder, ImageFormat, Metadata, recorded
from edgebnn.graph.types import DType
from edgebnn.preprocessing import resize
from edgebnn.runtime.model import Model, load
from tests.support.classifiers import LABELS, classifier
from tests.support.graphs import per_tensor

RED = np.zeros((4, 6, 3), np.uint8)
RED[..., 0] = 255


def described(low: float, high: float, order: ChannelOrder = "rgb", quantized: DType | None = None) -> Model:
    quantization = None
    if quantized is not None:
        scale = (high - low) / 255
        quantization = per_tensor(scale, round(np.iinfo(quantized.numpy).min - low / scale))
    graph = classifier(quantization, quantized or DType.INT8)
    facts = Metadata(image=ImageFormat.of_range(low, high, order), labels=LABELS)
    return load(to_bytes(recorded(graph, facts)))


@pytest.mark.parametrize("quantized", [None, DType.INT8, DType.UINT8])
@pytest.mark.parametrize("low", [-1, 0])
def test_files_pillow_images_and_arrays_give_one_answer(tmp_path: Path, low: float, quantized: DType | None) -> None:
    model = described(low, 1, quantized=quantized)
    path = tmp_path / "red.png"
    Image.fromarray(RED).save(path)
    grown = RED.repeat(5, axis=0).repeat(7, axis=1)
    for image in (path, str(path), Image.open(path), RED, grown):
        first, *others = model.classify(image)
        assert (first.label, first.index) == ("red", 0)
        assert {one.label for one in others} == {"green", "blue"}
        # softmax over 1, low, low
        assert first.score == pytest.approx(1 / (1 + 2 * np.exp(low - 1)), abs=0.005)
    assert len(model.classify(RED, top=1)) == 1


def test_the_channel_order_is_the_models() -> None:
    assert described(0, 1, "bgr").classify(RED)[0].label == "blue"  # the graph's first channel is then blue
    np.testing.assert_array_equal(described(0, 1, "bgr").prepare(RED)[0, 0, 0], [0, 0, 1])


def test_grey_images_for_a_model_of_colors() -> None:
    model = described(-1, 1)
    for image in (np.full((4, 6), 255, np.uint8), Image.new("L", (9, 9), 255)):
        np.testing.assert_array_equal(model.prepare(image), np.ones((1, 4, 6, 3)))


def test_many_images_are_classified_in_batches() -> None:
    model = described(-1, 1)
    images = [np.roll(RED, shift, axis=2) for shift in range(3)] * 15
    assert [found[0].label for found in model.classify_all(iter(images))] == list(LABELS) * 15


def test_a_photograph_is_turned_upright(tmp_path: Path) -> None:
    pixels = np.zeros((6, 4, 3), np.uint8)
    pixels[0] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it by 90 degrees clockwise to look at it
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    upright = described(0, 1).prepare(tmp_path / "turned.png")[0]
    np.testing.assert_array_equal(upright[:, -1], np.ones((4, 3)))
    np.testing.assert_array_equal(upright[:, :-1], np.zeros((4, 5, 3)))


@pytest.mark.parametrize("size", [(224, 160), (5, 90), (1, 1), (64, 48), (3, 3)])
def test_resizing_is_pillows(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 48, 3)).astype(np.uint8)
    expected = np.asarray(Image.fromarray(pixels).resize(size[::-1], Image.Resampling.BILINEAR))
    assert np.abs(resize(pixels, size) - expected).max() <= 1.01  # it rounds after each axis


@pytest.mark.parametrize(
    ("low", "high", "quantized", "scale", "offset"),
    [
        (-1, 1, None, 255, 0),  # pixels where -1 to 1 is meant
        (-1, 1, None, 1, 0),  # 0 to 1 where -1 to 1 is meant: nothing is cut off, all is washed out
        (0, 255, None, 1, 0),  # 0 to 1 where pixels are meant: black
        (0, 1, None, 2, -1),  # -1 to 1 where 0 to 1 is meant
        (-1, 1, DType.INT8, 255, 0),
        (-1, 1, DType.INT8, 1, 0),
        (0, 255, DType.UINT8, 1, 0),
    ],
)
def test_floats_on_another_scale_are_warned_about(
    low: float, high: float, quantized: DType | None, scale: float, offset: float
) -> None:
    model = described(low, high, quantized=quantized)
    image = np.linspace(0, 1, 72, dtype=np.float32).reshape(1, 4, 6, 3)
    with pytest.warns(InputWarning, match=rf"takes values from {low:g}.* to .*model\.prepare do it") as caught:
        model(image * scale + offset)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model(image * (high - low) + low)  # the scale that is meant
        model(model.prepare(RED))


def test_a_model_that_says_nothing_is_not_warned_about_and_classifies_nothing() -> None:
    model = load(to_bytes(classifier()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model(np.full((1, 4, 6, 3), 200, np.float32))
    with pytest.raises(InputError, match="does not say what images it takes; record it: edgebnn convert"):
        model.classify(RED)


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    model = described(-1, 1)
    (tmp_path / "text.png").write_text("no image")
    refused: list[tuple[object, str]] = [
        (tmp_path / "text.png", "text.png: cannot be read as an image"),
        (tmp_path / "absent.png", "absent.png: cannot be read as an image"),
        (np.zeros((4, 6, 4), np.uint8), r"not \[4, 6, 4\]"),
        (np.zeros((4, 6, 3), np.int32), "not int32"),
        (Image.new("F", (4, 4)), "pixels of mode F"),
    ]
    for image, message in refused:
        with pytest.raises(InputError, match=message):
            model.classify(image)


def test_metadata_that_cannot_be_read_do_not_keep_a_model_from_running() -> None:
    facts = Metadata(image=ImageFormat.of_range(0, 1), labels=LABELS)
    graph = recorded(classifier(), facts)
    content = to_bytes(graph)
    model = load(content[: -len(graph.attachment)])  # the labels are cut off
    assert model.metadata is None
    model(np.zeros((1, 4, 6, 3), np.float32))
    with pytest.raises(InputError, match=r"labels\.txt, is not there"):
        model.classify(RED)


def test_metadata_of_another_model_are_refused() -> None:
    content = to_bytes(recorded(classifier(), Metadata(image=ImageFormat((0.0,) * 3, (1.0,) * 3, "rgb"))))
    model = load(content)
    assert model.metadata is not None
    grey = Metadata(image=ImageFormat((0.0,), (1.0,), "grey", input=0))
    model.metadata = grey
    with pytest.raises(InputError, match=r"speaks of another image than the input of shape \[1, 4, 6, 3\]"):
        model.classify(RED)
