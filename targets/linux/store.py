"""The folder of its own that edgebnn has on a device: files under their SHA-256, and what was unpacked of them.

``files/HASH``: models and archives, each whole or not there. ``trees/HASH/``: an archive unpacked, which is not kept
then. ``*.lock``: held with flock, so that a lock ends with the process that holds it. The folder is named after
edgebnn's version: versions do not disturb one another, and an old one can be deleted at any time.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from edgebnn.errors import InputError
from edgebnn.files import digest, trim

_HASH = re.compile(r"[0-9a-f]{64}")
KEPT_BYTES = 2 << 30
"""Of models; those not used for longest go first."""


def is_digest(name: str) -> bool:
    """Whether a text is a name of a store's file, and so can be part of a path or a command."""
    return _HASH.fullmatch(name) is not None


class OneModel:
    """A model that was deployed, in place of a store. Args: its file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def has(self, name: str) -> bool:
        """Whether the file has that SHA-256."""
        return self._path.is_file() and digest(self._path.read_bytes()) == name

    def read(self, name: str) -> bytes:
        """The content of the file. Raises InputError if it is not of that SHA-256."""
        if not self.has(name):
            raise InputError(f"{self._path}: is not the file that was deployed")
        return self._path.read_bytes()

    def trim(self) -> None:
        """Nothing is too much."""

    def locked(self, what: str) -> AbstractContextManager[None]:
        """Nobody else uses it."""
        return nullcontext()


class Store:
    """The folder on the device, as processes there use it.

    Args:
        folder: absolute.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._checked: set[str] = set()

    def path(self, name: str) -> Path:
        """Where the file of that SHA-256 is. Raises InputError if ``name`` is none."""
        if not is_digest(name):
            raise InputError(f"{name[:80]!r} is no SHA-256")
        return self.folder / "files" / name

    def has(self, name: str) -> bool:
        """Whether the file is there, whole. One that is damaged is deleted, so that it is sent again."""
        path = self.path(name)
        if not path.is_file():
            return False
        if name not in self._checked:
            if digest(path.read_bytes()) != name:
                path.unlink()
                return False
            self._checked.add(name)
        return True

    def read(self, name: str) -> bytes:
        """The content of a file. Raises InputError if it is not there, whole."""
        if not self.has(name):
            raise InputError(f"{name[:12]}: was not sent to this device")
        os.utime(self.path(name))
        return self.path(name).read_bytes()

    def trim(self, most: int = KEPT_BYTES) -> None:
        """Deletes the files not used for longest, until the rest take at most so many bytes."""
        gone = trim((path for path in (self.folder / "files").iterdir() if is_digest(path.name)), most)
        self._checked -= {path.name for path in gone}

    @contextmanager
    def locked(self, what: str) -> Iterator[None]:
        """Holds one of the store's locks: for as long as another process has it, this waits."""
        with (self.folder / f"{what}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
