"""Image folders: the two layouts, what is refused and by what name, and the cache of large ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgebnn.errors import InputError
from edgebnn.training import image_folder
from edgebnn.training.datasets import load
from tests.support.images import write_folder, write_image


def test_train_and_test_folders_are_the_splits(tmp_path: Path) -> None:
    write_folder(tmp_path / "train", {"cat": 3, "dog": 2})
    write_folder(tmp_path / "test", {"cat": 1, "dog": 2})
    (tmp_path / "train" / "cat" / "notes.txt").write_text("passed over")
    (tmp_path / "train" / ".hidden").mkdir()
    data = load(tmp_path)
    assert data.classes == ("cat", "dog")
    assert data.input_shape == (5, 6, 3)
    assert data.train.labels.tolist() == [0, 0, 0, 1, 1]
    assert data.train.images[:, 0, 0, 0].tolist() == [0, 1, 2, 100, 101]
    assert data.test.labels.tolist() == [0, 1, 1]


def test_class_folders_alone_are_split_the_same_way_every_time(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 10, "b": 10, "c": 2})
    first, second = load(tmp_path), load(str(tmp_path))
    assert [np.bincount(split.labels).tolist() for split in (first.train, first.test)] == [[8, 8, 1], [2, 2, 1]]
    np.testing.assert_array_equal(first.test.images, second.test.images)
    both = np.concatenate([first.train.images, first.test.images])[:, 0, 0, 0]
    assert len(set(both.tolist())) == 22  # every image is in exactly one of the two


def test_grey_images_have_one_channel_unless_one_is_in_colour(tmp_path: Path) -> None:
    write_folder(tmp_path / "grey", {"a": 2, "b": 2}, mode="L")
    assert load(tmp_path / "grey").input_shape == (5, 6, 1)
    write_image(tmp_path / "grey" / "b" / "colour.png")
    assert load(tmp_path / "grey").input_shape == (5, 6, 3)


def test_size_resizes_images_that_differ(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 2, "b": 2})
    write_image(tmp_path / "b" / "wide.png", size=(40, 10))
    assert load(tmp_path, size=(7, 9)).input_shape == (7, 9, 3)
    with pytest.raises(InputError, match=r"wide\.png: is 40x10, but .* is 6x5: .* give the size"):
        load(tmp_path)


def test_images_are_turned_upright(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 2, "b": 2})
    for path in tmp_path.glob("*/*.png"):
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.open(path).save(path, exif=exif)
    assert load(tmp_path).input_shape == (6, 5, 3)


def truncate(folder: Path) -> None:
    path = folder / "b" / "0000.png"
    path.write_bytes(path.read_bytes()[:45])


def replace_by_text(folder: Path) -> None:
    (folder / "b" / "0000.png").write_text("no image")


def replace_by_16_bit(folder: Path) -> None:
    Image.fromarray(np.zeros((5, 6), np.uint16)).save(folder / "b" / "0000.png")


def empty_class(folder: Path) -> None:
    (folder / "c").mkdir()


def single_image_class(folder: Path) -> None:
    write_image(folder / "c" / "0.png")


def one_class(folder: Path) -> None:
    for path in (folder / "b").iterdir():
        path.unlink()
    (folder / "b").rmdir()


def differing_classes(folder: Path) -> None:
    write_folder(folder / "train", {"a": 1, "b": 1})
    write_folder(folder / "test", {"a": 1, "d": 1})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (truncate, r"b/0000\.png: cannot be read as an image"),
        (replace_by_text, r"b/0000\.png: cannot be read as an image"),
        (replace_by_16_bit, r"b/0000\.png: has pixels of mode I;16"),
        (empty_class, r"/c: holds no image"),
        (single_image_class, r"/c: has one image"),
        (one_class, r"two classes or more, and has 1"),
        (differing_classes, r"train and test differ in the classes b, d"),
    ],
)
def test_a_bad_folder_is_refused_by_name(tmp_path: Path, spoil: Callable[[Path], None], message: str) -> None:
    write_folder(tmp_path, {"a": 3, "b": 3})
    spoil(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_missing_folder_is_refused() -> None:
    with pytest.raises(InputError, match="nowhere: there is no such folder"):
        load("nowhere")


def test_large_folders_are_decoded_once_and_again_after_a_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEBNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(image_folder, "_CACHE_FROM", 4)
    folder = tmp_path / "data"
    write_folder(folder, {"a": 3, "b": 3})
    first = load(folder)
    (stored,) = (tmp_path / "cache" / "images").iterdir()
    written = stored.stat().st_mtime_ns
    np.testing.assert_array_equal(load(folder).train.images, first.train.images)
    assert stored.stat().st_mtime_ns == written

    write_image(folder / "a" / "0000.png", level=77)
    changed = load(folder)
    assert 77 in np.concatenate([changed.train.images, changed.test.images])

    stored.write_bytes(stored.read_bytes()[:100])
    np.testing.assert_array_equal(load(folder).train.images, changed.train.images)
    assert [path.name for path in stored.parent.iterdir()] == [stored.name]
