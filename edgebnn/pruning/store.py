"""Files named by the SHA-256 of their content, in one folder: what has a name is whole, and is sent only once."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebnn.errors import InputError
from edgebnn.files import check_writable, digest, write_bytes

_CHUNK = 1 << 20


def put(folder: Path, content: bytes, suffix: str = "") -> str:
    """Keep ``content``; returns its name, that of the same content every time. Raises :class:`InputError`."""
    name = digest(content) + suffix
    if not (folder / name).exists():
        write_bytes(folder / name, content)
    return name


def put_file(folder: Path, suffix: str, write: Callable[[Path], object]) -> str:
    """Keep the file that ``write(path)`` makes, of a name that ends with ``suffix``. Raises :class:`InputError`."""
    check_writable(folder / f"new{suffix}")
    handle, path = tempfile.mkstemp(prefix=".new-", suffix=suffix, dir=folder)
    os.close(handle)
    temporary = Path(path)
    try:
        write(temporary)
        name = _digest(temporary) + suffix
        os.replace(temporary, folder / name)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror or error})") from None
    finally:
        temporary.unlink(missing_ok=True)
    return name


def put_array(folder: Path, array: NDArray[Any]) -> str:
    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    return put(folder, content.getvalue(), ".npy")


def put_arrays(folder: Path, arrays: Sequence[NDArray[Any]]) -> str:
    content = io.BytesIO()
    np.savez(content, *arrays)
    return put(folder, content.getvalue(), ".npz")


def array(folder: Path, name: str) -> NDArray[Any]:
    """A stored array, read as far as it is looked at."""
    found: NDArray[Any] = np.load(folder / name, mmap_mode="r", allow_pickle=False)
    return found


def arrays(folder: Path, name: str) -> list[NDArray[Any]]:
    with np.load(folder / name, allow_pickle=False) as content:
        return [content[f"arr_{index}"] for index in range(len(content.files))]


def checked(folder: Path, name: str) -> Path:
    """The path of a stored file. Raises :class:`InputError` if it is missing or not what its name says."""
    path = folder / name
    if not path.is_file():
        raise InputError(f"{path}: is missing; delete the run folder to start again")
    if _digest(path) != path.stem:
        raise InputError(f"{path}: is damaged; delete the run folder to start again")
    return path


def keep_only(folder: Path, names: Collection[str]) -> None:
    """Remove all other files, those that a kill left half written among them."""
    for path in folder.iterdir():
        if path.name not in names:
            path.unlink(missing_ok=True)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
