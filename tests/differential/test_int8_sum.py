"""ADD of int8 values by two multiplications (core/int8_sum.h) against the reference executor, for all pairs."""

from __future__ import annotations

import ctypes
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebnn.graph.execute import run
from edgebnn.graph.ops.elementwise import AddOptions
from edgebnn.graph.ops.enums import Activation
from edgebnn.graph.types import Array, DType, Graph, Op, Quantization, Tensor
from tests.support import ckernels
from tests.support.examples import examples


class Int8Sum(ctypes.Structure):
    """eb_int8_sum."""

    _fields_ = tuple(
        (name, ctypes.c_int32) for name in ("first_factor", "second_factor", "addend", "shift", "low", "high")
    )


class Int8Quantization(ctypes.Structure):
    """eb_int8_quantization."""

    _fields_ = (("scale", ctypes.c_float), ("zero_point", ctypes.c_int32))


def found(quantizations: tuple[Quantization, ...], low: int = -128, high: int = 127) -> Int8Sum:
    """By the C library. Raises KernelRefused."""
    find = ckernels.library().eb_int8_sum_find
    find.argtypes = [*[Int8Quantization] * 3, ctypes.c_int32, ctypes.c_int32, ctypes.POINTER(Int8Sum)]
    result = Int8Sum()
    ckernels.accept(find(*(Int8Quantization(q.scale[0], q.zero_point[0]) for q in quantizations), low, high, result))
    return result


def reference(quantizations: tuple[Quantization, ...], activation: Activation) -> Array:
    """[256, 256]: of all pairs."""
    every = np.arange(-128, 128).astype(np.int8)
    a, b, y = quantizations
    tensors = (
        Tensor("a", (256, 1), DType.INT8, a),
        Tensor("b", (1, 256), DType.INT8, b),
        Tensor("y", (256, 256), DType.INT8, y),
    )
    graph = Graph("sum", tensors, (Op("ADD", (0, 1), (2,), AddOptions(activation)),), (0, 1), (2,))
    return run(graph, [every[:, None], every[None]])[0]


SCALES = st.floats(2**-13, 1.0, width=32)
POINTS = st.integers(-128, 127)


@settings(max_examples=examples(40))
@given(st.tuples(SCALES, SCALES), st.floats(0.3, 4), st.tuples(POINTS, POINTS, POINTS), st.booleans())
def test_all_pairs_equal_the_reference(
    scales: tuple[float, float], wider: float, points: tuple[int, int, int], relu: bool
) -> None:
    output = float(np.float32(max(scales) * wider))
    quantizations = tuple(Quantization((s,), (z,)) for s, z in zip((*scales, output), points, strict=True))
    low = points[2] if relu else -128
    s = found(quantizations, low)
    a, b = np.meshgrid(np.arange(-128, 128, dtype=np.int64), np.arange(-128, 128, dtype=np.int64), indexing="ij")
    sums = a * s.first_factor + b * s.second_factor + s.addend
    assert np.abs(sums).max() < 2**31
    expected = reference(quantizations, Activation.RELU if relu else Activation.NONE)
    np.testing.assert_array_equal(np.clip(sums >> s.shift, s.low, s.high), expected)


def test_one_that_scales_alone_do_not_give_is_found() -> None:
    """Of random quantizations about one in twenty needs other factors than its scales."""
    rng = np.random.default_rng(0)
    moved = 0
    for _ in range(40):
        a, b = np.exp(rng.normal(-4, 1, 2)).astype(np.float32)
        y = np.float32(max(a, b) * np.exp(rng.uniform(-0.3, 1)))
        points = rng.integers(-128, 128, 3)
        s = found(tuple(Quantization((float(v),), (int(z),)) for v, z in zip((a, b, y), points, strict=True)))
        moved += s.first_factor != int(float(a) / float(y) * 2**s.shift + 0.5)
    assert moved >= 1


def test_what_is_no_quantization_is_refused() -> None:
    good = Quantization((0.5,), (0,))
    with pytest.raises(ckernels.KernelRefused, match="EB_BAD_QUANTIZATION"):
        found((good, Quantization((0.5,), (200,)), good))
    with pytest.raises(ckernels.KernelRefused, match="EB_UNSUPPORTED"):
        found((good, Quantization((1e6,), (0,)), good))


def test_any_scales_end_soon() -> None:
    """Of damaged files, say: either factors are found, or that there are none, after a bounded number of steps."""
    every = (1e-38, 1e-20, 1e-9, 3e-4, 0.03, 1.7, 1e9, 3e38)
    refused = 0
    for a, b, y in product(every, repeat=3):
        quantizations = tuple(Quantization((scale,), (point,)) for scale, point in ((a, -128), (b, 127), (y, 3)))
        try:
            found(quantizations)
        except ckernels.KernelRefused:
            refused += 1
    assert 0 < refused < len(every) ** 3
