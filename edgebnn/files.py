"""Writing files so that nothing a user made is lost: to a temporary file first, then renamed into place."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import InputError, one_line


def cache_folder() -> Path:
    """Where what can be made again is kept: EDGEBNN_CACHE, else edgebnn in XDG_CACHE_HOME, else in ~/.cache."""
    named = os.environ.get("EDGEBNN_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgebnn"


def unreadable(path: str | Path, error: OSError | ValueError) -> InputError:
    """The error for a file that ``error`` keeps from being read: ValueError comes of impossible names."""
    why = (error.strerror if isinstance(error, OSError) else None) or error
    return InputError(one_line(f"{path}: cannot be read ({why})"))


def check_writable(path: Path) -> None:
    """Raise InputError if ``path`` cannot be written: before long work, not after it."""
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give the name of a file to write")
    parent = path.parent
    if not parent.is_dir():
        raise InputError(f"{path}: the folder {parent} does not exist; make it first")
    try:
        handle, probe = tempfile.mkstemp(prefix=".edgebnn-", dir=parent)
    except OSError as error:
        raise InputError(f"{path}: the folder {parent} cannot be written ({error.strerror}); choose another") from None
    os.close(handle)
    os.unlink(probe)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` to write to; renamed to ``path`` on success, removed on failure.

    The suffix is kept, since some writers choose the format by it. Raises InputError where the folder
    cannot be written.
    """
    check_writable(path)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` atomically, as UTF-8."""
    write_bytes(path, text.encode())
