"""A folder to make a file in: by one process at a time, and with nothing left behind by one that is killed."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform != "win32":
    import fcntl

_PREFIX = ".making-"
_LOCK = "lock"
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL})


@contextmanager
def workplace(output: Path) -> Iterator[Path | None]:
    """A folder to make ``output`` in, beside it, so that it can be renamed into place; it is removed at the end.

    Whoever wants to make the same file waits; folders of processes that were killed are removed. Windows has no such
    locks, nor has every file system over a network: there each process has a folder of its own.

    Yields:
        The folder; None where another process made the file while this one waited.

    Raises:
        OSError: it cannot be made.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    folder = output.parent / f"{_PREFIX}{output.name}"
    held = None if sys.platform == "win32" else _held(folder)
    if held is None:
        with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=output.parent) as name:
            yield Path(name)
        return
    lock, waited = held
    try:
        for left in output.parent.glob(f"{_PREFIX}*"):
            _remove_if_abandoned(left)
        yield None if waited and output.is_file() else folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _held(folder: Path) -> tuple[int, bool] | None:
    """The lock of a folder, which is made; it ends with the process that holds it. And whether this had to wait.

    None where the file system has no locks.
    """
    waited = False
    while True:
        folder.mkdir(exist_ok=True)
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT)
        except FileNotFoundError:  # whoever held it removed the folder just now
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waited = True
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            os.close(lock)
            if error.errno not in _NO_LOCKS:
                raise
            shutil.rmtree(folder, ignore_errors=True)
            return None
        if os.fstat(lock).st_nlink:
            return lock, waited
        os.close(lock)  # of a folder that is gone


def _remove_if_abandoned(folder: Path) -> None:
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT)
    except OSError:  # removed by another, or another user's
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return  # somebody is at work there
    else:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
