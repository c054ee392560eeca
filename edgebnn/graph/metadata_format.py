"""TFLite's metadata format: the flatbuffer M001 as nested dicts, and back.

The official Python accessors are generated code in packages that cannot be depended on: tflite-support's last release
(0.4.4) has no wheels beyond Python 3.11, MediaPipe's drag OpenCV and a whole runtime along, and LiteRT's package has
none. So the schema stands here as a table, which checking, reading and writing follow. Tests hold it against the
official schema in MediaPipe's package, and against tflite-support's reader and writer.

Source: ``metadata_schema.fbs``, version 1.5.0, of tflite-support and MediaPipe.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, cast

import flatbuffers
from flatbuffers.table import Table

from edgebnn.errors import ModelFormatError

from . import flatbuffer

IDENTIFIER = b"M001"
ENTRY = "TFLITE_METADATA"
"""The name of the model's metadata buffer that holds it."""

Record = dict[str, Any]
"""A table: its fields that are there, by name. A union is the pair (name of the table in it, table)."""

# Kinds of fields: a scalar "byte", "int", "uint" or "float"; "string"; (kind,) a vector of it; "Name" a table;
# {tag: name} a union, whose tag has the slot before it.
Kind = str | tuple[str] | dict[int, str]

SCALARS = {"byte": "<b", "ubyte": "<B", "tag": "<B", "int": "<i", "uint": "<I", "float": "<f"}

CONTENT_PROPERTIES = {1: "FeatureProperties", 2: "ImageProperties", 3: "BoundingBoxProperties", 4: "AudioProperties"}
PROCESS_UNIT_OPTIONS = {
    1: "NormalizationOptions",
    2: "ScoreCalibrationOptions",
    3: "ScoreThresholdingOptions",
    4: "BertTokenizerOptions",
    5: "SentencePieceTokenizerOptions",
    6: "RegexTokenizerOptions",
}

SCHEMA: Mapping[str, tuple[tuple[str, Kind], ...]] = {
    "AssociatedFile": (
        ("name", "string"),
        ("description", "string"),
        ("type", "byte"),
        ("locale", "string"),
        ("version", "string"),
    ),
    "FeatureProperties": (),
    "ImageSize": (("width", "uint"), ("height", "uint")),
    "ImageProperties": (("color_space", "byte"), ("default_size", "ImageSize")),
    "AudioProperties": (("sample_rate", "uint"), ("channels", "uint")),
    "BoundingBoxProperties": (("index", ("uint",)), ("type", "byte"), ("coordinate_type", "byte")),
    "ValueRange": (("min", "int"), ("max", "int")),
    "Content": (("content_properties", CONTENT_PROPERTIES), ("range", "ValueRange")),
    "NormalizationOptions": (("mean", ("float",)), ("std", ("float",))),
    "ScoreCalibrationOptions": (("score_transformation", "byte"), ("default_score", "float")),
    "ScoreThresholdingOptions": (("global_score_threshold", "float"),),
    "BertTokenizerOptions": (("vocab_file", ("AssociatedFile",)),),
    "SentencePieceTokenizerOptions": (
        ("sentencePiece_model", ("AssociatedFile",)),
        ("vocab_file", ("AssociatedFile",)),
    ),
    "RegexTokenizerOptions": (("delim_regex_pattern", "string"), ("vocab_file", ("AssociatedFile",))),
    "ProcessUnit": (("options", PROCESS_UNIT_OPTIONS),),
    "Stats": (("max", ("float",)), ("min", ("float",))),
    "TensorGroup": (("name", "string"), ("tensor_names", ("string",))),
    "TensorMetadata": (
        ("name", "string"),
        ("description", "string"),
        ("dimension_names", ("string",)),
        ("content", "Content"),
        ("process_units", ("ProcessUnit",)),
        ("stats", "Stats"),
        ("associated_files", ("AssociatedFile",)),
    ),
    "CustomMetadata": (("name", "string"), ("data", ("ubyte",))),
    "SubGraphMetadata": (
        ("name", "string"),
        ("description", "string"),
        ("input_tensor_metadata", ("TensorMetadata",)),
        ("output_tensor_metadata", ("TensorMetadata",)),
        ("associated_files", ("AssociatedFile",)),
        ("input_process_units", ("ProcessUnit",)),
        ("output_process_units", ("ProcessUnit",)),
        ("input_tensor_groups", ("TensorGroup",)),
        ("output_tensor_groups", ("TensorGroup",)),
        ("custom_metadata", ("CustomMetadata",)),
    ),
    "ModelMetadata": (
        ("name", "string"),
        ("description", "string"),
        ("version", "string"),
        ("subgraph_metadata", ("SubGraphMetadata",)),
        ("author", "string"),
        ("license", "string"),
        ("associated_files", ("AssociatedFile",)),
        ("min_parser_version", "string"),
    ),
}
ROOT = "ModelMetadata"

_BYTES_ALIGNMENT = 16  # of CustomMetadata.data


def decode(data: bytes, fail: Callable[[str], ModelFormatError]) -> Record:
    """The metadata in a buffer.

    Args:
        data: the buffer, not trusted.
        fail: makes the error that is raised, of what is wrong.

    Returns:
        The table ``ModelMetadata``.

    Raises:
        ModelFormatError: the buffer is no such flatbuffer, or a part of it lies outside.
    """
    if data[4:8] != IDENTIFIER:
        raise fail("its identifier is not M001")
    flatbuffer.walk(data, ROOT, _TABLES, fail)
    return _read(Table(data, struct.unpack_from("<I", data)[0]), ROOT)


def encode(record: Record) -> bytes:
    """The buffer that holds ``record``, a table ``ModelMetadata``."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(_write(builder, ROOT, record), IDENTIFIER)
    return bytes(builder.Output())


def _size(scalar: str) -> int:
    return struct.calcsize(SCALARS[scalar])


def _tag(union: str) -> str:
    return f"{union}_type"


def _slots(table: str) -> tuple[tuple[str, Kind], ...]:
    """Its fields with the slots that tags of unions take."""
    found: list[tuple[str, Kind]] = []
    for name, kind in SCHEMA[table]:
        found += [(_tag(name), "tag"), (name, kind)] if isinstance(kind, dict) else [(name, kind)]
    return tuple(found)


def _checked(kind: Kind) -> flatbuffer.Field:
    if isinstance(kind, dict):
        return kind
    if isinstance(kind, tuple):
        return (cast("int | str", _checked(kind[0])),)
    return _size(kind) if kind in SCALARS else kind


_TABLES: flatbuffer.Tables = {name: tuple(_checked(kind) for _, kind in _slots(name)) for name in SCHEMA}


# -- reading --


def _read(table: Table, name: str) -> Record:
    found: Record = {}
    tag = 0
    for slot, (field, kind) in enumerate(_slots(name)):
        offset = table.Offset(4 + 2 * slot)
        at = table.Pos + offset
        if kind == "tag":
            tag = _read_value(table, kind, at) if offset else 0
        elif not offset:
            continue
        elif isinstance(kind, dict):
            if tag in kind:  # else a member of a later schema
                found[field] = (kind[tag], _read(Table(table.Bytes, table.Indirect(at)), kind[tag]))
        elif isinstance(kind, tuple):
            found[field] = _read_vector(table, kind[0], at)
        else:
            found[field] = _read_value(table, kind, at)
    return found


def _read_value(table: Table, kind: str, at: int) -> Any:
    if kind in SCALARS:
        return struct.unpack_from(SCALARS[kind], table.Bytes, at)[0]
    if kind == "string":
        return table.String(at).decode()
    return _read(Table(table.Bytes, table.Indirect(at)), kind)


def _read_vector(table: Table, kind: str, at: int) -> list[Any] | bytes:
    at = table.Indirect(at)
    (length,) = struct.unpack_from("<I", table.Bytes, at)
    if kind == "ubyte":
        return bytes(table.Bytes[at + 4 : at + 4 + length])
    size = _size(kind) if kind in SCALARS else 4
    return [_read_value(table, kind, at + 4 + index * size) for index in range(length)]


# -- writing --


def _write(builder: Any, name: str, record: Record) -> int:
    """The offset of a table: what it refers to is written before it."""
    values: dict[str, Any] = {}
    for field, kind in SCHEMA[name]:
        if field not in record:
            continue
        value = record[field]
        if isinstance(kind, dict):
            tag = next(number for number, member in kind.items() if member == value[0])
            values |= {_tag(field): tag, field: _write(builder, *value)}
        else:
            values[field] = _write_vector(builder, kind[0], value) if isinstance(kind, tuple) else value
            if isinstance(kind, str) and kind not in SCALARS:
                values[field] = _written(builder, kind, value)
    slots = _slots(name)
    builder.StartObject(len(slots))
    for slot, (field, kind) in enumerate(slots):
        if field in values:
            _prepend(builder, slot, kind, values[field])
    return int(builder.EndObject())


def _written(builder: Any, kind: str, value: Any) -> int:
    return int(builder.CreateString(value) if kind == "string" else _write(builder, kind, value))


def _write_vector(builder: Any, kind: str, values: Any) -> int:
    if kind == "ubyte":
        builder.StartVector(1, len(values), _BYTES_ALIGNMENT)
        builder.head -= len(values)
        builder.Bytes[builder.head : builder.head + len(values)] = values
        return int(builder.EndVector())
    if kind not in SCALARS:
        values = [_written(builder, kind, value) for value in values]
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        _PREPEND[kind](builder, value) if kind in _PREPEND else builder.PrependUOffsetTRelative(value)
    return int(builder.EndVector())


_PREPEND: Mapping[str, Callable[[Any, Any], None]] = {
    "float": lambda builder, value: builder.PrependFloat32(value),
    "int": lambda builder, value: builder.PrependInt32(value),
    "uint": lambda builder, value: builder.PrependUint32(value),
}


def _prepend(builder: Any, slot: int, kind: Kind, value: Any) -> None:
    if isinstance(kind, str) and kind in SCALARS:
        slots = {
            "byte": builder.PrependInt8Slot,
            "tag": builder.PrependUint8Slot,
            "int": builder.PrependInt32Slot,
            "uint": builder.PrependUint32Slot,
            "float": builder.PrependFloat32Slot,
        }
        slots[kind](slot, value, 0)
    else:
        builder.PrependUOffsetTRelativeSlot(slot, value, 0)
