"""What a figure is of: it is kept with every result, so that two of them can be compared later."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone

from edgebnn.files import digest
from edgebnn.targets.interface import Target
from edgebnn.targets.model_file import ModelFile


@dataclass(frozen=True)
class Provenance:
    """``sha256``: of the model's file; ``fingerprint``: of the device; ``versions``: of what computed there; ``date``:
    UTC, ISO 8601."""

    sha256: str
    fingerprint: dict[str, str]
    versions: dict[str, str]
    date: str


def provenance(target: Target, model: ModelFile) -> Provenance:
    """Of a result that is taken now."""
    return Provenance(
        sha256=digest(model.content),
        fingerprint=target.fingerprint(),
        versions=target.versions(),
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )
