"""Which int8 layers are recognised as having 1-bit weights, and why others that look like it are not."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import OpResolverType
from numpy.typing import NDArray

from edgebnn.converters.two_valued import two_valued
from edgebnn.converters.w1a8 import to_w1a8
from edgebnn.converters.write_tflite import to_bytes
from edgebnn.graph.execute import run
from edgebnn.graph.ops.dense import FullyConnectedOptions
from edgebnn.graph.types import DType, Graph, Quantization
from edgebnn.runtime.interpreter import Interpreter
from tests.support.graphs import constant, differences, one_op, per_tensor, tensor
from tests.support.invoke import invoke
from tests.support.two_valued_layers import Q, one_conv, plus_minus, with_weights


def _changed(index: Any, value: int) -> NDArray[np.int8]:
    data = plus_minus((16, 3, 3, 16))
    data[index] = value
    return data


@pytest.mark.parametrize(
    ("data", "bias", "rule", "message"),
    [
        (
            _changed((3, 0, 0, 0), 126),
            0,
            "w1a8-almost-binary",
            "1 of 2304 weights stand apart, in 1 of 16 .*channel 3",
        ),
        (_changed((3, 0, 0), 0), 0, "w1a8-almost-binary", r"16 of 2304 .* \(channel 3 has 3 values, -127 to 127\)"),
        (
            _changed((slice(2, 5), 0, 0, 0), 125),
            0,
            "w1a8-almost-binary",
            "3 of 2304 .* 3 of 16 channels .*channel 2",
        ),
        (_changed((7, 0, 0, 0), -128), 0, "w1a8-almost-binary", "1 of 2304 .* -128 to 127"),
        (np.where(plus_minus((16, 3, 3, 16)) > 0, 100, -60).astype(np.int8), 0, "w1a8-not-opposite", "-60 and 100"),
        (np.where(plus_minus((16, 3, 3, 16)) > 0, 1, 0).astype(np.int8), 0, "w1a8-not-opposite", "0 and 1"),
        (plus_minus((16, 3, 3, 16)), 2**31 - 1000, "w1a8-overflow", "16 channels .* overflow 32 bits"),
        (plus_minus((16, 3, 3, 1)), 0, "w1a8-not-smaller", "packed they take 656 bytes, not 336"),
    ],
)
def test_what_cannot_be_packed_stays_int8_and_is_named(
    data: NDArray[np.int8], bias: int, rule: str, message: str
) -> None:
    graph = one_conv(data, bias)
    packed, findings = to_w1a8(graph)
    assert not differences(graph, packed)
    assert [(f.rule, f.layer) for f in findings] == [(rule, "layer"), ("w1a8-nothing-packed", "")]
    assert re.search(message, findings[0].message)
    assert findings[0].remedy


def test_ordinary_sparse_and_ternary_weights_are_left_without_a_word() -> None:
    rng = np.random.default_rng(0)
    for data in (
        rng.integers(-127, 128, (16, 3, 3, 16)),
        rng.choice([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 126, 127], (16, 3, 3, 16)),
        rng.choice([-127, 0, 127], (16, 3, 3, 16)),
        rng.integers(-2, 3, (16, 3, 3, 16)),
    ):
        packed, findings = to_w1a8(one_conv(data.astype(np.int8)))
        assert [f.rule for f in findings] == ["w1a8-nothing-packed"]
        assert [op.kind for op in packed.ops] == ["CONV_2D"]


@pytest.mark.parametrize("values", [[[1, -1], [1, 0]], [[-128, -128]], [[1, 2]]])
def test_only_one_magnitude_a_channel_is_two_valued(values: list[list[int]]) -> None:
    assert two_valued(np.array(values, np.int8)) is None


def test_a_layer_of_nothing_but_zeros_is_no_binary_one() -> None:
    packed, findings = to_w1a8(one_conv(np.zeros((16, 3, 3, 16), np.int8)))
    assert [op.kind for op in packed.ops] == ["CONV_2D"]
    assert [f.rule for f in findings] == ["w1a8-nothing-packed"]


def test_constant_channels_and_magnitudes_of_their_own_are_two_valued() -> None:
    found = two_valued(np.array([[5, 5], [-127, -127], [1, -1], [0, 0]], np.int8))
    assert found is not None
    assert found.magnitude.tolist() == [5, 127, 1, 0]
    assert found.minus.tolist() == [[False, False], [True, True], [False, True], [False, False]]


def test_a_dense_layer_with_weights_about_a_zero_point_is_packed() -> None:
    x, y = tensor("x", (3, 64), DType.INT8, Q), tensor("y", (), DType.INT8, per_tensor(0.05, -4))
    w = constant("w", np.where(plus_minus((24, 64)) > 0, 90, -56).astype(np.int8), per_tensor(0.01, 17))
    graph = one_op("FULLY_CONNECTED", FullyConnectedOptions(), [x, w, None], [y])
    packed, findings = to_w1a8(graph)
    assert findings == ()
    (magnitude,) = (t.data for t in packed.tensors if t.name == "w/magnitude")
    assert magnitude is not None
    assert set(magnitude.tolist()) == {73}
    recognised = Interpreter(
        model_content=to_bytes(graph), experimental_op_resolver_type=OpResolverType.BUILTIN_REF, pack_int8="all"
    )
    x_in = np.random.default_rng(0).integers(-128, 128, (3, 64)).astype(np.int8)
    (expected,) = run(graph, [x_in])
    np.testing.assert_array_equal(invoke(recognised, x_in), expected)
    np.testing.assert_array_equal(run(packed, [x_in])[0], expected)


def _uint8() -> Graph:
    """As TFLite quantized before int8: weights about a zero point of 128."""
    graph = one_conv(plus_minus((16, 3, 3, 16)))
    data = (plus_minus((16, 3, 3, 16)).astype(np.int16) + 128).astype(np.uint8)
    graph = with_weights(graph, data=data, dtype=DType.UINT8, quantization=per_tensor(0.01, 128))
    ends = {*graph.inputs, *graph.outputs}
    return replace(
        graph,
        tensors=tuple(replace(t, dtype=DType.UINT8) if i in ends else t for i, t in enumerate(graph.tensors)),
    )


@pytest.mark.parametrize(
    ("graph", "rule", "message"),
    [
        (
            with_weights(
                one_conv(plus_minus((16, 3, 3, 16)) // 2 + 1), quantization=Quantization((0.1,) * 16, (1,) * 16)
            ),
            "w1a8-not-opposite",
            "-64 and 63 from the zero point",
        ),
        (
            with_weights(
                one_conv(plus_minus((16, 3, 3, 16), 60) + 5), quantization=Quantization((0.1,) * 16, (5,) * 16)
            ),
            "w1a8-zero-point",
            "two-valued about a zero point",
        ),
        (with_weights(one_conv(plus_minus((16, 3, 3, 16))), quantization=None), "w1a8-scales", "not all there"),
        (_uint8(), "w1a8-activations", "it maps uint8 to uint8, not int8"),
    ],
)
def test_layers_of_other_quantizations_are_left_and_named(graph: Graph, rule: str, message: str) -> None:
    packed, findings = to_w1a8(graph)
    assert [op.kind for op in packed.ops] == ["CONV_2D"]
    assert [(f.rule, f.layer) for f in findings] == [(rule, "layer"), ("w1a8-nothing-packed", "")]
    assert message in findings[0].message
