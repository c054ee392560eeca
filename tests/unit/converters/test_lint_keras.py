"""Every rule on Keras models has a small model that it complains about and a near one that it leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgebnn.converters.convert import convert
from edgebnn.converters.keras_rules import KERAS_RULES
from edgebnn.converters.lint import lint_conversion, lint_keras
from edgebnn.converters.read_tflite import read
from tests.support.topologies import TOPOLOGIES, build, images, lce_bytes

pytest.importorskip("larq", reason="linting a Keras model needs one")

from edgebnn._tensorflow import keras, lq, tf

L = keras.layers
SIGNS = {"input_quantizer": "ste_sign", "kernel_quantizer": "ste_sign"}
Builder = Callable[[Any], Any]


def model(body: Builder, shape: tuple[int, ...] = (8, 8, 64)) -> Any:
    """``body`` behind an addition, which tells no rule anything."""
    image = L.Input(shape)
    return keras.Model(image, body(L.Add(name="before")([image, image])))


def conv(filters: int = 64, **options: Any) -> Any:
    settings = {"kernel_constraint": "weight_clip", "name": "layer", **SIGNS, **options}
    return lq.layers.QuantConv2D(filters, 3, **settings)


def depthwise(**quantizers: Any) -> Any:
    return lq.layers.QuantDepthwiseConv2D(3, name="layer", **quantizers)


def dense(**quantizers: Any) -> Builder:
    return lq.layers.QuantDense(8, kernel_constraint="weight_clip", name="layer", **quantizers)


def strange_sign(x: Any) -> Any:
    return x


# rule: (a model it complains about, one it does not), in terms of what follows the input
CASES: dict[str, tuple[Builder, Builder]] = {
    "binary-dense": (dense(**SIGNS), lambda x: dense(**SIGNS)(L.Flatten()(x))),
    "binary-convolution-kind": (
        depthwise(input_quantizer="ste_sign", depthwise_quantizer="ste_sign"),
        depthwise(),
    ),
    "groups": (conv(groups=4), conv(groups=2)),
    "not-a-sign": (conv(input_quantizer=lq.quantizers.DoReFa(2)), conv(input_quantizer="approx_sign")),
    "unknown-quantizer": (conv(input_quantizer=strange_sign), conv(input_quantizer="swish_sign")),
    "binary-weights-only": (conv(input_quantizer=None), conv(input_quantizer=None, kernel_quantizer=None)),
    "binary-inputs-only": (conv(kernel_quantizer=None), conv()),
    "signs-without-lce": (conv(), conv(input_quantizer=None)),
    "signs-in-int8": (conv(), conv(input_quantizer=None)),
    "same-zero-padding": (conv(padding="same"), conv(padding="same", pad_values=1.0)),
    "same-zero-activation": (
        conv(padding="same", activation="relu"),
        conv(padding="same", pad_values=1.0, activation="relu"),
    ),
    "channels-off-32": (lambda x: conv()(L.Conv2D(40, 1)(x)), conv()),
    "sign-never-negative": (
        lambda x: conv()(L.MaxPooling2D()(L.ReLU()(x))),
        lambda x: conv()(L.BatchNormalization()(L.ReLU()(x))),
    ),
    "binary-image": (lambda x: None, conv()),
    "activation-not-fused": (lambda x: L.PReLU()(conv()(x)), lambda x: L.ReLU()(conv()(x))),
    "pool-before-batch-norm": (
        lambda x: L.BatchNormalization(name="layer")(L.MaxPooling2D()(conv(name="conv")(x))),
        lambda x: L.MaxPooling2D()(L.BatchNormalization(name="layer")(conv(name="conv")(x))),
    ),
    "lone-batch-norm": (
        L.BatchNormalization(name="layer"),
        lambda x: L.BatchNormalization(name="layer")(conv(name="conv")(x)),
    ),
    "kernel-constraint": (conv(kernel_constraint=None), conv()),
    "steps-written-out": (
        lambda x: L.Bidirectional(L.LSTM(2), name="layer")(L.Reshape((8, 512))(x)),
        lambda x: L.LSTM(2, unroll=True, name="layer")(L.Reshape((8, 512))(x)),
    ),
}


def _target(rule: str) -> str:
    return next(entry for entry in KERAS_RULES if entry.id == rule).targets[0]


def test_every_rule_is_tested_and_explained() -> None:
    assert set(CASES) == {rule.id for rule in KERAS_RULES}
    assert all(rule.doc and rule.remedy for rule in KERAS_RULES)


@pytest.mark.parametrize("rule", [rule for rule in CASES if rule != "binary-image"])
def test_a_rule_names_the_layer_it_is_about(rule: str) -> None:
    found = [finding for finding in lint_keras(model(CASES[rule][0]), _target(rule)) if finding.rule == rule]
    assert [finding.layer for finding in found] == ["layer"]
    assert found[0].message
    assert found[0].remedy


@pytest.mark.parametrize("rule", CASES)
def test_a_rule_leaves_the_right_model_alone(rule: str) -> None:
    assert rule not in [finding.rule for finding in lint_keras(model(CASES[rule][1]), _target(rule))]


@pytest.mark.parametrize("behind", [L.Conv2D(8, 1, activation="tanh"), conv(name="behind", kernel_constraint=None)])
def test_a_convolution_right_behind_another_is_no_activation(behind: Any) -> None:
    found = lint_keras(model(lambda x: behind(conv()(x))))
    assert ("activation-not-fused", "layer") not in [(finding.rule, finding.layer) for finding in found]


def test_a_binary_convolution_of_the_image_is_found() -> None:
    image = L.Input((8, 8, 64))
    found = lint_keras(keras.Model(image, conv()(image)))
    assert ("binary-image", "layer") in [(finding.rule, finding.layer) for finding in found]


@pytest.mark.parametrize(
    ("layer", "shape", "word"),
    [
        (lambda: lq.layers.QuantConv1D(32, 3, name="layer", **SIGNS), (8, 64), "one-dimensional"),
        (lambda: lq.layers.QuantConv2DTranspose(32, 3, name="layer", **SIGNS), (8, 8, 64), "transposed"),
        (lambda: lq.layers.QuantConv3D(32, 3, name="layer", **SIGNS), (8, 8, 8, 64), "three-dimensional"),
        (
            lambda: lq.layers.QuantSeparableConv2D(
                32, 3, name="layer", **dict.fromkeys(("input_quantizer", "depthwise_quantizer"), "ste_sign")
            ),
            (8, 8, 64),
            "separable",
        ),
    ],
)
def test_the_message_says_which_kind_of_convolution_stays_float(
    layer: Callable[[], Any], shape: tuple[int, ...], word: str
) -> None:
    found = [finding for finding in lint_keras(model(layer(), shape)) if finding.rule == "binary-convolution-kind"]
    assert len(found) == 1
    assert word in found[0].message


def scaled_sign(x: Any) -> Any:
    return tf.reduce_mean(tf.abs(x), axis=list(range(len(x.shape) - 1)), keepdims=True) * lq.quantizers.ste_sign(x)


@lq.utils.set_precision(1)
def own_sign(x: Any) -> Any:
    return lq.quantizers.ste_sign(x)


@lq.utils.set_precision(1)
def own_scaled_sign(x: Any) -> Any:
    return scaled_sign(x)


@pytest.mark.parametrize("kernel", [scaled_sign, own_sign, own_scaled_sign, "magnitude_aware_sign"])
@pytest.mark.parametrize("inputs", [own_sign, "swish_sign"])
def test_what_gives_signs_is_a_sign_whatever_it_is_called(kernel: Any, inputs: Any) -> None:
    found = {finding.rule for finding in lint_keras(model(conv(input_quantizer=inputs, kernel_quantizer=kernel)))}
    assert not found & {"not-a-sign", "unknown-quantizer", "binary-weights-only", "binary-inputs-only"}


def test_a_layer_with_scaled_signs_is_binary_in_the_file_and_nothing_else_is_said(tmp_path: Path) -> None:
    network = model(conv(input_quantizer=own_sign, kernel_quantizer=own_scaled_sign))
    result = convert(network, tmp_path / "out.tflite")
    assert "LceBconv2d" in {op.kind for op in read(result.path).ops}
    assert not {finding.rule for finding in result.findings} & {"not-a-sign", "unknown-quantizer", "binary-layer-lost"}


def test_dorefa_networks_are_told_to_become_w1a8() -> None:
    layer = conv(input_quantizer=lq.quantizers.DoReFa(2), kernel_quantizer=own_scaled_sign)
    found = {finding.rule: finding for finding in lint_keras(model(layer))}
    assert "DoReFa is not a sign" in found["not-a-sign"].message
    assert "32 times the bytes" in found["binary-weights-only"].message
    assert "w1a8" in found["binary-weights-only"].remedy


def test_that_lce_refuses_a_calibrated_file_with_zero_padding_is_said(tmp_path: Path) -> None:
    found = convert(build("same_zero"), tmp_path / "out.tflite", "lce", images(40)).findings
    refused = [finding.message for finding in found if finding.rule == "refused-by-lce"]
    assert refused
    assert "LCE's own interpreter refuses" in refused[0]


def test_layers_of_nested_models_are_linted_too() -> None:
    inner = model(conv(groups=4))
    assert "groups" in [finding.rule for finding in lint_keras(model(inner))]


@pytest.mark.parametrize("name", ["plain", "residual_float", "packed_chain", "grouped"])
def test_good_models_have_no_findings_before_conversion(name: str) -> None:
    assert [finding for finding in lint_keras(build(name)) if finding.level != "info"] == []


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_nothing_is_lost_where_everything_was_converted(name: str) -> None:
    assert lint_conversion(build(name), read(lce_bytes(name))) == ()


def test_a_binary_layer_that_the_file_lacks_is_named() -> None:
    lost = lint_conversion(build("packed_chain"), read(lce_bytes("plain")))
    assert {finding.layer for finding in lost} == {"quant_conv2d_1", "quant_conv2d_2"}
    assert {(finding.level, finding.rule) for finding in lost} == {("error", "binary-layer-lost")}
