"""A structural check of .tflite bytes, to be made before anything reads them.

Neither LiteRT's Python interpreter nor the generated accessors of the TFLite schema check offsets: a truncated or
hostile file makes the first crash and the second read nonsense. :func:`check` walks every table, vector and string
that is reachable from the root and refuses what lies outside of the file; after it, both can be used safely.
What the values mean (indices, shapes, ordering) is checked by :mod:`edgebnn.graph.consistency`.

Source: FlatBuffers' binary format, flatbuffers.dev/internals; the TFLite schema, version 3.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from edgebnn.errors import ModelFormatError, one_line

Bytes = bytes | mmap.mmap

IDENTIFIER = b"TFL3"
_MAX_DEPTH = 16
_READS_PER_BYTE = 8  # a sound file refers to each of its bytes about once

# The schema as far as it has tables, vectors and strings, one entry a field slot:
#   1, 2, 4, 8    a scalar of so many bytes          "string"     a string
#   (n,)          a vector of n-byte scalars         "Name"       a table
#   ("Name",)     a vector of tables or strings      {tag: name}  a union; the slot before it holds the tag
Field = int | str | tuple[int | str] | dict[int, str]
Tables = Mapping[str, tuple[Field, ...]]

_INDEX_VECTOR = {1: "IntVector", 2: "ShortVector", 3: "ByteVector"}

_TABLES: dict[str, tuple[Field, ...]] = {
    "Model": (
        4,
        ("OperatorCode",),
        ("SubGraph",),
        "string",
        ("Buffer",),
        (4,),
        ("Metadata",),
        ("SignatureDef",),
        ("ExternalBufferGroup",),
        ("ExternalBuffer",),
    ),
    "OperatorCode": (1, "string", 4, 4),
    "SubGraph": (("Tensor",), (4,), (4,), ("Operator",), "string", 4),
    "Tensor": ((4,), 1, 4, "string", "Quantization", 1, "Sparsity", (4,), 1, ("VariantSubType",), 4),
    "Quantization": (
        (4,),
        (4,),
        (4,),
        (8,),
        1,
        {1: "CustomQuantization", 2: "BlockwiseQuantization", 3: "MultiAxisQuantization"},
        4,
    ),
    "CustomQuantization": ((1,),),
    "BlockwiseQuantization": (4, 4, 4, (4,)),
    "MultiAxisQuantization": (4, 4, 4, (4,)),
    "Sparsity": ((4,), (4,), ("DimensionMetadata",)),
    "DimensionMetadata": (1, 4, 1, _INDEX_VECTOR, 1, _INDEX_VECTOR),
    "IntVector": ((4,),),
    "ShortVector": ((2,),),
    "ByteVector": ((1,),),
    "VariantSubType": ((4,), 1, 1),
    "Operator": (4, (4,), (4,), 1, "options", (1,), 1, (1,), (4,), 8, 8, 1, "options2", 4),
    "Buffer": ((1,), 8, 8),
    "Metadata": ("string", 4),
    "SignatureDef": (("TensorMap",), ("TensorMap",), "string", "string", 4),
    "TensorMap": ("string", 4),
    "ExternalBufferGroup": ("string",),
    "ExternalBuffer": (4, 4, 8, 8, "string"),
    # Options tables with more than scalars, by the tag of their union.
    "options 3": (4, (4,), (4,)),  # ConcatEmbeddings
    "options 8": (1, 1, 1, 1, 1, (1,)),  # FullyConnected
    "options 17": ((4,),),  # Reshape
    "options 30": ((4,),),  # Squeeze
    "options 111": ("string", "string"),  # VarHandle
    "options 115": ((4,),),  # Bucketize
    "options2 2": ((8,),),  # StablehloBroadcastInDim
    "options2 3": ((8,), (8,), (8,)),  # StablehloSlice
    "options2 4": ((8,), (8,), (8,), (8,), (1,), 8, 8, (8,), 8, 8, (8,), 8, 8, (8,), 8, 8, (4,)),  # Convolution
    "options2 5": ("string", 1, "string", 4, (4,), (1,)),  # StablehloCustomCall
    "options2 6": ((8,), 4),  # StablehloReduce
    "options2 7": (1, (8,), (8,), (8,), 8, 1, 4),  # StablehloScatter
    "options2 9": ((8,),),  # StablehloDynamicSlice
    "options2 10": ((8,), (8,), (8,)),  # StablehloPad
    "options2 12": ((8,), (8,), (8,), (8,), (4,)),  # StablehloDotGeneral
    "options2 13": ((8,), (8,), (8,), (8,), (8,), 4),  # StablehloReduceWindow
    "options2 16": ((8,), (8,), (8,), 8, (8,), 1),  # StablehloGather
    "options2 17": ((8,),),  # StablehloTranspose
    "options2 21": ("string", 4, (1,), 1, 4),  # StableHLOComposite
    "options2 23": ((4,),),  # StablehloCase
}

_MOST_FIELDS = max(map(len, _TABLES.values()))


@dataclass(frozen=True)
class _Walk:
    """The bytes, what each table already seen reads, and the bytes read: files share tables and vectors, hostile ones
    without end, and whoever reads the file reads them as often as they are named."""

    data: Bytes
    tables: Tables
    fail: Callable[[str], ModelFormatError]
    seen: dict[tuple[str, int], int] = field(default_factory=dict)
    layouts: dict[int, tuple[int, tuple[int, ...]]] = field(default_factory=dict)
    read: list[int] = field(default_factory=lambda: [0])
    end: list[int] = field(default_factory=lambda: [0])  # of the last byte that belongs to anything

    def unsigned(self, at: int, size: int) -> int:
        if at < 0 or at + size > len(self.data):
            raise self.fail("an offset points outside of the file")
        return int.from_bytes(self.data[at : at + size], "little")

    def target(self, at: int) -> int:
        return at + self.unsigned(at, 4)

    def vector(self, at: int, element_size: int) -> tuple[int, int]:
        """Where the elements of the vector at ``at`` begin, and how many there are."""
        length = self.unsigned(at, 4)
        if at + 4 + length * element_size > len(self.data):
            raise self.fail("a vector reaches outside of the file")
        self.spend(length * element_size)
        self.reach(at + 4 + length * element_size)
        return at + 4, length

    def reach(self, end: int) -> None:
        self.end[0] = max(self.end[0], end)

    def spend(self, size: int) -> None:
        self.read[0] += size
        if self.read[0] > _READS_PER_BYTE * len(self.data):
            raise self.fail("its tables name more data than the file holds")

    def string(self, at: int) -> None:
        start, length = self.vector(at, 1)
        if self.unsigned(start + length, 1) != 0:
            raise self.fail("a string does not end")
        self.reach(start + length + 1)
        try:
            text = bytes(self.data[start : start + length]).decode()
        except UnicodeDecodeError:
            raise self.fail("a string is not UTF-8") from None
        if "\0" in text:
            raise self.fail("a string holds a NUL")

    def layout(self, vtable: int) -> tuple[int, tuple[int, ...]]:
        """Size of the tables laid out by the vtable, and where their fields stand in them, 0 for absent ones.

        Tables share vtables, so each is read once; and charged, for those of a hostile file overlap.
        """
        known = self.layouts.get(vtable)
        if known is not None:
            return known
        size, table_size = self.unsigned(vtable, 2), self.unsigned(vtable + 2, 2)
        if size < 4 or size % 2 or vtable + size > len(self.data):
            raise self.fail("a table reaches outside of the file")
        self.spend(size)
        fields = struct.unpack_from(f"<{size // 2 - 2}H", self.data, vtable + 4)
        if any(offset >= max(table_size, 1) for offset in fields if offset):
            raise self.fail("a field lies outside of its table")
        self.layouts[vtable] = (table_size, fields[:_MOST_FIELDS])
        self.reach(vtable + size)
        return self.layouts[vtable]

    def slots(self, at: int) -> tuple[int, ...]:
        """Where each field of the table at ``at`` stands, 0 for absent ones; no more than any table has."""
        if at + 4 > len(self.data):
            raise self.fail("an offset points outside of the file")
        (back,) = struct.unpack_from("<i", self.data, at)
        table_size, fields = self.layout(at - back)
        if at + table_size > len(self.data):
            raise self.fail("a table reaches outside of the file")
        self.reach(at + table_size)
        return tuple(at + offset if offset else 0 for offset in fields)

    def table(self, name: str, at: int, depth: int = 0) -> None:
        if (name, at) in self.seen:
            self.spend(self.seen[name, at])
            return
        if depth > _MAX_DEPTH:
            raise self.fail("tables are nested too deeply")
        before = self.read[0]
        slots = self.slots(at)
        # Options tables that are not listed have scalars only, and lie inside.
        for index, (slot, kind) in enumerate(zip(slots, self.tables.get(name, ()), strict=False)):
            if slot:
                tag = slots[index - 1] if index else 0
                self.field(kind, slot, self.unsigned(tag, 1) if tag else 0, depth)
        self.seen[name, at] = self.read[0] - before

    def field(self, kind: Field, slot: int, tag: int, depth: int) -> None:
        if isinstance(kind, int):
            self.unsigned(slot, kind)
            return
        at = self.target(slot)
        if isinstance(kind, tuple):
            self.elements(kind[0], at, depth)
        elif isinstance(kind, dict):
            if tag in kind:
                self.table(kind[tag], at, depth + 1)
        elif kind == "string":
            self.string(at)
        elif kind.startswith("options"):
            if tag:
                self.table(f"{kind} {tag}", at, depth + 1)
        else:
            self.table(kind, at, depth + 1)

    def elements(self, kind: int | str, at: int, depth: int) -> None:
        if isinstance(kind, int):
            self.vector(at, kind)
            return
        start, length = self.vector(at, 4)
        for position in range(start, start + 4 * length, 4):
            if kind == "string":
                self.string(self.target(position))
            else:
                self.table(kind, self.target(position), depth + 1)


def check(data: Bytes, source: str) -> int:
    """Checks that ``data`` is a TFLite flatbuffer whose every part lies inside it. ``source`` names it in messages.

    Returns:
        Where it ends, in bytes: padding may follow, and what others have put behind it (:mod:`.attachment`).

    Raises:
        ModelFormatError: it is not.
    """

    def fail(why: str) -> ModelFormatError:
        return ModelFormatError(one_line(f"{source}: not a valid .tflite file, truncated or corrupt ({why})"))

    if len(data) < 8 or bytes(data[4:8]) != IDENTIFIER:
        why = "it is empty" if len(data) == 0 else "its identifier is not TFL3"
        raise ModelFormatError(one_line(f"{source}: not a .tflite file ({why})"))
    return walk(data, "Model", _TABLES, fail)


def walk(data: Bytes, root: str, tables: Tables, fail: Callable[[str], ModelFormatError]) -> int:
    """Checks that every part of a flatbuffer lies inside it.

    Args:
        data: the flatbuffer, not trusted.
        root: the name of its first table.
        tables: its schema, as far as it has tables, vectors and strings: by name, an entry a field slot.
        fail: makes the error that is raised, of what is wrong.

    Returns:
        Where its last part ends, in bytes.
    """
    walked = _Walk(data, tables, fail)
    walked.table(root, walked.target(0))
    return walked.end[0]
