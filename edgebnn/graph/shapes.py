"""Shapes through the whole graph: what every tensor's shape is for given input shapes.

Shapes that a file computes at run time (SHAPE, STRIDED_SLICE and PACK feeding a RESHAPE) are folded: small integer
tensors that follow from constants and from shapes alone are evaluated with the ops' own semantics.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from edgebnn.errors import InputError, ModelFormatError

from .opdef import OpView, op_view
from .ops import OPS
from .types import Array, DType, Graph, Shape, Tensor

_FOLDED_ELEMENTS = 64  # shapes, axes and paddings are shorter; data is longer


def resize(graph: Graph, input_shapes: Sequence[Shape]) -> Graph:
    """``graph`` for inputs of other shapes, all tensors following.

    Sizes that the file leaves open are known then: only the number of samples, in front, stays open.

    Args:
        graph: the model.
        input_shapes: one for each of its inputs.

    Returns:
        The graph with every shape known.

    Raises:
        InputError: a shape has another rank than the model's input or is not positive; or naming the first layer that
            cannot work with it, such as a RESHAPE whose constant shape fixes the batch.
    """
    if len(input_shapes) != len(graph.inputs):
        raise InputError(f"{len(input_shapes)} input shapes given for a model with {len(graph.inputs)} inputs")
    tensors = list(graph.tensors)
    for index, shape in zip(graph.inputs, input_shapes, strict=True):
        tensor = tensors[index]
        if len(shape) != len(tensor.shape) or min(shape, default=1) < 1:
            raise InputError(f"input '{tensor.name}' of shape {list(tensor.shape)} cannot take the shape {list(shape)}")
        signature = tensor.shape_signature
        if signature is not None and -1 in signature[1:]:
            signature = (signature[0], *shape[1:])
        tensors[index] = replace(tensor, shape=tuple(shape), shape_signature=signature)
    return _settled(replace(graph, tensors=tuple(tensors)), checked=False)


def check(graph: Graph) -> Graph:
    """``graph`` with its open dimensions (-1 in a shape signature) filled in by what its inputs' shapes give.

    Where the file leaves a size of an input open (:func:`open_sizes`), the 1 that it states in its place need not be a
    size that works: then the graph is returned as it is, and tells nothing until it is resized.

    Args:
        graph: as read from a file.

    Raises:
        ModelFormatError: naming the first layer whose output shape is not what its inputs and options give.
        InputError, UnsupportedOpError: an op lacks an input, or has an impossible window and the like.
    """
    try:
        return _settled(graph, checked=True)
    except InputError:
        if not open_sizes(graph):
            raise
        return graph


def open_sizes(graph: Graph) -> tuple[Tensor, ...]:
    """The inputs with a dimension that the file leaves open, other than the number of samples in front."""
    inputs = (graph.tensors[index] for index in graph.inputs)
    return tuple(t for t in inputs if -1 in (t.shape_signature or ())[1:])


def require_sizes(graph: Graph, name: str) -> None:
    """Refuses a model whose file leaves a size open: nothing that depends on it can be told.

    Args:
        graph: the model.
        name: what messages call it.

    Raises:
        InputError: naming the input.
    """
    for tensor in open_sizes(graph):
        dimensions = ", ".join("any" if d < 0 else str(d) for d in tensor.shape_signature or ())
        raise InputError(
            f"{name}: input '{tensor.name}' is of an open size ({dimensions}); give an input of the size that is meant"
        )


def _agrees(tensor: Tensor, shape: Shape) -> bool:
    signature = tensor.shape if tensor.shape_signature is None else tensor.shape_signature
    return len(signature) == len(shape) and all(s in (-1, d) for s, d in zip(signature, shape, strict=True))


def _settled(graph: Graph, checked: bool) -> Graph:
    """``graph`` with the inferred shapes; ``checked``: those it states itself must agree."""
    tensors = list(graph.tensors)
    for view, _ in walk(graph):
        for index, inferred in zip(view.op.outputs, view.outputs, strict=True):
            stated = graph.tensors[index]
            if checked and not _agrees(stated, inferred.shape):
                raise ModelFormatError(
                    f"layer '{view.name}' ({view.op.kind}) has the output shape {list(stated.shape)} "
                    f"where its inputs give {list(inferred.shape)}"
                )
            tensors[index] = replace(stated, shape=inferred.shape)
    return replace(graph, tensors=tuple(tensors))


def walk(graph: Graph) -> Iterator[tuple[OpView, tuple[Array | None, ...]]]:
    """Each op in order, its tensors in their inferred shapes, and the values of its outputs where they are known before
    the graph runs, which inputs then hold as constants do.

    Raises InputError naming the first layer that cannot work with the shapes.
    """
    tensors = list(graph.tensors)
    for position in range(len(graph.ops)):
        view = op_view(graph, position, tensors)
        shapes = OPS[view.op.kind].infer(view)
        if len(shapes) != len(view.outputs):
            raise ModelFormatError(f"layer '{view.name}' ({view.op.kind}) has {len(view.outputs)} outputs")
        resized = tuple(replace(tensor, shape=shape) for tensor, shape in zip(view.outputs, shapes, strict=True))
        view = replace(view, outputs=resized)
        values = _folded(view)
        yield view, values
        for index, tensor, value in zip(view.op.outputs, resized, values, strict=True):
            tensors[index] = replace(tensor, data=value)


def _folded(view: OpView) -> tuple[Array | None, ...]:
    """The values of the outputs where they are known before the graph runs, else None for each."""
    small = all(t.dtype in (DType.INT32, DType.INT64) and t.elements <= _FOLDED_ELEMENTS for t in view.outputs)
    inputs = [_shape_only(t) if view.op.kind == "SHAPE" and t else t for t in view.inputs]
    if not small or not all(t is None or t.is_constant for t in inputs):
        return (None,) * len(view.outputs)
    return OPS[view.op.kind].run(view, tuple(None if t is None else t.data for t in inputs))


def _shape_only(tensor: Tensor) -> Tensor:
    """Stands for a tensor of which only the shape matters: costs no memory."""
    return replace(tensor, data=np.broadcast_to(np.zeros((), tensor.dtype.numpy), tensor.shape))
