"""Steps that are done once: a step whose inputs and files are what they were gives its recorded result.

A step is recorded only when it is finished, after its files, so an interrupted run repeats the step it was in.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console

from edgebnn.errors import InputError
from edgebnn.files import digest, write_text
from edgebnn.reports.codec import decode, encode

T = TypeVar("T")

_SOURCES = (".py", ".c", ".h", ".kernels")


@dataclass(frozen=True)
class _Record:
    """``key`` stands for all inputs of the step; ``files`` are name and SHA-256 of what it wrote."""

    key: str
    seconds: float
    files: dict[str, str]
    result: dict[str, Any]


@dataclass(frozen=True)
class Steps:
    """The steps of a run in ``folder``, told on ``console``. With ``fresh`` nothing recorded is used."""

    folder: Path
    fresh: bool
    console: Console

    def log(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def do(
        self,
        name: str,
        title: str,
        inputs: Sequence[object],
        kind: type[T],
        make: Callable[[], T],
        files: Sequence[str] = (),
    ) -> T:
        """The result of ``make``, a dataclass of plain values, or the recorded one where that still holds.

        Args:
            name: of the record's file.
            title: what the user reads.
            inputs: everything the result depends on, as plain values: :func:`code_digest` for code.
            kind: the type of the result.
            make: gives the result.
            files: what ``make`` writes into the folder; checked by content before a record is used.

        Returns:
            The result, new or recorded.
        """
        key = digest(json.dumps([name, *inputs]).encode())
        path = self.folder / "steps" / f"{name}.json"
        record = None if self.fresh else _read(path)
        if record is not None and record.key == key and _unchanged(self.folder, record.files):
            self.log(f"{title}: done before ({record.seconds:.0f} s), kept")
            return decode(kind, record.result, str(path))
        self.log(title)
        started = time.monotonic()
        made = make()
        seconds = time.monotonic() - started
        written = {file: file_digest(self.folder / file) for file in files}
        path.parent.mkdir(exist_ok=True)
        write_text(path, json.dumps(encode(_Record(key, seconds, written, encode(made))), indent=1))
        return made


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content. Raises InputError where it cannot be read."""
    try:
        return digest(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); run again with --fresh") from None


@lru_cache
def code_digest(*names: str) -> str:
    """SHA-256 over the sources of packages and modules, by name: results of other code are not results of this one."""
    sources: list[Path] = []
    for name in names:
        spec = find_spec(name)
        if spec is None:
            raise ValueError(f"no package {name}")
        for folder in spec.submodule_search_locations or ():
            sources += (path for path in Path(folder).rglob("*") if path.suffix in _SOURCES)
        if spec.origin and not spec.submodule_search_locations:
            sources.append(Path(spec.origin))
    return digest(b"".join(path.name.encode() + b"\0" + path.read_bytes() for path in sorted(sources)))


def _read(path: Path) -> _Record | None:
    """The record, or None where there is none or it is not whole."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return _Record(**raw)
    except (OSError, ValueError, TypeError):
        return None


def _unchanged(folder: Path, files: dict[str, str]) -> bool:
    return all((folder / name).is_file() and file_digest(folder / name) == known for name, known in files.items())
