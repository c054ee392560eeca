"""The rewrite packs what is exactly two-valued, gives the outputs of the int8 file, and says what it leaves and why."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import OpResolverType
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgebnn.cli.main import cli
from edgebnn.converters.convert import convert
from edgebnn.converters.lint import lint_graph
from edgebnn.converters.read_tflite import read
from edgebnn.converters.w1a8 import to_w1a8
from edgebnn.converters.write_tflite import to_bytes, write
from edgebnn.errors import InputError, ModelFormatError, UnsupportedOpError
from edgebnn.graph.counts import macs, weights
from edgebnn.graph.execute import run
from edgebnn.graph.ops.conv import Conv2DOptions, DepthwiseConv2DOptions
from edgebnn.graph.ops.dense import FullyConnectedOptions
from edgebnn.graph.ops.elementwise import AddOptions
from edgebnn.graph.ops.enums import Activation, Padding
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import Array, DType, Graph
from edgebnn.runtime.interpreter import Interpreter
from tests.support.graphs import chain, constant, differences, one_op, per_channel, per_tensor, tensor
from tests.support.invoke import invoke
from tests.support.oracles import litert_run
from tests.support.two_valued_layers import Q, conv_step, one_conv, plus_minus

SEEDS = st.integers(0, 2**32 - 1)
ACTIVATIONS = st.sampled_from([Activation(i) for i in range(4)])


def _noise(graph: Graph, seed: int = 0) -> list[Array]:
    rng = np.random.default_rng(seed)
    return [rng.integers(-128, 128, graph.tensors[i].shape).astype(np.int8) for i in graph.inputs]


def assert_same_outputs(graph: Graph, packed: Graph, seed: int = 0) -> None:
    """The int8 graph on LiteRT's reference kernels; the packed one, through a file, in the reference executor and the
    delegate; the int8 one in the delegate, which recognises it."""
    x = _noise(graph, seed)
    assert any("W1A8" in op.kind for op in packed.ops)
    content = to_bytes(packed)
    again = read(content)
    assert not differences(packed, again)
    (theirs,) = litert_run(graph, x)
    np.testing.assert_array_equal(run(again, x)[0], theirs)
    for file in (content, to_bytes(graph)):
        ours = Interpreter(
            model_content=file, experimental_op_resolver_type=OpResolverType.BUILTIN_REF, pack_int8="all"
        )
        np.testing.assert_array_equal(invoke(ours, x[0]), theirs)


def _signs(rng: np.random.Generator, shape: tuple[int, ...], axis: int) -> NDArray[np.int8]:
    """Weights +-m, m by channel; some channels of one sign only, or of zeros."""
    by_channel = (shape[axis], *(d for i, d in enumerate(shape) if i != axis % len(shape)))
    ones = (shape[axis], *[1] * (len(shape) - 1))
    minus = rng.random(by_channel) < rng.choice([0.0, 0.5, 0.5, 1.0], ones)
    magnitude = rng.choice([127, 127, 127, 1, 64, 0], ones)
    return np.moveaxis(np.where(minus, -magnitude, magnitude), 0, axis).astype(np.int8)


@st.composite
def layers(draw: st.DrawFn, kind: str) -> Graph:
    """One int8 layer, its factor from far too small to far too large."""
    rng = np.random.default_rng(draw(SEEDS))
    n, depth, outputs = draw(st.integers(1, 2)), draw(st.integers(8, 70)), draw(st.integers(4, 40))
    filters = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    size = draw(st.tuples(st.sampled_from([1, 7, 9]), st.integers(7, 9))) if filters[0] == 1 else (9, 8)
    groups = draw(st.sampled_from([1, 1, 2])) if kind == "CONV_2D" else 1
    strides = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    dilations = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    activation, padding = draw(ACTIVATIONS), draw(st.sampled_from(list(Padding)))
    zero_points = st.integers(-128, 127) | st.sampled_from([-128, 127])
    depthwise = kind == "DEPTHWISE_CONV_2D"
    filters = (1, 2) if depthwise and filters == (1, 1) else filters
    multiplier = draw(st.integers(1, 2))
    channels = depth * multiplier if depthwise else outputs * groups
    shape, axis = {
        "CONV_2D": ((channels, *filters, depth), 0),
        "DEPTHWISE_CONV_2D": ((1, *filters, channels), 3),
        "FULLY_CONNECTED": ((channels, depth), 0),
    }[kind]
    entry = draw(zero_points)
    x_shape = (n, depth) if kind == "FULLY_CONNECTED" else (n, *size, depth * groups)
    x = tensor("x", x_shape, DType.INT8, per_tensor(0.02, entry))
    scales = np.full(channels, 0.01) if draw(st.booleans()) else rng.uniform(1e-3, 1e-1, channels)
    per_layer = kind == "FULLY_CONNECTED" and draw(st.booleans())
    quantization = per_tensor(0.01, 0) if per_layer else per_channel(scales.tolist(), axis)
    w = constant("w", _signs(rng, shape, axis), quantization)
    spread = draw(st.sampled_from([0, 3000, 10**8]))
    products = [float(np.float32(0.02) * np.float32(scale)) for scale in quantization.scale]
    bias = constant("b", rng.integers(-spread, spread + 1, channels).astype(np.int32), per_channel(products, 0))
    factor = 2.0 ** draw(st.integers(-9, 31) | st.integers(0, 3))
    y = tensor("y", (), DType.INT8, per_tensor(0.02 * 0.01 * factor, draw(zero_points)))
    (sh, sw), (dh, dw) = strides, dilations
    options: dict[str, Any] = {
        "CONV_2D": Conv2DOptions(padding, sw, sh, activation, dw, dh),
        "DEPTHWISE_CONV_2D": DepthwiseConv2DOptions(padding, sw, sh, multiplier, activation, dw, dh),
        "FULLY_CONNECTED": FullyConnectedOptions(activation, keep_num_dims=draw(st.booleans())),
    }
    return one_op(
        kind, options[kind], [x, w, *draw(st.sampled_from([[bias], [bias] if kind == "CONV_2D" else []]))], [y]
    )


@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"])
@given(data=st.data())
def test_a_packed_layer_gives_the_bits_of_the_int8_layer(kind: str, data: st.DataObject) -> None:
    graph = data.draw(layers(kind))
    packed, findings = to_w1a8(graph)
    if any(finding.rule in ("w1a8-not-smaller", "w1a8-overflow") for finding in findings):
        assert packed.ops == graph.ops
    else:
        assert_same_outputs(graph, packed, data.draw(SEEDS))
        assert macs(packed).w1a8 == macs(graph).int8
        assert weights(packed) == weights(graph)


def _residual() -> Graph:
    """Hand-made: a many-valued stem, a shortcut around two binary convolutions of different scales, a binary head."""
    rng = np.random.default_rng(4)
    x = tensor("x", (2, 9, 9, 3), DType.INT8, per_tensor(0.01, -128))
    stem, a = conv_step("stem", x, rng.integers(-127, 128, (24, 3, 3, 3)).astype(np.int8), per_tensor(0.01, -128))
    one, b = conv_step("one", a, plus_minus((24, 3, 3, 24)), per_tensor(0.07, 5))
    two, c = conv_step("two", b, plus_minus((24, 3, 3, 24), 1), per_tensor(0.02, -7))
    y, scores = (tensor(name, (), DType.INT8, q) for name, q in (("sum", per_tensor(0.08, 11)), ("scores", Q)))
    head = constant("head/w", plus_minus((10, 9 * 9 * 24)), per_tensor(0.001, 0))
    return chain(
        [
            stem, one, two,
            ("ADD", AddOptions(Activation.RELU), (c, a), (y,), 1),
            ("FULLY_CONNECTED", FullyConnectedOptions(), (y, head, None), (scores,), 1),
        ]
    )  # fmt: skip


def test_a_whole_graph_gives_the_same_outputs_and_names_layers_as_before() -> None:
    graph = _residual()
    packed, findings = to_w1a8(graph)
    assert findings == ()
    assert [op.kind for op in packed.ops] == [
        "CONV_2D", "EdgebnnConv2dW1A8", "EdgebnnConv2dW1A8", "ADD", "EdgebnnDenseW1A8",
    ]  # fmt: skip
    assert [packed.op_name(i) for i in range(5)] == [graph.op_name(i) for i in range(5)]
    assert_same_outputs(graph, packed)
    assert "binary-weights-in-int8" in {finding.rule for finding in lint_graph(graph)}
    assert "binary-weights-in-int8" not in {finding.rule for finding in lint_graph(packed)}
    assert not differences(packed, to_w1a8(packed)[0])


def test_another_format_version_is_refused(tmp_path: Path) -> None:
    packed, _ = to_w1a8(one_conv(plus_minus((16, 3, 3, 16))))
    newer = replace(packed.ops[0], options=replace(packed.ops[0].options, version=2))  # type: ignore[call-arg]
    write(replace(packed, ops=(newer,)), tmp_path / "newer.tflite")
    with pytest.raises((UnsupportedOpError, ModelFormatError), match=r"newer.tflite.*layer.*version 2.*version 1"):
        read(tmp_path / "newer.tflite")


# Stride-2 stem and the classifier stay int8; ResNet-18's stages of two blocks, with 1x1 shortcuts at their beginning.
_RESNET18 = [
    (outputs, kernel, inputs)
    for inputs, outputs in ((64, 64), (64, 128), (128, 256), (256, 512))
    for kernel, inputs in [(3, inputs), *[(3, outputs)] * 3, *([(1, inputs)] if inputs != outputs else [])]
]


def test_resnet18_is_a_fifth_of_its_int8_file_or_less() -> None:
    rng = np.random.default_rng(0)
    stem = rng.integers(-127, 128, (64, 7, 7, 3)).astype(np.int8)
    x = tensor("x", (1, 4, 4, 3), DType.INT8, Q)
    step, _ = conv_step("stem", x, stem)
    steps = [step]
    for number, (outputs, kernel, inputs) in enumerate(_RESNET18):
        entry = tensor(f"in{number}", (1, 4, 4, inputs), DType.INT8, Q)
        steps.append(conv_step(f"c{number}", entry, plus_minus((outputs, kernel, kernel, inputs), seed=number))[0])
    pixels = tensor("pooled", (1, 512), DType.INT8, Q)
    head = constant("head/w", rng.integers(-127, 128, (1000, 512)).astype(np.int8), per_tensor(0.01, 0))
    y = tensor("scores", (), DType.INT8, Q)
    steps.append(("FULLY_CONNECTED", FullyConnectedOptions(), (pixels, head, None), (y,), 1))
    graph = chain(steps)
    packed, findings = to_w1a8(graph)
    assert findings == ()
    assert weights(graph) == weights(packed) == 11_678_912
    assert len(to_bytes(packed)) <= 0.2 * len(to_bytes(graph))  # all weights differ, so none are stored once for two


# -- the command's way --


def test_a_tflite_file_is_only_rewritten(tmp_path: Path) -> None:
    graph = _residual()
    source, out = tmp_path / "int8.tflite", tmp_path / "w1a8.tflite"
    write(graph, source)
    result = convert(source, out, "w1a8")
    assert result.bytes == out.stat().st_size < 0.4 * source.stat().st_size
    assert_same_outputs(graph, read(out))
    with pytest.raises(InputError, match=r"int8.tflite: .* only rewritten"):
        convert(source, out, "int8")
    with pytest.raises(InputError, match="no calibration"):
        convert(source, out, "w1a8", np.zeros((1, 2), np.float32))


def test_a_portable_file_is_the_int8_file_and_says_what_is_recognised(tmp_path: Path) -> None:
    source, out = tmp_path / "int8.tflite", tmp_path / "portable.tflite"
    write(_residual(), source)
    result = convert(source, out, "w1a8", portable=True)
    assert out.read_bytes() == source.read_bytes()
    said = {finding.rule: finding for finding in result.findings}
    assert said["w1a8-portable"].message.startswith("3 layers have two-valued weights (the first is 'one')")
    assert "binary-weights-in-int8" not in said
    with pytest.raises(InputError, match="portable is for w1a8"):
        convert(source, out, "int8", portable=True)
    write(one_conv(np.random.default_rng(0).integers(-127, 128, (16, 3, 3, 16)).astype(np.int8)), source)
    assert [f.rule for f in convert(source, out, "w1a8", portable=True).findings] == ["w1a8-nothing-packed"]


@pytest.mark.parametrize("portable", [False, True])
def test_a_file_that_cannot_be_read_is_named(portable: bool, tmp_path: Path) -> None:
    (tmp_path / "folder.tflite").mkdir()
    for name in ("absent.tflite", "folder.tflite"):
        with pytest.raises(InputError, match=f"{name}: cannot be read"):
            convert(tmp_path / name, tmp_path / "out.tflite", "w1a8", portable=portable)


def test_weights_that_reach_the_layer_through_shape_ops_are_folded() -> None:
    """[O, I] as float, quantized and transposed on the way, as some converters leave it."""
    signs = plus_minus((64, 24)).astype(np.float32) / 127
    loose = constant("loose", signs)
    q = per_tensor(1 / 127, 0)
    flat, w = tensor("flat", (64, 24), DType.INT8, q), tensor("w", (24, 64), DType.INT8, q)
    x, y = tensor("x", (3, 64), DType.INT8, Q), tensor("y", (), DType.INT8, per_tensor(0.05, -4))
    order = constant("order", np.array([1, 0], np.int32))
    graph = chain(
        [
            ("QUANTIZE", NoOptions(), (loose,), (flat,), 1),
            ("TRANSPOSE", NoOptions(), (flat, order), (w,), 1),
            ("FULLY_CONNECTED", FullyConnectedOptions(), (x, w, None), (y,), 1),
        ]
    )
    packed, findings = to_w1a8(graph)
    assert findings == ()
    assert [op.kind for op in packed.ops] == ["EdgebnnDenseW1A8"]
    assert_same_outputs(graph, packed)


def edgebnn(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def test_the_command_rewrites_a_file_and_analyze_counts_it(tmp_path: Path) -> None:
    source, out = tmp_path / "int8.tflite", tmp_path / "w1a8.tflite"
    write(_residual(), source)
    result = edgebnn("convert", source, "--to", "w1a8", "-o", out, "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["bytes"] == out.stat().st_size
    counted = json.loads(edgebnn("analyze", out, "--json").stdout)["totals"]["macs"]
    assert counted["w1a8"] == macs(_residual()).int8 - counted["int8"]


def test_a_larq_model_converts_to_w1a8_with_the_outputs_of_its_int8_file(tmp_path: Path) -> None:
    pytest.importorskip("larq", reason="conversion needs the training extra")
    from edgebnn._tensorflow import keras, lq

    def binary(cls: Any, *args: Any, depthwise: bool = False, **options: Any) -> Any:
        kernel = "depthwise" if depthwise else "kernel"
        signs = {f"{kernel}_quantizer": "ste_sign", f"{kernel}_constraint": "weight_clip"}
        return cls(*args, use_bias=False, **signs, **options)

    keras.utils.set_random_seed(3)
    image = keras.layers.Input((12, 12, 3))
    x = keras.layers.Conv2D(16, 3, activation="relu")(image)
    for _ in range(2):
        y = binary(lq.layers.QuantConv2D, 16, 3, padding="same")(x)
        x = keras.layers.add([x, keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(y))])
    x = binary(lq.layers.QuantDepthwiseConv2D, 3, depthwise=True)(x)
    x = keras.layers.Reshape((64, 16))(x)
    x = keras.layers.ReLU()(binary(lq.layers.QuantConv1D, 24, 3)(x))
    x = binary(lq.layers.QuantDense, 10)(keras.layers.Flatten()(x))
    model = keras.Model(image, x, name="mixed")
    samples = np.random.default_rng(0).random((64, 12, 12, 3), np.float32)
    portable = convert(model, tmp_path / "int8.tflite", "w1a8", samples, portable=True)
    assert "5 layers" in next(f.message for f in portable.findings if f.rule == "w1a8-portable")
    result = convert(model, tmp_path / "w1a8.tflite", "w1a8", samples)
    assert {f.rule for f in result.findings if f.level == "warning" and "w1a8" in f.rule} == set()
    assert "binary-weights-in-int8" not in {f.rule for f in result.findings}
    int8, packed = read(tmp_path / "int8.tflite"), read(tmp_path / "w1a8.tflite")
    assert sum("Conv2dW1A8" in op.kind for op in packed.ops) == 4
    assert sum("DenseW1A8" in op.kind for op in packed.ops) == 1
    assert_same_outputs(int8, packed)
