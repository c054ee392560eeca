"""The reference executor: runs a graph op by op in NumPy, exactly where the arithmetic is integer.

Not fast, and not meant to be: it is what kernels, delegates and generated code are compared with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgebnn.errors import InputError, UnsupportedOpError

from . import memory_bound
from .opdef import OpDef, OpView, op_view
from .ops import OPS
from .ops.view import bad_input
from .types import ABSENT, Array, DType, Graph

_QUANTIZABLE = (DType.INT8, DType.UINT8, DType.INT16)


def run(graph: Graph, inputs: Sequence[Array]) -> tuple[Array, ...]:
    """Runs a model once; :func:`edgebnn.graph.batches.run_all` takes any number of samples.

    Tensors are dropped after their last use.

    Args:
        graph: the model.
        inputs: an array for each of its inputs, of exactly its shape and element type.

    Returns:
        An array for each output.

    Raises:
        InputError: the inputs do not fit (:func:`edgebnn.graph.shapes.resize` gives the graph another batch size), or
            it needs more memory than is free.
        UnsupportedOpError: naming op and layer.
    """
    values = _execute(graph, inputs, keep_all=False)
    return tuple(values[index] for index in graph.outputs)


def trace(graph: Graph, inputs: Sequence[Array]) -> dict[int, Array]:
    """Runs a model once and keeps everything.

    Args:
        graph: the model.
        inputs: an array for each of its inputs, of exactly its shape and element type.

    Returns:
        Every tensor by its index, constants and inputs among them.

    Raises:
        InputError, UnsupportedOpError: as :func:`run` does.
    """
    return _execute(graph, inputs, keep_all=True)


def run_op(view: OpView, arguments: tuple[Array | None, ...]) -> tuple[Array, ...]:
    """The outputs of one op, whatever its file says of their shapes.

    Args:
        view: the op and its tensors.
        arguments: the values of its inputs, None for absent ones.

    Returns:
        An array for each output.

    Raises:
        UnsupportedOpError: there is no such op, or not for these element types or options.
        InputError: the op cannot work on these values, or with the scales that the file gives it.
    """
    entry = definition(view)
    try:
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # as in C: infinities and NaN
            return entry.run(_with_computed_arguments(view, arguments), arguments)
    except (OverflowError, ZeroDivisionError) as error:
        scales = ", ".join(f"{scale:.3g}" for scale in _scales(view))
        raise bad_input(view, f"cannot be computed with the scales {scales}: {error}") from None
    except (ValueError, IndexError) as error:  # a maximum of nothing, an index that a file computes
        raise bad_input(view, f"cannot be computed for these inputs: {error}") from None
    except MemoryError:
        raise bad_input(view, "needs more memory than there is") from None


def _scales(view: OpView) -> list[float]:
    """The first scale of each quantized tensor of the op."""
    tensors = (*view.inputs, *view.outputs)
    return [t.quantization.scale[0] for t in tensors if t is not None and t.quantization is not None]


def definition(view: OpView) -> OpDef:
    """The entry of an op. Raises UnsupportedOpError if there is none or it lacks these element types."""
    entry = OPS.get(view.op.kind)
    if entry is None:
        raise UnsupportedOpError(
            f"layer {view.name!r}: op {view.op.kind} is not supported; supported: {', '.join(sorted(OPS))}"
        )
    first = next((tensor for tensor in view.inputs if tensor is not None), None)
    if first is not None and view.outputs and (first.dtype, view.outputs[0].dtype) not in entry.types:
        pairs = ", ".join(f"{a.value} to {b.value}" for a, b in entry.types)
        raise UnsupportedOpError(
            f"layer {view.name!r}: {view.op.kind} from {first.dtype.value} to {view.outputs[0].dtype.value} "
            f"is not supported; supported: {pairs}"
        )
    return entry


def _execute(graph: Graph, inputs: Sequence[Array], keep_all: bool) -> dict[int, Array]:
    memory_bound.check_graph(graph, keep_all)
    values = {i: tensor.data for i, tensor in enumerate(graph.tensors) if tensor.data is not None}
    values.update(_checked_inputs(graph, inputs))
    last_use = {i: step for step, op in enumerate(graph.ops) for i in (*op.inputs, *op.outputs)}
    for step, op in enumerate(graph.ops):
        view = op_view(graph, step)
        arguments = tuple(None if i == ABSENT else _value(graph, values, view, i) for i in op.inputs)
        check_op(graph, view)
        results = run_op(view, arguments)
        for index, result in zip(op.outputs, results, strict=True):
            values[index] = _checked_result(graph, view, index, result)
        if not keep_all:
            for i in {*op.inputs, *op.outputs} - {ABSENT, *graph.outputs}:
                if last_use[i] == step:
                    values.pop(i, None)
    return values


def _checked_inputs(graph: Graph, inputs: Sequence[Array]) -> dict[int, Array]:
    if len(inputs) != len(graph.inputs):
        raise InputError(f"{graph.name}: takes {len(graph.inputs)} inputs, not {len(inputs)}")
    for index, array in zip(graph.inputs, inputs, strict=True):
        tensor = graph.tensors[index]
        if array.shape != tensor.shape or array.dtype != tensor.dtype.numpy:
            raise InputError(
                f"{graph.name}: input {tensor.name!r} takes {tensor.dtype.value} {list(tensor.shape)}, "
                f"not {array.dtype} {list(array.shape)}"
            )
    return {index: np.asarray(array) for index, array in zip(graph.inputs, inputs, strict=True)}


def _value(graph: Graph, values: dict[int, Array], view: OpView, index: int) -> Array:
    if index not in values:
        raise InputError(f"{graph.name}: layer {view.name!r} reads tensor {index} before it is computed")
    return values[index]


def check_op(graph: Graph, view: OpView) -> None:
    """Whether the reference executor has an op.

    Args:
        graph: the model.
        view: one of its ops.

    Raises:
        UnsupportedOpError: there is no such op, not for these element types, or it only moves values and has other
            quantizations on its sides.
    """
    entry = definition(view)
    quantized = [
        (tensor.name, tensor.quantization)
        for tensor in (graph.tensors[i] for i in entry.of_one_scale(view.op, graph.tensors))
        if tensor.dtype in _QUANTIZABLE and tensor.quantization is not None and tensor.quantization.per_tensor
    ]
    for name, quantization in quantized[1:]:
        first, expected = quantized[0]
        if (quantization.scale, quantization.zero_point) != (expected.scale, expected.zero_point):
            raise UnsupportedOpError(
                f"layer {view.name!r}: {view.op.kind} with a change of quantization from {name!r} to {first!r} is not "
                "supported; supported: equal quantization"
            )


def _with_computed_arguments(view: OpView, arguments: tuple[Array | None, ...]) -> OpView:
    """Shapes and axes that the graph computes look like constants to the op that reads them."""
    inputs = tuple(
        replace(tensor, data=array) if tensor is not None and tensor.dtype in (DType.INT32, DType.INT64) else tensor
        for tensor, array in zip(view.inputs, arguments, strict=True)
    )
    return replace(view, inputs=inputs)


def _checked_result(graph: Graph, view: OpView, index: int, result: Array) -> Array:
    tensor = graph.tensors[index]
    if result.shape != tensor.shape or result.dtype != tensor.dtype.numpy:
        raise InputError(
            f"{graph.name}: layer {view.name!r} computes {result.dtype} {list(result.shape)}, but the file declares "
            f"{tensor.dtype.value} {list(tensor.shape)}"
        )
    return result
