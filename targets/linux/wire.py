"""The frames that the two sides of a connection exchange: a JSON header and arrays as they lie in memory.

A frame is 16 bytes (:data:`MAGIC`, the header's length, the body's length), the header, and the body: the bytes of all
arrays one behind the other. The header lists their dtypes and shapes under "arrays". Nothing is ever unpickled, and
whatever comes in is checked before memory is taken for it: the other side may be anybody.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edgebnn.errors import EdgebnnError
from edgebnn.graph.types import Array

VERSION = 1
"""Of the protocol: both sides come from one edgebnn, so another is refused and never translated."""
MAGIC = b"EBN1"
GREETING = b"\0edgebnn-agent\0"
"""In front of the first frame: what a login shell may have printed before is skipped."""
MOST_GREETING = 1 << 16
MOST_HEADER = 1 << 24
MOST_BODY = 1 << 32

_LENGTHS = struct.Struct("<4sIQ")
_DTYPES = {
    np.dtype(kind).name: np.dtype(kind)
    for kind in (
        *(np.bool_, np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64),
        *(np.float16, np.float32, np.float64, np.complex64, np.complex128),
    )
}
_MOST_AXES = 32


class WireError(EdgebnnError):
    """The other side sent something that is no frame of this protocol."""


Read = Callable[[int], bytes]
"""Exactly so many bytes; what it raises where they do not come goes through."""


def encode(header: Mapping[str, Any], arrays: Sequence[Array] = ()) -> bytes:
    """A frame.

    Args:
        header: what JSON can hold, without "arrays".
        arrays: of numbers.

    Raises:
        EdgebnnError: an array is of another kind, such as text.
    """
    if strange := [array.dtype.name for array in arrays if array.dtype.name not in _DTYPES]:
        raise EdgebnnError(f"arrays of {strange[0]} cannot be sent to a device: numbers alone can")
    listed = [{"dtype": array.dtype.name, "shape": list(array.shape)} for array in arrays]
    text = json.dumps({**header, "arrays": listed}, allow_nan=True).encode()
    body = b"".join(np.ascontiguousarray(array, _DTYPES[array.dtype.name]).tobytes() for array in arrays)
    return _LENGTHS.pack(MAGIC, len(text), len(body)) + text + body


def decode(read: Read) -> tuple[dict[str, Any], tuple[Array, ...]]:
    """The next frame: its header, without "arrays", and its arrays, which are the caller's own.

    Raises:
        WireError: what comes is no frame, or none of a size that anybody would send.
    """
    magic, header_length, body_length = _LENGTHS.unpack(read(_LENGTHS.size))
    if magic != MAGIC or header_length > MOST_HEADER or body_length > MOST_BODY:
        raise WireError("the answer is not in edgebnn's protocol")
    try:
        header = json.loads(read(header_length))
    except ValueError:
        raise WireError("the answer's header is not JSON") from None
    if not isinstance(header, dict):
        raise WireError("the answer's header is no object")
    kinds = [_kind(one) for one in _listed(header.pop("arrays", []))]
    if sum(_bytes(dtype, shape) for dtype, shape in kinds) != body_length:
        raise WireError("the answer's arrays are not as long as its header says")
    arrays = (np.frombuffer(bytearray(read(_bytes(*kind))), kind[0]).reshape(kind[1]) for kind in kinds)
    return header, tuple(arrays)


def _listed(value: object) -> list[object]:
    if not isinstance(value, list):
        raise WireError("the answer's header lists no arrays")
    return value


def _kind(value: object) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """The dtype and shape that a header says of an array."""
    dtype = _DTYPES.get(str(value.get("dtype"))) if isinstance(value, dict) else None
    shape = value.get("shape") if isinstance(value, dict) else None
    if dtype is None or not isinstance(shape, list) or len(shape) > _MOST_AXES:
        raise WireError("the answer's header describes no array")
    if not all(type(extent) is int and 0 <= extent <= MOST_BODY for extent in shape):
        raise WireError("the answer has an array of an impossible shape")
    return dtype, tuple(shape)


def _bytes(dtype: np.dtype[Any], shape: tuple[int, ...]) -> int:
    return dtype.itemsize * math.prod(shape)
