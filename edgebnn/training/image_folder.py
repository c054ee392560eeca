"""Images from folders: ``train/CLASS/*`` and ``test/CLASS/*``, or ``CLASS/*`` alone.

The format is told by the file's content; files whose name does not end like an image's are passed over, as are hidden
ones. Images are turned upright by their EXIF tag, and are RGB unless every one is grey.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from edgebnn.errors import EdgebnnError, InputError
from edgebnn.files import atomic_path, cache_folder
from edgebnn.training.splits import Dataset, Split

try:
    from PIL import Image, ImageOps
except ImportError as _error:
    raise EdgebnnError("reading images needs Pillow: install it with `pip install 'edgebnn[train]'`") from _error

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
_GREY_MODES = frozenset({"1", "L", "LA"})
_COLOUR_MODES = frozenset({"CMYK", "P", "PA", "RGB", "RGBA", "YCbCr"})
_TEST_SHARE = 5  # one image in five, where the folder makes no split itself
_SPLIT_SEED = 0
_CACHE_FROM = 2000  # files; fewer are decoded in a few seconds


@dataclass(frozen=True)
class _Listing:
    """The files of one split and the index of each one's class."""

    files: tuple[Path, ...]
    labels: tuple[int, ...]


def load_folder(folder: Path, size: tuple[int, int] | None = None) -> Dataset:
    """The images below a folder. Thousands of them are kept decoded in the user's cache folder for the next time.

    Args:
        folder: as :func:`edgebnn.training.datasets.load` says.
        size: height and width to which they are resized. Default: as they are.

    Returns:
        The data set.

    Raises:
        InputError: as :func:`edgebnn.training.datasets.load` says.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder (nor a data set of that name)")
    classes, train, test = _list_splits(folder)
    files = train.files + test.files
    images = _decoded(folder, files, size) if len(files) >= _CACHE_FROM else _decode(files, size)
    count = len(train.files)
    return Dataset(
        folder.resolve().name,
        classes,
        Split(images[:count], np.array(train.labels, np.int32)),
        Split(images[count:], np.array(test.labels, np.int32)),
    )


def image_cache() -> Path:
    """The folder for unpacked and decoded images, made if missing. Raises :class:`InputError` where it cannot be."""
    folder = cache_folder() / "images"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be made ({error.strerror}); set EDGEBNN_CACHE to a folder that can be written"
        ) from None
    return folder


def _list_splits(folder: Path) -> tuple[tuple[str, ...], _Listing, _Listing]:
    if {"train", "test"} <= {path.name for path in _subfolders(folder)}:
        classes = _class_names(folder / "train")
        if _class_names(folder / "test") != classes:
            odd = sorted(set(classes) ^ set(_class_names(folder / "test")))
            raise InputError(f"{folder}: train and test differ in the classes {', '.join(odd)}")
        return classes, _list_classes(folder / "train", classes), _list_classes(folder / "test", classes)
    classes = _class_names(folder)
    return classes, *_split(_list_classes(folder, classes), folder, classes)


def _subfolders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _class_names(folder: Path) -> tuple[str, ...]:
    names = tuple(path.name for path in _subfolders(folder))
    if len(names) < 2:
        raise InputError(f"{folder}: needs a subfolder of images for each of two classes or more, and has {len(names)}")
    return names


def _list_classes(folder: Path, classes: Sequence[str]) -> _Listing:
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = sorted(
            path
            for path in (folder / name).iterdir()
            if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
        )
        if not found:
            raise InputError(f"{folder / name}: holds no image ({', '.join(sorted(SUFFIXES))})")
        files += found
        labels += [label] * len(found)
    return _Listing(tuple(files), tuple(labels))


def _split(listing: _Listing, folder: Path, classes: Sequence[str]) -> tuple[_Listing, _Listing]:
    """A fifth of each class, at least one image, as the test set: the same one every time for the same files."""
    rng = np.random.default_rng(_SPLIT_SEED)
    labels = np.array(listing.labels)
    in_test = np.zeros(len(labels), bool)
    for label, name in enumerate(classes):
        members = np.flatnonzero(labels == label)
        if len(members) < 2:
            raise InputError(f"{folder / name}: has one image, but both training and test need one")
        in_test[rng.choice(members, max(1, len(members) // _TEST_SHARE), replace=False)] = True

    def chosen(mask: NDArray[np.bool_]) -> _Listing:
        return _Listing(tuple(listing.files[i] for i in np.flatnonzero(mask)), tuple(labels[mask].tolist()))

    return chosen(~in_test), chosen(in_test)


def _decode(files: Sequence[Path], size: tuple[int, int] | None) -> NDArray[np.uint8]:
    """uint8 [N, H, W, 1 or 3]; Pillow decodes in parallel, outside Python's lock."""
    with ThreadPoolExecutor() as pool:
        images = list(pool.map(lambda path: _decode_one(path, size), files))
    for path, image in zip(files, images, strict=True):
        if image.shape[:2] != images[0].shape[:2]:
            (height, width), (first_height, first_width) = image.shape[:2], images[0].shape[:2]
            raise InputError(
                f"{path}: is {width}x{height}, but {files[0]} is {first_width}x{first_height}: "
                "images differ in size, so give the size they shall be resized to"
            )
    if len({image.shape[2] for image in images}) > 1:
        images = [np.broadcast_to(image, (*image.shape[:2], 3)) for image in images]
    return np.stack(images)


def _decode_one(path: Path, size: tuple[int, int] | None) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as opened:
            image = ImageOps.exif_transpose(opened)
            if image.mode not in _GREY_MODES | _COLOUR_MODES:
                raise InputError(f"{path}: has pixels of mode {image.mode}; convert it to 8 bits a channel")
            image = image.convert("L" if image.mode in _GREY_MODES else "RGB")
            if size is not None:
                image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
            pixels = np.asarray(image)
    # what Pillow raises for damaged files of its various formats
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: cannot be read as an image ({error})") from None
    return pixels[..., np.newaxis] if pixels.ndim == 2 else pixels


def _decoded(folder: Path, files: Sequence[Path], size: tuple[int, int] | None) -> NDArray[np.uint8]:
    """``_decode``, or what it gave last time if no file's name, length or time of change is another."""
    home = hashlib.sha256(f"{folder.resolve()} {size}".encode()).hexdigest()[:16]
    stored = image_cache() / f"{folder.resolve().name}-{home}.npz"
    state = [(str(path), info.st_size, info.st_mtime_ns) for path in files for info in [path.stat()]]
    fingerprint = hashlib.sha256(json.dumps(state).encode()).hexdigest()
    try:
        with np.load(stored, allow_pickle=False) as content:
            if str(content["fingerprint"]) == fingerprint:
                images: NDArray[np.uint8] = content["images"]
                return images
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        pass  # absent, or damaged: made anew
    images = _decode(files, size)
    with atomic_path(stored) as temporary:
        np.savez(temporary, images=images, fingerprint=np.array(fingerprint))
    return images
