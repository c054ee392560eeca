"""Constants as C text: numbers, arrays, and structs with pointers to arrays, each array once."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from edgebnn.graph.types import Array

from .program import Struct, Value, Zeroed

_TYPES = {"i1": "int8_t", "i2": "int16_t", "i4": "int32_t", "i8": "int64_t"} | {
    "u1": "uint8_t",
    "u2": "uint16_t",
    "u4": "uint32_t",
    "u8": "uint64_t",
    "f2": "uint16_t",  # half precision, by its bits
    "f4": "float",
    "f8": "double",
    "b1": "uint8_t",
}
_PER_LINE = {1: 24, 2: 16, 4: 10, 8: 5}
"""Elements a line, by their bytes: about 120 characters."""


def c_type(dtype: np.dtype[np.generic]) -> str:
    """The C type of an array's elements."""
    return _TYPES[f"{dtype.kind}{dtype.itemsize}"]


def number(value: float) -> str:
    """A scalar field of a struct: an integer, or a float of single precision, exactly."""
    if isinstance(value, (int, np.integer)):
        return integer(int(value), 32 if -(2**31) <= value < 2**31 else 64)
    return real(float(value))


def integer(value: int, bits: int = 32, unsigned: bool = False) -> str:
    """A constant of at most ``bits`` bits."""
    if unsigned:
        return f"UINT64_C({value})" if bits == 64 else f"{value}u"
    if value == -(2 ** (bits - 1)) and bits >= 32:  # C has no negative literals, and its absolute value does not fit
        return f"({integer(value + 1, bits)} - 1)"
    return f"INT64_C({value})" if bits == 64 else str(value)


def real(value: float) -> str:
    """A float of single precision: hexadecimal, so that nothing is rounded."""
    if math.isnan(value):
        return '__builtin_nanf("")'
    if math.isinf(value):
        return "__builtin_inff()" if value > 0 else "-__builtin_inff()"
    return f"{float(np.float32(value)).hex()}f"


def decimal(value: float) -> str:
    """A float of single precision for people to read: nine digits tell every one of them from its neighbours."""
    text = f"{value:.9g}"
    return f"{text}f" if set(text) & set(".e") else f"{text}.0f"


@dataclass(frozen=True)
class Table:
    """An array in flash: its name, C type and text, a line at a time, and the bytes that it holds."""

    name: str
    type: str
    count: int
    lines: tuple[str, ...]
    content: bytes

    @property
    def alignment(self) -> int:
        """Bytes: kernels load words, whatever the elements are."""
        return 8 if self.type in ("int64_t", "uint64_t", "double") else 4


@dataclass
class Tables:
    """The arrays of a package, each once whatever refers to it; named by the layer that asked first.

    ``zeroed``: type and name of each object in RAM that layers keep something in.
    """

    prefix: str
    zeroed: list[tuple[str, str]] = field(default_factory=list)
    _found: dict[tuple[str, bytes], Table] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Table]:
        return iter(self._found.values())

    def name_of(self, array: Array, hint: str) -> str:
        """The name of the table that holds ``array``; ``hint`` becomes a part of it if it is new.

        No elements have no table, as C has no arrays of nothing: a null pointer.
        """
        plain = np.ascontiguousarray(array).reshape(-1)
        if plain.size == 0:
            return "0"
        plain = plain.astype(plain.dtype.newbyteorder("<"))
        if plain.dtype.kind == "f":
            plain[np.isnan(plain)] = np.nan  # C has one literal for all of them
        kind, content = c_type(plain.dtype), plain.tobytes()
        if (kind, content) not in self._found:
            self._found[kind, content] = Table(
                f"{self.prefix}{len(self._found)}_{hint}", kind, plain.size, tuple(_lines(plain)), content
            )
        return self._found[kind, content].name


def _lines(values: Array) -> Iterator[str]:
    size = values.dtype.itemsize
    if values.dtype.kind == "f" and size == 2:
        values = values.view(np.uint16)
    if values.dtype.kind == "f":
        texts = [real(float(v)) if size == 4 else float(v).hex() for v in values]
    else:
        unsigned = values.dtype.kind in "ub"
        texts = [integer(int(v), 8 * size, unsigned and size >= 4) for v in values]
    step = _PER_LINE[size]
    for start in range(0, len(texts), step):
        yield ", ".join(texts[start : start + step]) + ","


def initializer(struct: Struct, tables: Tables, hint: str) -> str:
    """The struct's initializer, with designators; its arrays are added to ``tables``."""
    return (
        "{" + ", ".join(f".{name} = {_value(v, tables, f'{hint}_{name}')}" for name, v in struct.fields.items()) + "}"
    )


def _value(value: Value, tables: Tables, hint: str) -> str:
    if value is None:
        return "0"
    if isinstance(value, Struct):
        return initializer(value, tables, hint)
    if isinstance(value, np.ndarray):
        return tables.name_of(value, hint)
    if isinstance(value, Zeroed):
        tables.zeroed.append((value.type, f"{tables.prefix}_{hint}"))
        return f"&{tables.prefix}_{hint}"
    return number(value)


def string(text: str) -> str:
    """A string constant: what is not printable ASCII becomes an octal escape, which ends after three digits."""
    plain = (chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?' else f"\\{byte:03o}" for byte in text.encode())
    return f'"{"".join(plain)}"'
