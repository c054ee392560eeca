"""Every rule on converted files has a small graph that it complains about and a near one that it leaves alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgebnn.converters.graph_rules import GRAPH_RULES
from edgebnn.converters.lint import lint_graph
from edgebnn.converters.read_tflite import read
from edgebnn.converters.w1a8 import to_w1a8
from edgebnn.graph.ops.binary import LceBconv2dOptions, LceDequantizeOptions, LceQuantizeOptions
from edgebnn.graph.ops.conv import Conv2DOptions
from edgebnn.graph.ops.dense import FullyConnectedOptions
from edgebnn.graph.ops.enums import Padding
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import Array, DType, Graph, Tensor
from tests.support.graphs import Step, chain, constant, per_channel, per_tensor, tensor
from tests.support.topologies import lce_bytes, tflite_bytes

Q = per_tensor(0.1, 0)


def _float(name: str, channels: int = 32) -> Tensor:
    return tensor(name, (1, 4, 4, channels))


def _int8(name: str) -> Tensor:
    return tensor(name, (1, 4, 4, 32), DType.INT8, Q)


def _packed(name: str) -> Tensor:
    return tensor(name, (1, 4, 4, 1), DType.INT32)


def _plain(kind: str, x: Tensor, y: Tensor, options: Any = None) -> Step:
    return (kind, options or NoOptions(), (x,), (y,), 1)


def _conv(weights: Array) -> Graph:
    filters = constant("filters", weights.astype(np.float32))
    options = Conv2DOptions(Padding.VALID, 1, 1)
    return chain([("CONV_2D", options, (_float("x", 2), filters, None), (_float("layer"),), 1)])


def _int8_conv(weights: Array) -> Graph:
    filters = constant("filters", np.round(weights * 254).astype(np.int8), per_channel([0.01] * len(weights), 0))
    x = tensor("x", (1, 4, 4, 16), DType.INT8, Q)
    return chain([("CONV_2D", Conv2DOptions(Padding.VALID, 1, 1), (x, filters, None), (_int8("layer"),), 1)])


def _collapsed(scale: float) -> Graph:
    y = tensor("layer", (1, 4, 4, 32), DType.INT8, per_tensor(scale, 0))
    return chain([_plain("QUANTIZE", _float("x"), y)])


def _reversed(scale: float) -> Graph:
    """int8 in steps of ``scale``, turned around, and given out in those of ``Q``."""
    x = tensor("x", (1, 4), DType.INT8, per_tensor(scale, Q.zero_point[0]))
    axes = constant("axes", np.asarray([1], np.int32))
    return chain([("REVERSE_V2", NoOptions(), (x, axes), (tensor("layer", (1, 4), DType.INT8, Q),), 1)])


def _biased(ratio: float) -> Graph:
    """A convolution whose bias is in steps of ``ratio`` times those of its sums."""
    weights = np.random.default_rng(0).integers(-127, 128, (32, 1, 1, 32)).astype(np.int8)
    scales = np.linspace(0.01, 0.02, 32)
    bias = constant("bias", np.ones(32, np.int32), per_channel(scales * Q.scale[0] * ratio, 0))
    operands = (_int8("x"), constant("filters", weights, per_channel(scales, 0)), bias)
    return chain([("CONV_2D", Conv2DOptions(Padding.VALID, 1, 1), operands, (_int8("layer"),), 1)])


def _w1a8(channels: int) -> Graph:
    """A dense layer from 512 inputs."""
    signs = np.where(np.random.default_rng(0).random((channels, 512)) < 0.5, -127, 127).astype(np.int8)
    x, y = (tensor(name, (1, count), DType.INT8, Q) for name, count in (("x", 512), ("layer", channels)))
    weights = constant("weights", signs, per_tensor(0.01, 0))
    return to_w1a8(chain([("FULLY_CONNECTED", FullyConnectedOptions(), (x, weights, None), (y,), 1)]))[0]


def _bconv(
    x: Tensor,
    y: Tensor,
    channels: int = 32,
    padding: Padding = Padding.SAME,
    pad: int = 1,
    outputs: int = 32,
    size: int = 3,
) -> Step:
    options = LceBconv2dOptions(channels_in=channels, padding=padding, pad_values=pad)
    filters = constant("filters", np.zeros((outputs, size, size, -(-channels // 32)), np.int32))
    ones, zeros = constant("ones", np.ones(outputs, np.float32)), constant("zeros", np.zeros(outputs, np.float32))
    return ("LceBconv2d", options, (x, filters, ones, zeros, None), (y,), 1)


def _layer(**options: Any) -> Graph:
    """One binary convolution with float results."""
    y = _float("layer", options.get("outputs", 32))
    packed = tensor("p", (1, 4, 4, -(-options.get("channels", 32) // 32)), DType.INT32)
    return chain([_quantize(_float("x", options.get("channels", 32)), packed), _bconv(packed, y, **options)])


def _quantize(x: Tensor, y: Tensor) -> Step:
    return _plain("LceQuantize", x, y, LceQuantizeOptions())


def _signs(*after: Step) -> Graph:
    return chain([_quantize(_float("x"), _packed("p")), *after])


def _unpacked(used: bool) -> Graph:
    unpack = _plain("LceDequantize", _packed("p"), _float("layer"), LceDequantizeOptions())
    return _signs(unpack, *([_plain("ABS", _float("layer"), _float("y"))] if used else []))


def _island(kind: str) -> Graph:
    """int8, float for one op, int8 again."""
    return chain(
        [
            _plain("DEQUANTIZE", _int8("x"), _float("f")),
            _plain(kind, _float("f"), _float("g")),
            _plain("QUANTIZE", _float("g"), _int8("layer")),
        ]
    )


def _repacked(also_used: bool) -> Graph:
    steps = [_bconv(_packed("p"), _float("f")), _quantize(_float("f"), tensor("layer", (), DType.INT32))]
    return _signs(*steps, *([_plain("ABS", _float("f"), _float("y"))] if also_used else []))


def _activated(kind: str) -> Graph:
    return _signs(_bconv(_packed("p"), _float("f")), _plain(kind, _float("f"), _float("layer")))


TWO_VALUED = np.where(np.arange(32 * 3 * 3 * 2).reshape(32, 3, 3, 2) % 3, 0.5, -0.5)
MANY_VALUED = np.random.default_rng(0).normal(size=TWO_VALUED.shape)

FIXED = constant("fixed", np.ones((1, 4), np.float32))


def _dense(rows: int) -> Graph:
    weights = constant("w", np.ones((512, 1024), np.float32))
    x = tensor("x", (rows, 1024), DType.FLOAT32)
    return chain([("FULLY_CONNECTED", FullyConnectedOptions(), (x, weights, None), (_float("layer"),), 1)])


CASES: dict[str, tuple[Graph, Graph]] = {
    "float-weights-read": (_dense(1), _dense(2)),
    "binary-weights-in-float": (_conv(TWO_VALUED), _conv(MANY_VALUED)),
    "binary-weights-in-int8": (
        _int8_conv(TWO_VALUED[:4].repeat(8, axis=3)),
        _int8_conv(np.clip(MANY_VALUED, -0.5, 0.5)[:4].repeat(8, axis=3)),
    ),
    "dequantized-signs": (_unpacked(used=True), _unpacked(used=False)),
    "sign-op": (
        chain([_plain("SIGN", _float("x"), _float("layer"))]),
        chain([_plain("ABS", _float("x"), _float("layer"))]),
    ),
    "constants-computed": (
        chain([_plain("ABS", _float("x"), _float("y")), _plain("ABS", FIXED, _float("layer"))]),
        chain([_plain("ABS", _float("x"), _float("layer"))]),
    ),
    "float-between-int8": (_island("ABS"), chain([_plain("QUANTIZE", _float("x"), _int8("layer"))])),
    "same-zero-padding": (
        _signs(_bconv(_packed("p"), _float("layer"), pad=0)),
        _signs(_bconv(_packed("p"), _float("layer"), padding=Padding.VALID, pad=0)),
    ),
    "refused-by-lce": (
        _signs(_bconv(_packed("p"), _int8("layer"), pad=0)),
        _signs(_bconv(_packed("p"), _float("layer"), pad=0)),
    ),
    "few-channels": (_layer(channels=3), _layer(channels=32)),
    "channels-off-32": (_layer(channels=40), _layer(channels=64)),
    "output-channels-off-32": (_layer(outputs=48), _layer(outputs=16)),
    "pointwise-float": (_layer(size=1, channels=64, outputs=256), _layer(size=1, channels=256, outputs=256)),
    "not-packed": (_repacked(also_used=False), _repacked(also_used=True)),
    "activation-not-fused": (_activated("RELU"), _activated("ABS")),
    "collapsed-range": (_collapsed(2e-6 / 255), _collapsed(1e-5)),
    "change-of-scale": (_reversed(3 * Q.scale[0]), _reversed(Q.scale[0])),
    "range-of-a-mask": (_collapsed(1e9 / 255), _collapsed(100.0)),
    "bias-scale": (_biased(0.678), _biased(1.0)),
    "w1a8-slower": (_w1a8(10), _w1a8(512)),
}


def test_every_rule_is_tested_and_explained() -> None:
    assert set(CASES) == {rule.id for rule in GRAPH_RULES}
    assert all(rule.doc and rule.remedy for rule in GRAPH_RULES)


@pytest.mark.parametrize("rule", CASES)
def test_a_rule_names_the_layer_it_is_about(rule: str) -> None:
    found = [finding for finding in lint_graph(CASES[rule][0]) if finding.rule == rule]
    assert [finding.layer for finding in found] == ["layer"]


@pytest.mark.parametrize("rule", CASES)
def test_a_rule_leaves_the_right_graph_alone(rule: str) -> None:
    assert rule not in [finding.rule for finding in lint_graph(CASES[rule][1])]


@pytest.mark.parametrize("name", ["plain", "residual_float", "packed_chain", "grouped", "residual_int8"])
def test_well_converted_files_have_no_findings_but_their_widths(name: str) -> None:
    assert {finding.rule for finding in lint_graph(read(lce_bytes(name)))} <= {"output-channels-off-32"}


@pytest.mark.parametrize(
    ("layer", "rules"),
    [
        ({"channels": 20}, ["few-channels"]),
        ({"channels": 40, "outputs": 40}, ["channels-off-32", "output-channels-off-32"]),
        ({"outputs": 8}, ["output-channels-off-32"]),
        ({"size": 1, "channels": 64, "outputs": 32}, []),
    ],
)
def test_what_does_not_pay_is_said_once(layer: dict[str, int], rules: list[str]) -> None:
    assert [finding.rule for finding in lint_graph(_layer(**layer))] == rules


def test_a_pointwise_layer_with_int8_results_is_left_alone() -> None:
    steps = [_bconv(_packed("p"), _int8("layer"), size=1)]
    assert lint_graph(_signs(*steps)) == ()


def test_a_binary_model_in_a_stock_int8_file_is_full_of_float_signs() -> None:
    rules = {finding.rule for finding in lint_graph(read(tflite_bytes("plain", int8=True)))}
    assert rules == {"sign-op", "float-between-int8", "binary-weights-in-int8"}


def test_an_int8_island_of_only_converting_back_and_forth_is_found() -> None:
    graph = chain([_plain("DEQUANTIZE", _int8("x"), _float("f")), _plain("QUANTIZE", _float("f"), _int8("layer"))])
    assert [finding.rule for finding in lint_graph(graph)] == ["float-between-int8"]


def test_zero_padding_with_an_int8_result_is_known_to_be_refused_by_lce() -> None:
    steps = [_bconv(_packed("p"), _int8("layer"), pad=0)]
    messages = [finding.message for finding in lint_graph(_signs(*steps))]
    assert len(messages) == 1
    assert "LCE's own interpreter refuses" in messages[0]


@pytest.mark.parametrize(("ratio", "rules"), [(0.678, ["bias-scale"]), (1.0, [])])
def test_a_packed_layers_bias_is_inspected_too(ratio: float, rules: list[str]) -> None:
    signs = np.where(np.random.default_rng(0).random((64, 512)) < 0.5, -127, 127).astype(np.int8)
    x, y = (tensor(name, (1, count), DType.INT8, Q) for name, count in (("x", 512), ("layer", 64)))
    bias = constant("bias", np.ones(64, np.int32), per_tensor(0.01 * Q.scale[0] * ratio, 0))
    operands = (x, constant("weights", signs, per_tensor(0.01, 0)), bias)
    graph, _ = to_w1a8(chain([("FULLY_CONNECTED", FullyConnectedOptions(), operands, (y,), 1)]))
    assert graph.ops[0].kind == "EdgebnnDenseW1A8"
    assert [finding.rule for finding in lint_graph(graph) if finding.level == "error"] == rules
