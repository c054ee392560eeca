"""Files that lie zipped behind a model."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace

import pytest

from edgebnn.converters.read_tflite import read
from edgebnn.converters.write_tflite import to_bytes
from edgebnn.errors import ModelFormatError
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import Graph
from tests.support.graphs import one_op, tensor


@pytest.fixture
def labelled() -> bytes:
    whole = io.BytesIO(to_bytes(one_op("RELU", NoOptions(), [tensor("x", (1, 4))], [tensor("y", (1, 4))])))
    with zipfile.ZipFile(whole, "a") as archive:
        archive.writestr("labels.txt", "cat\ndog\n")
        archive.writestr("vocabulary.txt", "a\n" * 100, zipfile.ZIP_DEFLATED)
    return whole.getvalue()


def _files(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        for info in archive.infolist():
            assert content[info.header_offset :][:4] == b"PK\3\4", "offsets count from the beginning of the file"
        return {info.filename: archive.read(info) for info in archive.infolist()}


def test_labels_survive_reading_rewriting_and_writing(labelled: bytes) -> None:
    graph = read(labelled)
    for name in ("", "a longer name" * 100):
        again = to_bytes(replace(graph, name=name))
        assert _files(again) == {"labels.txt": b"cat\ndog\n", "vocabulary.txt": b"a\n" * 100}
        assert len(read(again).ops) == len(graph.ops)


def test_a_broken_archive_is_said_where_it_would_be_lost(labelled: bytes) -> None:
    at = labelled.index(b"cat\ndog")
    graph: Graph = read(labelled[:at] + b"rat" + labelled[at + 3 :])
    with pytest.raises(ModelFormatError, match="zipped behind the model cannot be read"):
        to_bytes(graph)


def test_bytes_that_are_no_archive_survive_too_and_padding_is_none(labelled: bytes) -> None:
    bare = to_bytes(replace(read(labelled), attachment=b""))
    cut = labelled[len(bare) : -10]  # an archive without its end
    for rest in (b"signed by the maker\x00\x01", b"\x00\x00\x00note\x00", cut, b"PK\x05\x06"):
        again = to_bytes(read(bare + rest))
        assert again.endswith(rest)
        assert to_bytes(read(again)) == again
    assert read(bare + bytes(4096)).attachment == b""


def test_what_stands_around_an_archive_survives_with_it(labelled: bytes) -> None:
    bare = to_bytes(replace(read(labelled), attachment=b""))
    whole = io.BytesIO(bare + b"before")
    with zipfile.ZipFile(whole, "a") as archive:
        archive.writestr("labels.txt", "cat\ndog\n")
        archive.comment = b"of the maker's"
    again = to_bytes(read(whole.getvalue() + b"after"))
    assert b"before" in again
    assert again.endswith(b"after")
    with zipfile.ZipFile(io.BytesIO(again[: -len(b"after")])) as archive:
        assert archive.comment == b"of the maker's"
    assert _files(again[: -len(b"after")]) == {"labels.txt": b"cat\ndog\n"}
