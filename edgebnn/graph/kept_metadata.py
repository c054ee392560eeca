"""Metadata kept in a saved Keras model until it is converted: one more file in the .keras archive, which Keras passes
over."""

from __future__ import annotations

import dataclasses
import json
import shutil
import zipfile
from pathlib import Path

from edgebnn.files import atomic_path

from .metadata import ImageFormat, Metadata

_FILE = "edgebnn_metadata.json"
_ERRORS = (zipfile.BadZipFile, OSError, ValueError, TypeError, KeyError)


def keep(path: Path, facts: Metadata) -> None:
    """Put ``facts`` into the .keras file ``path``, in place of those that it has."""
    with atomic_path(path) as temporary, zipfile.ZipFile(path) as old, zipfile.ZipFile(temporary, "w") as new:
        for info in old.infolist():
            if info.filename != _FILE:
                with old.open(info) as source, new.open(info, "w") as target:
                    shutil.copyfileobj(source, target)
        new.writestr(zipfile.ZipInfo(_FILE), json.dumps(dataclasses.asdict(facts)))


def kept(path: Path) -> Metadata | None:
    """The facts in a saved model; None where it has none, or none that can be read: it is a model all the same."""
    try:
        with zipfile.ZipFile(path) as archive:
            fields = json.loads(archive.read(_FILE))
        image = fields.pop("image")
        if image is not None:
            tuples = {name: tuple(image[name]) for name in ("mean", "std")}
            image = ImageFormat(**{**image, **tuples, "size": None})
        return Metadata(**{**fields, "labels": tuple(fields["labels"]), "image": image})
    except _ERRORS:
        return None
