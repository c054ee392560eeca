"""A model as targets take it: the bytes of a file and the graph read from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgebnn.converters.read_tflite import read
from edgebnn.converters.write_tflite import to_bytes
from edgebnn.files import unreadable
from edgebnn.graph.types import Graph


@dataclass(frozen=True)
class ModelFile:
    """``name`` is what messages call the model."""

    name: str
    content: bytes
    graph: Graph


def open_model(source: str | Path | Graph | ModelFile) -> ModelFile:
    """A model file, read and checked, or a graph as the file it would be written to. Raises EdgebnnError."""
    if isinstance(source, ModelFile):
        return source
    if isinstance(source, Graph):
        return ModelFile(source.name or "graph", to_bytes(source), source)
    try:
        content = Path(source).read_bytes()
    except (OSError, ValueError) as error:
        raise unreadable(source, error) from None
    return ModelFile(str(source), content, read(content, name=str(source)))
