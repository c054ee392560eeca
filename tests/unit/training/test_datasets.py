"""MNIST and CIFAR-10, their damaged forms, and the hold-out set."""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path

import numpy as np
import pytest

from edgebnn.errors import InputError
from edgebnn.training import cifar10
from edgebnn.training.datasets import Split, load
from edgebnn.training.mnist import read_idx
from tests.support.data import data_file
from tests.support.images import blobs, write_folder


def test_mnist_is_the_original() -> None:
    data = load("mnist")
    assert data.train.images.shape == (60_000, 28, 28, 1)
    assert data.test.images.shape == (10_000, 28, 28, 1)
    assert data.train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert np.bincount(data.test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert data.train.images.mean() == pytest.approx(33.318, abs=1e-3)


def test_an_idx_file_is_read_in_its_shape(tmp_path: Path) -> None:
    values = np.arange(24, dtype=np.uint8)
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(bytes([0, 0, 8, 3]) + np.array([2, 3, 4], ">u4").tobytes() + values.tobytes()))
    np.testing.assert_array_equal(read_idx(path, dimensions=3), values.reshape(2, 3, 4))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        (b"not gzip", "cannot be read"),
        (gzip.compress(bytes(100))[:-9], "cannot be read"),
        (gzip.compress(b"\0\0"), "is no idx file"),
        (gzip.compress(bytes([0, 0, 9, 1, 0, 0, 0, 0])), "is no idx file"),
        (gzip.compress(bytes([0, 0, 8, 1, 0, 0, 0, 5, 1, 2])), r"holds 2 bytes where its header promises \(5,\)"),
    ],
    ids=["missing", "not gzip", "cut short", "no header", "other type", "fewer values"],  # gzip's bytes hold the time
)
def test_a_damaged_idx_file_is_refused_by_name(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "labels.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=rf"labels\.gz: {message}"):
        read_idx(path, dimensions=1)


def test_held_out_images_are_a_seeded_part_of_the_training_set() -> None:
    data = blobs(train=50)
    kept, held = data.hold_out(10, seed=3)
    assert (len(kept), len(held)) == (40, 10)
    together = {image.tobytes() for split in (kept, held) for image in split.images}
    assert together == {image.tobytes() for image in data.train.images}
    np.testing.assert_array_equal(data.hold_out(10, seed=3)[1].images, held.images)
    assert not np.array_equal(data.hold_out(10, seed=4)[1].images, held.images)
    with pytest.raises(InputError, match="cannot hold out 50 of the 50"):
        data.hold_out(50, seed=0)


def test_a_split_wants_bytes() -> None:
    with pytest.raises(InputError, match="uint8"):
        Split(np.zeros((2, 4, 4, 1), np.float32), np.zeros(2, np.int32))


def small_archive(folder: Path) -> None:
    write_folder(folder / "train", {"ape": 3, "bee": 3})
    write_folder(folder / "test", {"ape": 1, "bee": 1})
    for path in sorted(folder.glob("*/*/*.png")):
        path.rename(path.with_suffix(".jpg"))  # the content tells the format
    with tarfile.open(folder / cifar10.ARCHIVE, "w:xz") as tar:
        for name in ("train", "test"):
            tar.add(folder / name, name)
        tar.add(folder / "test" / "ape" / "0000.jpg", "../escaped.jpg")


def test_an_archive_is_unpacked_once_into_the_cache_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEBNN_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("EDGEBNN_CACHE", str(tmp_path / "cache"))
    small_archive(tmp_path / "data")
    data = load("cifar10")
    assert (data.name, data.classes, len(data.train), len(data.test)) == ("cifar10", ("ape", "bee"), 6, 2)
    assert not list(tmp_path.rglob("escaped.jpg"))
    (unpacked,) = (tmp_path / "cache" / "images").iterdir()
    before = unpacked.stat().st_mtime_ns
    load("cifar10")
    assert unpacked.stat().st_mtime_ns == before


def test_without_a_folder_of_data_the_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGEBNN_DATA", raising=False)
    with pytest.raises(InputError, match="set EDGEBNN_DATA"):
        load("cifar10")


@pytest.mark.parametrize("content", [b"no archive", None])
def test_a_bad_or_missing_archive_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    monkeypatch.setenv("EDGEBNN_DATA", str(tmp_path))
    monkeypatch.setenv("EDGEBNN_CACHE", str(tmp_path / "cache"))
    if content is not None:
        (tmp_path / cifar10.ARCHIVE).write_bytes(content)
    with pytest.raises(InputError, match=cifar10.ARCHIVE):
        load("cifar10")
    assert not list(tmp_path.rglob("*.jpg"))


def test_an_unusable_cache_folder_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEBNN_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("EDGEBNN_CACHE", str(tmp_path / "data" / cifar10.ARCHIVE))
    small_archive(tmp_path / "data")
    with pytest.raises(InputError, match="set EDGEBNN_CACHE to a folder that can be written"):
        load("cifar10")


def test_cifar10_has_its_60000_images() -> None:
    data_file(cifar10.ARCHIVE)
    data = load("cifar10")
    assert data.train.images.shape == (50_000, 32, 32, 3)
    assert np.bincount(data.test.labels).tolist() == [1000] * 10
    assert data.classes[0] == "airplane"


def test_named_data_sets_take_no_size() -> None:
    with pytest.raises(InputError, match="leave the size out"):
        load("mnist", size=(32, 32))
