"""What every op's functions ask of the op they are given: its tensors, quantization and constant arguments.

Everything an op refuses is refused through :func:`unsupported` or :func:`bad_input`, so that every message names
the op and the layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edgebnn.errors import InputError, UnsupportedOpError, ValueRefusedError
from edgebnn.graph.opdef import OpView
from edgebnn.graph.types import Array, Options, Shape, Tensor

OptionsT = TypeVar("OptionsT", bound=Options)


@dataclass(frozen=True)
class NoOptions(Options):
    """For the many ops without options."""


def unsupported(view: OpView, what: str, supported: str) -> UnsupportedOpError:
    return UnsupportedOpError(
        f"layer {view.name!r}: {view.op.kind} with {what} is not supported; supported: {supported}"
    )


def bad_input(view: OpView, problem: str) -> InputError:
    return InputError(f"layer {view.name!r}: {view.op.kind} {problem}")


def bad_values(view: OpView, problem: str) -> ValueRefusedError:
    """For values that no op of this kind works on, where the op itself is sound."""
    return ValueRefusedError(f"layer {view.name!r}: {view.op.kind} {problem}")


def options(view: OpView, kind: type[OptionsT]) -> OptionsT:
    found = view.op.options
    if not isinstance(found, kind):
        raise bad_input(view, f"has {type(found).__name__} where {kind.__name__} is expected")
    return found


def optional_input(view: OpView, index: int) -> Tensor | None:
    return view.inputs[index] if index < len(view.inputs) else None


def input_tensor(view: OpView, index: int) -> Tensor:
    tensor = optional_input(view, index)
    if tensor is None:
        raise bad_input(view, f"has no input {index}")
    return tensor


def value(view: OpView, values: tuple[Array | None, ...], index: int) -> Array:
    array = values[index] if index < len(values) else None
    if array is None:
        raise bad_input(view, f"has no input {index}")
    return array


def optional_value(values: tuple[Array | None, ...], index: int) -> Array | None:
    return values[index] if index < len(values) else None


def constant(view: OpView, index: int) -> NDArray[np.int64]:
    """An integer argument (axes, a shape, paddings) whose value must be known before the graph runs."""
    tensor = input_tensor(view, index)
    if tensor.data is None:
        raise bad_input(view, f"computes its argument {tensor.name!r} at run time, so its output shape is unknown")
    if tensor.data.dtype.kind not in "iu":
        raise bad_input(view, f"needs integers in its argument {tensor.name!r}, not {tensor.dtype.value}")
    return tensor.data.astype(np.int64)


def scalar(view: OpView, index: int) -> int:
    """An argument that is one integer, such as an axis."""
    numbers = constant(view, index).reshape(-1)
    if numbers.size != 1:
        raise bad_input(view, f"needs one number in its argument {index}, not {numbers.tolist()}")
    return int(numbers[0])


def shape_argument(view: OpView, index: int) -> Shape:
    """An argument that is a shape."""
    numbers = constant(view, index)
    if numbers.ndim != 1 or (numbers < 0).any():
        raise bad_input(view, f"needs a shape in its argument {index}, not {numbers.tolist()}")
    return tuple(int(d) for d in numbers)


def scale_and_zero_point(view: OpView, tensor: Tensor) -> tuple[np.float32, int]:
    """The quantization of a tensor that is quantized as a whole."""
    if tensor.quantization is None or not tensor.quantization.per_tensor:
        raise bad_input(view, f"needs a per-tensor quantization of {tensor.name!r}")
    return np.float32(tensor.quantization.scale[0]), int(tensor.quantization.zero_point[0])


def axis_of(view: OpView, axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise bad_input(view, f"has axis {axis} for a tensor of rank {rank}")
    return axis % rank


def require_rank(view: OpView, tensor: Tensor, rank: int) -> Shape:
    if len(tensor.shape) != rank:
        raise bad_input(view, f"needs a tensor of rank {rank}, but {tensor.name!r} has shape {list(tensor.shape)}")
    return tensor.shape


def broadcast(view: OpView, *shapes: Shape) -> Shape:
    try:
        return tuple(int(d) for d in np.broadcast_shapes(*shapes))
    except ValueError:
        raise bad_input(view, f"cannot broadcast shapes {', '.join(str(list(s)) for s in shapes)}") from None


def same_shape(view: OpView) -> tuple[Shape, ...]:
    """Shape inference of ops that work element by element on one input."""
    return (input_tensor(view, 0).shape,)
