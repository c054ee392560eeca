"""The reference executor agrees with LiteRT's reference kernels bit for bit on every op that has an int8 form."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebnn.graph.execute import run
from edgebnn.graph.ops.conv import Conv2DOptions, DepthwiseConv2DOptions
from edgebnn.graph.ops.dense import FullyConnectedOptions
from edgebnn.graph.ops.elementwise import AddOptions, MulOptions, SubOptions
from edgebnn.graph.ops.reduce import ReducerOptions
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import Array, DType, Graph, Options
from tests.support.graphs import constant, one_op, per_channel, per_tensor, tensor
from tests.support.op_cases.base import power, quantizations
from tests.support.op_cases.tables import COMMON
from tests.support.oracles import litert_run

SEEDS = st.integers(0, 2**32 - 1)
ZERO_POINTS = st.integers(-128, 127)


def assert_equal(graph: Graph, inputs: Sequence[Array], steps: int = 0) -> None:
    for ours, theirs in zip(run(graph, inputs), litert_run(graph, inputs), strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours.astype(np.int32), theirs.astype(np.int32), rtol=0, atol=steps)


@pytest.mark.parametrize("kind", COMMON)
@given(data=st.data())
def test_int8_results_are_those_of_litert_bit_for_bit(kind: str, data: st.DataObject) -> None:
    case = data.draw(COMMON[kind](DType.INT8))
    assert_equal(case.graph, case.inputs)


PAIRWISE: dict[str, tuple[Options, tuple[float, float]]] = {
    "ADD": (AddOptions(), (-6, 2)),
    "SUB": (SubOptions(), (-6, 2)),
    "MUL": (MulOptions(), (-6, 4)),
    "SQUARED_DIFFERENCE": (NoOptions(), (-3, 4)),
}
"""Options, and range of the output's scale (log2)."""


@pytest.mark.parametrize("kind", PAIRWISE)
@given(data=st.data())
def test_all_pairs_of_int8_values_agree(kind: str, data: st.DataObject) -> None:
    """So many results show when factors differ in their last bits."""
    options, scale = PAIRWISE[kind]
    every = np.arange(-128, 128).astype(np.int8)
    a = tensor("a", (256, 1), DType.INT8, data.draw(quantizations(-6, 1)))
    b = tensor("b", (1, 256), DType.INT8, data.draw(quantizations(-6, 1)))
    y = tensor("y", (), DType.INT8, data.draw(quantizations(*scale)))
    assert_equal(one_op(kind, options, [a, b], [y]), [every[:, None], every[None]])


@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"])
@given(scales=st.tuples(power(-8, 0), power(-8, 0), power(-8, 0)), factor=power(0, 13), seed=SEEDS)
def test_many_sums_of_products_agree(kind: str, scales: tuple[float, float, float], factor: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x_scale, *w_scales = scales
    x = tensor("x", (1, 128, 128, 2) if "CONV" in kind else (128 * 128, 2), DType.INT8, per_tensor(x_scale, 7))
    shape = {"CONV_2D": (2, 1, 1, 2), "DEPTHWISE_CONV_2D": (1, 1, 1, 2), "FULLY_CONNECTED": (2, 2)}[kind]
    weights = constant(
        "w",
        rng.integers(-127, 128, shape).astype(np.int8),
        per_channel(w_scales, 3 if kind == "DEPTHWISE_CONV_2D" else 0),
    )
    bias = constant(
        "b", rng.integers(-9999, 10000, 2).astype(np.int32), per_channel([x_scale * s for s in w_scales], 0)
    )
    y = tensor("y", (), DType.INT8, per_tensor(x_scale * max(w_scales) * factor, -3))
    options: dict[str, Options] = {
        "CONV_2D": Conv2DOptions(stride_w=1, stride_h=1),
        "DEPTHWISE_CONV_2D": DepthwiseConv2DOptions(stride_w=1, stride_h=1, depth_multiplier=1),
        "FULLY_CONNECTED": FullyConnectedOptions(),
    }
    data = rng.integers(-128, 128, x.shape).astype(np.int8)
    assert_equal(one_op(kind, options[kind], [x, weights, bias], [y]), [data])


@given(count=st.integers(1, 300), scale=power(-6, 0), factor=power(-1, 5), zero_point=ZERO_POINTS, seed=SEEDS)
def test_many_means_agree(count: int, scale: float, factor: float, zero_point: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = tensor("x", (2000, count), DType.INT8, per_tensor(scale, zero_point))
    y = tensor("y", (), DType.INT8, per_tensor(scale * factor, 11))
    graph = one_op("MEAN", ReducerOptions(), [x, constant("axis", np.asarray([1], np.int32))], [y])
    centre = rng.integers(-128, 128, (2000, 1))
    assert_equal(graph, [np.clip(rng.integers(-40, 41, x.shape) + centre, -128, 127).astype(np.int8)])
