"""Arithmetic of two operands that broadcast: ADD, SUB, MUL, DIV, MAXIMUM, MINIMUM, SQUARED_DIFFERENCE, POW, FLOOR_DIV.

int8: ADD, SUB and SQUARED_DIFFERENCE bring both operands to twice the larger scale with some bits of headroom, add,
and requantize (double rounding each time); MUL requantizes the exact product.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgebnn.arithmetic.fixed_point import multiply_by_quantized_multiplier, quantize_multiplier
from edgebnn.graph.opdef import Limits, OpDef, OpView
from edgebnn.graph.types import Array, DType, Options, Shape

from .batch_axis import aligned
from .enums import Activation
from .fused import activate, integer_bounds
from .types import FLOAT_OR_INT8, NUMBERS, unchanged
from .view import (
    NoOptions,
    bad_values,
    broadcast,
    input_tensor,
    scale_and_zero_point,
    unsupported,
    value,
)

ADD_HEADROOM = 20
SQUARED_DIFFERENCE_HEADROOM = 7


@dataclass(frozen=True)
class AddOptions(Options):
    fused_activation_function: Activation = Activation.NONE
    pot_scale_int16: bool = True


@dataclass(frozen=True)
class SubOptions(Options):
    fused_activation_function: Activation = Activation.NONE
    pot_scale_int16: bool = True


@dataclass(frozen=True)
class MulOptions(Options):
    fused_activation_function: Activation = Activation.NONE


@dataclass(frozen=True)
class DivOptions(Options):
    fused_activation_function: Activation = Activation.NONE


def _infer(view: OpView) -> tuple[Shape, ...]:
    return (broadcast(view, input_tensor(view, 0).shape, input_tensor(view, 1).shape),)


def _operands(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, Array]:
    if input_tensor(view, 0).dtype != input_tensor(view, 1).dtype:
        types = f"{input_tensor(view, 0).dtype.value} and {input_tensor(view, 1).dtype.value}"
        raise unsupported(view, f"operands of types {types}", "two operands of one type")
    return value(view, values, 0), value(view, values, 1)


def binary_activation(view: OpView) -> Activation:
    """The activation that the op applies to its output."""
    opts = view.op.options
    if isinstance(opts, (AddOptions, SubOptions, MulOptions, DivOptions)):
        return opts.fused_activation_function
    return Activation.NONE


def _finish_int8(view: OpView, q: NDArray[np.int64]) -> Array:
    low, high = integer_bounds(view, binary_activation(view))
    return np.clip(q, low, high).astype(np.int8)


def _common_scale(
    view: OpView, a: Array, b: Array, headroom: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], float]:
    """Both operands in units of twice the larger scale / 2**headroom, and twice that scale."""
    scales, centred = [], []
    for i, q in enumerate((a, b)):
        scale, zero_point = scale_and_zero_point(view, input_tensor(view, i))
        scales.append(float(scale))
        centred.append((q.astype(np.int64) - zero_point) << headroom)
    twice = 2 * max(scales)
    first, second = (
        multiply_by_quantized_multiplier(x, *quantize_multiplier(scale / twice))
        for x, scale in zip(centred, scales, strict=True)
    )
    return first, second, twice


def _requantized(view: OpView, x: NDArray[np.int64], factor: float) -> NDArray[np.int64]:
    _, zero_point = scale_and_zero_point(view, view.outputs[0])
    return multiply_by_quantized_multiplier(x, *quantize_multiplier(factor)) + zero_point


def _sum_int8(view: OpView, a: Array, b: Array, sign: int) -> Array:
    first, second, twice = _common_scale(view, a, b, ADD_HEADROOM)
    output_scale, _ = scale_and_zero_point(view, view.outputs[0])
    return _finish_int8(
        view, _requantized(view, first + sign * second, twice / (2**ADD_HEADROOM * float(output_scale)))
    )


def _squared_difference_int8(view: OpView, a: Array, b: Array) -> Array:
    first, second, twice = _common_scale(view, a, b, SQUARED_DIFFERENCE_HEADROOM)
    output_scale, _ = scale_and_zero_point(view, view.outputs[0])
    factor = (twice * twice) / (2 ** (2 * SQUARED_DIFFERENCE_HEADROOM) * float(output_scale))
    return _finish_int8(view, _requantized(view, (first - second) ** 2, factor))


def _mul_int8(view: OpView, a: Array, b: Array) -> Array:
    """The factor is computed in float32, as TFLite does."""
    (scale_a, zero_a), (scale_b, zero_b) = (scale_and_zero_point(view, input_tensor(view, i)) for i in (0, 1))
    output_scale, _ = scale_and_zero_point(view, view.outputs[0])
    product = (a.astype(np.int64) - zero_a) * (b.astype(np.int64) - zero_b)
    return _finish_int8(view, _requantized(view, product, float(scale_a * scale_b / output_scale)))


def _runner(
    real: Callable[[Array, Array], Array], int8: Callable[[OpView, Array, Array], Array] | None
) -> Callable[[OpView, tuple[Array | None, ...]], tuple[Array, ...]]:
    """An op's semantics from its rule for plain numbers and, if it has one, its rule for int8."""

    def run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
        a, b = _operands(view, values)
        if a.dtype == np.int16 and any(t is not None and t.quantization for t in (*view.inputs, *view.outputs)):
            raise unsupported(view, "quantized int16 operands", "int16 without scales")
        if a.dtype == np.int8 and int8 is not None:
            return (int8(view, a, b),)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return (activate(view, real(a, b).astype(a.dtype, copy=False), binary_activation(view)),)

    return run


def _add_int8(view: OpView, a: Array, b: Array) -> Array:
    return _sum_int8(view, a, b, 1)


def _sub_int8(view: OpView, a: Array, b: Array) -> Array:
    return _sum_int8(view, a, b, -1)


def _maximum_int8(view: OpView, a: Array, b: Array) -> Array:
    return np.maximum(a, b)


def _minimum_int8(view: OpView, a: Array, b: Array) -> Array:
    return np.minimum(a, b)


def _quotient(a: Array, b: Array) -> Array:
    """Integers are divided towards zero, as in C."""
    if a.dtype == np.float32:
        return np.asarray(a / b)
    wide_a, wide_b = a.astype(np.int64), b.astype(np.int64)
    return np.asarray(np.sign(wide_a) * np.sign(wide_b) * (np.abs(wide_a) // np.abs(wide_b)))


def _div_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    _, b = _operands(view, values)
    if b.dtype != np.float32 and (b == 0).any():
        raise bad_values(view, "divides by zero")
    return _runner(_quotient, None)(view, values)


def _floor_div_run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
    _, b = _operands(view, values)
    if (b == 0).any():
        raise bad_values(view, "divides by zero")
    return _runner(np.floor_divide, None)(view, values)


def _squared_difference(a: Array, b: Array) -> Array:
    return np.asarray(np.square(a - b))


_NUMBERS = unchanged(*NUMBERS)
_NUMBERS_AND_INT16 = unchanged(*NUMBERS, DType.INT16)
_DIVISIBLE = unchanged(DType.FLOAT32, DType.INT32)

OPS = (
    OpDef(
        "ADD",
        AddOptions,
        _infer,
        _runner(np.add, _add_int8),
        schema="AddOptions",
        types=_NUMBERS_AND_INT16,
        batch=aligned,
        limits=Limits(scaled=True, adds=True, plain_int16=True, bounded=True),
    ),
    OpDef(
        "SUB",
        SubOptions,
        _infer,
        _runner(np.subtract, _sub_int8),
        schema="SubOptions",
        types=_NUMBERS,
        batch=aligned,
        limits=Limits(scaled=True, adds=True, bounded=True),
    ),
    OpDef(
        "MUL",
        MulOptions,
        _infer,
        _runner(np.multiply, _mul_int8),
        schema="MulOptions",
        types=_NUMBERS_AND_INT16,
        batch=aligned,
        limits=Limits(scaled=True, plain_int16=True),
    ),
    OpDef(
        "DIV",
        DivOptions,
        _infer,
        _div_run,
        schema="DivOptions",
        types=_DIVISIBLE,
        batch=aligned,
        limits=Limits(scaled=True),
    ),
    OpDef("FLOOR_DIV", NoOptions, _infer, _floor_div_run, schema="FloorDivOptions", types=_DIVISIBLE, batch=aligned),
    OpDef(
        "POW",
        NoOptions,
        _infer,
        _runner(np.power, None),
        schema="PowOptions",
        types=unchanged(DType.FLOAT32),
        batch=aligned,
    ),
    OpDef(
        "MAXIMUM",
        NoOptions,
        _infer,
        _runner(np.maximum, _maximum_int8),
        schema="MaximumMinimumOptions",
        types=_NUMBERS,
        batch=aligned,
        same_scale=True,
        limits=Limits(scaled=True),
    ),
    OpDef(
        "MINIMUM",
        NoOptions,
        _infer,
        _runner(np.minimum, _minimum_int8),
        schema="MaximumMinimumOptions",
        types=_NUMBERS,
        batch=aligned,
        same_scale=True,
        limits=Limits(scaled=True),
    ),
    OpDef(
        "SQUARED_DIFFERENCE",
        NoOptions,
        _infer,
        _runner(_squared_difference, _squared_difference_int8),
        schema="SquaredDifferenceOptions",
        types=FLOAT_OR_INT8,
        batch=aligned,
        limits=Limits(scaled=True, adds=True, bounded=True),
    ),
)
