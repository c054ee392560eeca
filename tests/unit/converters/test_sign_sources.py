"""Signs taken in front of activations that keep them: the same ones as Keras takes behind them, in int8 too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebnn.converters.convert import convert
from edgebnn.converters.read_tflite import read
from edgebnn.converters.sign_sources import with_signs_of_sources
from edgebnn.graph.execute import trace
from edgebnn.graph.ops.activation import LeakyReluOptions
from edgebnn.graph.ops.elementwise import AddOptions
from edgebnn.graph.ops.enums import Padding
from edgebnn.graph.ops.pool import Pool2DOptions
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import Array, Graph, Options
from tests.support.image_graphs import CHANNELS, Building, normal

POSITIVE = np.geomspace(1e-5, 2, CHANNELS).astype(np.float32)
MIXED = np.where(np.arange(CHANNELS) % 3 == 0, 0, np.where(np.arange(CHANNELS) % 3 == 1, -0.25, POSITIVE))


def values() -> Array:
    """Some of them zero, of either sign."""
    x = normal()
    x[:, 0], x[:, 1] = 0.0, -0.0
    return x


def activated(built: Building, kind: str, x: int, slopes: Any = None) -> int:
    constants = () if slopes is None else (built.tensor(0, np.asarray(slopes, np.float32)),)
    return built.op(kind, (x, *constants), NoOptions(), built.tensor(CHANNELS))


def kinds(graph: Graph) -> list[str]:
    return [op.kind for op in graph.ops]


def rewritten(graph: Graph, **options: bool) -> Graph:
    """The graph with signs of sources, which gives what it gave, to the bit, and does not change again."""
    found = with_signs_of_sources(graph, **options)
    for index, changed in zip(graph.outputs, found.outputs, strict=True):
        np.testing.assert_array_equal(trace(found, [values()])[changed], trace(graph, [values()])[index])
    assert with_signs_of_sources(found, **options) is found
    return found


@pytest.mark.parametrize("kind", ["PRELU", "LEAKY_RELU", "TANH", "RELU_N1_TO_1"])
def test_activations_that_keep_signs_vanish_in_front_of_a_binarization(kind: str) -> None:
    built = Building()
    x = activated(built, "TANH", built.image())
    if kind == "LEAKY_RELU":
        x = built.op(kind, (x,), LeakyReluOptions(0.01), built.tensor(CHANNELS))
    else:
        x = activated(built, kind, x, POSITIVE if kind == "PRELU" else None)
    assert kinds(rewritten(built.graph(built.signs(x)))) == ["LceQuantize"]


@pytest.mark.parametrize("options", [LeakyReluOptions(0.0), LeakyReluOptions(-0.1), LeakyReluOptions(1e-30)])
def test_activations_whose_signs_are_others_stay(options: Options) -> None:
    built = Building()
    graph = built.graph(built.signs(built.op("LEAKY_RELU", (built.image(),), options, built.tensor(CHANNELS))))
    assert rewritten(graph) is graph


def test_slopes_that_are_not_positive_become_zero_and_the_others_one() -> None:
    built = Building()
    found = rewritten(built.graph(built.signs(activated(built, "PRELU", built.image(), MIXED))))
    assert kinds(found) == ["PRELU", "LceQuantize"]
    np.testing.assert_array_equal(found.tensors[found.ops[0].inputs[1]].data, MIXED > 0)


@pytest.mark.parametrize("slopes", [POSITIVE, MIXED], ids=["positive", "mixed"])
@pytest.mark.parametrize("becomes_int8", [False, True])
def test_what_others_read_stays_what_it_is(slopes: Array, becomes_int8: bool) -> None:
    built = Building()
    x = activated(built, "PRELU", built.image(), slopes)
    pool = Pool2DOptions(Padding.SAME, 1, 1, 2, 2)
    pooled = built.op("MAX_POOL_2D", (x,), pool, built.tensor(CHANNELS))
    added = built.op("ADD", (x, x), AddOptions(), built.tensor(CHANNELS))
    graph = built.graph(built.signs(pooled), built.signs(x), built.signs(added), added)
    found = rewritten(graph, becomes_int8=becomes_int8)
    mixed = slopes is MIXED
    assert kinds(found).count("PRELU") == (2 if mixed and becomes_int8 else 1)
    reads_the_sum = [op for op in found.ops if op.kind == "LceQuantize"][2]
    assert reads_the_sum.inputs[0] == found.outputs[3]
    assert (found is graph) == (mixed and not becomes_int8)


def test_values_that_are_added_up_before_their_sign_is_taken_are_left() -> None:
    built = Building()
    x = activated(built, "PRELU", built.image(), POSITIVE)
    average = built.op("AVERAGE_POOL_2D", (x,), Pool2DOptions(Padding.SAME, 1, 1, 2, 2), built.tensor(CHANNELS))
    graph = built.graph(built.signs(average))
    assert rewritten(graph) is graph


@pytest.mark.parametrize("shortcut", [False, True])
@pytest.mark.parametrize("calibrated", [False, True])
def test_a_converted_network_takes_the_signs_of_keras(tmp_path: Path, shortcut: bool, calibrated: bool) -> None:
    """Pixels are multiples of the step that int8 gives them, so that all of them are exact."""
    from edgebnn._tensorflow import keras, lq

    slopes = keras.initializers.Constant(np.where(np.arange(CHANNELS) % 4 == 0, -0.1, POSITIVE))
    image = keras.Input((8, 8, CHANNELS))
    x = keras.layers.PReLU(slopes, shared_axes=(1, 2))(image)
    signs = {"input_quantizer": "ste_sign", "kernel_quantizer": "ste_sign", "kernel_constraint": "weight_clip"}
    y = lq.layers.QuantConv2D(CHANNELS, 3, padding="same", pad_values=1.0, use_bias=False, **signs)(x)
    model = keras.Model(image, keras.layers.Add()([x, y]) if shortcut else y)
    pixels = np.random.default_rng(0).integers(-128, 128, (4, 8, 8, CHANNELS)).astype(np.float32)
    pixels[:, 0, 0], pixels[:, 0, 1] = -128, 127
    pixels[:, 0, 2] = 0
    pixels /= 16
    convert(model, path := tmp_path / "out.tflite", "lce", [pixels] if calibrated else None)
    graph = read(path)
    packed = next(op.outputs[0] for op in graph.ops if op.kind == "LceQuantize")
    below = np.asarray(keras.Model(image, x)(pixels)) < 0
    for sample, expected in zip(pixels, below, strict=True):
        words = trace(graph, [sample[None]])[packed]
        bits = np.unpackbits(words.view(np.uint8), axis=-1, bitorder="little").reshape(8, 8, CHANNELS)
        np.testing.assert_array_equal(bits, expected)
