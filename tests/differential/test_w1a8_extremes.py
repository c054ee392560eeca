"""Extreme multipliers, zero points, saturation: what fits in 32 bits is packed and bit-exact, what does not is left."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import OpResolverType

from edgebnn.converters.w1a8 import to_w1a8
from edgebnn.converters.write_tflite import to_bytes
from edgebnn.graph.execute import run
from edgebnn.graph.ops.conv import Conv2DOptions, DepthwiseConv2DOptions
from edgebnn.graph.ops.dense import FullyConnectedOptions
from edgebnn.graph.ops.enums import Activation, Padding
from edgebnn.graph.types import Array, DType, Graph
from edgebnn.runtime.interpreter import Interpreter
from edgebnn.runtime.plugin import PackInt8
from tests.support.graphs import constant, one_op, per_channel, per_tensor, tensor
from tests.support.oracles import litert_run

KINDS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
CHANNELS = 33
INPUT_SCALE = 2.0**-6
WEIGHT_SCALE = 2.0**-7
SUM = 9 * CHANNELS  # terms of the largest sum


def layer(
    kind: str,
    factor: float,
    zero_points: tuple[int, int],
    magnitude: int = 127,
    bias: int | None = None,
    activations: int = 1,
    seed: int = 0,
) -> Graph:
    """33 channels to 33, dilated by 2, some channels of one sign; ``factor`` is M but for a few per cent.

    ``bias``: of all channels; None: noise. ``activations``: one of the first so many.
    """
    rng = np.random.default_rng(seed)
    shape, axis = {
        "CONV_2D": ((CHANNELS, 3, 3, CHANNELS), 0),
        "DEPTHWISE_CONV_2D": ((1, 3, 3, CHANNELS), 3),
        "FULLY_CONNECTED": ((CHANNELS, SUM), 0),
    }[kind]
    share = np.moveaxis(rng.choice([0.0, 0.5, 0.5, 1.0], (CHANNELS, *[1] * (len(shape) - 1))), 0, axis)
    weights = np.where(rng.random(shape) < share, -magnitude, magnitude).astype(np.int8)
    dense = kind == "FULLY_CONNECTED"
    scales = (WEIGHT_SCALE * rng.uniform(0.97, 1.03, 1 if dense else CHANNELS)).tolist()
    x = tensor("x", (2, SUM) if dense else (2, 7, 6, CHANNELS), DType.INT8, per_tensor(INPUT_SCALE, zero_points[0]))
    w = constant("w", weights, per_tensor(scales[0], 0) if dense else per_channel(scales, axis))
    biases = rng.integers(-2000, 2001, CHANNELS) if bias is None else np.full(CHANNELS, bias)
    b = constant("b", biases.astype(np.int32))
    y = tensor("y", (), DType.INT8, per_tensor(INPUT_SCALE * WEIGHT_SCALE / factor, zero_points[1]))
    activation = Activation(int(rng.integers(0, activations)))
    options: dict[str, Any] = {
        "CONV_2D": Conv2DOptions(Padding.SAME, 1, 1, activation, 2, 2),
        "DEPTHWISE_CONV_2D": DepthwiseConv2DOptions(Padding.SAME, 1, 1, 1, activation, 2, 2),
        "FULLY_CONNECTED": FullyConnectedOptions(activation),
    }
    return one_op(kind, options[kind], [x, w, None if dense else b], [y])


def extremes(graph: Graph, seed: int) -> Array:
    """One sample of noise, one of the least and greatest values."""
    rng = np.random.default_rng(seed)
    shape = graph.tensors[graph.inputs[0]].shape
    x = rng.integers(-128, 128, shape)
    x[1] = rng.choice([-128, 127], shape[1:])
    return x.astype(np.int8)


def delegated(content: bytes, x: Array, pack_int8: PackInt8) -> tuple[Array, bool]:
    """The output, and whether an op of ours gave it."""
    interpreter = Interpreter(
        model_content=content, experimental_op_resolver_type=OpResolverType.BUILTIN_REF, pack_int8=pack_int8
    )
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, x)
    interpreter.invoke()
    ours = any(op.op.endswith("W1A8") or op.op.endswith("(packed)") for op in interpreter.profile(repeats=1).ops)
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"]), ours


ZERO_POINTS = [(a, b) for a in (-128, -1, 0, 5, 127) for b in (-128, 0, 127)]


@pytest.mark.parametrize("kind", KINDS)
def test_multipliers_from_the_least_to_far_above_one(kind: str) -> None:
    seen = set()
    for number, exponent in enumerate(range(-33, 12)):
        zero_points = ZERO_POINTS[number % len(ZERO_POINTS)]
        magnitude = 1 if exponent > 0 else 127
        graph = layer(kind, 2.0**exponent, zero_points, magnitude, activations=4, seed=number)
        packed, findings = to_w1a8(graph)
        assert findings == (), (exponent, findings)
        x = extremes(graph, number)
        (expected,) = litert_run(graph, [x])
        seen |= set(np.unique(expected).tolist())
        np.testing.assert_array_equal(run(packed, [x])[0], expected)
        for content, pack_int8 in ((to_bytes(packed), "none"), (to_bytes(graph), "all")):
            y, ours = delegated(content, x, pack_int8)  # type: ignore[arg-type]
            np.testing.assert_array_equal(y, expected)
            assert ours
    assert len(seen) > 60  # not only the ends of the range


LEAVING_32_BITS = [(kind, 2.0**19, 0) for kind in KINDS] + [
    (kind, 2.0**-8, bias) for kind in KINDS if kind != "FULLY_CONNECTED" for bias in (2**31 - 1, -(2**31))
]
"""Kind, factor of requantization, bias: dense layers have no bias here."""


@pytest.mark.parametrize(("kind", "factor", "bias"), LEAVING_32_BITS)
def test_sums_that_may_leave_32_bits_are_left_to_the_int8_kernels(kind: str, factor: float, bias: int) -> None:
    graph = layer(kind, factor, (-128, 0), bias=bias)
    packed, findings = to_w1a8(graph)
    assert [f.rule for f in findings] == ["w1a8-overflow", "w1a8-nothing-packed"]
    assert "can overflow 32 bits (channel 0: " in findings[0].message
    assert findings[0].layer == "y"
    assert packed.ops == graph.ops
    x = extremes(graph, 0)
    y, ours = delegated(to_bytes(graph), x, "all")
    assert not ours
    np.testing.assert_array_equal(y, litert_run(graph, [x])[0])


@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D"])
@pytest.mark.parametrize("zero_point", [-128, 0, 127])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_bound_is_the_extreme_that_an_input_reaches(kind: str, zero_point: int, sign: int) -> None:
    """The last bias that fits is packed, and right at that input; one more is left, in Python as in the delegate."""
    plain = layer(kind, 2.0**-20, (zero_point, 1), bias=0)
    weights = plain.tensors[plain.ops[0].inputs[1]].data
    assert weights is not None
    by_channel = np.moveaxis(weights[0], -1, 0) if kind == "DEPTHWISE_CONV_2D" else weights
    signed = sign * by_channel.reshape(CHANNELS, -1).astype(np.int64)
    reach = int(np.where(signed > 0, signed * (127 - zero_point), signed * (-128 - zero_point)).sum(axis=1).max())
    last = 2**31 - 1 - 128 - reach
    for more, fits in ((0, True), (1, False)):
        graph = layer(kind, 2.0**-20, (zero_point, 1), bias=sign * (last + more) - (sign < 0))
        packed, _ = to_w1a8(graph)
        assert (packed.ops != graph.ops) == fits
        x = extremes(graph, zero_point + 128)
        (expected,) = litert_run(graph, [x])
        np.testing.assert_array_equal(run(packed, [x])[0], expected)
        y, ours = delegated(to_bytes(graph), x, "all")
        assert ours == fits
        np.testing.assert_array_equal(y, expected)
