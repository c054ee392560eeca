"""The versions of a model in a folder on a device: what their manifests say, and which are kept.

What a device says of them is checked before it is believed: anybody may have written there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from edgebnn.errors import EdgebnnError, InputError, one_line
from edgebnn.kernels.given_schedules import beside

from .store import is_digest

MODEL, SCRIPT, PROGRAM, LABELS = "model.tflite", "run.py", "network", "labels.txt"
SCHEDULE = str(beside(Path(MODEL)))
"""Files of a version."""
FORMAT = 1
MOST_BYTES = 1 << 20
"""Of a manifest."""
DEFAULT_FOLDER = "edgebnn"
"""In the home folder on the device: what is deployed lies in it under the model's name."""
Kind = TypeVar("Kind")
_PLAIN = re.compile(r"[\w.+-]{1,200}", re.ASCII)


@dataclass(frozen=True)
class Manifest:
    """What a version is made of, and how its check came out; field names are those of the file.

    Attributes:
        model: what the user calls the file.
        sha256: of the model's file.
        files: the SHA-256 of each file beside it, as it was made.
        runtime: the SHA-256 of what the folders in runtime/ were unpacked from, by their names.
        labels: of the classes, where the model names them.
        samples, bit_exact, max_abs_diff, tolerance: of the check against the reference, there.
        fingerprint, versions: of the device, and of what computes there.
        date: of the check, UTC, ISO 8601.
    """

    model: str
    sha256: str
    files: Mapping[str, str]
    runtime: Mapping[str, str]
    labels: tuple[str, ...]
    samples: int
    bit_exact: bool
    max_abs_diff: float
    tolerance: float
    fingerprint: Mapping[str, str]
    versions: Mapping[str, str]
    date: str

    def to_json(self) -> str:
        """The file's text."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, ensure_ascii=False) + "\n"

    def is_made_of(self, sha256: str, files: Mapping[str, str], runtime: Mapping[str, str]) -> bool:
        """Whether a version of these would be the same."""
        return (self.sha256, self.files, self.runtime) == (sha256, files, runtime)


def parse(text: str) -> Manifest:
    """The manifest that a device sent.

    Raises:
        EdgebnnError: it is none, or of another edgebnn.
    """
    try:
        value = json.loads(text)
        if value["format"] != FORMAT:
            raise ValueError
        return Manifest(
            model=one_line(_of(str, value["model"])),
            sha256=_digest(value["sha256"]),
            files={_name(name): _digest(one) for name, one in _of(dict, value["files"]).items()},
            runtime={_name(name): _digest(one) for name, one in _of(dict, value["runtime"]).items()},
            labels=tuple(one_line(_of(str, one)) for one in _of(list, value["labels"])),
            samples=_of(int, value["samples"]),
            bit_exact=_of(bool, value["bit_exact"]),
            max_abs_diff=float(value["max_abs_diff"]),
            tolerance=float(value["tolerance"]),
            fingerprint=_words(value["fingerprint"]),
            versions=_words(value["versions"]),
            date=one_line(_of(str, value["date"])),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise EdgebnnError("a version's manifest.json on the device is none that this edgebnn wrote") from None


def _of(kind: type[Kind], value: Any) -> Kind:
    if type(value) is not kind:
        raise TypeError
    return value


def _digest(value: object) -> str:
    if not isinstance(value, str) or not is_digest(value):
        raise ValueError
    return value


def _name(value: str) -> str:
    if not is_plain(value):
        raise ValueError
    return value


def _words(value: object) -> dict[str, str]:
    return {one_line(str(name)): one_line(str(text)) for name, text in _of(dict, value).items()}


def is_plain(name: str) -> bool:
    """Whether a name is a word of a request, and a file's in a folder."""
    return _PLAIN.fullmatch(name) is not None and not name.startswith((".", "-"))


@dataclass(frozen=True)
class Folder:
    """A deployment's folder as the device describes it.

    Attributes:
        path: there, absolute.
        current: the number of the version in use; None where there is none.
        script, model: the SHA-256 of its run.py, and of its model or program; empty where there is none.
        versions: by number; None for one whose manifest cannot be read.
        withdrawn: those from which was gone back to an older one.
    """

    path: str
    current: int | None
    script: str
    model: str
    versions: Mapping[int, Manifest | None]
    withdrawn: frozenset[int] = frozenset()

    def json(self) -> dict[str, Any]:
        """As the command line prints it, the newest version first."""
        listed: list[dict[str, Any]] = []
        for number in sorted(self.versions, reverse=True):
            made = self.versions[number]
            facts = {"version": number, "current": number == self.current, "withdrawn": number in self.withdrawn}
            listed.append({**facts, "manifest": None if made is None else asdict(made)})
        return {"folder": self.path, "current": self.current, "previous": self.before, "versions": listed}

    @property
    def in_use(self) -> Manifest | None:
        """The manifest of the version in use."""
        return None if self.current is None else self.versions.get(self.current)

    @property
    def is_whole(self) -> bool:
        """Whether the model in use is as it was deployed."""
        made = self.in_use
        return made is not None and self.model == made.files.get(PROGRAM, made.sha256)

    @property
    def is_edited(self) -> bool:
        """Whether the run.py in use is the user's by now."""
        made = self.in_use
        return bool(self.script) and made is not None and self.script != made.files.get(SCRIPT)

    def with_runtime(self, name: str, sha256: str) -> int | None:
        """The version, the one in use before others, that has this part of a runtime."""
        by_use = sorted(self.versions, key=lambda number: (number == self.current, number), reverse=True)
        found = (number for number in by_use if (one := self.versions[number]) and one.runtime.get(name) == sha256)
        return next(found, None)

    @property
    def before(self) -> int | None:
        """The version to go back to: the newest that is older than the one in use, and was not withdrawn itself."""
        good = (number for number, made in self.versions.items() if made is not None and number not in self.withdrawn)
        return max((number for number in good if self.current is not None and number < self.current), default=None)

    def surplus(self, keep: int) -> tuple[int, ...]:
        """The oldest versions, of which ``keep`` stay, and the one in use and the one to go back to in any case."""
        kept = {*sorted(self.versions, reverse=True)[:keep], self.current, self.before}
        return tuple(number for number in sorted(self.versions) if number not in kept)


def default_folder(model: str) -> str:
    """Where a model is deployed that is in a file of that name."""
    stem = model.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".tflite")
    name = re.sub(r"[^\w.+-]+", "_", stem, flags=re.ASCII).strip("._-")[:100] or "model"
    return f"{DEFAULT_FOLDER}/{name}"


def checked_folder(folder: str) -> str:
    """A folder on the device that a user named, without the ``~/`` of the home folder, where it begins anyway.

    Raises:
        InputError: it is none.
    """
    name = folder[2:] if folder.startswith("~/") else folder
    if (
        not name.strip("./ ")
        or any(not c.isprintable() for c in name)
        or name.startswith("~")
        or ".." in name.split("/")
    ):
        raise InputError(
            one_line(f"{folder!r}: is no folder to deploy to; give one such as edgebnn/resnet8 or /opt/resnet8")
        )
    return name


def number_in(link: str) -> int | None:
    """The number of the version that ``current`` links to, None where it is none of ours."""
    found = re.fullmatch(r"versions/(\d{1,9})", link, re.ASCII)
    return int(found[1]) if found else None
