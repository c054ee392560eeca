"""Dense layers of signs become binary convolutions: the same outputs but for rounding, bit-exact everywhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from edgebnn.cli.main import cli
from edgebnn.converters.binary_dense import to_binary_dense
from edgebnn.converters.convert import convert
from edgebnn.converters.read_tflite import read
from edgebnn.converters.write_tflite import to_bytes, write
from edgebnn.graph.execute import run
from edgebnn.graph.ops.binary import LceDequantizeOptions, LceQuantizeOptions
from edgebnn.graph.ops.dense import FullyConnectedOptions
from edgebnn.graph.ops.enums import Activation
from edgebnn.graph.ops.shape_ops import ReshapeOptions
from edgebnn.graph.types import DType, Graph
from edgebnn.runtime.interpreter import Interpreter
from tests.support.graphs import Step, chain, constant, tensor
from tests.support.invoke import invoke
from tests.support.oracles import lce_run

ACTIVATIONS = st.sampled_from([Activation(i) for i in range(4)])


def kinds(graph: Graph) -> list[str]:
    return [op.kind for op in graph.ops]


def reshape(x: Any, name: str, shape: tuple[int, ...]) -> Step:
    sizes = constant(f"{name}/sizes", np.asarray(shape, np.int32))
    return ("RESHAPE", ReshapeOptions(shape), [x, sizes], [tensor(name, shape)], 1)


def signs_of(x: Any, name: str, shape: tuple[int, ...]) -> list[Step]:
    packed = tensor(f"{name}/packed", (*shape[:-1], -(-shape[-1] // 32)), DType.INT32)
    return [
        ("LceQuantize", LceQuantizeOptions(), [x], [packed], 1),
        ("LceDequantize", LceDequantizeOptions(), [packed], [tensor(name, shape)], 1),
    ]


def dense(x: Any, name: str, inputs: int, outputs: int, seed: int, activation: Activation, bias: bool) -> Step:
    """Weights and biases are such that float arithmetic is exact."""
    rng = np.random.default_rng(seed)
    magnitude = rng.choice([0.0, 0.25, 1.0, 8.0], (outputs, 1)).astype(np.float32)
    weights = magnitude * rng.choice(np.float32([-1, 1]), (outputs, inputs))
    operands = [x, constant(f"{name}/weights", weights)]
    if bias:
        operands.append(constant(f"{name}/bias", rng.integers(-9, 9, outputs).astype(np.float32) / 2))
    options = FullyConnectedOptions(fused_activation_function=activation)
    return ("FULLY_CONNECTED", options, operands, [tensor(name, (2, outputs))], 1)


def input_steps(kind: str, shape: tuple[int, int, int, int]) -> list[Step]:
    """Steps that give 'signs' [N, H*W*C] of an image or a vector 'x'."""
    flat = (shape[0], int(np.prod(shape[1:])))
    if kind == "vector":
        return signs_of(tensor("x", flat), "signs", flat)
    if kind == "flattened":
        return [reshape(tensor("x", shape), "flat", flat), *signs_of(tensor("flat", flat), "signs", flat)]
    return [*signs_of(tensor("x", shape), "image", shape), reshape(tensor("image", shape), "signs", flat)]


@given(
    kind=st.sampled_from(["vector", "flattened", "signs flattened"]),
    size=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    channels=st.sampled_from([1, 31, 32, 64, 70]),
    outputs=st.tuples(st.integers(1, 40), st.sampled_from([1, 33])),
    activation=ACTIVATIONS,
    bias=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_outputs_stay_in_the_reference_and_in_the_delegate(
    kind: str, size: tuple[int, int], channels: int, outputs: tuple[int, int], activation: Activation, bias: bool,
    seed: int,
) -> None:  # fmt: skip
    shape = (2, *size, channels)
    flat = (2, size[0] * size[1] * channels)
    first, second = outputs
    graph = chain(
        [
            *input_steps(kind, shape),
            dense(tensor("signs", flat), "first", flat[1], first, seed, activation, bias),
            *signs_of(tensor("first", (2, first)), "between", (2, first)),
            dense(tensor("between", (2, first)), "second", first, second, seed + 1, Activation.NONE, not bias),
        ]
    )
    binary = read(to_bytes(to_binary_dense(graph)))
    dense_left = kinds(binary).count("FULLY_CONNECTED")
    off_words = kind == "signs flattened" and channels % 32 != 0 and size != (1, 1)
    assert dense_left == (1 if off_words else 0)
    x = np.random.default_rng(seed).normal(size=graph.tensors[graph.inputs[0]].shape).astype(np.float32)
    ours = run(binary, [x])[0]
    np.testing.assert_array_equal(ours, run(graph, [x])[0])
    if not off_words:
        np.testing.assert_array_equal(invoke(Interpreter(model_content=to_bytes(binary)), x), ours)


@pytest.mark.parametrize("change", ["weights", "input"])
def test_other_dense_layers_stay(change: str) -> None:
    step = dense(tensor("signs", (2, 64)), "y", 64, 8, 0, Activation.NONE, True)
    if change == "weights":
        step[2][1].data[3, 5] *= 2  # type: ignore[index, union-attr]
    before = [] if change == "input" else signs_of(tensor("x", (2, 64)), "signs", (2, 64))
    graph = chain([*before, step])
    assert to_binary_dense(graph) is graph


@pytest.fixture(scope="module")
def model() -> Any:
    from edgebnn._tensorflow import keras, lq, tf

    signs = {"kernel_quantizer": "ste_sign", "kernel_constraint": "weight_clip", "use_bias": False}
    layers, tf_random = keras.layers, tf.random.Generator.from_seed(3)
    image = keras.Input((8, 8, 32))
    x = lq.layers.QuantConv2D(64, 3, strides=2, padding="same", pad_values=1, input_quantizer="ste_sign", **signs)(
        image
    )
    x = layers.Flatten()(layers.BatchNormalization()(x))
    x = layers.BatchNormalization()(lq.layers.QuantDense(96, input_quantizer="approx_sign", **signs)(x))
    x = lq.layers.QuantDense(48, input_quantizer="ste_sign", **{**signs, "use_bias": True})(x)
    built = keras.Model(image, layers.Dense(10)(layers.ReLU()(layers.BatchNormalization()(x))))
    for weight in built.trainable_variables:
        weight.assign(tf_random.normal(weight.shape))
    return built


def test_a_larq_model_gets_binary_dense_layers(model: Any, tmp_path: Path) -> None:
    result = convert(model, tmp_path / "model.tflite")
    assert not [finding for finding in result.findings if finding.level == "error"]
    graph = read(result.path)
    assert kinds(graph).count("LceBconv2d") == 3
    assert kinds(graph).count("FULLY_CONNECTED") == 1
    x = np.random.default_rng(0).normal(size=(16, 8, 8, 32)).astype(np.float32)
    ours = invoke(Interpreter(model_content=result.path.read_bytes()), x)
    np.testing.assert_allclose(ours, model.predict(x, verbose=0), rtol=1e-4, atol=1e-3)


def test_lces_interpreter_runs_them_alike(model: Any, tmp_path: Path) -> None:
    graph = read(convert(model, tmp_path / "model.tflite").path)
    last = next(op for op in graph.ops if op.kind == "FULLY_CONNECTED")
    x = np.random.default_rng(1).normal(size=(1, 8, 8, 32)).astype(np.float32)
    ops = tuple(op for op in graph.ops if op is not last)
    head = replace(graph, ops=ops, outputs=(last.inputs[0],), signatures=())
    np.testing.assert_array_equal(lce_run(head, [x])[0], run(head, [x])[0])


def test_files_of_lces_converter_are_rewritten_by_the_command(model: Any, tmp_path: Path) -> None:
    from edgebnn.converters import from_keras

    source, made = tmp_path / "lce.tflite", tmp_path / "binary.tflite"
    write(read(from_keras.convert(model, "lce")), source)
    result = CliRunner().invoke(cli, ["convert", str(source), "--to", "lce", "-o", str(made)])
    assert result.exit_code == 0, result.output
    assert kinds(read(made)).count("FULLY_CONNECTED") == 1
    assert made.stat().st_size < source.stat().st_size / 4
