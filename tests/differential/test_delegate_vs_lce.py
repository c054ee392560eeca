"""Every binary op in the delegate, behind LiteRT's interpreter, against the Larq Compute Engine's own interpreter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebnn.converters.write_tflite import to_bytes
from edgebnn.graph.ops.binary import LceBMaxPool2dOptions
from edgebnn.graph.ops.enums import Activation, Padding
from edgebnn.graph.shapes import resize
from edgebnn.graph.types import Array, DType, Graph, Quantization
from edgebnn.runtime.interpreter import Interpreter
from tests.support.binary_cases import ConvCase, bit_equal, conv_cases, conv_graph, reference
from tests.support.binary_graphs import dequantize_graph, pool_graph, quantize_graph
from tests.support.examples import examples
from tests.support.invoke import invoke
from tests.support.oracles import lce_run

EXAMPLES = 150
DTYPES = st.sampled_from([DType.FLOAT32, DType.INT8, DType.BOOL])


def delegate_run(graph: Graph, x: Array, threads: int = 1) -> Array:
    """The graph, whose batch size is 1, on all samples of ``x`` at once."""
    return invoke(Interpreter(model_content=to_bytes(graph), num_threads=threads), x)


def filter_fits(case: ConvCase) -> bool:
    spans = [(k - 1) * d + 1 for k, d in zip(case.filter, case.dilation, strict=True)]
    return all(span <= size for span, size in zip(spans, case.size, strict=True))


def lce_expects(case: ConvCase, graph: Graph, x: Array) -> tuple[Array | None, bool]:
    """What LCE computes, None where it refuses or crashes, and whether the last bit counts.

    Its kernels agree but for padding with zeros: the reference kernel counts in integers and takes even channels only,
    the optimised ones correct float outputs afterwards, in float, and go wrong where a filter is larger than the
    image. Whatever runs by default in LCE is the truth.
    """
    if not case.pads_with_zeros:
        return lce_run(graph, [x])[0], True
    if case.output == "float32" and case.activation == Activation.NONE:
        if filter_fits(case):
            return lce_run(graph, [x], reference=False, indirect=case.groups > 1)[0], True
        return (lce_run(graph, [x])[0] if case.channels_in % 2 == 0 else None), False
    return (lce_run(graph, [x])[0], True) if case.channels_in % 2 == 0 else (None, True)


@settings(max_examples=examples(EXAMPLES))
@given(conv_cases(), st.integers(1, 3))
def test_convolutions_equal_lces_bit_for_bit(case: ConvCase, threads: int) -> None:
    operands = case.operands()
    ours = reference(case, operands)
    graph = conv_graph(replace(case, batches=1), operands)
    result = delegate_run(graph, operands.x, threads)
    expected, exact = lce_expects(case, graph, operands.x)
    if expected is None:
        expected = ours
    if exact:
        assert bit_equal(result, expected)
    else:
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5 * case.products)


@pytest.mark.parametrize("case", ["default kernel", "reference kernel"])
def test_an_odd_batch_norm_rounds_as_lce_does(case: str) -> None:
    """Multipliers and biases whose products do not fit in float32: contraction would show in the last bit."""
    conv = ConvCase(
        1, (9, 9), (3, 3), (1, 1), (1, 1), Padding.SAME, 1, 1, 96, 64, Activation.NONE, "float32", seed=3
    )  # fmt: skip
    operands = conv.operands()
    graph = conv_graph(conv, operands)
    assert bit_equal(delegate_run(graph, operands.x), lce_run(graph, [operands.x], case == "reference kernel")[0])


@st.composite
def rows(draw: st.DrawFn) -> tuple[tuple[int, ...], DType, Quantization | None, int]:
    shape = (1, *draw(st.lists(st.integers(1, 5), max_size=2)), draw(st.integers(1, 100)))
    dtype = draw(DTYPES)
    scale = float(np.float32(draw(st.floats(1 / 256, 2))))
    quantization = Quantization((scale,), (draw(st.integers(-128, 127)),)) if dtype == DType.INT8 else None
    return shape, dtype, quantization, draw(st.integers(0, 2**32))


@given(rows(), st.integers(1, 4), st.integers(1, 3))
def test_quantize_equals_lces(
    case: tuple[tuple[int, ...], DType, Quantization | None, int], batch: int, threads: int
) -> None:
    shape, dtype, quantization, seed = case
    rng = np.random.default_rng(seed)
    graph = quantize_graph(shape, dtype, quantization)
    full = (batch, *shape[1:])
    if dtype == DType.FLOAT32:
        x = rng.standard_normal(full).astype(np.float32)
        x[rng.random(full) < 0.2] = rng.choice(np.array([0.0, -0.0, np.inf, -np.inf, np.nan], np.float32))
    elif dtype == DType.INT8:
        x = rng.integers(-128, 128, full).astype(np.int8)
    else:
        x = rng.random(full) < 0.5
    assert bit_equal(delegate_run(graph, x, threads), lce_run(graph, [x])[0])


@given(rows(), st.integers(1, 3))
def test_dequantize_equals_lces(case: tuple[tuple[int, ...], DType, Quantization | None, int], threads: int) -> None:
    shape, dtype, quantization, seed = case
    graph = dequantize_graph(shape, dtype, quantization)
    x = np.random.default_rng(seed).integers(-(2**31), 2**31, graph.tensors[0].shape).astype(np.int32)
    assert bit_equal(delegate_run(graph, x, threads), lce_run(graph, [x])[0])


@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 3)),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.sampled_from([Padding.SAME, Padding.VALID]),
    st.integers(1, 3),
    st.integers(1, 3),
)
def test_max_pooling_equals_lces(
    image: tuple[int, int, int],
    window: tuple[int, int],
    stride: tuple[int, int],
    padding: Padding,
    batch: int,
    threads: int,
) -> None:
    if padding == Padding.VALID:
        window = (min(window[0], image[0]), min(window[1], image[1]))
    options = LceBMaxPool2dOptions(padding, stride[1], stride[0], window[1], window[0])
    graph = pool_graph((1, *image), (1, 1), options)
    graph = resize(graph, [(1, *image)])
    x = np.random.default_rng(sum(image)).integers(-(2**31), 2**31, (batch, *image)).astype(np.int32)
    assert bit_equal(delegate_run(graph, x, threads), lce_run(graph, [x])[0])
