"""Opening a model file for the runtime: readable, and sound enough to hand to LiteRT."""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass

from edgebnn.errors import ModelFormatError
from edgebnn.files import unreadable
from edgebnn.graph import attachment, consistency, flatbuffer, memory_bound, metadata
from edgebnn.graph.consistency import text
from edgebnn.graph.metadata import Metadata
from edgebnn.graph.ops import OPS
from edgebnn.graph.schema import schema

from . import entries, litert_limits
from .entries import Entry, State

CUSTOM_OPS = tuple(sorted(kind for kind, entry in OPS.items() if entry.custom))
"""The custom ops that the delegate runs: all that the IR has."""


@dataclass(frozen=True)
class ModelSource:
    """Where a model came from. ``custom_ops`` pairs each custom op of the file with its layer; ``entries`` are what can
    be run, each with what it keeps between runs; ``working_bytes`` what each graph of the file needs at the same time;
    ``metadata`` what the model says of itself, None where nothing, and why that cannot be read in ``unread``."""

    name: str
    custom_ops: tuple[tuple[str, str], ...]
    entries: tuple[tuple[Entry, State], ...]
    working_bytes: tuple[int, ...]
    metadata: Metadata | None
    unread: str = ""

    def unsupported_op(self, op: str) -> str:
        layer = next((layer for custom, layer in self.custom_ops if custom == op), "unknown")
        supported = ", ".join(CUSTOM_OPS)
        return (
            f"{self.name}: layer '{layer}' is a custom op '{op}', which neither LiteRT nor edgebnn runs; "
            f"supported are LiteRT's built-in ops and {supported}"
        )


def open_model(source: str | os.PathLike[str] | bytes) -> ModelSource:
    """Checks a .tflite file.

    Args:
        source: its path, or its content.

    Returns:
        What the runtime has to know of it.

    Raises:
        InputError: there is no such file, it cannot be read, or needs more memory than is free.
        ModelFormatError: it is truncated, corrupt or inconsistent.
    """
    if isinstance(source, bytes):
        return _checked(source, "model_content")
    name = os.fspath(source)
    try:
        with open(name, "rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                return _checked(b"", name)
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                return _checked(mapped, name)
    except (OSError, ValueError) as error:
        raise unreadable(name, error) from None


def _checked(data: bytes | mmap.mmap, name: str) -> ModelSource:
    end = flatbuffer.check(data, name)
    custom_ops = consistency.check(data, name)
    litert_limits.check(data, name)
    working_bytes = memory_bound.check_file(data, name)
    found = entries.entries(data)
    states = tuple((entry, entries.state(data, entry.subgraph)) for entry in found)
    try:
        return ModelSource(name, custom_ops, states, working_bytes, _metadata(data, end, name))
    except ModelFormatError as error:  # which is no reason not to run it
        return ModelSource(name, custom_ops, states, working_bytes, None, str(error))


def _metadata(data: bytes | mmap.mmap, end: int, name: str) -> Metadata | None:
    model = schema.Model.GetRootAs(data)
    found = []
    for index in range(model.MetadataLength()):
        entry = model.Metadata(index)
        buffer = model.Buffers(entry.Buffer())
        found.append((text(entry.Name()), b"" if buffer.DataIsNone() else buffer.DataAsNumpy().tobytes()))
    return metadata.parse(found, attachment.behind(data, end), name)
