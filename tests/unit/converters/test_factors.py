"""Results whose steps are too fine for XNNPACK are computed in coarser ones, and requantized."""

from __future__ import annotations

import numpy as np
import pytest

import edgebnn
from edgebnn.converters.factors import representable
from edgebnn.converters.write_tflite import to_bytes
from edgebnn.graph.execute import run
from edgebnn.graph.ops.conv import Conv2DOptions, DepthwiseConv2DOptions, TransposeConvOptions
from edgebnn.graph.ops.dense import FullyConnectedOptions
from edgebnn.graph.ops.enums import Padding
from edgebnn.graph.types import Array, DType, Graph, Options, Quantization, Shape
from tests.support.graphs import constant, one_op, per_channel, per_tensor, tensor

SAME = Padding.SAME
LAYERS: dict[str, tuple[Options, Shape, Shape, int]] = {
    "FULLY_CONNECTED": (FullyConnectedOptions(), (1, 8), (4, 8), 0),
    "CONV_2D": (Conv2DOptions(SAME, 1, 1), (1, 5, 5, 8), (4, 3, 3, 8), 0),
    "DEPTHWISE_CONV_2D": (DepthwiseConv2DOptions(SAME, 1, 1, 1), (1, 5, 5, 4), (1, 3, 3, 4), 3),
    "TRANSPOSE_CONV": (TransposeConvOptions(SAME, 2, 2), (1, 5, 5, 8), (4, 3, 3, 8), 0),
}


def _layer(kind: str, scale: float) -> Graph:
    """Its accumulators have steps of 2**-16 and, in one channel, 2**-13; its result has ``scale``."""
    options, shape, filters, axis = LAYERS[kind]
    weights = np.random.default_rng(0).integers(-127, 128, filters).astype(np.int8)
    scales = [2.0**-8] * 3 + [2.0**-5]
    quantization = per_tensor(2.0**-5, 0) if kind == "FULLY_CONNECTED" else per_channel(scales, axis)
    operands = [tensor("x", shape, DType.INT8, per_tensor(2.0**-8, 3)), constant("w", weights, quantization)]
    if kind == "TRANSPOSE_CONV":
        operands = [constant("shape", np.asarray([1, 10, 10, 4], np.int32)), *reversed(operands)]
    bias = tuple(2.0**-8 * scale for scale in quantization.scale)
    operands.append(constant("b", np.asarray([5, -7, 0, 1], np.int32), Quantization(bias, (0,) * len(bias))))
    return one_op(kind, options, operands, [tensor("y", (), DType.INT8, per_tensor(scale, -100))])


def _inputs(graph: Graph) -> Array:
    return np.random.default_rng(1).integers(-128, 128, graph.tensors[graph.inputs[0]].shape).astype(np.int8)


@pytest.mark.parametrize("kind", LAYERS)
def test_steps_that_are_too_fine_are_made_in_two_steps(kind: str) -> None:
    graph = _layer(kind, 2.0**-23)
    changed = representable(graph)
    assert [op.kind for op in changed.ops] == [kind, "QUANTIZE"]
    assert representable(changed) is changed
    values = _inputs(graph)
    (result,), (wanted,) = run(changed, [values]), run(graph, [values])
    np.testing.assert_allclose(edgebnn.load(to_bytes(changed))(values), (result + 100.0) * 2.0**-23, atol=5 * 2.0**-23)
    step = 2.0**-13 / 255
    assert np.abs(result.astype(int) - wanted).max() <= np.ceil(step / 2.0**-23), "what was lost is less than a step"


@pytest.mark.parametrize("kind", LAYERS)
def test_others_are_left_alone(kind: str) -> None:
    graph = _layer(kind, 2.0**-20)
    assert representable(graph) is graph
    edgebnn.load(to_bytes(graph))(_inputs(graph))
