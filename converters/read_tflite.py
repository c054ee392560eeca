"""Reads a .tflite file into the IR."""

from __future__ import annotations

from pathlib import Path

from edgebnn.files import read_bytes
from edgebnn.graph.tflite import parse
from edgebnn.graph.types import Graph


def read(source: str | Path | bytes, name: str = "<bytes>") -> Graph:
    """Read a .tflite file: float, int8, or with the ops of the Larq Compute Engine.

    Args:
        source: the file's path, or its content.
        name: what errors call a file that is given by its content.

    Returns:
        The graph.

    Raises:
        InputError: the file cannot be opened.
        ModelFormatError: it is truncated, corrupt or beyond what the IR holds (several subgraphs, sparse or variable
            tensors, data outside the flatbuffer).
        UnsupportedOpError: it holds an op that edgebnn does not have.
    """
    if isinstance(source, bytes):
        return parse(source, name)
    return parse(read_bytes(source), str(source))
