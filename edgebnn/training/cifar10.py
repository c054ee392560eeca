"""CIFAR-10 (Krizhevsky, 2009) as an image folder, from an archive that is too large for the repository.

``cifar10-jpeg.tar.xz`` holds ``train/CLASS/*.jpg`` (50,000) and ``test/CLASS/*.jpg`` (10,000), 32x32 RGB. It is looked
for in the folder that the environment variable EDGEBNN_DATA names.
"""

from __future__ import annotations

import lzma
import os
import re
import shutil
import tarfile
import tempfile
from dataclasses import replace
from pathlib import Path

from edgebnn.errors import InputError
from edgebnn.training.image_folder import image_cache, load_folder
from edgebnn.training.splits import Dataset

ARCHIVE = "cifar10-jpeg.tar.xz"
_MEMBER = re.compile(r"(train|test)/[a-z]+/[0-9]+\.jpg")


_REMEDY = f"set EDGEBNN_DATA to the folder that holds {ARCHIVE}, or give the path of an image folder"


def load_cifar10() -> Dataset:
    """50,000 training and 10,000 test images, uint8 [N, 32, 32, 3].

    Raises:
        InputError: without a good archive in the folder that EDGEBNN_DATA names.
    """
    folder = os.environ.get("EDGEBNN_DATA")
    if not folder:
        raise InputError(f"CIFAR-10 does not come with edgebnn: {_REMEDY}")
    return replace(load_folder(_unpacked(Path(folder) / ARCHIVE)), name="cifar10")


def _unpacked(archive: Path) -> Path:
    """The folder of the archive's images in the user's cache, unpacked if it is not there yet."""
    if not archive.is_file():
        raise InputError(f"{archive}: not found; CIFAR-10 does not come with edgebnn: {_REMEDY}")
    state = archive.stat()
    target = image_cache() / f"cifar10-{state.st_size}-{state.st_mtime_ns}"
    if target.is_dir():
        return target
    with tempfile.TemporaryDirectory(prefix=".cifar10-", dir=target.parent) as temporary:
        _extract(archive, Path(temporary) / "images")
        if not target.is_dir():  # another process may have been faster
            (Path(temporary) / "images").rename(target)
    return target


def _extract(archive: Path, folder: Path) -> None:
    """Regular files of the expected names only, so that no archive can write elsewhere."""
    try:
        with tarfile.open(archive, "r:xz") as tar:
            for member in tar:
                content = tar.extractfile(member) if _MEMBER.fullmatch(member.name) else None
                if content is None:
                    continue
                path = folder / member.name
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as file:
                    shutil.copyfileobj(content, file)
    except (tarfile.TarError, lzma.LZMAError, EOFError) as error:
        raise InputError(f"{archive}: cannot be unpacked ({error})") from None
    if not folder.is_dir():
        raise InputError(f"{archive}: holds no {_MEMBER.pattern}")
