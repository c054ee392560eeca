"""Two records of ``edgebnn benchmark --json``: what changed, and whether the speed did, beyond the noise of both."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edgebnn.errors import InputError
from edgebnn.files import unreadable
from edgebnn.runtime.timing import median_interval

from .codec import decode
from .data import Benchmark

Verdict = Literal["faster", "slower", "same"]
TOLERANCE = 0.02
"""Of the ratio of times: what the same thing differs by from one run to the next, though each alone is sure of less.
Counts are the same every time."""


@dataclass(frozen=True)
class Change:
    """A field that differs, as words; empty where one record lacks it."""

    field: str
    first: str
    second: str


@dataclass(frozen=True)
class Comparison:
    """ratio: the second's time, instructions or cycles by the first's, so above 1 where the second is slower.

    interval: where it lies, by the 95 % intervals of both medians. verdict: of the second; "same" where 1 is not
    outside of the interval by more than ``tolerance``. flags: what is wrong with the figures of either.
    """

    first: str
    second: str
    kind: str
    unit: str
    values: tuple[float, float]
    ratio: float
    interval: tuple[float, float]
    tolerance: float
    verdict: Verdict
    changes: tuple[Change, ...]
    flags: tuple[str, ...]


def read(path: Path) -> Benchmark:
    """The record in a file.

    Raises:
        InputError: there is none, or it is no record of ``edgebnn benchmark --json``.
    """
    try:
        raw = json.loads(path.read_bytes())
    except OSError as error:
        raise unreadable(path, error) from None
    except ValueError:
        raise InputError(f"{path}: is not JSON; give what edgebnn benchmark --json printed") from None
    if not isinstance(raw, Mapping) or not str(raw.get("format", "")).startswith("edgebnn-benchmark-"):
        raise InputError(f"{path}: is no record; give what edgebnn benchmark --json printed")
    known = {field.name for field in dataclasses.fields(Benchmark)}
    return decode(Benchmark, {name: value for name, value in raw.items() if name in known}, str(path))


def compare(first: Path, second: Path) -> Comparison:
    """What differs between two records.

    Raises:
        InputError: one cannot be read; or their figures are of different kinds or units.
    """
    old, new = read(first), read(second)
    for name in ("kind", "unit"):
        mine, theirs = getattr(old, name), getattr(new, name)
        if mine != theirs:
            raise InputError(f"{first} is {mine} and {second} is {theirs}: such figures cannot be compared")
    (a, b), (c, d) = _interval(old), _interval(new)
    interval = (c / b, d / a)
    tolerance = TOLERANCE if new.samples_ms else 0.0
    verdict: Verdict = "same"
    if interval[0] > 1 + tolerance:
        verdict = "slower"
    elif interval[1] < 1 - tolerance:
        verdict = "faster"
    return Comparison(
        first=str(first),
        second=str(second),
        kind=new.kind,
        unit=new.unit,
        values=(old.value, new.value),
        ratio=new.value / old.value,
        interval=interval,
        tolerance=tolerance,
        verdict=verdict,
        changes=tuple(_changes(old, new)),
        flags=tuple(f"{path}: {flag}" for path, record in ((first, old), (second, new)) for flag in record.flags),
    )


def _interval(record: Benchmark) -> tuple[float, float]:
    return median_interval(record.samples_ms) if record.samples_ms else (record.value, record.value)


def _changes(old: Benchmark, new: Benchmark) -> list[Change]:
    one, other = _words(old), _words(new)
    names = dict.fromkeys((*one, *other))
    return [
        Change(name, one.get(name, ""), other.get(name, ""))
        for name in names
        if one.get(name, "") != other.get(name, "")
    ]


def _words(record: Benchmark) -> dict[str, str]:
    """What decides about a figure, each as text; no heat and no load, which are never the same."""
    fields: dict[str, Any] = {
        "model": record.model,
        "model's sha256": record.sha256[:16],
        "target": record.target,
        "threads": record.threads,
        "pinned to": ", ".join(map(str, record.pinned)),
        "schedule": record.schedule or "",
        "governor": record.before.governor if record.before is not None else "",
    }
    fields |= {f"device: {name}": text for name, text in record.fingerprint.items()}
    fields |= {f"version: {name}": text for name, text in record.versions.items()}
    return {name: str(value) for name, value in fields.items() if str(value)}
