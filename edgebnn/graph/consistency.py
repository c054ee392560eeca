"""Whether a structurally sound .tflite file means anything: indices, sizes, and the order of ops.

To be called after :func:`edgebnn.graph.flatbuffer.check`, whose bounds checks the accessors used here rely on.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgebnn.errors import ModelFormatError, one_line

from .schema import schema
from .types import ABSENT

Bytes = bytes | mmap.mmap

MAX_TENSOR_BYTES = 1 << 40
"""A tensor of more can only come from a corrupt shape."""

BITS = {
    schema.TensorType.FLOAT32: 32,
    schema.TensorType.FLOAT16: 16,
    schema.TensorType.FLOAT64: 64,
    schema.TensorType.INT32: 32,
    schema.TensorType.UINT32: 32,
    schema.TensorType.UINT8: 8,
    schema.TensorType.INT8: 8,
    schema.TensorType.BOOL: 8,
    schema.TensorType.INT16: 16,
    schema.TensorType.UINT16: 16,
    schema.TensorType.INT64: 64,
    schema.TensorType.UINT64: 64,
    schema.TensorType.COMPLEX64: 64,
    schema.TensorType.COMPLEX128: 128,
    schema.TensorType.INT4: 4,
}
"""Bits of an element, of the types that have a fixed number."""

_INT32 = (-(2**31), 2**31 - 1)
_RANGES = {
    schema.TensorType.INT8: (-128, 127),
    schema.TensorType.UINT8: (0, 255),
    schema.TensorType.INT16: (-32768, 32767),
}
"""Of the zero points, where the type is narrower than 32 bits."""


def check(data: Bytes, source: str) -> tuple[tuple[str, str], ...]:
    """Checks indices, tensor sizes and the order of ops. Returns every custom op of the file as (custom code, layer).

    Raises:
        ModelFormatError: the model is inconsistent; the message names file and layer.
    """
    model = schema.Model.GetRootAs(data)
    checker = _Checker(model, len(data), source)
    if model.Version() != 3:
        raise checker.error(f"schema version {model.Version()}, expected 3")
    if model.SubgraphsLength() == 0:
        raise checker.error("it holds no graph")
    for index in range(model.MetadataLength()):
        checker.index(model.Metadata(index).Buffer(), model.BuffersLength(), "a metadata buffer")
    for index in range(model.SubgraphsLength()):
        checker.subgraph(model.Subgraphs(index))
    for index in range(model.SignatureDefsLength()):
        checker.signature(model.SignatureDefs(index))
    return tuple(checker.custom_ops())


@dataclass(frozen=True)
class _Checker:
    model: Any
    size: int
    source: str

    def error(self, why: str) -> ModelFormatError:
        return ModelFormatError(one_line(f"{self.source}: not a valid model: {why}"))

    def index(self, value: int, count: int, what: str) -> None:
        if not 0 <= value < count:
            raise self.error(f"{what} has index {value} of {count}")

    def custom_ops(self) -> Iterable[tuple[str, str]]:
        graph = self.model.Subgraphs(0)
        for index in range(graph.OperatorsLength()):
            op = graph.Operators(index)
            code = self.model.OperatorCodes(op.OpcodeIndex()).CustomCode()
            if code is not None:
                yield code.decode("utf-8", "replace"), layer_name(graph, op, index)

    def subgraph(self, graph: Any) -> None:
        for index in range(graph.TensorsLength()):
            self.tensor(graph.Tensors(index), index)
        tensors = graph.TensorsLength()
        for role, vector in (("input", graph.InputsAsNumpy()), ("output", graph.OutputsAsNumpy())):
            for value in integers(vector):
                self.index(value, tensors, f"a graph {role}")
                if role == "input":
                    self.given(graph.Tensors(value))
        self.order(graph)

    def given(self, tensor: Any) -> None:
        """An input has no data of its own: LiteRT would write to the file's memory."""
        name = text(tensor.Name())
        if self.buffer_length(tensor.Buffer(), name):
            raise self.error(f"input '{name}' is a constant")

    def tensor(self, tensor: Any, index: int) -> None:
        name = text(tensor.Name()) or f"tensor {index}"
        self.index(tensor.Buffer(), self.model.BuffersLength(), f"the buffer of tensor '{name}'")
        bits = BITS.get(tensor.Type())
        elements = 1
        shape = integers(tensor.ShapeAsNumpy())
        for dimension in shape:
            if dimension < 0:
                raise self.error(f"tensor '{name}' has a negative dimension")
            elements *= dimension
            if elements * (bits or 1) > 8 * MAX_TENSOR_BYTES:
                raise self.error(f"tensor '{name}' has an impossible shape")
        signature = integers(tensor.ShapeSignatureAsNumpy())
        if signature and (len(signature) != len(shape) or min(signature) < -1):
            raise self.error(f"tensor '{name}' has a shape signature that does not fit its shape")
        length = self.buffer_length(tensor.Buffer(), name)
        if length and bits and tensor.Sparsity() is None and length != (elements * bits + 7) // 8:
            raise self.error(
                f"tensor '{name}' has {length} bytes of data, its shape and type need {(elements * bits + 7) // 8}"
            )
        self.quantization(tensor, name)

    def quantization(self, tensor: Any, name: str) -> None:
        quantization = tensor.Quantization()
        if quantization is None or quantization.ScaleLength() == 0:
            return
        scales = quantization.ScaleLength()
        zero_points = quantization.ZeroPointLength()
        if zero_points not in (0, 1, scales):
            raise self.error(f"tensor '{name}' has {scales} scales and {zero_points} zero points")
        if not all(0 <= scale < np.inf for scale in quantization.ScaleAsNumpy().tolist()):
            raise self.error(f"tensor '{name}' has a scale that is negative or not finite")
        low, high = _RANGES.get(tensor.Type(), _INT32)
        if not all(low <= zero_point <= high for zero_point in integers(quantization.ZeroPointAsNumpy())):
            raise self.error(f"tensor '{name}' has a zero point outside of its type's range")
        if scales > 1:
            axis = quantization.QuantizedDimension()
            self.index(axis, tensor.ShapeLength(), f"the quantized dimension of tensor '{name}'")
            if tensor.Shape(axis) != scales:
                raise self.error(f"tensor '{name}' has {scales} scales along a dimension of {tensor.Shape(axis)}")

    def buffer_length(self, index: int, name: str) -> int:
        """Bytes of the buffer, which lies inside the flatbuffer or, in large files, behind it. Buffer 0 is none."""
        if index == 0:
            return 0
        buffer = self.model.Buffers(index)
        if buffer.Offset() > 1:
            if buffer.Offset() + buffer.Size() > self.size:
                raise self.error(f"the data of tensor '{name}' lies outside of the file")
            return int(buffer.Size())
        return int(buffer.DataLength())

    def order(self, graph: Any) -> None:
        """Every tensor is written once, and before it is read: LiteRT gives no memory to one that is never written."""
        ops = [graph.Operators(number) for number in range(graph.OperatorsLength())]
        computed = {value for op in ops for value in _written(op)}
        known = set(integers(graph.InputsAsNumpy()))
        for index in range(graph.TensorsLength()):
            tensor = graph.Tensors(index)
            empty = 0 in integers(tensor.ShapeAsNumpy()) and index not in computed
            if empty or tensor.IsVariable() or self.buffer_length(tensor.Buffer(), ""):
                known.add(index)
        constants = frozenset(known)
        for number, op in enumerate(ops):
            layer = layer_name(graph, op, number)
            self.index(op.OpcodeIndex(), self.model.OperatorCodesLength(), f"the op code of layer '{layer}'")
            self.large_options(op, layer)
            for value in integers(op.InputsAsNumpy()):
                if value == ABSENT:
                    continue
                self.index(value, graph.TensorsLength(), f"an input of layer '{layer}'")
                if value not in known:
                    name = text(graph.Tensors(value).Name())
                    raise self.error(f"layer '{layer}' reads tensor {value} ('{name}') before it is written")
            for value in _written(op):
                self.index(value, graph.TensorsLength(), f"an output of layer '{layer}'")
                if value in known and not graph.Tensors(value).IsVariable():
                    what = "an input or a constant of the graph" if value in constants else "a tensor that has a value"
                    raise self.error(f"layer '{layer}' writes to {what}")
                known.add(value)
        for value in integers(graph.OutputsAsNumpy()):
            if value not in known:
                raise self.error(f"graph output {value} ('{text(graph.Tensors(value).Name())}') is never written")

    def large_options(self, op: Any, layer: str) -> None:
        offset, size = op.LargeCustomOptionsOffset(), op.LargeCustomOptionsSize()
        if offset > 1 and offset + size > self.size:
            raise self.error(f"the options of layer '{layer}' lie outside of the file")

    def signature(self, signature: Any) -> None:
        """It names inputs and outputs of its graph: LiteRT overwrites what is given for other tensors, and the memory
        of other results."""
        self.index(signature.SubgraphIndex(), self.model.SubgraphsLength(), "the graph of a signature")
        graph = self.model.Subgraphs(signature.SubgraphIndex())
        what = f"signature '{text(signature.SignatureKey())}'"
        for role, count, at, own in (
            ("input", signature.InputsLength(), signature.Inputs, graph.InputsAsNumpy()),
            ("output", signature.OutputsLength(), signature.Outputs, graph.OutputsAsNumpy()),
        ):
            for number in range(count):
                index = at(number).TensorIndex()
                self.index(index, graph.TensorsLength(), f"a tensor of {what}")
                if role == "input":
                    self.given(graph.Tensors(index))
                if index not in integers(own):
                    name = text(graph.Tensors(index).Name())
                    raise self.error(f"{what} names tensor {index} ('{name}'), which is no {role} of its graph")


def _written(op: Any) -> list[int]:
    """The tensors that the op writes, as far as they are given."""
    values = (*integers(op.OutputsAsNumpy()), *integers(op.IntermediatesAsNumpy()))
    return [value for value in values if value != ABSENT]


def integers(vector: Any) -> list[int]:
    """The accessors return the integer 0 in place of an absent vector."""
    return [int(value) for value in vector] if isinstance(vector, np.ndarray) else []


def text(value: bytes | None) -> str:
    return value.decode("utf-8", "replace") if value else ""


def layer_name(graph: Any, op: Any, number: int) -> str:
    """The layer's name: that of its first output."""
    if op.OutputsLength() and 0 <= op.Outputs(0) < graph.TensorsLength():
        return text(graph.Tensors(op.Outputs(0)).Name()) or f"op {number}"
    return f"op {number}"
