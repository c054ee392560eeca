"""Metadata kept in a saved Keras model until it is converted: one more entry in the archive's own metadata.json, which
Keras writes and never reads.

Not a file of its own: Keras takes a fourth file for assets and unpacks the archive while it has the weights open, and
zipfile before Python 3.12.9 and 3.13.2 then loses its place in them (python/cpython issue 127847).
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import zipfile
from pathlib import Path

from edgebnn.files import atomic_path

from .metadata import ImageFormat, Metadata

_FILE = "metadata.json"
_ENTRY = "edgebnn"
_ERRORS = (zipfile.BadZipFile, OSError, ValueError, TypeError, KeyError)


def keep(path: Path, facts: Metadata) -> None:
    """Put ``facts`` into the .keras file ``path``, in place of those that it has."""
    with atomic_path(path) as temporary, zipfile.ZipFile(path) as old, zipfile.ZipFile(temporary, "w") as new:
        for info in old.infolist():
            if info.filename == _FILE:
                told = {**json.loads(old.read(info)), _ENTRY: dataclasses.asdict(facts)}
                new.writestr(info, json.dumps(told))
            else:
                with old.open(info) as source, new.open(info, "w") as target:
                    shutil.copyfileobj(source, target)


def kept(path: Path) -> Metadata | None:
    """The facts in a saved model; None where it has none, or none that can be read: it is a model all the same."""
    try:
        with zipfile.ZipFile(path) as archive:
            fields = json.loads(archive.read(_FILE))[_ENTRY]
        image = fields.pop("image")
        if image is not None:
            tuples = {name: tuple(image[name]) for name in ("mean", "std")}
            image = ImageFormat(**{**image, **tuples, "size": None})
        return Metadata(**{**fields, "labels": tuple(fields["labels"]), "image": image})
    except _ERRORS:
        return None
