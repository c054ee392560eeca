"""LceQuantize, LceDequantize and LceBMaxPool2d in C against the NumPy semantics, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebnn.arithmetic.packing import pack
from edgebnn.graph.execute import run
from edgebnn.graph.opdef import op_view
from edgebnn.graph.ops import OPS
from edgebnn.graph.ops.binary import LceBMaxPool2dOptions, LceDequantizeOptions, LceQuantizeOptions
from edgebnn.graph.ops.enums import Padding
from edgebnn.graph.types import Array, DType, Graph, Op, Options, Quantization, Tensor
from tests.support import ckernels
from tests.support.binary_cases import bit_equal

DTYPES = st.sampled_from(["float32", "int8", "bool"])
SHAPES = st.lists(st.integers(1, 5), min_size=0, max_size=3).flatmap(
    lambda outer: st.integers(1, 130).map(lambda channels: (*outer, channels))
)


def reference(kind: str, options: Options, x: Array, source: Tensor, target: Tensor) -> Array:
    graph = Graph(kind, (source, target), (Op(kind, (0,), (1,), options),), (0,), (1,))
    (shape,) = OPS[kind].infer(op_view(graph, 0))
    result = Tensor(target.name, shape, target.dtype, target.quantization)
    return run(Graph(kind, (source, result), graph.ops, (0,), (1,)), [x])[0]


def values(dtype: str, shape: tuple[int, ...], seed: int) -> Array:
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return rng.random(shape) < 0.5
    if dtype == "int8":
        return rng.integers(-128, 128, shape).astype(np.int8)
    x = rng.normal(size=shape).astype(np.float32)
    special = np.array([0.0, -0.0, np.nan, -np.nan, np.inf, -np.inf, 1e-45, -1e-45], np.float32)
    return np.where(rng.random(shape) < 0.3, rng.choice(special, shape), x)


@given(SHAPES, DTYPES, st.integers(-128, 127), st.integers(0, 2**32), st.floats(0, 1))
def test_quantize_equals_reference(shape: tuple[int, ...], dtype: str, zero_point: int, seed: int, cut: float) -> None:
    x = values(dtype, shape, seed)
    quantization = Quantization((0.5,), (zero_point,)) if dtype == "int8" else None
    source = Tensor("x", shape, DType(dtype), quantization)
    expected = reference("LceQuantize", LceQuantizeOptions(), x, source, Tensor("y", (), DType.INT32))
    y = ckernels.quantize(x, zero_point, splits=[round(cut * int(np.prod(shape[:-1])))])
    assert bit_equal(y, expected)


@given(SHAPES, DTYPES, st.floats(2**-126, 4, width=32), st.integers(-128, 127), st.integers(0, 2**32))
def test_dequantize_equals_reference(
    shape: tuple[int, ...], dtype: str, scale: float, zero_point: int, seed: int
) -> None:
    words = pack(np.random.default_rng(seed).random(shape) < 0.5)
    quantization = Quantization((scale,), (zero_point,)) if dtype == "int8" else None
    target = Tensor("y", shape, DType(dtype), quantization)
    source = Tensor("x", words.shape, DType.INT32)
    expected = reference("LceDequantize", LceDequantizeOptions(), words, source, target)
    assert bit_equal(ckernels.dequantize(words, shape[-1], dtype, scale, zero_point), expected)


@given(
    size=st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9), st.integers(1, 130)),
    window=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    padding=st.sampled_from(Padding),
    seed=st.integers(0, 2**32),
    cut=st.integers(0, 9),
)
def test_max_pool_equals_reference(
    size: tuple[int, int, int, int],
    window: tuple[int, int],
    stride: tuple[int, int],
    padding: Padding,
    seed: int,
    cut: int,
) -> None:
    if padding == Padding.VALID:
        size = (size[0], size[1] + window[0] - 1, size[2] + window[1] - 1, size[3])
    x = pack(np.random.default_rng(seed).random(size) < 0.8)
    options = LceBMaxPool2dOptions(padding, stride[1], stride[0], window[1], window[0])
    source = Tensor("x", x.shape, DType.INT32)
    expected = reference("LceBMaxPool2d", options, x, source, Tensor("y", (), DType.INT32))
    geometry = ckernels.Window(*size[:3], *window, *stride, 1, 1, int(padding))
    assert bit_equal(ckernels.bmaxpool2d(ckernels.Bmaxpool2d(geometry, size[3]), x, [cut]), expected)


@pytest.mark.parametrize(
    ("dtype", "scale", "zero_point", "status"),
    [
        ("int8", 0.0, 0, "EB_BAD_QUANTIZATION"),
        ("int8", float("inf"), 0, "EB_BAD_QUANTIZATION"),
        ("int8", 1.0, 200, "EB_BAD_QUANTIZATION"),
        ("int32", 1.0, 0, "EB_BAD_OPTION"),
    ],
)
def test_dequantize_refuses(dtype: str, scale: float, zero_point: int, status: str) -> None:
    with pytest.raises(ckernels.KernelRefused, match=status):
        ckernels.dequantize(np.zeros((1, 1), np.int32), 32, dtype, scale, zero_point)


def test_max_pool_refuses_a_dilated_window() -> None:
    geometry = ckernels.Window(1, 4, 4, 2, 2, 1, 1, 2, 1, 0)
    with pytest.raises(ckernels.KernelRefused, match="EB_BAD_STRIDE"):
        ckernels.bmaxpool2d(ckernels.Bmaxpool2d(geometry, 32), np.zeros((1, 4, 4, 1), np.int32))
