"""Random networks of binary layers between ops of one scale: int8 around them is right to a few steps everywhere.

A sign that flips next to zero changes all that comes behind it, so that whole networks can be compared only loosely.
Here the binary layers of the int8 file are given the signs of the float file, and the float file the weights of the
int8 one: what is left is the rounding of what is computed.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgebnn.converters.lint import lint_graph
from edgebnn.converters.post_training import int8_around_binary
from edgebnn.converters.ranges import sign_only
from edgebnn.graph.execute import run_op
from edgebnn.graph.opdef import op_view
from edgebnn.graph.ops import OPS
from edgebnn.graph.types import ABSENT, Array, DType, Graph, Op, Tensor

pytest.importorskip("larq_compute_engine", reason="conversion needs the training extra")

from edgebnn._tensorflow import keras, lq, tf
from edgebnn.converters import from_keras

L = keras.layers
Rng = np.random.Generator

MEAN_STEPS, MAX_STEPS = 2.0, 8.0
FLIPS = 0.08
"""Of the signs that a binary layer reads: what lies within a step of zero."""


def binary(x: Any, rng: Rng) -> Any:
    signs = {"input_quantizer": "ste_sign", "kernel_quantizer": "ste_sign", "kernel_constraint": "weight_clip"}
    x = norm(rng)(x) if rng.random() < 0.5 else x
    return norm(rng)(lq.layers.QuantConv2D(16, 3, padding="same", pad_values=1.0, use_bias=False, **signs)(x))


def norm(rng: Rng) -> Any:
    """A batch norm of random parameters, which are set when the model is built: they are initial values."""
    one = np.float32(10.0 ** rng.uniform(-1, 1))
    uniform, normal = keras.initializers.RandomUniform, keras.initializers.RandomNormal
    seed = int(rng.integers(1 << 30))
    return L.BatchNormalization(
        gamma_initializer=uniform(0.5 * one, 2 * one, seed=seed),
        beta_initializer=normal(0, one / 2, seed=seed + 1),
        moving_mean_initializer=normal(0, 0.5, seed=seed + 2),
        moving_variance_initializer=uniform(0.5, 2, seed=seed + 3),
    )


def step(x: Any, y: Any, rng: Rng) -> Any:
    """An op or two on images of 8x8 and 16 channels."""
    conv = L.Conv2D(16, 1, kernel_initializer=keras.initializers.RandomNormal(0, 0.3, seed=int(rng.integers(1 << 30))))
    choices = {
        "binary": lambda: binary(x, rng),
        "dense": lambda: binary(L.Concatenate()([x, y]), rng),
        "joined": lambda: conv(L.Concatenate()([x, y])),
        "chained": lambda: conv(norm(rng)(L.Concatenate()([L.Concatenate()([x, y]), binary(x, rng)]))),
        "split": lambda: L.Concatenate()(L.Lambda(lambda t: tf.split(t, 2, -1))(x)[::-1]),
        "cropped": lambda: L.Cropping2D(((2, 0), (0, 2)))(L.ZeroPadding2D(1)(x)),
        "strided": lambda: L.UpSampling2D(2, interpolation="bilinear")(L.Lambda(lambda t: t[:, ::2, 1::2])(x)),
        "max": lambda: L.MaxPooling2D(3, 1, padding="same")(x),
        "average": lambda: L.AveragePooling2D(3, 1, padding="same")(x),
        "maximum": lambda: L.Maximum()([x, y]),
        "minimum": lambda: L.Minimum()([x, y]),
        "sum": lambda: L.Add()([x, y]),
        "nearest": lambda: L.MaxPooling2D()(L.UpSampling2D(2)(x)),
    }
    return choices[str(rng.choice(list(choices)))]()


def network(seed: int) -> Any:
    keras.utils.set_random_seed(seed)
    rng, image = np.random.default_rng(seed), L.Input((8, 8, 4))
    known = [L.Conv2D(16, 3, padding="same")(image)]
    known.append(binary(known[0], rng))
    for _ in range(7):
        known.append(step(known[-1], known[int(rng.integers(len(known) - 1))], rng))
    x = binary(L.Concatenate()(known[-2:]), rng)
    return keras.Model(image, L.Dense(4)(L.GlobalMaxPooling2D()(x)))


def traced(graph: Graph, image: Array, signs: dict[bytes, Array] | None) -> tuple[dict[int, Array], dict[bytes, Array]]:
    """Every tensor, and what its binary layers read, by their weights; ``signs`` are given to them instead."""
    values = {i: tensor.data for i, tensor in enumerate(graph.tensors) if tensor.data is not None}
    values |= {graph.inputs[0]: image}
    read: dict[bytes, Array] = {}
    for position, op in enumerate(graph.ops):
        arguments = [None if i == ABSENT else values[i] for i in op.inputs]
        if op.kind == "LceBconv2d":
            layer = values[op.inputs[1]].tobytes()
            read[layer] = values[op.inputs[0]]
            arguments[0] = read[layer] if signs is None else signs[layer]
        values |= zip(op.outputs, run_op(op_view(graph, position), tuple(arguments)), strict=True)
    return values, read


def _base(name: str) -> str:
    return re.sub(r"\d+$", "", name)


def named(graph: Graph) -> dict[tuple[str, tuple[int, ...]], list[int]]:
    """The results of ops by name, without the numbers that the quantizer puts behind them, and shape."""
    found: dict[tuple[str, tuple[int, ...]], list[int]] = {}
    for op in graph.ops:
        for i in op.outputs:
            found.setdefault((_base(graph.tensors[i].name), graph.tensors[i].shape), []).append(i)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_every_tensor_agrees_with_the_float_file_given_its_signs(seed: int) -> None:
    model = network(seed)
    graph = from_keras.to_graph(model, "lce")
    images = np.random.default_rng(seed).uniform(-1, 1, (24, 8, 8, 4)).astype(np.float32)
    quantized = int8_around_binary(graph, [images], from_keras.quantize)
    in_float = {op.kind for op in quantized.ops if quantized.tensors[op.outputs[0]].dtype == DType.FLOAT32}
    assert in_float == {"DEQUANTIZE"}
    assert not [finding for finding in lint_graph(quantized) if finding.level == "error"]
    check(_given_weights(graph, quantized), quantized, images[:4])


def check(graph: Graph, quantized: Graph, images: Array) -> None:
    """Raises AssertionError naming the tensor or the layer that is wrong."""
    signs, floats, compared = sign_only(_in_float(quantized)), named(graph), set[int]()
    for image in images:
        expected, read = traced(graph, image[None], None)
        found, own = traced(quantized, image[None], read)
        for layer, bits in read.items():
            flipped = np.bitwise_xor(bits, own[layer]).view(np.uint8)
            channels = next(op.options.channels_in for op in graph.ops if _reads(graph, op, layer))  # type: ignore[attr-defined]
            assert np.unpackbits(flipped).sum() < FLIPS * bits[..., 0].size * channels
        for key, indices in named(quantized).items():
            for i in set(indices) - signs:
                tensor, candidates = quantized.tensors[i], floats.get(key, [])
                if tensor.quantization is None or len(candidates) != 1:
                    continue
                steps = expected[candidates[0]] / tensor.quantization.scale[0] + tensor.quantization.zero_point[0]
                if _only_chosen_from(quantized, i):  # it may saturate where what is chosen does not
                    steps = np.clip(steps, -128, 127)
                apart = np.abs(found[i] - steps)
                assert apart.mean() < MEAN_STEPS, tensor.name
                assert apart.max() < MAX_STEPS, tensor.name
                compared.add(i)
    assert len(compared) >= len(graph.ops) / 4


def _only_chosen_from(graph: Graph, index: int) -> bool:
    """Whether all that reads a tensor moves or chooses values; what it gives is compared in its own place."""
    readers = [op for op in graph.ops if index in op.inputs]
    return bool(readers) and all(OPS[op.kind].same_scale or op.kind == "QUANTIZE" for op in readers)


def _reads(graph: Graph, op: Op, layer: bytes) -> bool:
    weights = graph.tensors[op.inputs[1]].data if op.kind == "LceBconv2d" else None
    return weights is not None and weights.tobytes() == layer


def _given_weights(graph: Graph, quantized: Graph) -> Graph:
    """``graph`` with the weights of ``quantized`` where they are its own, rounded."""
    rounded = [t for t in quantized.tensors if t.data is not None and t.dtype == DType.INT8]
    tensors = []
    for tensor in graph.tensors:
        ours = [t for t in rounded if t.shape == tensor.shape and _is_rounded(t, tensor)]
        tensors.append(replace(tensor, data=_dequantized(ours[0])) if len(ours) == 1 else tensor)
    assert any(one is not other for one, other in zip(tensors, graph.tensors, strict=True))
    return replace(graph, tensors=tuple(tensors))


def _is_rounded(tensor: Tensor, original: Tensor) -> bool:
    if original.data is None or original.dtype != DType.FLOAT32:
        return False
    return bool(np.all(np.abs(_dequantized(tensor) - original.data) <= 0.51 * _scales(tensor)))


def _dequantized(tensor: Tensor) -> Array:
    assert tensor.data is not None
    return (tensor.data * _scales(tensor)).astype(np.float32)


def _scales(tensor: Tensor) -> Array:
    """Of weights: one, or one a channel, in the place of its axis."""
    assert tensor.quantization is not None
    scales = np.array(tensor.quantization.scale)
    shape = np.ones(len(tensor.shape), int)
    shape[tensor.quantization.axis] = scales.size
    return scales.reshape(shape)


def _in_float(graph: Graph) -> Graph:
    """``graph`` as if its int8 tensors were float."""
    tensors = (replace(t, dtype=DType.FLOAT32) if t.dtype == DType.INT8 else t for t in graph.tensors)
    return replace(graph, tensors=tuple(tensors))
