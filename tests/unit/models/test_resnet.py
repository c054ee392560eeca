"""ResNets: sizes against the literature, free widths, where the shortcuts are, and their input checks."""

from __future__ import annotations

import numpy as np
import pytest

from edgebnn._tensorflow import keras, lq, tf
from edgebnn.errors import InputError
from edgebnn.models.resnet import resnet
from tests.support.keras_counts import layer_macs, layer_weights, weighted_layers


def count(model: keras.Model, kind: type) -> int:
    return sum(isinstance(layer, kind) for layer in model.layers)


def test_resnet8_has_the_weights_of_mlperf_tiny() -> None:
    # MLPerf Tiny's 78,666 parameters, less their biases: 16+16+16+32+32+32+64+64+64 of convolutions, 10 of the
    # classifier, and four batch-norm values for each of the 7 convolutions that have one.
    batch_norm = 4 * (16 * 3 + 32 * 2 + 64 * 2)
    biases = 16 * 3 + 32 * 3 + 64 * 3 + 10
    assert sum(map(layer_weights, weighted_layers(resnet(8)))) == 78_666 - biases - batch_norm


def test_resnet18_has_the_macs_and_weights_of_imagenets() -> None:
    layers = weighted_layers(resnet(18, classes=1000))
    assert sum(map(layer_macs, layers)) == 1_814_073_344
    assert sum(map(layer_weights, layers)) == 11_678_912


@pytest.mark.parametrize(("depth", "convolutions"), [(8, 6), (18, 16), (20, 18)])
def test_binary_networks_have_a_shortcut_around_every_binary_convolution(depth: int, convolutions: int) -> None:
    model = resnet(depth, widths=(8,) * (4 if depth == 18 else 3), precision="w1a1", input_shape=(32, 32, 3))
    assert count(model, lq.layers.QuantConv2D) == convolutions
    assert count(model, keras.layers.Add) == convolutions
    assert count(resnet(depth), keras.layers.Add) == convolutions // 2


def test_binary_convolutions_pad_with_one_and_binarize_both_operands() -> None:
    layers = [layer for layer in resnet(8, precision="w1a1").layers if isinstance(layer, lq.layers.QuantConv2D)]
    for layer in layers:
        assert layer.pad_values == 1.0
        assert not layer.use_bias
        assert set(np.unique(layer.kernel_quantizer(tf.constant(layer.kernel)))) == {-1.0, 1.0}
        assert layer.kernel_constraint is not None


def test_default_binary_widths_fill_packed_words() -> None:
    for depth in (8, 20):
        layers = weighted_layers(resnet(depth, precision="w1a1"))[:-1]
        assert all(layer.filters % 32 == 0 for layer in layers)


def test_inner_widths_change_only_the_inside_of_blocks() -> None:
    layers = {layer.name: layer for layer in resnet(8, (16, 24, 32), inner_widths=((5,), (6,), (7,))).layers}
    assert [layers[f"stage{s}_block1_conv1"].filters for s in (1, 2, 3)] == [5, 6, 7]
    assert [layers[f"stage{s}_block1_conv2"].filters for s in (1, 2, 3)] == [16, 24, 32]
    assert layers["stage2_block1_conv2"].input_shape[-1] == 6


@pytest.mark.parametrize("precision", ["float", "w1a8", "w1a1"])
@pytest.mark.parametrize(
    ("depth", "widths", "shape", "map_size"),
    [(8, (4, 8, 12), (32, 32, 3), 8), (20, (4, 8, 12), (28, 28, 1), 4), (18, (4, 8, 12, 16), (64, 64, 3), 2)],
)
def test_shapes(
    precision: str, depth: int, widths: tuple[int, ...], shape: tuple[int, int, int], map_size: int
) -> None:
    model = resnet(depth, widths, classes=7, precision=precision, input_shape=shape)
    assert model.get_layer("pool").input_shape[1:3] == (map_size, map_size)
    assert model(np.zeros((2, *shape), np.float32)).shape == (2, 7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 34}, "no ResNet-34"),
        ({"widths": (16, 32)}, "2 entries"),
        ({"widths": (16, 0, 64)}, "at least 1"),
        ({"depth": 8, "inner_widths": ((8, 8), (8,), (8,))}, "one width per block"),
        ({"depth": 8, "precision": "w1a1", "inner_widths": ((32,), (64,), (64,))}, "every convolution has a shortcut"),
        ({"precision": "int3"}, "unknown precision"),
    ],
)
def test_what_cannot_be_built_is_refused(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        resnet(**arguments)
