"""A package's files on disk: all or none, and nothing of the user's lost."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from edgebnn.errors import InputError

from .containers import check_container
from .names import check_name


def check(folder: Path, package: str, name: str, force: bool) -> None:
    """Raises InputError if a package of this layout and name cannot be written to ``folder``: before it is made."""
    check_name(name)
    check_container(package)
    check_folder(folder, force)


def check_folder(folder: Path, force: bool) -> None:
    """Raises InputError if ``folder`` holds something that would be lost."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; give the name of a folder to write")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise InputError(f"{folder}: is not empty; choose another folder, or replace it with --force")


def write(files: Mapping[str, str], folder: Path, force: bool) -> None:
    """Write the files to ``folder``, all or none: into a folder beside it, which then takes its place."""
    check_folder(folder, force)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{folder.name[:64]}-", dir=folder.parent))
        made, aside = beside / "made", beside / "replaced"
        try:
            made.mkdir()
            for name, text in files.items():
                path = made / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            _put(made, folder, aside)
            shutil.rmtree(aside, ignore_errors=True)
        finally:
            shutil.rmtree(made, ignore_errors=True)
            with suppress(OSError):  # it holds what could not be put back
                beside.rmdir()
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror or error})") from None


def _put(made: Path, folder: Path, aside: Path) -> None:
    """Move ``made`` to ``folder``; what was there goes ``aside``, and comes back if that fails."""
    if folder.is_dir():
        folder.rename(aside)
    try:
        made.rename(folder)
    except OSError:
        if aside.exists():
            aside.rename(folder)
        raise
