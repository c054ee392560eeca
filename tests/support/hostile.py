"""Broken .tflite files: sound ones changed through the schema's object API, or bytes at random."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

_STRANGE_WORDS = (0, 1, 16, 255, 65536, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_TABLES = 3000  # bytes at both ends of a file, where most of its tables lie


def changed(content: bytes, change: Callable[[Any], None]) -> bytes:
    """``content`` with ``change`` applied to its ModelT."""
    model = schema.ModelT.InitFromPackedBuf(content)
    change(model)
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def mutations(content: bytes, count: int, seed: int) -> Iterator[bytes]:
    """``count`` versions of ``content``: truncated, or with bytes, bits or whole words replaced."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        kind = rng.choice(["truncate", "byte", "bit", "word"], p=[0.15, 0.35, 0.2, 0.3])
        if kind == "truncate":
            yield content[: rng.integers(len(content))]
            continue
        broken = bytearray(content)
        for _ in range(rng.choice([1, 1, 2, 5, 30])):
            near = rng.integers(min(_TABLES, len(content)))
            at = int(rng.choice([rng.integers(len(content)), near, len(content) - 1 - near]))
            if kind == "byte":
                broken[at] = rng.integers(256)
            elif kind == "bit":
                broken[at] ^= 1 << rng.integers(8)
            else:
                word = int(rng.choice([*_STRANGE_WORDS, len(content), 4 * len(content)]))
                broken[at & ~3 : (at & ~3) + 4] = word.to_bytes(4, "little")
        yield bytes(broken[: len(content)])
