"""Reads a .tflite file (float, int8, or with the ops of the Larq Compute Engine) into the IR.

The file is not trusted: whatever is wrong with it ends in one :class:`EdgebnnError` naming the file and the layer.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgebnn.errors import InputError, ModelFormatError, UnsupportedOpError
from edgebnn.graph.opdef import OpDef
from edgebnn.graph.ops import OPS
from edgebnn.graph.shapes import check
from edgebnn.graph.types import ABSENT, Array, DType, Graph, Op, Quantization, Shape, Signature, Tensor

from .flat import FlatFile
from .options import from_flexbuffer, from_table

_IDENTIFIER = b"TFL3"
_VERSION = 3
_MAX_RANK = 8  # of TFLite's kernels
_MAX_TENSOR_BYTES = 2**31 - 1  # flatbuffers and TFLite's arena count in 32 bits

_DTYPES = {getattr(schema.TensorType, dtype.name): dtype for dtype in DType}
_TYPE_NAMES = {value: name for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
_BUILTIN_NAMES = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}


def read(source: str | Path | bytes, name: str = "<bytes>") -> Graph:
    """Read a .tflite file, given by path, or as its content, which errors then call ``name``.

    Raises InputError if the file cannot be opened, ModelFormatError if it is truncated, corrupt or beyond what the IR
    holds (several subgraphs, sparse or variable tensors, data outside the flatbuffer), and UnsupportedOpError for an
    op that edgebnn does not have.
    """
    if isinstance(source, bytes):
        return _graph(FlatFile(name, source))
    try:
        return _graph(FlatFile(str(source), Path(source).read_bytes()))
    except OSError as error:
        raise InputError(f"{source}: cannot be read ({error.strerror or error})") from None


def _graph(file: FlatFile) -> Graph:
    if file.data[4:8] != _IDENTIFIER:
        raise file.error("is not a TensorFlow Lite model (the identifier 'TFL3' is missing)")
    with file.reading("the model"):
        model = schema.Model.GetRootAs(file.data, 0)
        version = model.Version()
        description = file.text(model, "Description")
        subgraphs = file.tables(model, "Subgraphs")
        buffers = [_buffer(file, index, buffer) for index, buffer in enumerate(file.tables(model, "Buffers"))]
    if version != _VERSION:
        raise file.error(f"has schema version {version}; edgebnn reads version {_VERSION}")
    if len(subgraphs) != 1:
        raise file.error(f"has {len(subgraphs)} subgraphs; edgebnn reads models with exactly one (no control flow)")
    with file.reading("the subgraph"):
        name = file.text(subgraphs[0], "Name")
        inputs = file.integers(subgraphs[0], "Inputs")
        outputs = file.integers(subgraphs[0], "Outputs")
        tables = file.tables(subgraphs[0], "Tensors")
    tensors = [_tensor(file, index, table, buffers) for index, table in enumerate(tables)]
    ops = _ops(file, model, subgraphs[0], tensors)
    graph = Graph(
        name=name,
        tensors=_with_empty_constants(tensors, ops, inputs),
        ops=ops,
        inputs=inputs,
        outputs=outputs,
        description=description,
        signatures=_signatures(file, model, len(tensors)),
        metadata=_metadata(file, model, buffers),
    )
    _check_order(file, graph)
    try:
        return check(graph)
    except UnsupportedOpError as error:
        raise file.unsupported(str(error)) from None
    except (InputError, ModelFormatError) as error:
        raise file.error(str(error)) from None


def _buffer(file: FlatFile, index: int, table: Any) -> Array:
    """The bytes of a buffer: a view of the file."""
    if table.Offset() > 1 or table.Size() > 1:
        raise file.error(f"buffer {index} lies outside the flatbuffer, which edgebnn does not read")
    return file.numbers(table, "Data")


# -- tensors --


def _tensor(file: FlatFile, index: int, table: Any, buffers: list[Array]) -> Tensor:
    with file.reading(f"tensor {index}"):
        name = file.text(table, "Name")
        shape = file.integers(table, "Shape")
        signature = None if table.ShapeSignatureIsNone() else file.integers(table, "ShapeSignature")
        kind = table.Type()
        buffer = table.Buffer()
        external = getattr(table, "ExternalBuffer", int)()
        refused = {"sparse": table.Sparsity() is not None, "variable": table.IsVariable(), "external": external != 0}
    where = f"tensor {index} ('{name}')"
    for word in (word for word, found in refused.items() if found):
        raise file.error(f"{where} is {word}, which edgebnn does not read")
    if kind not in _DTYPES:
        raise file.error(f"{where} has the type {_TYPE_NAMES.get(kind, kind)}, which edgebnn does not read")
    dtype = _DTYPES[kind]
    _check_shape(file, where, shape, signature, dtype)
    if buffer >= len(buffers):
        raise file.error(f"{where} refers to buffer {buffer} of {len(buffers)}")
    with file.reading(f"the quantization of {where}"):
        quantization = _quantization(file, where, table.Quantization(), shape)
    data = _data(file, where, buffers[buffer], shape, dtype) if buffer and buffers[buffer].size else None
    return Tensor(name, shape, dtype, quantization, data, signature)


def _check_shape(file: FlatFile, where: str, shape: Shape, signature: Shape | None, dtype: DType) -> None:
    if len(shape) > _MAX_RANK or min(shape, default=0) < 0:
        raise file.error(f"{where} has the impossible shape {_short(shape)}")
    if math.prod(shape) * dtype.bytes > _MAX_TENSOR_BYTES:
        raise file.error(f"{where} of shape {_short(shape)} is larger than 2 GB")
    if signature and (len(signature) != len(shape) or min(signature) < -1):
        raise file.error(f"{where} has the shape {_short(shape)} but the signature {_short(signature)}")


def _short(shape: Shape) -> str:
    return str(list(shape)) if len(shape) <= _MAX_RANK else f"of {len(shape)} dimensions"


def _quantization(file: FlatFile, where: str, table: Any, shape: Shape) -> Quantization | None:
    if table is None:
        return None
    if table.DetailsType() != schema.QuantizationDetails.NONE:
        raise file.error(f"{where} has a custom quantization, which edgebnn does not read")
    scale = tuple(float(value) for value in file.numbers(table, "Scale"))
    zero_point = file.integers(table, "ZeroPoint")
    axis = table.QuantizedDimension()
    if not scale:
        return None
    if len(zero_point) != len(scale):
        raise file.error(f"{where} has {len(scale)} scales but {len(zero_point)} zero points")
    if not all(0 < value < math.inf for value in scale):
        raise file.error(f"{where} has a scale that is not a positive number")
    if len(scale) > 1 and not (0 <= axis < len(shape) and shape[axis] == len(scale)):
        raise file.error(f"{where} of shape {_short(shape)} has {len(scale)} scales along dimension {axis}")
    return Quantization(scale, zero_point, axis)


def _data(file: FlatFile, where: str, buffer: Array, shape: Shape, dtype: DType) -> Array:
    wanted = math.prod(shape) * dtype.bytes
    if buffer.nbytes != wanted:
        raise file.error(f"{where} of shape {_short(shape)} needs {wanted} bytes but its buffer has {buffer.nbytes}")
    return buffer.view(dtype.numpy).reshape(shape)


def _with_empty_constants(tensors: list[Tensor], ops: tuple[Op, ...], inputs: tuple[int, ...]) -> tuple[Tensor, ...]:
    """A constant without elements has no bytes in the file: it is known by nothing computing it."""
    computed = {index for op in ops for index in op.outputs} | set(inputs)
    return tuple(
        replace(t, data=np.zeros(t.shape, t.dtype.numpy))
        if t.data is None and index not in computed and t.elements == 0
        else t
        for index, t in enumerate(tensors)
    )


# -- ops --


def _ops(file: FlatFile, model: Any, subgraph: Any, tensors: list[Tensor]) -> tuple[Op, ...]:
    with file.reading("the list of op codes"):
        codes = [(_kind(file, code), code.Version()) for code in file.tables(model, "OperatorCodes")]
    with file.reading("the list of ops"):
        operators = file.tables(subgraph, "Operators")
    return tuple(_op(file, index, operator, codes, tensors) for index, operator in enumerate(operators))


def _kind(file: FlatFile, code: Any) -> tuple[str, bool]:
    """Name of an op, and whether it is a custom one."""
    builtin = max(code.DeprecatedBuiltinCode(), code.BuiltinCode())
    if builtin == schema.BuiltinOperator.CUSTOM:
        return file.text(code, "CustomCode"), True
    return _BUILTIN_NAMES.get(builtin, f"BUILTIN_{builtin}"), False


def _op(
    file: FlatFile, index: int, operator: Any, codes: list[tuple[tuple[str, bool], int]], tensors: list[Tensor]
) -> Op:
    with file.reading(f"op {index}"):
        code = operator.OpcodeIndex()
        inputs = file.integers(operator, "Inputs")
        outputs = file.integers(operator, "Outputs")
    if code >= len(codes):
        raise file.error(f"op {index} refers to op code {code} of {len(codes)}")
    (kind, custom), version = codes[code]
    if not outputs or not all(0 <= i < len(tensors) for i in outputs):
        raise file.error(f"op {index} ({kind}) has no output, or one that does not exist")
    where = f"layer '{tensors[outputs[0]].name}' (op {index}, {kind})"
    if not all(i == ABSENT or 0 <= i < len(tensors) for i in inputs):
        raise file.error(f"{where} has an input that does not exist")
    definition = _definition(file, where, kind, custom)
    with file.reading(f"the options of {where}"):
        if custom:
            options = from_flexbuffer(file, where, definition, file.numbers(operator, "CustomOptions").tobytes())
        else:
            options = from_table(file, where, definition, operator)
    return Op(kind, inputs, outputs, options, version)


def _definition(file: FlatFile, where: str, kind: str, custom: bool) -> OpDef:
    definition = OPS.get(kind)
    if definition is None or definition.custom != custom:
        raise file.unsupported(
            f"{where}: the {'custom ' if custom else ''}op '{kind}' is not supported; "
            f"supported are {', '.join(sorted(OPS))}"
        )
    return definition


def _check_order(file: FlatFile, graph: Graph) -> None:
    """Every tensor is computed once, before it is used: which also rules out cycles."""
    if not graph.ops:
        raise file.error("has no ops")
    if not all(0 <= index < len(graph.tensors) for index in (*graph.inputs, *graph.outputs)):
        raise file.error("has an input or output that does not exist")
    known = {index for index, tensor in enumerate(graph.tensors) if tensor.is_constant}
    if known & set(graph.inputs) or max(Counter(graph.inputs).values(), default=0) > 1:
        raise file.error("has an input that is a constant or is listed twice")
    known |= set(graph.inputs)
    for position, op in enumerate(graph.ops):
        where = f"layer '{graph.op_name(position)}' (op {position}, {op.kind})"
        for index in op.inputs:
            if index != ABSENT and index not in known:
                raise file.error(f"{where} uses tensor '{graph.tensors[index].name}' before it is computed")
        if known & set(op.outputs) or len(set(op.outputs)) < len(op.outputs):
            raise file.error(f"{where} computes a tensor that already has a value")
        known |= set(op.outputs)
    for index in graph.outputs:
        if index not in known:
            raise file.error(f"its output '{graph.tensors[index].name}' is never computed")


# -- what belongs to the whole model --


def _signatures(file: FlatFile, model: Any, tensors: int) -> tuple[Signature, ...]:
    with file.reading("a signature"):
        found = tuple(
            Signature(
                file.text(table, "SignatureKey"), _arguments(file, table, "Inputs"), _arguments(file, table, "Outputs")
            )
            for table in file.tables(model, "SignatureDefs")
        )
        if any(table.SubgraphIndex() for table in file.tables(model, "SignatureDefs")):
            raise file.error("has a signature of a subgraph that does not exist")
    for signature in found:
        if not all(index < tensors for _, index in (*signature.inputs, *signature.outputs)):
            raise file.error(f"signature '{signature.key}' names a tensor that does not exist")
    return found


def _arguments(file: FlatFile, table: Any, field: str) -> tuple[tuple[str, int], ...]:
    return tuple((file.text(entry, "Name"), entry.TensorIndex()) for entry in file.tables(table, field))


def _metadata(file: FlatFile, model: Any, buffers: list[Array]) -> tuple[tuple[str, bytes], ...]:
    with file.reading("the metadata"):
        entries = [(file.text(table, "Name"), table.Buffer()) for table in file.tables(model, "Metadata")]
    if not all(index < len(buffers) for _, index in entries):
        raise file.error("its metadata names a buffer that does not exist")
    return tuple((name, buffers[index].tobytes()) for name, index in entries)
