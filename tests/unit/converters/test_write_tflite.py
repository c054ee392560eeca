from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edgebnn.converters.read_tflite import read
from edgebnn.converters.write_tflite import to_bytes, write
from edgebnn.errors import InputError
from edgebnn.graph.types import Signature
from tests.support.graphs import differences
from tests.support.topologies import lce_bytes, tflite_bytes


def test_every_buffer_is_aligned_to_16_bytes_and_the_first_is_empty() -> None:
    content = to_bytes(read(lce_bytes("plain")))
    assert content[4:8] == b"TFL3"
    model = schema.Model.GetRootAs(content, 0)
    assert model.Buffers(0).DataLength() == 0
    for index in range(1, model.BuffersLength()):
        vector = model.Buffers(index)._tab
        assert vector.Vector(vector.Offset(4)) % 16 == 0


def test_equal_constants_are_stored_once() -> None:
    graph = read(lce_bytes("plain"))
    index, tensor = max(enumerate(graph.tensors), key=lambda pair: pair[1].bytes if pair[1].is_constant else 0)
    data = np.array(tensor.data)
    twice = replace(graph, tensors=(*graph.tensors, replace(tensor, name="copy", data=data)))
    assert len(to_bytes(twice)) - len(to_bytes(graph)) < tensor.bytes
    assert np.array_equal(np.asarray(read(to_bytes(twice)).tensors[-1].data), np.asarray(graph.tensors[index].data))


def test_everything_around_the_ops_is_kept() -> None:
    graph = replace(
        read(tflite_bytes("plain", int8=True)),
        name="subgraph",
        description="by hand",
        metadata=(("notes", b"\x00\x01 bytes"), ("empty", b"")),
    )
    again = read(to_bytes(graph))
    assert differences(graph, again) == []
    assert again.signatures[0].key == "serving_default"
    assert again.tensors[again.inputs[0]].shape_signature == (-1, 13, 13, 3)


def test_op_versions_and_added_signatures_are_kept() -> None:
    graph = read(lce_bytes("plain"))
    ops = tuple(replace(op, version=index + 1) for index, op in enumerate(graph.ops))
    signature = Signature("other", (("x", graph.inputs[0]),), (("y", graph.outputs[0]),))
    changed = replace(graph, ops=ops, signatures=(*graph.signatures, signature))
    assert differences(changed, read(to_bytes(changed))) == []


def test_a_constant_without_elements_stays_a_constant() -> None:
    graph = read(lce_bytes("plain"))
    shape = next(i for op in graph.ops if op.kind == "MEAN" for i in op.inputs if graph.tensors[i].is_constant)
    empty = replace(graph.tensors[shape], name="empty", shape=(0,), data=np.zeros(0, np.int32), shape_signature=None)
    again = read(to_bytes(replace(graph, tensors=(*graph.tensors, empty))))
    assert again.tensors[-1].is_constant
    assert again.tensors[-1].shape == (0,)


def test_writing_replaces_a_file_whole_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(b"old")
    write(read(lce_bytes("plain")), path)
    assert differences(read(path), read(lce_bytes("plain"))) == []
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.tflite"]


def test_an_impossible_path_is_refused_by_name(tmp_path: Path) -> None:
    graph = read(lce_bytes("plain"))
    for path in (tmp_path / "absent" / "model.tflite", tmp_path):
        with pytest.raises(InputError, match=str(path)):
            write(graph, path)
