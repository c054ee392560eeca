"""Whole graphs with 1-bit weights: mixed with W1A1 and int8 layers, and files that PyTorch's converters wrote.

Both forms, packed in the file and recognised in a standard one, give every bit that LiteRT's reference kernels and the
reference executor give.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import OpResolverType
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebnn.converters.lint import lint_graph
from edgebnn.converters.read_tflite import read
from edgebnn.converters.w1a8 import inspect, to_w1a8
from edgebnn.converters.write_tflite import to_bytes
from edgebnn.graph.counts import macs
from edgebnn.graph.execute import run
from edgebnn.graph.types import Array, Graph
from edgebnn.runtime.interpreter import Interpreter
from edgebnn.runtime.model import load
from edgebnn.runtime.plugin import PackInt8
from tests.support.examples import examples
from tests.support.mixed_graphs import mixed
from tests.support.oracles import litert_run

PYTORCH = Path(__file__).parents[1] / "data" / "pytorch"


def noise(graph: Graph, seed: int = 0) -> Array:
    tensor = graph.tensors[graph.inputs[0]]
    limits = np.iinfo(tensor.dtype.numpy)
    values = np.random.default_rng(seed).integers(limits.min, limits.max + 1, tensor.shape)
    return values.astype(tensor.dtype.numpy)


def exact(content: bytes, x: Array, pack_int8: PackInt8 = "none", threads: int = 1) -> tuple[Array, list[str]]:
    """The output with LiteRT's reference kernels for all ops that are not ours, and the ops that ours ran."""
    interpreter = Interpreter(
        model_content=content,
        num_threads=threads,
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        pack_int8=pack_int8,
    )
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    ops = [op.op for op in interpreter.profile(repeats=1).ops if op.kernel != "litert"]
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"]), ops


@given(seed=st.integers(0, 2**16), uint8=st.booleans(), threads=st.integers(1, 3))
@settings(max_examples=examples(12))
def test_all_kinds_of_layers_in_one_graph(seed: int, uint8: bool, threads: int) -> None:
    graph = mixed(seed, uint8)
    packed, findings = to_w1a8(graph)
    assert [f.rule for f in findings] == []
    assert [op.kind for op in packed.ops].count("EdgebnnConv2dW1A8") == 3
    counted = macs(packed)
    assert min(counted.w1a8, counted.binary, counted.int8) > 0
    x = noise(graph, seed)
    (expected,) = run(graph, [x])
    assert np.unique(expected).size > 3
    np.testing.assert_array_equal(run(read(to_bytes(packed)), [x])[0], expected)
    content = to_bytes(packed)
    np.testing.assert_array_equal(exact(content, x, threads=threads)[0], expected)
    y, ops = exact(to_bytes(graph), x, "all", threads)
    np.testing.assert_array_equal(y, expected)
    assert sum(op.endswith(" (packed)") for op in ops) == 4


@pytest.mark.parametrize("uint8", [False, True])
def test_a_loaded_model_takes_images_and_gives_scores(uint8: bool) -> None:
    """``edgebnn.load``: uint8 images to a uint8 model as they are, quantized for an int8 one; real scores."""
    graph = mixed(5, uint8)
    packed, _ = to_w1a8(graph)
    source, target = (graph.tensors[i] for i in (graph.inputs[0], graph.outputs[0]))
    images = noise(graph, 1) if uint8 else (noise(graph, 1).astype(np.float32) - 3) * 0.02
    entry = images
    if not uint8:
        assert source.quantization is not None
        steps = np.round(images / np.float32(source.quantization.scale[0])) + source.quantization.zero_point[0]
        entry = np.clip(steps, -128, 127).astype(np.int8)
    (expected,) = run(graph, [entry])
    assert target.quantization is not None
    real = (expected.astype(np.float32) - target.quantization.zero_point[0]) * np.float32(target.quantization.scale[0])
    for content, pack_int8 in ((to_bytes(packed), None), (to_bytes(graph), "all")):
        model = load(content, exact=True, pack_int8=pack_int8)  # type: ignore[arg-type]
        np.testing.assert_array_equal(model(images), real)


@pytest.mark.parametrize("name", ["per_channel", "per_tensor", "static"])
def test_files_of_pytorch_converters_are_recognised(name: str) -> None:
    """DoReFa weights in convolutions (plain, grouped, depthwise, 1-D) and a dense layer, between PAD and TRANSPOSE."""
    path = PYTORCH / f"{name}.tflite"
    graph = read(path)
    packed, findings = to_w1a8(graph)
    assert findings == ()
    assert [op.kind for op in packed.ops].count("EdgebnnConv2dW1A8") == 5
    assert [op.kind for op in packed.ops].count("EdgebnnDenseW1A8") == 1
    assert [(f.level, f.rule) for f in inspect(graph)] == [("info", "w1a8-portable")]
    x = noise(graph)
    (expected,) = litert_run(graph, [x])
    np.testing.assert_array_equal(run(graph, [x])[0], expected)
    np.testing.assert_array_equal(exact(to_bytes(packed), x)[0], expected)
    y, ops = exact(path.read_bytes(), x, "all")
    np.testing.assert_array_equal(y, expected)
    assert sum(op.endswith(" (packed)") for op in ops) == 6


def test_a_file_with_float_activations_is_left_and_told_why() -> None:
    path = PYTORCH / "dynamic.tflite"
    graph = read(path)
    packed, findings = to_w1a8(graph)
    assert [op.kind for op in packed.ops] == [op.kind for op in graph.ops]
    assert [f.rule for f in findings] == ["w1a8-activations"] * 6 + ["w1a8-nothing-packed"]
    assert all("Network" in f.layer and "float32 to float32" in f.message for f in findings[:-1])
    assert lint_graph(graph) == findings[:-1]
    interpreter = Interpreter(str(path), pack_int8="all")
    interpreter.allocate_tensors()
    interpreter.invoke()
    assert not any("packed" in op.op for op in interpreter.profile(repeats=1).ops)
