"""PRELU and MUL of int8 values by one multiplication and a shift (core/int8_scale.h) against the reference executor,
for all values of both operands."""

from __future__ import annotations

import ctypes
from itertools import product

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgebnn.graph.execute import run
from edgebnn.graph.ops.elementwise import MulOptions
from edgebnn.graph.ops.enums import Activation
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import Array, DType, Graph, Op, Quantization, Tensor
from tests.differential.test_int8_sum import Int8Quantization
from tests.support import ckernels
from tests.support.ckernels import Int8Scale
from tests.support.examples import examples

EVERY = np.arange(-128, 128).astype(np.int8)


def mul_found(quantizations: tuple[Quantization, ...], low: int = -128) -> tuple[Int8Scale, Array]:
    """The table, [5, 256], by the C library. Raises KernelRefused."""
    find = ckernels.library().eb_int8_mul_find
    find.argtypes = [*[Int8Quantization] * 3, ctypes.c_int32, ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p]
    scale, table = Int8Scale(), np.empty((5, 256), np.int32)
    each = (Int8Quantization(q.scale[0], q.zero_point[0]) for q in quantizations)
    ckernels.accept(find(*each, low, 127, ctypes.addressof(scale), table.ctypes.data))
    return scale, table


def prelu_found(quantizations: tuple[Quantization, ...], slopes: Array = EVERY) -> tuple[Int8Scale, Array]:
    """The same of PRELU, for these slopes."""
    find = ckernels.library().eb_int8_prelu_find
    find.argtypes = [*[Int8Quantization] * 3, ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p]
    scale, table = Int8Scale(), np.empty((5, 256), np.int32)
    each = (Int8Quantization(q.scale[0], q.zero_point[0]) for q in quantizations)
    ckernels.accept(find(*each, slopes.ctypes.data, slopes.size, ctypes.addressof(scale), table.ctypes.data))
    return scale, table


def scaled(scale: Int8Scale, table: Array) -> Array:
    """[values, 256]: of all x by the constants of each value; nothing may leave 32 bits."""
    pivot, low_factor, low_addend, high_factor, high_addend = (plane.astype(np.int64)[:, None] for plane in table)
    x = EVERY.astype(np.int64)[None]
    sums = np.where(x >= pivot, x * high_factor + high_addend, x * low_factor + low_addend)
    assert np.abs(sums).max() < 2**31
    return np.clip(sums >> scale.shift, scale.low, scale.high)


def reference(op: str, quantizations: tuple[Quantization, ...], activation: Activation = Activation.NONE) -> Array:
    """[256 values of the second operand, 256 of the first]."""
    a, b, y = quantizations
    tensors = (
        Tensor("a", (256, 256), DType.INT8, a),
        Tensor("b", (256, 1), DType.INT8, b),
        Tensor("y", (256, 256), DType.INT8, y),
    )
    options = MulOptions(activation) if op == "MUL" else NoOptions()
    graph = Graph("scale", tensors, (Op(op, (0, 1), (2,), options),), (0, 1), (2,))
    return run(graph, [np.tile(EVERY, (256, 1)), EVERY[:, None]])[0]


SCALES = st.floats(2**-13, 1.0, width=32)
POINTS = st.integers(-128, 127)
POINT_TRIPLES = st.tuples(POINTS, POINTS, POINTS)


def per_tensor(scales: tuple[float, float, float], points: tuple[int, int, int]) -> tuple[Quantization, ...]:
    return tuple(Quantization((float(np.float32(s)),), (z,)) for s, z in zip(scales, points, strict=True))


@settings(max_examples=examples(40))
@given(SCALES, SCALES, st.floats(0.2, 4), POINT_TRIPLES, st.booleans())
@example(0.4863, 1 / 256, 0.6, (-5, -128, 0), False)
@example(0.5, 1 / 256, 0.5, (0, -128, 0), False)
@example(0.5, 1 / 128, 0.5, (-128, 127, 127), True)
def test_all_products_equal_the_reference(
    a: float, b: float, wider: float, points: tuple[int, int, int], relu: bool
) -> None:
    quantizations = per_tensor((a, b, a * b * 128 * wider), points)
    scale, table = mul_found(quantizations, points[2] if relu else -128)
    expected = reference("MUL", quantizations, Activation.RELU if relu else Activation.NONE)
    np.testing.assert_array_equal(scaled(scale, table), expected)


@settings(max_examples=examples(40))
@given(SCALES, st.floats(1e-4, 0.1), st.floats(0.2, 4), POINT_TRIPLES)
@example(0.01235, 3.937e-09, 0.4989, (0, 0, -128))
@example(0.5, 0.5, 1.0, (0, 0, 0))
@example(0.5, 1 / 256, 4.0, (17, -128, -3))
@example(0.5, 1 / 128, 2.0, (-128, 3, 0))
def test_all_slopes_equal_the_reference(a: float, slope: float, wider: float, points: tuple[int, int, int]) -> None:
    quantizations = per_tensor((a, slope, a * wider), points)
    scale, table = prelu_found(quantizations)
    np.testing.assert_array_equal(scaled(scale, table), reference("PRELU", quantizations))


def test_only_slopes_that_occur_need_constants() -> None:
    quantizations = per_tensor((0.01, 500.0, 0.01), (3, 0, 5))
    with pytest.raises(ckernels.KernelRefused, match="EB_UNSUPPORTED"):
        prelu_found(quantizations)
    scale, table = prelu_found(per_tensor((0.01, 100.0, 0.01), (3, 0, 5)), np.array([0, 1], np.int8))
    expected = reference("PRELU", per_tensor((0.01, 100.0, 0.01), (3, 0, 5)))
    np.testing.assert_array_equal(scaled(scale, table)[128:130], expected[128:130])


def test_what_is_no_quantization_is_refused() -> None:
    good, bad = Quantization((0.5,), (0,)), Quantization((0.5,), (200,))
    for found in (mul_found, prelu_found):
        with pytest.raises(ckernels.KernelRefused, match="EB_BAD_QUANTIZATION"):
            found((good, bad, good))
        with pytest.raises(ckernels.KernelRefused, match="EB_UNSUPPORTED"):
            found((good, Quantization((1e6,), (0,)), good))


def test_any_scales_end_soon() -> None:
    """Of damaged files, say: either constants are found, or that there are none, after a bounded number of steps."""
    every = (1e-38, 1e-20, 1e-9, 3e-4, 0.03, 1.7, 1e9, 3e38)
    outcomes = {"MUL": [0, 0], "PRELU": [0, 0]}
    for scales in product(every, repeat=3):
        quantizations = per_tensor(scales, (-128, 127, 3))
        for op, found in (("MUL", mul_found), ("PRELU", prelu_found)):
            try:
                found(quantizations)
                outcomes[op][0] += 1
            except ckernels.KernelRefused:
                outcomes[op][1] += 1
    assert all(found > 0 and refused > 0 for found, refused in outcomes.values())
