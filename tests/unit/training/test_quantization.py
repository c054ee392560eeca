"""Quantization-aware models: what they round is what the int8 file rounds, and there is a way back."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebnn._tensorflow import keras, tf
from edgebnn.arithmetic.quantization import dequantize, quantize
from edgebnn.converters.from_keras import convert
from edgebnn.converters.read_tflite import read
from edgebnn.converters.w1a8 import to_w1a8
from edgebnn.graph.batches import run_all
from edgebnn.graph.types import DType, Graph, Quantization, Tensor
from edgebnn.models import build
from edgebnn.pruning.channels import surgery
from edgebnn.pruning.channels.coupling import couple
from edgebnn.training.binarization import binarize
from edgebnn.training.method import make_optimizer
from edgebnn.training.quantization import frozen, quantize_aware, strip
from edgebnn.training.quantizers import RANGE_DECAY, Int8Range, RangeQuantizer, WeightQuantizer
from edgebnn.training.recipe import Recipe
from tests.support.random_networks import random_keep

SHAPE = (16, 16, 3)


def images(count: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (count, *SHAPE)).astype(np.float32)


def network(precision: str = "float") -> Any:
    """A ResNet-8 whose batch norms are no identities."""
    keras.utils.set_random_seed(1)
    model = build("resnet8", widths=(4, 5, 6), precision=precision, input_shape=SHAPE)
    rng = np.random.default_rng(2)
    for variable in model.weights:
        kind = variable.name.split("/")[-1].split(":")[0]
        if kind in ("gamma", "moving_variance"):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        elif kind in ("beta", "moving_mean"):
            variable.assign(rng.normal(0, 0.3, variable.shape))
    return model


@cache
def aware(precision: str) -> Any:
    """A quantization-aware network whose ranges fit :func:`images`."""
    model = quantize_aware(network(precision))
    model(images(64, seed=3), training=True)
    return model


@cache
def int8_file(precision: str) -> Graph:
    return read(convert(frozen(aware(precision)), "int8"))


def test_the_first_batch_sets_a_range_and_the_others_move_it() -> None:
    class Ranged(keras.layers.Layer):  # type: ignore[misc]
        def build(self, shape: Any) -> None:
            self.quantizer = RangeQuantizer()
            self.bounds = self.quantizer.build(shape, "output", self)

        def call(self, x: Any, training: bool = False) -> Any:
            return self.quantizer(x, training, self.bounds)

    layer = Ranged()
    layer(tf.constant([[1.0, 3.0]]), training=True)
    assert [float(layer.bounds[bound]) for bound in ("min", "max")] == [0.0, 3.0]
    layer(tf.constant([[-2.0, 1.0]]), training=True)
    assert float(layer.bounds["min"]) == pytest.approx(-2.0 * (1 - RANGE_DECAY))
    assert float(layer.bounds["max"]) == pytest.approx(3.0 * RANGE_DECAY + 1 - RANGE_DECAY)
    layer(tf.constant([[99.0]]), training=False)
    assert float(layer.bounds["max"]) < 3.0


@pytest.mark.parametrize(("shape", "axes"), [((3, 3, 4, 5), 1), ((3, 3, 4, 2), 2)])
def test_weights_are_rounded_by_output_channel(shape: tuple[int, ...], axes: int) -> None:
    weights = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    weights[..., 0] = 0
    kept = tuple(range(weights.ndim - axes))
    rounded = WeightQuantizer(kept)(tf.constant(weights), True, {}).numpy()
    scale = np.abs(weights).max(axis=kept, keepdims=True) / 127
    steps = np.divide(rounded, scale, out=np.zeros_like(rounded), where=scale > 0)
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-4)
    assert np.all(np.abs(rounded - weights) <= 0.5001 * scale)
    assert np.abs(rounded - weights).max() > 0


@pytest.mark.parametrize("precision", ["float", "w1a8"])
def test_the_model_comes_back_as_it_was(precision: str) -> None:
    model = network(precision)
    back = strip(quantize_aware(model))
    assert [type(layer) for layer in back.layers] == [type(layer) for layer in model.layers]
    assert [layer.name for layer in back.layers] == [layer.name for layer in model.layers]
    np.testing.assert_array_equal(back(images()), model(images()))


@pytest.mark.parametrize("precision", ["float", "w1a8"])
def test_a_frozen_model_computes_the_same_and_loads_without_our_classes(precision: str, tmp_path: Path) -> None:
    model = aware(precision)
    still = frozen(model)
    still.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False)
    expected = model(images(), training=False).numpy()
    np.testing.assert_allclose(still(images()), expected, atol=1e-6)
    np.testing.assert_allclose(loaded(images()), expected, atol=1e-6)
    assert not np.array_equal(strip(model)(images()), expected), "nothing was rounded"


@pytest.mark.parametrize("precision", ["float", "w1a8"])
def test_the_int8_file_rounds_where_the_model_does_and_nowhere_else(precision: str) -> None:
    model = aware(precision)
    graph = int8_file(precision)
    rounding = [layer for layer in model.layers if isinstance(layer, Int8Range)]
    expected = sorted(high - low for layer in rounding for low, high in [layer.bounds()])
    made = [graph.tensors[index] for index in (graph.inputs[0], *(op.outputs[0] for op in graph.ops))]
    assert {tensor.dtype for tensor in made} == {DType.INT8}
    np.testing.assert_allclose(sorted(quantization(tensor).scale[0] * 255 for tensor in made), expected, rtol=1e-4)


@pytest.mark.parametrize("precision", ["float", "w1a8"])
def test_the_int8_file_answers_as_the_model_does(precision: str) -> None:
    """But for sums that lie on the edge between two steps: integers round them exactly, floats by their last bits."""
    model = aware(precision)
    graph = int8_file(precision)
    source, result = (quantization(graph.tensors[index]) for index in (graph.inputs[0], graph.outputs[0]))
    batch = images(32, seed=4)
    (steps,) = run_all(graph, [quantize(batch, source.scale, source.zero_point, np.dtype(np.int8))])
    apart = np.abs(dequantize(steps, result.scale, result.zero_point) - model(batch, training=False).numpy())
    assert apart.mean() < result.scale[0]
    assert apart.max() < 4 * result.scale[0]


def quantization(tensor: Tensor) -> Quantization:
    assert tensor.quantization is not None
    return tensor.quantization


def test_binary_weights_of_the_file_are_two_valued() -> None:
    graph, findings = to_w1a8(int8_file("w1a8"))
    packed = [op for op in graph.ops if op.kind == "EdgebnnConv2dW1A8"]
    small = [finding for finding in findings if finding.rule == "w1a8-not-smaller"]
    assert len(packed) + len(small) == 6


def test_weight_decay_reaches_the_weights_that_are_rounded() -> None:
    recipe = Recipe(1, optimizer="sgd", weight_decay=0.1)
    model = quantize_aware(network("w1a8"))
    optimizer = make_optimizer(model, recipe)
    decayed = [tuple(v.shape) for v in model.trainable_variables if optimizer._use_weight_decay(v)]
    assert sorted(decayed) == [(1, 1, 4, 5), (1, 1, 5, 6), (3, 3, 3, 4), (6, 10)]


def test_a_pruned_network_can_be_quantized_too() -> None:
    model = network()
    smaller = binarize(surgery.cut(model, random_keep(couple(model), np.random.default_rng(5))))
    assert smaller.count_params() < model.count_params()
    student = quantize_aware(smaller)
    np.testing.assert_array_equal(strip(student)(images()), smaller(images()))
    student(images(), training=True)
    np.testing.assert_allclose(student(images()), smaller(images()), atol=0.1)
