"""Frames between a host and a device: what is sent comes over, and nothing that comes in is believed."""

from __future__ import annotations

import contextlib
import io
import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from edgebnn.errors import EdgebnnError
from edgebnn.targets.linux import wire


def reader(data: bytes) -> wire.Read:
    stream = io.BytesIO(data)

    def read(count: int) -> bytes:
        if count > len(data):
            raise EOFError
        return stream.read(count)

    return read


def frame(header: object, body: bytes = b"", magic: bytes = wire.MAGIC) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<4sIQ", magic, len(text), len(body)) + text + body


@given(
    st.lists(
        st.sampled_from(["int8", "float32", "int64", "bool", "uint8", "float16"]).flatmap(
            lambda kind: arrays_of.arrays(kind, arrays_of.array_shapes(min_dims=0, max_dims=4, max_side=5, min_side=0))
        ),
        max_size=4,
    )
)
def test_arrays_come_over_as_they_are(given_arrays: list[Any]) -> None:
    header, received = wire.decode(reader(wire.encode({"do": "run", "name": "a; rm -rf x"}, given_arrays)))
    assert header == {"do": "run", "name": "a; rm -rf x"}
    assert len(received) == len(given_arrays)
    for sent, got in zip(given_arrays, received, strict=True):
        assert (got.dtype, got.shape) == (sent.dtype, sent.shape)
        assert got.tobytes() == sent.tobytes()
        assert got.flags.writeable


@pytest.mark.parametrize(
    "data",
    [
        frame({}, magic=b"HTTP"),
        frame(b"{"),
        frame([1]),
        frame({"arrays": 3}),
        frame({"arrays": [{"dtype": "object", "shape": [1]}]}, b"\0" * 8),
        frame({"arrays": [{"dtype": "int8", "shape": [-1]}]}),
        frame({"arrays": [{"dtype": "int8", "shape": [True]}]}, b"\0"),
        frame({"arrays": [{"dtype": "int8", "shape": [1.5]}]}),
        frame({"arrays": [{"dtype": "int8", "shape": [2]}]}, b"\0"),
        frame({"arrays": [{"dtype": "int8", "shape": [1 << 31, 1 << 31, 1 << 31]}]}),
        frame({"arrays": [{"dtype": "int8", "shape": [1] * 33}]}, b"\0"),
        frame({}, b"more than was announced"),
        struct.pack("<4sIQ", wire.MAGIC, wire.MOST_HEADER + 1, 0),
        struct.pack("<4sIQ", wire.MAGIC, 2, wire.MOST_BODY + 1),
    ],
)
def test_what_is_no_frame_is_refused_before_memory_is_taken_for_it(data: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.decode(reader(data))


@given(st.binary(max_size=80), st.integers(0, 79), st.binary(min_size=1, max_size=4))
def test_damaged_frames_never_raise_anything_else(body: bytes, place: int, damage: bytes) -> None:
    whole = bytearray(wire.encode({"id": 1}, [np.frombuffer(body, np.uint8)]))
    whole[place : place + len(damage)] = damage
    with contextlib.suppress(wire.WireError, EOFError):
        wire.decode(reader(bytes(whole)))


def test_text_is_not_sent() -> None:
    with pytest.raises(EdgebnnError, match="numbers alone"):
        wire.encode({}, [np.array(["a"])])
