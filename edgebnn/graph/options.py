"""Options of an op between the file and the IR, for every op alike.

A builtin's options are a table of the TFLite schema, a custom op's a flexbuffer map. Both are mapped by name onto the
fields of the options dataclass in the op's :class:`OpDef`, so that a new op needs nothing here.
"""

from __future__ import annotations

import functools
import re
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from typing import Any, get_origin, get_type_hints

import flatbuffers
import numpy as np
from flatbuffers import flexbuffers

from edgebnn.errors import ModelFormatError, UnsupportedOpError

from .consistency import integers
from .opdef import OpDef
from .schema import schema
from .types import Options

# What else the generated class of a table has: constructors, and more than one way to read a vector.
_NOT_A_FIELD = re.compile(r"^(_|Init$|GetRootAs)|(BufferHasIdentifier|AsNumpy|Length|IsNone)$")
_MAX_FLEXBUFFER = 4096  # bytes; LCE's longest are 171, and reading takes time quadratic in the length


# What the flexbuffers package raises on offsets, lengths, types and text that make no sense, and enumerations on values
# that they do not have. Nobody checks flexbuffers before; of tables of scalars, not the last one's size either.
_CORRUPT = (struct.error, TypeError, ValueError, IndexError, KeyError, OverflowError, AssertionError)


@contextmanager
def _reading(where: str) -> Iterator[None]:
    try:
        yield
    except _CORRUPT as error:
        raise ModelFormatError(f"the options of {where} are corrupt") from error


def camel(name: str) -> str:
    """The schema's name of a field: ``stride_w`` is read by ``StrideW`` and written as ``strideW``."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def field_types(options: type[Options]) -> Mapping[str, Any]:
    """Name and type of each option."""
    hints = get_type_hints(options)
    return {field.name: hints[field.name] for field in fields(options)}


@functools.cache
def _accessors(table: str) -> tuple[str, ...]:
    """Names of the fields that the schema gives ``table``."""
    return tuple(name for name in vars(getattr(schema, table)) if not _NOT_A_FIELD.search(name))


@functools.cache
def _defaults(table: str) -> Any:
    """A ``table`` in which every field has the schema's default."""
    builder = flatbuffers.Builder(32)
    builder.StartObject(0)
    builder.Finish(builder.EndObject())
    return getattr(schema, table).GetRootAs(bytes(builder.Output()), 0)


def from_table(where: str, definition: OpDef, operator: Any) -> Options:
    """The options of a builtin op, ``where`` it is.

    Raises ModelFormatError for options of another op or impossible values, UnsupportedOpError for an option that the
    IR does not know.
    """
    if definition.schema is None:
        return definition.options()
    wanted = getattr(schema.BuiltinOptions, definition.schema)
    found = operator.BuiltinOptionsType()
    if found not in (schema.BuiltinOptions.NONE, wanted):
        raise ModelFormatError(f"{where} has options of another op; the file is corrupt")
    table = _defaults(definition.schema)
    if found == wanted and (union := operator.BuiltinOptions()) is not None:
        table = getattr(schema, definition.schema)()
        table.Init(union.Bytes, union.Pos)
    types = field_types(definition.options)
    known = {camel(name) for name in types}
    with _reading(where):
        unknown = [name for name in _accessors(definition.schema) if name not in known and _is_set(table, name)]
        if unknown:
            raise UnsupportedOpError(f"{where}: option {unknown[0]} of {definition.kind} is not supported")
        return definition.options(**{name: _field(table, camel(name), hint) for name, hint in types.items()})


def _is_set(table: Any, accessor: str) -> bool:
    """Whether a field has another value than the schema's default."""
    if hasattr(table, f"{accessor}IsNone"):
        return bool(getattr(table, f"{accessor}Length")())
    return bool(getattr(table, accessor)() != getattr(_defaults(type(table).__name__), accessor)())


def _field(table: Any, accessor: str, hint: Any) -> Any:
    """One option as its dataclass wants it: a tuple of integers, or a scalar converted to the field's type."""
    if get_origin(hint) is tuple:
        return tuple(integers(getattr(table, f"{accessor}AsNumpy")()))
    return hint(getattr(table, accessor)())


def to_table(definition: OpDef, options: Options) -> tuple[int, Any]:
    """The options of a builtin op as (union type, object of the schema's object API)."""
    if definition.schema is None:
        return schema.BuiltinOptions.NONE, None
    table = getattr(schema, f"{definition.schema}T")()
    for name in field_types(definition.options):
        value = getattr(options, name)
        attribute = camel(name)
        setattr(
            table,
            attribute[:1].lower() + attribute[1:],
            np.array(value, np.int32) if isinstance(value, tuple) else getattr(value, "value", value),
        )
    return getattr(schema.BuiltinOptions, definition.schema), table


def from_flexbuffer(where: str, definition: OpDef, data: bytes) -> Options:
    """The options of a custom op, ``where`` it is.

    Raises ModelFormatError if they are corrupt or lack one, UnsupportedOpError for a key that the IR does not know.
    """
    types = field_types(definition.options)
    if not types:
        return definition.options()
    if len(data) > _MAX_FLEXBUFFER:
        raise ModelFormatError(f"{where} has {len(data)} bytes of options; the file is corrupt")
    with _reading(where):
        found = flexbuffers.GetRoot(data).AsMap
        keys = [key.AsKey for key in found.Keys]
        if missing := sorted(set(types) - set(keys)):
            raise ModelFormatError(f"{where} lacks the option {missing[0]}")
        if unknown := sorted(set(keys) - set(types)):
            raise UnsupportedOpError(f"{where}: option {unknown[0]} of {definition.kind} is not supported")
        return definition.options(**{name: hint(found[name].AsInt) for name, hint in types.items()})


def to_flexbuffer(definition: OpDef, options: Options) -> bytes:
    """The options of a custom op: empty where it has none."""
    values = {name: getattr(options, name) for name in field_types(definition.options)}
    if not values:
        return b""
    return bytes(flexbuffers.Dumps({name: int(getattr(value, "value", value)) for name, value in values.items()}))
