"""AlexNet's arithmetic against the published figures, and its input checks."""

from __future__ import annotations

import numpy as np
import pytest

from edgebnn._tensorflow import lq
from edgebnn.errors import InputError
from edgebnn.models.alexnet import alexnet
from tests.support.keras_counts import layer_macs, layer_weights, weighted_layers

ADAPTED = (48, 160, 336, 184, 224, 1952, 4096)
LAYER_MACS = [70_276_800, 223_948_800, 112_140_288, 149_520_384, 99_680_256, 37_748_736, 16_777_216, 40_960]


def test_the_full_network_has_the_published_macs_and_weights() -> None:
    layers = weighted_layers(alexnet())
    assert [layer_macs(layer) for layer in layers] == LAYER_MACS
    assert sum(map(layer_macs, layers)) == 710_133_440
    assert sum(map(layer_weights, layers)) == 57_035_456


def test_the_adapted_network_has_the_published_macs_and_weights() -> None:
    layers = weighted_layers(alexnet(widths=ADAPTED))
    assert sum(map(layer_macs, layers)) == 454_945_680
    assert sum(map(layer_weights, layers)) == 25_397_904


def test_the_binary_network_has_the_same_macs_with_only_its_ends_in_float() -> None:
    model = alexnet(widths=(16, 24, 32, 40, 48, 56, 64), precision="w1a1")
    reference = alexnet(widths=(16, 24, 32, 40, 48, 56, 64))
    layers = weighted_layers(model)
    assert [layer_macs(layer) for layer in layers] == [layer_macs(layer) for layer in weighted_layers(reference)]
    assert [isinstance(layer, lq.layers.QuantConv2D) for layer in layers] == [False] + [True] * 6 + [False]


@pytest.mark.parametrize("precision", ["float", "w1a1"])
def test_classes_and_input_shape_are_free(precision: str) -> None:
    model = alexnet(widths=(8,) * 7, classes=3, precision=precision, input_shape=(63, 71, 1))
    assert model(np.zeros((2, 63, 71, 1), np.float32)).shape == (2, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"widths": (64, 192, 384)}, "7 widths"),
        ({"widths": (64, 192, 0, 256, 256, 4096, 4096)}, "1 or more"),
        ({"input_shape": (62, 224, 3)}, "at least 63x63"),
        ({"precision": "w2a2"}, "unknown precision 'w2a2'"),
    ],
)
def test_what_cannot_be_built_is_refused(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        alexnet(**arguments)
