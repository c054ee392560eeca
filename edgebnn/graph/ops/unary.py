"""Elementwise functions of one tensor: ABS, NEG, SQUARE, SQRT, RSQRT, EXP, LOG, SIGN, FLOOR, CEIL, ROUND, SIN, COS.

Most int8 functions are tables: LiteRT evaluates the real function in float32 at the 256 input values and quantizes
the results, here :func:`int8_table`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebnn.arithmetic.fixed_functions import inverse_square_root
from edgebnn.arithmetic.fixed_point import multiply_by_quantized_multiplier, quantize_multiplier
from edgebnn.arithmetic.rounding import round_half_away
from edgebnn.graph.opdef import Limits, OpDef, OpView
from edgebnn.graph.types import Array, DType

from .batch_axis import kept
from .types import FLOAT, FLOAT_OR_INT8
from .view import NoOptions, bad_values, input_tensor, same_shape, scale_and_zero_point, value

Real = Callable[[NDArray[Any]], NDArray[Any]]
Run = Callable[[OpView, tuple[Array | None, ...]], tuple[Array, ...]]


def rounded(function: Real) -> Real:
    """``function`` evaluated in double and rounded to the type of its argument.

    C's float32 exp, log and tanh are correctly rounded nearly everywhere, NumPy's are not.
    """

    def evaluate(x: NDArray[Any]) -> NDArray[Any]:
        return function(x.astype(np.float64)).astype(x.dtype)

    return evaluate


def int8_table(view: OpView, function: Real) -> NDArray[np.int8]:
    """Outputs for the inputs -128 to 127: scale * (q - zero point), function, times 1 / scale, rounded half away.

    Every step is rounded to float32, those of ``function`` too.
    """
    scale, zero_point = scale_and_zero_point(view, input_tensor(view, 0))
    output_scale, output_zero_point = scale_and_zero_point(view, view.outputs[0])
    real = scale * np.arange(-128 - zero_point, 128 - zero_point, dtype=np.float32)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        steps = round_half_away(function(real) * (np.float32(1) / output_scale)) + np.float32(output_zero_point)
    return np.asarray(np.clip(np.nan_to_num(steps, nan=-128.0), -128, 127), dtype=np.int8)


def apply_table(q: Array, table: NDArray[np.int8]) -> Array:
    return np.asarray(table[q.astype(np.int16) + 128])


def runner(function: Real, int8: Callable[[OpView, Array], Array] | None = None) -> Run:
    """An op's semantics from its real function; int8 by ``int8`` or, by default, by table."""

    def run(view: OpView, values: tuple[Array | None, ...]) -> tuple[Array, ...]:
        x = value(view, values, 0)
        if x.dtype == np.int8:
            return (int8(view, x) if int8 else apply_table(x, int8_table(view, function)),)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return (np.asarray(function(x)).astype(x.dtype, copy=False),)

    return run


def _abs_int8(view: OpView, q: Array) -> Array:
    """|q - zero point|, requantized by the ratio of the scales in float32 unless they are equal."""
    scale, zero_point = scale_and_zero_point(view, input_tensor(view, 0))
    output_scale, output_zero_point = scale_and_zero_point(view, view.outputs[0])
    magnitude = np.abs(q.astype(np.int64) - zero_point)
    if scale != output_scale:
        magnitude = multiply_by_quantized_multiplier(magnitude, *quantize_multiplier(float(scale / output_scale)))
    return np.asarray(np.clip(magnitude + output_zero_point, -128, 127).astype(np.int8))


RSQRT_HEADROOM = 20
"""Bits by which int8 inverse square roots are kept larger between their two roundings."""


def _rsqrt_int8(view: OpView, q: Array) -> Array:
    """1 / sqrt(q - zero point) in fixed point, requantized; 0 gives the largest output."""
    scale, zero_point = scale_and_zero_point(view, input_tensor(view, 0))
    output_scale, output_zero_point = scale_and_zero_point(view, view.outputs[0])
    if (q < zero_point).any():
        raise bad_values(view, "takes the root of negative values")
    factor = quantize_multiplier(1 / float(np.sqrt(scale) * output_scale))
    table = np.full(256, 127, np.int8)
    one = np.asarray(1, dtype=np.int64)
    for magnitude in range(1, 128 - zero_point):
        root = inverse_square_root(magnitude)
        inverse = multiply_by_quantized_multiplier(one, root.value, root.shift + RSQRT_HEADROOM)
        scaled = multiply_by_quantized_multiplier(inverse, factor.value, factor.shift - RSQRT_HEADROOM)
        table[magnitude] = np.clip(scaled + output_zero_point, -128, 127)
    return np.asarray(table[q.astype(np.int16) - zero_point])


def _rsqrt(x: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(1 / np.sqrt(x))


def _float(kind: str, function: Real, schema: str | None, no_reference: tuple[DType, ...] = ()) -> OpDef:
    return OpDef(
        kind, NoOptions, same_shape, runner(function), schema=schema, types=FLOAT, no_reference=no_reference, batch=kept
    )


OPS = (
    OpDef(
        "ABS", NoOptions, same_shape, runner(np.abs, _abs_int8), schema="AbsOptions", types=FLOAT_OR_INT8, batch=kept
    ),
    OpDef("EXP", NoOptions, same_shape, runner(rounded(np.exp)), schema="ExpOptions", types=FLOAT_OR_INT8, batch=kept),
    OpDef("LOG", NoOptions, same_shape, runner(rounded(np.log)), types=FLOAT_OR_INT8, batch=kept),
    OpDef("NEG", NoOptions, same_shape, runner(np.negative), schema="NegOptions", types=FLOAT, batch=kept),
    OpDef("SIGN", NoOptions, same_shape, runner(np.sign), schema="SignOptions", types=FLOAT, batch=kept),
    _float("SQUARE", np.square, "SquareOptions"),
    _float("SQRT", np.sqrt, None),
    OpDef(
        "RSQRT",
        NoOptions,
        same_shape,
        runner(_rsqrt, _rsqrt_int8),
        types=FLOAT_OR_INT8,
        batch=kept,
        limits=Limits(scaled=True),
    ),
    _float("FLOOR", np.floor, None),
    _float("CEIL", np.ceil, None, no_reference=(DType.FLOAT32,)),
    _float("ROUND", np.rint, None, no_reference=(DType.FLOAT32,)),
    _float("SIN", np.sin, None),
    _float("COS", np.cos, "CosOptions"),
)
