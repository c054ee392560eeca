"""The bytes of a .tflite file (float, int8, or with the ops of the Larq Compute Engine) as a graph.

They are not trusted: :mod:`.flatbuffer` and :mod:`.consistency` see to it that whatever they refer to exists, fits and
comes in order. What is refused here makes sense, but not in the IR.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from edgebnn.errors import InputError, ModelFormatError, UnsupportedOpError, one_line

from . import attachment, consistency, flatbuffer, shapes
from .consistency import integers, text
from .opdef import OpDef
from .ops import OPS
from .options import from_flexbuffer, from_table
from .schema import schema
from .types import Array, DType, Graph, Op, Quantization, Shape, Signature, Tensor

_MAX_RANK = 8  # of TFLite's kernels
_MAX_TENSOR_BYTES = 2**31 - 1  # flatbuffers and TFLite's arena count in 32 bits
_EMPTY = np.zeros(0, np.uint8)

_DTYPES = {getattr(schema.TensorType, dtype.name): dtype for dtype in DType}
_TYPE_NAMES = {value: name for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
_BUILTIN_NAMES = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}


def parse(data: bytes, name: str, input_shapes: Sequence[Shape] = ()) -> Graph:
    """The graph of a .tflite file.

    Args:
        data: the file's content, not trusted.
        name: what errors call the file.
        input_shapes: the shape of each input, for a file that leaves sizes open, or is to run on others than its own.

    Returns:
        The graph; its constants are read-only views of ``data``. Where sizes are open and no shapes are given, its
        shapes are those that the file states in their place (:func:`.shapes.require_sizes` refuses it).

    Raises:
        ModelFormatError: it is truncated, corrupt or beyond what the IR holds (several subgraphs, sparse or variable
            tensors, data outside the flatbuffer).
        UnsupportedOpError: it holds an op that edgebnn does not have.
        InputError: it does not work with ``input_shapes``.
    """
    end = flatbuffer.check(data, name)
    consistency.check(data, name)
    try:
        graph = shapes.check(_graph(schema.Model.GetRootAs(data)))
        graph = replace(graph, attachment=attachment.behind(data, end))
    except UnsupportedOpError as error:
        raise UnsupportedOpError(one_line(f"{name}: {error}")) from None
    except (InputError, ModelFormatError) as error:
        raise ModelFormatError(one_line(f"{name}: {error}")) from None
    if not input_shapes:
        return graph
    try:
        return shapes.resize(graph, input_shapes)
    except InputError as error:
        raise InputError(one_line(f"{name}: {error}")) from None


def _graph(model: Any) -> Graph:
    if model.SubgraphsLength() != 1:
        raise ModelFormatError(
            f"has {model.SubgraphsLength()} subgraphs; edgebnn reads models with exactly one (no control flow)"
        )
    subgraph = model.Subgraphs(0)
    buffers = [_buffer(index, table) for index, table in enumerate(_tables(model, "Buffers"))]
    tensors = [_tensor(index, table, buffers) for index, table in enumerate(_tables(subgraph, "Tensors"))]
    codes = [(*_kind(code), code.Version()) for code in _tables(model, "OperatorCodes")]
    ops = tuple(_op(index, table, codes, tensors) for index, table in enumerate(_tables(subgraph, "Operators")))
    inputs = _numbers(subgraph.InputsAsNumpy())
    if not ops:
        raise ModelFormatError("has no ops")
    if len(set(inputs)) < len(inputs) or any(tensors[index].is_constant for index in inputs):
        raise ModelFormatError("has an input that is a constant or is listed twice")
    return Graph(
        name=text(subgraph.Name()),
        tensors=_with_empty_constants(tensors, ops, inputs),
        ops=ops,
        inputs=inputs,
        outputs=_numbers(subgraph.OutputsAsNumpy()),
        description=text(model.Description()),
        signatures=tuple(_signature(table) for table in _tables(model, "SignatureDefs")),
        metadata=tuple((text(table.Name()), buffers[table.Buffer()].tobytes()) for table in _tables(model, "Metadata")),
    )


def _tables(table: Any, field: str) -> list[Any]:
    """The sub-tables in the vector ``field``."""
    return [getattr(table, field)(i) for i in range(getattr(table, f"{field}Length")())]


def _numbers(vector: Any) -> tuple[int, ...]:
    return tuple(integers(vector))


def _buffer(index: int, table: Any) -> Array:
    """The bytes of a buffer: a view of the file."""
    if table.Offset() > 1 or table.Size() > 1:
        raise ModelFormatError(f"buffer {index} lies outside the flatbuffer, which edgebnn does not read")
    return _EMPTY if table.DataIsNone() else table.DataAsNumpy()


# -- tensors --


def _tensor(index: int, table: Any, buffers: Sequence[Array]) -> Tensor:
    name = text(table.Name())
    where = f"tensor {index} ('{name}')"
    external = getattr(table, "ExternalBuffer", int)()
    refused = {"sparse": table.Sparsity() is not None, "variable": table.IsVariable(), "external": external != 0}
    for word in (word for word, found in refused.items() if found):
        raise ModelFormatError(f"{where} is {word}, which edgebnn does not read")
    if table.Type() not in _DTYPES:
        kind = _TYPE_NAMES.get(table.Type(), table.Type())
        raise ModelFormatError(f"{where} has the type {kind}, which edgebnn does not read")
    dtype = _DTYPES[table.Type()]
    shape = _numbers(table.ShapeAsNumpy())
    if len(shape) > _MAX_RANK:
        raise ModelFormatError(f"{where} has {len(shape)} dimensions; edgebnn reads at most {_MAX_RANK}")
    if math.prod(shape) * dtype.bytes > _MAX_TENSOR_BYTES:
        raise ModelFormatError(f"{where} of shape {list(shape)} is larger than 2 GB")
    signature = None if table.ShapeSignatureIsNone() else _numbers(table.ShapeSignatureAsNumpy())
    buffer = buffers[table.Buffer()] if table.Buffer() else _EMPTY
    data = buffer.view(dtype.numpy).reshape(shape) if buffer.size else None
    return Tensor(name, shape, dtype, _quantization(where, table.Quantization()), data, signature)


def _quantization(where: str, table: Any) -> Quantization | None:
    if table is None:
        return None
    if table.DetailsType() != schema.QuantizationDetails.NONE:
        raise ModelFormatError(f"{where} has a custom quantization, which edgebnn does not read")
    if table.ScaleLength() == 0:
        return None
    scale = tuple(float(value) for value in table.ScaleAsNumpy())
    zero_point = _numbers(table.ZeroPointAsNumpy())
    if len(zero_point) != len(scale):
        raise ModelFormatError(f"{where} has {len(scale)} scales but {len(zero_point)} zero points")
    if 0 in scale:
        raise ModelFormatError(f"{where} has a scale that is not a positive number")
    return Quantization(scale, zero_point, table.QuantizedDimension())


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


def _kind(code: Any) -> tuple[str, bool]:
    """Name of an op, and whether it is a custom one."""
    builtin = max(code.DeprecatedBuiltinCode(), code.BuiltinCode())
    if builtin == schema.BuiltinOperator.CUSTOM:
        return text(code.CustomCode()), True
    return _BUILTIN_NAMES.get(builtin, f"BUILTIN_{builtin}"), False


def _op(index: int, operator: Any, codes: Sequence[tuple[str, bool, int]], tensors: Sequence[Tensor]) -> Op:
    kind, custom, version = codes[operator.OpcodeIndex()]
    outputs = _numbers(operator.OutputsAsNumpy())
    if not outputs or min(outputs) < 0:
        raise ModelFormatError(f"op {index} ({kind}) lacks an output")
    where = f"layer '{tensors[outputs[0]].name}' (op {index}, {kind})"
    definition = _definition(where, kind, custom)
    if operator.LargeCustomOptionsOffset() > 1:
        raise ModelFormatError(f"{where} has options outside the flatbuffer, which edgebnn does not read")
    if custom:
        packed = operator.CustomOptionsAsNumpy()
        options = from_flexbuffer(where, definition, b"" if operator.CustomOptionsIsNone() else packed.tobytes())
    else:
        options = from_table(where, definition, operator)
    inputs = _numbers(operator.InputsAsNumpy())
    if len(inputs) < (definition.limits.required or 1):
        raise ModelFormatError(f"{where} has {len(inputs)} inputs, too few")
    return Op(kind, inputs, outputs, options, version)


def _definition(where: str, kind: str, custom: bool) -> OpDef:
    definition = OPS.get(kind)
    if definition is None or definition.custom != custom:
        raise UnsupportedOpError(
            f"{where}: the {'custom ' if custom else ''}op '{kind}' is not supported; "
            f"supported are {', '.join(sorted(OPS))}"
        )
    return definition


# -- what belongs to the whole model --


def _signature(table: Any) -> Signature:
    return Signature(text(table.SignatureKey()), _arguments(table, "Inputs"), _arguments(table, "Outputs"))


def _arguments(table: Any, field: str) -> tuple[tuple[str, int], ...]:
    return tuple((text(entry.Name()), entry.TensorIndex()) for entry in _tables(table, field))
