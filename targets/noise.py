"""Repeatable noise for a model whose inputs nobody gave, of values that it takes.

Most inputs take any number. But token ids must be rows of the table that they are looked up in, and a number that
becomes a shape, an axis or a divisor cannot be guessed. So integers are followed through the file, as far as ops only
move them or add constants, to the ops that look something up by them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgebnn.errors import InputError
from edgebnn.graph.consistency import integers, text
from edgebnn.graph.ops import OPS
from edgebnn.graph.schema import schema
from edgebnn.graph.types import ABSENT, Array, Shape
from edgebnn.runtime.entries import choose, entries
from edgebnn.runtime.port import Port

from .model_file import ModelFile

Sample = tuple[Array, ...]
"""One array per input of a model, in the model's own shapes and dtypes."""

SEED = 0


_MOST_BYTES = 1 << 30
"""Of noise for one input: more can only be meant by a damaged file."""


def noise(model: ModelFile, count: int) -> Iterator[Sample]:
    """``count`` samples: floats uniform in [-1, 1), integers over the whole range that the model takes.

    Raises:
        InputError: the file leaves a size open, or an input takes values that cannot be guessed.
    """
    entry = choose(entries(model.content), model.signature, model.name)
    limits = _limits(model.content, entry.subgraph)
    generator = np.random.default_rng(SEED)
    shapes = [_shape(port, model.name) for port in model.inputs]
    for _ in range(count):
        yield tuple(
            _values(port, shape, limits.get(port.index), generator, model.name)
            for port, shape in zip(model.inputs, shapes, strict=True)
        )


def _shape(port: Port, model: str) -> Shape:
    """One batch of the file's own."""
    opened = [axis for axis, size in enumerate(port.dimensions) if size < 0 and axis > 0]
    if opened:
        sizes = ", ".join("?" if size < 0 else str(size) for size in port.dimensions)
        raise InputError(f"{model}: leaves the size of its input '{port.name}' open ([{sizes}]); give one with --input")
    if 0 in port.shape:
        raise InputError(
            f"{model}: its input '{port.name}' has no elements ({list(port.shape)}); give one with --input"
        )
    if math.prod(port.shape) * port.dtype.itemsize > _MOST_BYTES:
        raise InputError(f"{model}: its input '{port.name}' is too large for noise ({list(port.shape)}); give --input")
    return port.shape


def _values(port: Port, shape: Shape, limits: Limits | None, generator: np.random.Generator, model: str) -> Array:
    dtype = port.dtype
    if dtype.kind not in "fbiu" or (limits is not None and limits.low > limits.high):
        kind = "string" if port.is_text else dtype
        raise InputError(
            f"{model}: which values its input '{port.name}' of type {kind} takes cannot be guessed; "
            "give some with --input"
        )
    if dtype.kind == "b":
        return generator.integers(0, 2, shape).astype(dtype)
    if dtype.kind == "f" and limits is None:
        return generator.uniform(-1, 1, shape).astype(dtype)
    ends = np.iinfo(dtype) if dtype.kind in "iu" else np.iinfo(np.int16)
    low, high = (ends.min, ends.max) if limits is None else (max(limits.low, ends.min), min(limits.high, ends.max))
    if low > high:
        raise InputError(f"{model}: no {dtype} is a value that its input '{port.name}' takes")
    return generator.integers(low, high, shape, dtype=dtype if dtype.kind in "iu" else np.int64, endpoint=True).astype(
        dtype
    )


# -- the values that inputs take --


@dataclass(frozen=True)
class Limits:
    """The least and the largest value; nothing that can be guessed where there is none."""

    low: int
    high: int

    def and_also(self, other: Limits) -> Limits:
        return Limits(max(self.low, other.low), min(self.high, other.high))


_UNKNOWN = Limits(1, 0)


@dataclass(frozen=True)
class _Source:
    """Where a tensor's values come from: an input's, with something from ``low`` to ``high`` added, or, if ``same`` is
    False, something else that is computed from them."""

    tensor: int
    low: int = 0
    high: int = 0
    same: bool = True


_OPS = schema.BuiltinOperator
_NAMES = {value: name for name, value in vars(_OPS).items() if isinstance(value, int)}

# By op: positions of the inputs whose values the outputs hold.
_FIRST = (
    *("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE", "CAST", "UNPACK", "SPLIT_V", "SLICE", "STRIDED_SLICE", "TILE"),
    *("BROADCAST_TO", "GATHER", "GATHER_ND", "REVERSE_V2", "REVERSE_SEQUENCE", "PAD", "MIRROR_PAD", "REDUCE_MAX"),
    *("REDUCE_MIN", "TOPK_V2", "SPACE_TO_DEPTH", "DEPTH_TO_SPACE", "SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND"),
    *("MATRIX_DIAG", "DYNAMIC_UPDATE_SLICE", "RELU"),
)
_MOVED: dict[str, slice] = {
    **dict.fromkeys(_FIRST, slice(0, 1)),
    **dict.fromkeys(("CONCATENATION", "PACK", "MAXIMUM", "MINIMUM", "PADV2"), slice(None)),
    **dict.fromkeys(("SELECT", "SELECT_V2"), slice(1, 3)),
    "SPLIT": slice(1, 2),
}
# What gives something of its own kind, whatever the values are.
_FREE = frozenset(
    (
        *("SHAPE", "RANK", "ARG_MAX", "ARG_MIN", "ONE_HOT", "EQUAL", "NOT_EQUAL", "GREATER", "GREATER_EQUAL", "LESS"),
        *("LESS_EQUAL", "LOGICAL_NOT", "LOGICAL_AND", "LOGICAL_OR", "EMBEDDING_LOOKUP"),
    )
)
# By op: positions of shapes, axes, sizes, divisors and the like.
_SETTINGS: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(
        (
            *("RESHAPE", "TRANSPOSE", "TILE", "BROADCAST_TO", "PAD", "PADV2", "MIRROR_PAD", "EXPAND_DIMS", "ARG_MAX"),
            *("ARG_MIN", "CUMSUM", "ONE_HOT", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "REVERSE_V2", "TOPK_V2"),
            *("REVERSE_SEQUENCE", "SUM", "MEAN", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "REDUCE_ANY", "REDUCE_ALL"),
            *("DIV", "FLOOR_DIV", "FLOOR_MOD", "RIGHT_SHIFT", "SEGMENT_SUM", "POW"),
        ),
        (1,),
    ),
    **dict.fromkeys(("SLICE", "SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND", "SPLIT_V"), (1, 2)),
    **dict.fromkeys(("FILL", "SPLIT", "TRANSPOSE_CONV", "RANDOM_UNIFORM", "RANDOM_STANDARD_NORMAL"), (0,)),
    **dict.fromkeys(
        ("RANGE", "SCATTER_ND", "SPARSE_TO_DENSE", "UNSORTED_SEGMENT_SUM", "UNSORTED_SEGMENT_MAX"), (0, 1, 2)
    ),
    "STRIDED_SLICE": (1, 2, 3),
    "MULTINOMIAL": (1,),
    "MATRIX_SET_DIAG": (),
}
_DIVISORS = frozenset(("DIV", "FLOOR_DIV", "FLOOR_MOD", "POW"))
# What runs graphs or code that is not looked into here.
_OPAQUE = ("CUSTOM", "WHILE", "IF", "CALL", "STABLEHLO", "HASHTABLE", "EMBEDDING_LOOKUP_SPARSE", "CONCAT_EMBEDDINGS")


def _limits(content: bytes, subgraph: int) -> dict[int, Limits]:
    """For inputs of one of a file's graphs, by tensor, that do not take any value: those that they take."""
    model = schema.Model.GetRootAs(content)
    graph = model.Subgraphs(subgraph)
    found: dict[int, Limits] = {}
    sources: dict[int, tuple[_Source, ...]] = {i: (_Source(i),) for i in integers(graph.InputsAsNumpy())}
    for number in range(graph.OperatorsLength()):
        op = _Op(model, graph, graph.Operators(number))
        for position, limits in op.demands():
            for source in sources.get(op.input(position), ()):
                taken = Limits(limits.low - source.low, limits.high - source.high) if source.same else _UNKNOWN
                found[source.tensor] = found.get(source.tensor, taken).and_also(taken)
        passed = _merged(op.passed(sources))
        sources.update((index, passed) for index in op.outputs)
    return found


def _merged(sources: Iterable[_Source]) -> tuple[_Source, ...]:
    """One for each input."""
    found: dict[int, _Source] = {}
    for new in sources:
        old = found.get(new.tensor, new)
        low, high, same = min(old.low, new.low), max(old.high, new.high), old.same and new.same
        found[new.tensor] = _Source(new.tensor, low, high, same)
    return tuple(found.values())


@dataclass(frozen=True)
class _Op:
    """An op of the file, and what it asks of its inputs' values."""

    model: Any
    graph: Any
    table: Any

    @property
    def name(self) -> str:
        code = self.model.OperatorCodes(self.table.OpcodeIndex())
        custom = text(code.CustomCode())
        if custom in OPS:  # ours: none looks anything up
            return custom
        return str(_NAMES.get(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()), "CUSTOM"))

    @property
    def inputs(self) -> list[int]:
        return integers(self.table.InputsAsNumpy())

    @property
    def outputs(self) -> list[int]:
        return [index for index in integers(self.table.OutputsAsNumpy()) if index != ABSENT]

    def input(self, position: int) -> int:
        inputs = self.inputs
        return inputs[position] if position < len(inputs) else ABSENT

    def shape(self, position: int) -> list[int]:
        index = self.input(position)
        return [] if index == ABSENT else integers(self.graph.Tensors(index).ShapeAsNumpy())

    def demands(self) -> Iterable[tuple[int, Limits]]:
        """Positions of inputs that do not take any value, with those that they take."""
        name = self.name
        if name.startswith(_OPAQUE):
            return [(position, _UNKNOWN) for position, index in enumerate(self.inputs) if self._may_index(index)]
        if name == "GATHER":
            table, axis = self.shape(0), self._gather_axis()
            return [(1, Limits(0, table[axis] - 1) if -len(table) <= axis < len(table) else _UNKNOWN)]
        if name == "EMBEDDING_LOOKUP":
            return [(0, Limits(0, self.shape(1)[0] - 1) if self.shape(1) else _UNKNOWN)]
        if name == "GATHER_ND":
            depth = self.shape(1)[-1] if self.shape(1) else 0
            return [(1, Limits(0, min(self.shape(0)[:depth], default=0) - 1))]
        settings = _SETTINGS.get(name, ())
        if name in _DIVISORS and not self._is_integer():
            settings = ()
        return [(position, _UNKNOWN) for position in settings]

    def passed(self, sources: dict[int, tuple[_Source, ...]]) -> Iterator[_Source]:
        """Where the values of the outputs come from."""
        name, inputs = self.name, self.inputs
        if name in _FREE:
            return
        if name in _MOVED:
            for index in inputs[_MOVED[name]]:
                yield from sources.get(index, ())
            return
        if name in ("ADD", "SUB") and len(inputs) == 2 and self._is_integer():
            added = self._constant(inputs[1]) if inputs[1] not in sources else None
            if added is not None and added.size:
                ends = (int(added.min()), int(added.max())) if name == "ADD" else (-int(added.max()), -int(added.min()))
                for source in sources.get(inputs[0], ()):
                    yield _Source(source.tensor, source.low + ends[0], source.high + ends[1], source.same)
                return
            added = self._constant(inputs[0]) if inputs[0] not in sources else None
            if name == "ADD" and added is not None and added.size:
                for source in sources.get(inputs[1], ()):
                    yield _Source(
                        source.tensor, source.low + int(added.min()), source.high + int(added.max()), source.same
                    )
                return
        for index in inputs:
            for source in sources.get(index, ()):
                yield _Source(source.tensor, same=False)

    def _may_index(self, index: int) -> bool:
        return index != ABSENT and self.graph.Tensors(index).Type() in (
            schema.TensorType.INT32,
            schema.TensorType.INT64,
        )

    def _is_integer(self) -> bool:
        return self.graph.Tensors(self.inputs[0]).Type() in _INTEGERS

    def _constant(self, index: int) -> Array | None:
        tensor = self.graph.Tensors(index)
        buffer = self.model.Buffers(tensor.Buffer())
        if tensor.Type() not in _INTEGERS or buffer.DataIsNone():
            return None
        data: Array = buffer.DataAsNumpy().view(_INTEGERS[tensor.Type()])
        return data

    def _gather_axis(self) -> int:
        table = self.table.BuiltinOptions()
        if table is None:
            return 0
        options = schema.GatherOptions()
        options.Init(table.Bytes, table.Pos)
        return int(options.Axis())


_INTEGERS: dict[int, np.dtype[Any]] = {
    schema.TensorType.INT32: np.dtype(np.int32),
    schema.TensorType.INT64: np.dtype(np.int64),
    schema.TensorType.INT16: np.dtype(np.int16),
    schema.TensorType.INT8: np.dtype(np.int8),
    schema.TensorType.UINT8: np.dtype(np.uint8),
}
