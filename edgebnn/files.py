"""Writing files so that nothing a user made is lost: to a temporary file first, then renamed into place."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
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


def read_bytes(path: str | Path) -> bytes:
    """The content of a file. Raises InputError if it cannot be read."""
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None


def digest(data: bytes) -> str:
    """The SHA-256 of a file's content, in hexadecimal: what names models, and files in stores."""
    return hashlib.sha256(data).hexdigest()


def check_writable(path: Path) -> None:
    """Raise InputError if ``path`` cannot be written: before long work, not after it."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError) as error:  # a folder that may not be entered, a name too long
        raise InputError(one_line(f"{path}: cannot be written ({getattr(error, 'strerror', None) or error})")) from None
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give the name of a file to write")
    if path.exists() and not os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        raise InputError(f"{path}: is protected from writing; choose another name")
    if _is_special(path):
        return
    parent = _destination(path).parent
    if not parent.is_dir():
        raise InputError(f"{path}: the folder {parent} does not exist; make it first")
    try:
        handle, probe = tempfile.mkstemp(prefix=".edgebnn-", dir=parent)
    except OSError as error:
        raise InputError(f"{path}: the folder {parent} cannot be written ({error.strerror}); choose another") from None
    os.close(handle)
    os.unlink(probe)


def _is_special(path: Path) -> bool:
    """Whether there is a device or a pipe, such as /dev/null: it is written to, and never replaced by a file."""
    return path.exists() and not path.is_file()


def _destination(path: Path) -> Path:
    """The file that is replaced: what a symbolic link points to, so that the link stays one."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` to write to; renamed to ``path`` on success, removed on failure.

    The suffix is kept, since some writers choose the format by it. Raises InputError where ``path`` cannot be written;
    what else goes wrong while it is being made is not said of ``path``.
    """
    check_writable(path)
    special, destination = _is_special(path), _destination(path)
    folder = None if special else destination.parent
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.stem[:64]}-", suffix=path.suffix, dir=folder)
    except OSError as error:
        raise _unwritable(path, error) from None
    os.close(handle)
    temporary = Path(name)
    try:
        try:
            yield temporary
        except OSError as error:
            if _is_of_writing(error, temporary):
                raise _unwritable(path, error) from None
            raise
        try:
            if special:
                destination.write_bytes(temporary.read_bytes())
                return
            mask = os.umask(0)
            os.umask(mask)
            temporary.chmod(0o666 & ~mask)
            os.replace(temporary, destination)
        except OSError as error:
            raise _unwritable(path, error) from None
    finally:
        temporary.unlink(missing_ok=True)


def trim(files: Iterable[Path], most: int) -> list[Path]:
    """Delete those of ``files`` that were not used for longest, until the rest take at most ``most`` bytes.

    When a file was used is its time of modification. The one used last stays in any case.

    Returns:
        What was deleted.
    """
    found = []
    for path in files:
        with suppress(FileNotFoundError):  # another process may trim, too
            found.append((path.stat().st_mtime_ns, path.stat().st_size, path))
    total, gone = 0, []
    for number, (_, size, path) in enumerate(sorted(found, reverse=True)):
        total += size
        if number and total > most:
            path.unlink(missing_ok=True)
            gone.append(path)
    return gone


_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})


def _is_of_writing(error: OSError, temporary: Path) -> bool:
    """Whether the error is one of writing the file: it names it (as HDF5's do in their text), or there is no room."""
    named = error.filename is not None and str(error.filename) == str(temporary)
    return named or str(temporary) in str(error) or (error.filename is None and error.errno in _NO_ROOM)


def _unwritable(path: Path, error: OSError) -> InputError:
    return InputError(one_line(f"{path}: cannot be written ({error.strerror or error})"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` atomically, as UTF-8."""
    write_bytes(path, text.encode())
