"""Bounded access to a flatbuffer that nobody has verified.

The generated accessors follow whatever offsets the file holds. Here every access either stays inside the file or ends
in a :class:`ModelFormatError`, and the sum of all that is read is bounded by the size of the file, so that a hostile
file which names the same long vector from thousands of tables cannot exhaust time or memory.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from edgebnn.errors import ModelFormatError, UnsupportedOpError
from edgebnn.graph.types import Array

# What the flatbuffers and flexbuffers packages raise on offsets, lengths, types and text that make no sense.
_CORRUPT = (struct.error, TypeError, ValueError, IndexError, KeyError, OverflowError, AssertionError)

# A sound file refers to each of its bytes about once.
_READS_PER_BYTE = 8
_MESSAGE = 2000  # characters; names in a file may be longer than anyone wants to read

_EMPTY = np.zeros(0, np.int32)


class FlatFile:
    """The tables of one flatbuffer; ``name`` is what errors call the file."""

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        self.data = data
        self._budget = _READS_PER_BYTE * len(data)

    @contextmanager
    def reading(self, what: str) -> Iterator[None]:
        """Turn whatever a broken structure causes inside the block into one error that says ``what`` is broken."""
        try:
            yield
        except _CORRUPT as error:
            raise self.error(f"{what} is truncated or corrupt") from error

    def error(self, message: str) -> ModelFormatError:
        return ModelFormatError(self._line(message))

    def unsupported(self, message: str) -> UnsupportedOpError:
        return UnsupportedOpError(self._line(message))

    def _line(self, message: str) -> str:
        """One line of bounded length, whatever names the file holds."""
        return f"{self.name}: {''.join(c if c.isprintable() else '?' for c in message)[:_MESSAGE]}"

    def _spend(self, size: int) -> None:
        self._budget -= size
        if self._budget < 0:
            raise self.error("its tables refer to more data than the file holds; it is corrupt")

    def numbers(self, table: Any, field: str) -> Array:
        """The scalar vector ``field`` as a read-only view of the file; empty where it is absent."""
        if getattr(table, f"{field}IsNone")():
            return _EMPTY
        values: Array = getattr(table, f"{field}AsNumpy")()
        self._spend(values.nbytes)
        return values

    def integers(self, table: Any, field: str) -> tuple[int, ...]:
        """The integer vector ``field``."""
        return tuple(int(value) for value in self.numbers(table, field))

    def text(self, table: Any, field: str) -> str:
        """The string ``field``; empty where it is absent."""
        value: bytes = getattr(table, field)() or b""
        self._spend(len(value))
        return value.decode()

    def tables(self, table: Any, field: str) -> list[Any]:
        """The sub-tables in the vector ``field``."""
        count = getattr(table, f"{field}Length")()
        self._spend(4 * count)
        return [getattr(table, field)(i) for i in range(count)]
