"""Writes the IR as a .tflite file: what was read and is written gives bit-identical results in LiteRT."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import flatbuffers
import numpy as np

from edgebnn.errors import InputError
from edgebnn.files import write_bytes
from edgebnn.graph.attachment import append
from edgebnn.graph.ops import OPS
from edgebnn.graph.options import to_flexbuffer, to_table
from edgebnn.graph.schema import CAN_WRITE, schema
from edgebnn.graph.types import Array, Graph, Op, Quantization, Shape, Signature, Tensor

_ALIGNMENT = 16  # bytes, of every buffer: what TFLite's kernels may rely on
_LAST_BYTE_CODE = 127  # op codes above it do not fit the schema's old 8-bit field, which then holds this value


def write(graph: Graph, path: str | Path) -> None:
    """Writes a .tflite file: to a temporary file, then renamed.

    Args:
        graph: the model.
        path: of the file.

    Raises:
        InputError: it cannot be written.
    """
    write_bytes(Path(path), to_bytes(graph))


def to_bytes(graph: Graph, ranges: Mapping[int, tuple[float, float]] = MappingProxyType({})) -> bytes:
    """The content of the .tflite file of ``graph``.

    Args:
        graph: what to write.
        ranges: least and greatest value of float tensors by index, as TensorFlow Lite's quantizer reads them.

    Returns:
        The bytes of the file.

    Raises:
        InputError: the installed schema only reads.
    """
    if not CAN_WRITE:
        raise InputError("writing .tflite files needs ai-edge-litert, which has no wheel for ARMv7; do it on a PC")
    buffers = _Buffers()
    tensors = [_tensor(tensor, buffers) for tensor in graph.tensors]
    for index, (low, high) in ranges.items():
        tensors[index].quantization = _range(low, high)
    codes = sorted({(op.kind, op.version) for op in graph.ops})
    subgraph = schema.SubGraphT()
    subgraph.name = graph.name
    subgraph.tensors = tensors
    subgraph.inputs = _int32(graph.inputs)
    subgraph.outputs = _int32(graph.outputs)
    subgraph.operators = [_operator(op, codes.index((op.kind, op.version))) for op in graph.ops]
    model = schema.ModelT()
    model.version = 3
    model.description = graph.description
    model.operatorCodes = [_code(kind, version) for kind, version in codes]
    model.subgraphs = [subgraph]
    model.signatureDefs = [_signature(signature) for signature in graph.signatures]
    model.metadata = [_metadata(name, buffers.add(data)) for name, data in graph.metadata]
    model.buffers = buffers.contents
    builder = flatbuffers.Builder(sum(len(buffer.data) for buffer in buffers.contents) + 65536)
    builder.Finish(model.Pack(builder), b"TFL3")
    return append(bytes(builder.Output()), graph.attachment)


class _Buffer:
    """A buffer as the schema's object API packs it, with its data aligned."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def Pack(self, builder: Any) -> int:
        vector = None
        if self.data:
            builder.StartVector(1, len(self.data), _ALIGNMENT)
            builder.head -= len(self.data)
            builder.Bytes[builder.head : builder.head + len(self.data)] = self.data
            vector = builder.EndVector()
        schema.BufferStart(builder)
        if vector is not None:
            schema.BufferAddData(builder, vector)
        return int(schema.BufferEnd(builder))


class _Buffers:
    """The model's buffers. The first is empty, and stands for "no data"; equal contents are stored once."""

    def __init__(self) -> None:
        self.contents = [_Buffer(b"")]
        self._index: dict[bytes, int] = {}

    def add(self, data: bytes) -> int:
        if data not in self._index:
            self._index[data] = len(self.contents)
            self.contents.append(_Buffer(data))
        return self._index[data]


def _int32(values: Shape) -> Array:
    return np.array(values, np.int32)


def _tensor(tensor: Tensor, buffers: _Buffers) -> Any:
    table = schema.TensorT()
    table.name = tensor.name
    table.shape = _int32(tensor.shape)
    table.shapeSignature = None if tensor.shape_signature is None else _int32(tensor.shape_signature)
    table.hasRank = True
    table.type = getattr(schema.TensorType, tensor.dtype.name)
    table.quantization = _quantization(tensor.quantization)
    if tensor.data is not None:
        # TFLite files are little-endian.
        table.buffer = buffers.add(tensor.data.astype(tensor.dtype.numpy.newbyteorder("<"), copy=False).tobytes())
    return table


def _quantization(quantization: Quantization | None) -> Any:
    if quantization is None:
        return None
    table = schema.QuantizationParametersT()
    table.scale = np.array(quantization.scale, np.float32)
    table.zeroPoint = np.array(quantization.zero_point, np.int64)
    table.quantizedDimension = quantization.axis
    return table


def _range(low: float, high: float) -> Any:
    table = schema.QuantizationParametersT()
    table.min, table.max = np.array([low], np.float32), np.array([high], np.float32)
    return table


def _code(kind: str, version: int) -> Any:
    code = schema.OperatorCodeT()
    if OPS[kind].custom:
        code.builtinCode = schema.BuiltinOperator.CUSTOM
        code.customCode = kind
    else:
        code.builtinCode = getattr(schema.BuiltinOperator, kind)
    code.deprecatedBuiltinCode = min(code.builtinCode, _LAST_BYTE_CODE)
    code.version = version
    return code


def _operator(op: Op, code: int) -> Any:
    definition = OPS[op.kind]
    operator = schema.OperatorT()
    operator.opcodeIndex = code
    operator.inputs = _int32(op.inputs)
    operator.outputs = _int32(op.outputs)
    if definition.custom:
        operator.customOptions = np.frombuffer(to_flexbuffer(definition, op.options), np.uint8)
    else:
        operator.builtinOptionsType, operator.builtinOptions = to_table(definition, op.options)
    return operator


def _signature(signature: Signature) -> Any:
    table = schema.SignatureDefT()
    table.signatureKey = signature.key
    table.inputs = [_argument(name, index) for name, index in signature.inputs]
    table.outputs = [_argument(name, index) for name, index in signature.outputs]
    return table


def _argument(name: str, index: int) -> Any:
    argument = schema.TensorMapT()
    argument.name = name
    argument.tensorIndex = index
    return argument


def _metadata(name: str, buffer: int) -> Any:
    table = schema.MetadataT()
    table.name = name
    table.buffer = buffer
    return table
