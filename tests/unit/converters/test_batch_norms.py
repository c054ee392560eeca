"""Batch norms as depthwise convolutions: the same function, or the same signs where only those are taken."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgebnn.converters.batch_norms import as_depthwise
from edgebnn.converters.ranges import Range
from edgebnn.graph.execute import trace
from edgebnn.graph.ops.activation import LeakyReluOptions
from edgebnn.graph.ops.elementwise import AddOptions, MulOptions
from edgebnn.graph.ops.enums import Activation
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import Array, Graph
from tests.support.image_graphs import CHANNELS, Building, normal


def ranged(graph: Graph, inputs: list[Array]) -> dict[int, Range]:
    values = trace(graph, inputs)
    computed = {*graph.inputs, *(i for op in graph.ops for i in op.outputs)}
    return {i: (float(values[i].min()), float(values[i].max())) for i in computed if values[i].dtype == np.float32}


def dense_block(activation: Activation) -> tuple[Graph, list[Array]]:
    """Three branches, whose ranges differ a thousandfold, in a chain of concatenations, a batch norm behind each."""
    rng, built = np.random.default_rng(1), Building()
    first, second, third = built.image(), built.image(), built.image()
    outputs, x = [], first
    for branch in (second, third):
        x = built.join(x, branch)
        n = built.tensors[x].shape[-1]
        norm = built.norm(x, rng.normal(0, 2, n), rng.normal(0, 1, n), activation)
        outputs.append(built.signs(norm) if activation == Activation.NONE else norm)
    return built.graph(*outputs), [normal(1, 2), normal(1000, 3), normal(30, 4)]


@pytest.mark.parametrize("activation", [Activation.NONE, Activation.RELU])
def test_a_norm_behind_concatenations_is_applied_to_each_branch_of_its_own_range(activation: Activation) -> None:
    graph, inputs = dense_block(activation)
    normed = as_depthwise(graph, ranged(graph, inputs))
    kinds = [op.kind for op in normed.graph.ops if op.kind != "LceQuantize"]
    assert kinds == [*["DEPTHWISE_CONV_2D"] * 2, "CONCATENATION", *["DEPTHWISE_CONV_2D"] * 3, "CONCATENATION"]
    expected, found = trace(graph, inputs), trace(normed.graph, inputs)
    for index in graph.outputs:
        compare = np.testing.assert_array_equal if activation == Activation.NONE else np.testing.assert_allclose
        compare(found[index], expected[index], **({} if activation == Activation.NONE else {"rtol": 1e-5}))


def test_branches_of_one_range_stay_joined() -> None:
    graph, inputs = dense_block(Activation.NONE)
    alike = [values / np.ptp(values) for values in inputs]
    kinds = [op.kind for op in as_depthwise(graph, ranged(graph, alike)).graph.ops]
    assert kinds.count("CONCATENATION") == kinds.count("DEPTHWISE_CONV_2D") == 2


def test_channels_of_a_threshold_are_in_units_of_half_a_step_to_one_and_dead_ones_keep_the_sign_of_their_bias() -> None:
    built = Building()
    weights, bias = np.geomspace(1e-4, 1e4, CHANNELS) * np.tile([1, -1], CHANNELS // 2), np.full(CHANNELS, 0.3)
    weights[:3], bias[:3] = 0, (-1e-3, 0, 1e-3)
    bias[-1] = 1e30
    graph = built.graph(built.signs(built.norm(built.image(), weights, bias)))
    inputs = [normal()]
    normed = as_depthwise(graph, ranges := ranged(graph, inputs))
    np.testing.assert_array_equal(*(trace(g, inputs)[graph.outputs[0]] for g in (graph, normed.graph)))
    low, high = ranges[graph.inputs[0]]
    step = (high - low) / 255
    units = np.abs(normed.graph.tensors[normed.graph.ops[0].inputs[1]].data) * step  # type: ignore[arg-type, operator]
    assert units.min() >= 0.5
    assert units.max() < 1.0
    assert list(normed.thresholds) == [normed.graph.ops[0].outputs[0]]


def test_values_that_others_read_stay_what_they_are() -> None:
    built = Building()
    norm = built.norm(built.image(), np.arange(1, CHANNELS + 1), np.arange(CHANNELS))
    graph = built.graph(built.signs(norm), norm)
    inputs = [normal()]
    normed = as_depthwise(graph, ranged(graph, inputs))
    assert not normed.thresholds
    for index in graph.outputs:
        np.testing.assert_allclose(trace(normed.graph, inputs)[index], trace(graph, inputs)[index], rtol=1e-6)


def test_additions_by_channel_alone_and_other_operands_are_left() -> None:
    built = Building()
    x = built.image()
    added = built.tensor(0, np.arange(CHANNELS, dtype=np.float32))
    y = built.op("ADD", (x, added), AddOptions(), built.tensor(CHANNELS))
    pixels = built.tensor(0, normal())
    z = built.op("MUL", (y, pixels), MulOptions(), built.tensor(CHANNELS))
    graph = built.graph(z)
    assert as_depthwise(graph, ranged(graph, [normal()])).graph is graph
    for_signs = replace(graph, ops=(graph.ops[0], replace(graph.ops[1], inputs=(y,), kind="LceQuantize")))
    assert as_depthwise(for_signs, ranged(graph, [normal()])).graph.ops[0].kind == "DEPTHWISE_CONV_2D"


@pytest.mark.parametrize("kind", ["PRELU", "LEAKY_RELU"])
def test_a_threshold_behind_slopes_is_taken_in_front_of_them(kind: str) -> None:
    """Behind another batch norm, whose results others read; weights of either sign, thresholds below zero and above."""
    rng, built = np.random.default_rng(2), Building()
    image = built.image()
    weights = rng.uniform(0.5, 2, (2, CHANNELS)) * rng.choice([-1, 1], (2, CHANNELS))
    bias = rng.normal(0, 0.3, (2, CHANNELS))
    weights[1, :2], bias[1, :2] = 0, (-0.3, 0.3)
    if kind == "PRELU":
        slopes = built.tensor(0, np.geomspace(1e-3, 2, CHANNELS).astype(np.float32).reshape(1, 1, -1))
        x = built.op(kind, (image, slopes), NoOptions(), built.tensor(CHANNELS))
    else:
        x = built.op(kind, (image,), LeakyReluOptions(0.01), built.tensor(CHANNELS))
    first = built.norm(x, weights[0], bias[0])
    graph = built.graph(built.signs(built.norm(first, weights[1], bias[1])), first)
    inputs = [normal()]
    normed = as_depthwise(graph, ranged(graph, inputs)).graph
    expected, found = trace(graph, inputs), trace(normed, inputs)
    np.testing.assert_array_equal(found[graph.outputs[0]], expected[graph.outputs[0]])
    np.testing.assert_allclose(found[graph.outputs[1]], expected[graph.outputs[1]], rtol=1e-5, atol=1e-6)
    makers = {op.outputs[0]: op for op in normed.ops}
    assert makers[makers[graph.outputs[0]].inputs[0]].inputs[0] == image


def test_a_threshold_behind_slopes_that_fall_is_left_there() -> None:
    built = Building()
    slopes = built.tensor(0, np.linspace(-0.1, 0.1, CHANNELS).astype(np.float32))
    x = built.op("PRELU", (built.image(), slopes), NoOptions(), built.tensor(CHANNELS))
    graph = built.graph(built.signs(built.norm(x, np.ones(CHANNELS), np.full(CHANNELS, 0.1))))
    assert as_depthwise(graph, ranged(graph, [normal()])).graph.ops[0].kind == "PRELU"
