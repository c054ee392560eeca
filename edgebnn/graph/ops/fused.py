"""The activation functions that an op applies to its own output."""

from __future__ import annotations

import numpy as np

from edgebnn.arithmetic.quantization import quantized_bounds
from edgebnn.graph.opdef import OpView
from edgebnn.graph.types import Array

from .enums import Activation
from .view import scale_and_zero_point, unsupported

Bounds = tuple[float | None, float | None]

_BOUNDS: dict[Activation, Bounds] = {
    Activation.NONE: (None, None),
    Activation.RELU: (0.0, None),
    Activation.RELU_N1_TO_1: (-1.0, 1.0),
    Activation.RELU6: (0.0, 6.0),
}


def real_bounds(view: OpView, activation: Activation) -> Bounds:
    """The range that ``activation`` clamps to; None where it is open."""
    if activation not in _BOUNDS:
        raise unsupported(view, f"fused activation {activation.name}", ", ".join(a.name for a in _BOUNDS))
    return _BOUNDS[activation]


def integer_bounds(view: OpView, activation: Activation) -> tuple[int, int]:
    """The range of the quantized output 0 under ``activation``."""
    output = view.outputs[0]
    scale, zero_point = scale_and_zero_point(view, output)
    return quantized_bounds(*real_bounds(view, activation), scale, zero_point, output.dtype.numpy)


def activate(view: OpView, x: Array, activation: Activation) -> Array:
    """``x`` (floating-point, or unquantized integers) under ``activation``; NaN stays NaN."""
    low, high = (None if bound is None else x.dtype.type(bound) for bound in real_bounds(view, activation))
    if low is None and high is None:
        return x
    return np.clip(x, low, high)  # the bounds are of the type of x: beside a float int64 would become double
