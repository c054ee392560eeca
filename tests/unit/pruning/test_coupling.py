"""Which channels go together, and what layers cost with other widths."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from edgebnn.errors import InputError
from edgebnn.models import build
from edgebnn.pruning.channels import surgery
from edgebnn.pruning.channels.coupling import Member, Plan, couple

ALEXNET_BEFORE = (70_276_800, 223_948_800, 112_140_288, 149_520_384, 99_680_256, 37_748_736, 16_777_216, 40_960)
ALEXNET_ADAPTED = {"conv1": 48, "conv2": 160, "conv3": 336, "conv4": 184, "conv5": 224, "fc6": 1952, "fc7": 4096}


def _keras() -> Any:
    from edgebnn._tensorflow import keras

    return keras


def _layers() -> Any:
    return _keras().layers


def _model(inputs: Any, outputs: Any) -> Any:
    return _keras().Model(inputs, outputs)


def _widths(plan: Plan) -> dict[str, int]:
    return {group.name: group.channels for group in plan.prunable}


def _totals(plan: Plan, widths: dict[str, int] | None = None) -> tuple[int, int]:
    layers = plan.layers(widths)
    return sum(layer.macs for layer in layers), sum(layer.weights for layer in layers)


def test_alexnet_has_the_published_counts_before_and_after() -> None:
    plan = couple(build("alexnet"))
    assert tuple(layer.macs for layer in plan.layers()) == ALEXNET_BEFORE
    assert _totals(plan) == (710_133_440, 57_035_456)
    assert _totals(plan, ALEXNET_ADAPTED) == (454_945_680, 25_397_904)
    assert list(plan.widths) == ["image", *ALEXNET_ADAPTED, "logits"]
    assert not plan.group("logits").prunable
    assert "output" in plan.group("logits").reason


def test_flatten_multiplies_the_inputs_of_a_dense_layer() -> None:
    plan = couple(build("alexnet", input_shape=(127, 127, 3), widths=(4, 4, 4, 4, 8, 16, 16)))
    assert Member("fc6", "input channels", 9) in plan.group("conv5").members
    fc6 = plan.layers({"conv5": 5})[5]
    assert (fc6.name, fc6.in_channels, fc6.macs) == ("fc6", 45, 45 * 16)


@pytest.mark.parametrize("depth", [8, 18, 20])
def test_a_residual_stage_is_one_group_and_its_inner_layers_are_their_own(depth: int) -> None:
    float_plan = couple(build(f"resnet{depth}", input_shape=(16, 16, 3)))
    blocks = {8: 3, 18: 8, 20: 9}[depth]
    stages = 4 if depth == 18 else 3
    assert len(float_plan.prunable) == blocks + stages
    binary = couple(build(f"resnet{depth}", precision="w1a1", input_shape=(16, 16, 3)))
    assert len(binary.prunable) == stages  # every convolution lies under a shortcut


def test_counts_at_other_widths_are_those_of_the_model_built_with_them() -> None:
    plan = couple(build("resnet8", input_shape=(16, 16, 3)))
    widths = dict(zip((group.name for group in plan.prunable), (10, 10, 12, 12, 20, 20), strict=True))
    built = build("resnet8", input_shape=(16, 16, 3), widths=(10, 12, 20))
    assert plan.layers(widths) == couple(built).layers()
    assert sum(np.prod(w.shape) for w in built.weights if "kernel" in w.name) == _totals(plan, widths)[1]


def test_precision_and_padding_come_from_the_layers_quantizers() -> None:
    layers = {layer.name: layer for layer in couple(build("resnet8", precision="w1a1")).layers()}
    assert (layers["stem_conv"].precision, layers["stem_conv"].pad_values) == ("float", 0)
    binary = layers["stage2_block1_conv1"]
    assert (binary.precision, binary.pad_values, binary.padding) == ("w1a1", 1.0, "same")
    assert (binary.strides, binary.input_size, binary.output_size) == ((2, 2), (32, 32), (16, 16))


def test_concatenated_channels_keep_their_own_groups() -> None:
    layers = _layers()
    image = layers.Input((6, 6, 3))
    a, b = layers.Conv2D(4, 1, name="a")(image), layers.Conv2D(5, 1, name="b")(image)
    both = layers.Concatenate()([a, b])
    c = layers.Conv2D(9, 1, name="c")(both)
    out = layers.Conv2D(2, 1, name="out")(layers.Add()([both, c]))
    plan = couple(_model(image, out))
    assert _widths(plan) == {"a": 4, "b": 5}
    assert Member("c", "output channels", 1) in plan.group("b").members
    c_layer = next(layer for layer in plan.layers({"a": 2, "b": 1}) if layer.name == "c")
    assert (c_layer.in_channels, c_layer.out_channels) == (3, 3)


def test_channels_that_one_layer_produces_for_two_ends_are_two_groups() -> None:
    layers = _layers()
    image = layers.Input((6, 6, 3))
    wide = layers.Conv2D(9, 1, name="wide")(image)
    a, b = layers.Conv2D(4, 1, name="a")(wide), layers.Conv2D(5, 1, name="b")(wide)
    x = layers.Add()([wide, layers.Concatenate()([a, b])])
    plan = couple(_model(image, layers.Conv2D(2, 1)(x)))
    assert _widths(plan) == {"wide[0:4]": 4, "wide[4:9]": 5}
    assert [m.layer for m in plan.group("wide[4:9]").members if m.role == "output channels"] == ["wide", "b"]


def test_depthwise_convolutions_follow_their_input() -> None:
    layers = _layers()
    image = layers.Input((6, 6, 3))
    x = layers.Conv2D(4, 1, name="a")(image)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, name="dw")(x)
    plan = couple(_model(image, layers.Conv2D(2, 1, name="out")(x)))
    assert _widths(plan) == {"a": 4}
    assert Member("dw", "depthwise", 1) in plan.group("a").members
    assert Member("out", "input channels", 2) in plan.group("a").members
    dw = plan.layers({"a": 3})[1]
    assert (dw.kind, dw.in_channels, dw.out_channels, dw.groups, dw.weights) == ("depthwise_conv2d", 3, 6, 3, 9 * 6)


def test_groups_of_a_convolution_lose_channels_evenly() -> None:
    layers = _layers()
    image = layers.Input((6, 6, 3))
    x = layers.Conv2D(8, 1, name="a")(image)
    x = layers.Conv2D(4, 3, groups=2, name="g")(x)
    plan = couple(_model(image, layers.Conv2D(2, 1)(x)))
    assert _widths(plan) == {"a": 4, "g": 2}  # one of the group stands for two of the layer
    grouped = plan.layers({"a": 3, "g": 1})[1]
    assert (grouped.in_channels, grouped.out_channels, grouped.groups, grouped.weights) == (6, 2, 2, 9 * 3 * 2)


def test_a_shared_layer_couples_what_it_is_called_on_and_costs_each_time() -> None:
    layers = _layers()
    image = layers.Input((6, 6, 3))
    a, b = layers.Conv2D(4, 1, name="a")(image), layers.Conv2D(4, 1, name="b")(image)
    shared = layers.Conv2D(5, 1, name="shared")
    plan = couple(_model(image, layers.Conv2D(2, 1)(layers.Concatenate()([shared(a), shared(b)]))))
    assert sorted(_widths(plan).values()) == [4, 5]
    assert [layer.name for layer in plan.layers() if layer.name.startswith("shared")] == ["shared", "shared#2"]


def test_models_inside_models_are_looked_into() -> None:
    keras, layers = _keras(), _layers()
    inner_image = layers.Input((6, 6, 4))
    backbone = keras.Model(inner_image, layers.Conv2D(5, 1, name="conv")(inner_image), name="backbone")
    image = layers.Input((6, 6, 3))
    x = backbone(layers.Conv2D(4, 1, name="conv")(image))
    plan = couple(_model(image, layers.Conv2D(2, 1, name="out")(x)))
    assert _widths(plan) == {"conv": 4, "backbone/conv": 5}


def test_names_with_slashes_are_names_unless_two_layers_have_them() -> None:
    keras, layers = _keras(), _layers()
    inner_image = layers.Input((6, 6, 4))
    backbone = keras.Model(inner_image, layers.Conv2D(5, 1, name="conv")(inner_image), name="backbone")
    image = layers.Input((6, 6, 3))
    x = layers.Conv2D(4, 1, name="stem/conv")(image)
    model = _model(image, layers.Conv2D(2, 1)(backbone(x)))
    assert surgery.cut(model, {"stem/conv": [0], "backbone/conv": [1, 2]}).get_layer("stem/conv").filters == 1
    clash = _model(image, backbone(layers.Conv2D(4, 1, name="backbone/conv")(image)))
    with pytest.raises(InputError, match="backbone/conv: two layers have this name"):
        couple(clash)


def test_reshaped_units_go_together_by_channel() -> None:
    layers = _layers()
    image = layers.Input((4,))
    x = layers.Reshape((2, 2, 3))(layers.Dense(12, name="units")(image))
    plan = couple(_model(image, layers.Conv2D(2, 1)(x)))
    assert _widths(plan) == {"units": 3}
    assert plan.layers({"units": 2})[0].out_channels == 8


def test_what_no_rule_knows_keeps_its_channels_and_says_why() -> None:
    keras, layers = _keras(), _layers()

    class Mixing(keras.layers.Conv2D):
        """A subclass may compute anything."""

    image = layers.Input((6, 6, 3))
    x = layers.Conv2D(4, 1, name="before")(image)
    x = layers.LayerNormalization(name="mixes")(x)
    x = layers.Conv2D(4, 1, name="between")(x)
    x = Mixing(5, 1, name="custom")(x)
    x = layers.Conv2D(6, 1, name="free")(x)
    x = layers.Conv2D(4, 1, activation="softmax", name="softmax")(x)
    plan = couple(_model(image, layers.Conv2D(2, 1, name="out")(x)))
    assert _widths(plan) == {"free": 6}
    assert plan.group("before").reason == "mixes: no rule for layers of type LayerNormalization"
    assert plan.group("between").reason == "custom: no rule for layers of type Mixing"
    assert "softmax" in plan.group("softmax").reason
    assert plan.uncounted == ("mixes", "custom")
    assert "custom: its multiply-accumulates are not counted" in plan.explain()


@pytest.mark.parametrize("quantizer", ["dorefa_weights", "callable"])
def test_input_quantizers_that_may_look_at_all_channels_keep_them(quantizer: str) -> None:
    from edgebnn._tensorflow import lq, tf

    chosen = {"dorefa_weights": lq.quantizers.DoReFa(8, mode="weights"), "callable": tf.sign}[quantizer]
    layers = _layers()
    image = layers.Input((6, 6, 3))
    x = layers.Conv2D(4, 1, name="a")(image)
    x = lq.layers.QuantConv2D(3, 1, input_quantizer=chosen, name="b")(x)
    plan = couple(_model(image, layers.Conv2D(2, 1)(x)))
    assert _widths(plan) == {"b": 3}
    assert "input quantizer" in plan.group("a").reason


def test_a_single_channel_broadcast_over_others_stays() -> None:
    layers = _layers()
    image = layers.Input((6, 6, 3))
    x = layers.Conv2D(4, 1, name="a")(image)
    attention = layers.Conv2D(1, 1, name="attention")(image)
    plan = couple(_model(image, layers.Conv2D(2, 1)(layers.Multiply()([x, attention]))))
    assert _widths(plan) == {"a": 4}
    assert "broadcast" in plan.group("attention").reason


def test_plan_is_explained_line_by_line() -> None:
    text = couple(build("resnet8", input_shape=(16, 16, 3))).explain()
    assert "stem_conv: 16 channels\n    stem_conv: output channels\n    stem_bn: normalization" in text
    assert "image: 3 channels, fixed (the network's input)" in text


def test_plan_can_be_sent_to_another_process() -> None:
    plan = couple(build("resnet8", precision="w1a1"))
    again = pickle.loads(pickle.dumps(plan))
    assert again == plan
    assert again.layers({"stem_conv": 16}) == plan.layers({"stem_conv": 16})


@pytest.mark.parametrize(
    ("widths", "message"),
    [
        ({"nowhere": 3}, "no group of channels 'nowhere'"),
        ({"fc6": 0}, "fc6: has 1 to 16 channels, not 0"),
        ({"fc6": 5000}, "not 5000"),
        ({"logits": 9}, "logits: its 10 channels cannot be cut"),
    ],
)
def test_impossible_widths_are_refused(widths: dict[str, int], message: str) -> None:
    plan = couple(build("alexnet", input_shape=(63, 63, 3), widths=(4, 4, 4, 4, 4, 16, 16)))
    with pytest.raises(InputError, match=message):
        plan.layers(widths)


def test_models_that_are_no_graph_and_inputs_without_a_size_are_refused() -> None:
    keras, layers = _keras(), _layers()

    class Subclassed(keras.Model):
        def call(self, inputs: Any) -> Any:
            return inputs

    with pytest.raises(InputError, match="no graph of Keras layers"):
        couple(Subclassed(name="subclassed"))
    image = layers.Input((None, None, 3))
    with pytest.raises(InputError, match="conv: has no fixed input size"):
        couple(_model(image, layers.Conv2D(4, 3, name="conv")(image)))


@pytest.mark.parametrize(("whole", "prunable"), [(False, True), (True, False)])
def test_ternary_inputs_lose_channels_unless_their_threshold_is_of_the_whole_tensor(
    whole: bool, prunable: bool
) -> None:
    from edgebnn._tensorflow import keras, lq

    image = keras.Input((8, 8, 3))
    ternary = lq.quantizers.SteTern(ternary_weight_networks=whole)
    x = keras.layers.Conv2D(16, 3, name="first")(image)
    x = lq.layers.QuantConv2D(4, 3, input_quantizer=ternary, kernel_quantizer="ste_sign")(x)
    assert couple(keras.Model(image, x)).group("first").prunable == prunable
