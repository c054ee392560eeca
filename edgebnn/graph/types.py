"""The intermediate representation every converter and runtime shares: immutable, typed, close to TFLite.

A :class:`Graph` is a list of tensors and a list of ops in execution order that refer to tensors by index.
Rewrites are functions ``Graph -> Graph`` built with :func:`dataclasses.replace`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, ...]
Array = NDArray[Any]

ABSENT = -1
"""Tensor index of an optional input that is not given."""


class DType(Enum):
    """Element type of a tensor; the value is the NumPy name."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    INT8 = "int8"
    UINT8 = "uint8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    BOOL = "bool"

    @property
    def numpy(self) -> np.dtype[Any]:
        return np.dtype(self.value)

    @property
    def bytes(self) -> int:
        return self.numpy.itemsize


@dataclass(frozen=True)
class Quantization:
    """Affine quantization: real = scale * (q - zero_point), per tensor or along ``axis``.

    ``scale`` and ``zero_point`` have one entry (per tensor) or one per index of ``axis`` (per channel).
    Scales are float32 values held as Python floats, without loss.
    """

    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    axis: int = 0

    @property
    def per_tensor(self) -> bool:
        return len(self.scale) == 1


@dataclass(frozen=True, eq=False)
class Tensor:
    """One tensor: a constant if ``data`` is given, else the result of an op or an input of the graph.

    ``shape`` is the concrete shape; ``shape_signature`` has -1 where the file leaves a dimension open.
    ``data`` is a read-only array of ``shape`` and ``dtype``. Packed binary tensors are INT32 with
    32 channels a word (see :mod:`edgebnn.arithmetic.packing`).
    """

    name: str
    shape: Shape
    dtype: DType
    quantization: Quantization | None = None
    data: Array | None = None
    shape_signature: Shape | None = None

    @property
    def is_constant(self) -> bool:
        return self.data is not None

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.elements * self.dtype.bytes


@dataclass(frozen=True)
class Options:
    """Base of every op's options: frozen dataclasses whose field names are TFLite's, in snake case."""


@dataclass(frozen=True)
class Op:
    """One operation. ``kind`` is the key of its entry in :data:`edgebnn.graph.ops.OPS`.

    ``inputs`` and ``outputs`` are tensor indices; an optional input that is absent is :data:`ABSENT`.
    ``version`` is the TFLite op version, kept so that a file is written back as it was read.
    """

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Options
    version: int = 1


@dataclass(frozen=True)
class Signature:
    """A named entry point of a TFLite file: argument name and tensor index, for inputs and outputs."""

    key: str
    inputs: tuple[tuple[str, int], ...]
    outputs: tuple[tuple[str, int], ...]


@dataclass(frozen=True, eq=False)
class Graph:
    """A whole model: one subgraph. ``inputs`` and ``outputs`` are tensor indices.

    ``metadata`` holds the file's named metadata buffers, kept verbatim; ``attachment`` what lies behind it, such as a
    zip archive of labels (:mod:`.attachment`).
    """

    name: str
    tensors: tuple[Tensor, ...]
    ops: tuple[Op, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    description: str = ""
    signatures: tuple[Signature, ...] = ()
    metadata: tuple[tuple[str, bytes], ...] = ()
    attachment: bytes = b""

    def op_name(self, index: int) -> str:
        """The layer name shown to users: the name of the op's first output tensor."""
        outputs = self.ops[index].outputs
        return self.tensors[outputs[0]].name if outputs else f"op {index}"
