"""What the delegate makes of ops between binary convolutions, against the reference executor, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgebnn.converters.write_tflite import to_bytes
from edgebnn.graph.execute import run
from edgebnn.graph.ops.enums import Padding
from edgebnn.graph.shapes import resize
from edgebnn.graph.types import Graph
from edgebnn.runtime.interpreter import Interpreter
from edgebnn.runtime.litert import OpResolverType
from tests.differential.test_conv2d_few_delegate import AVX2, AVX512_BW, AVX_VNNI
from tests.support.between_graphs import (
    DENSE,
    GATED,
    MELIUS,
    Between,
    betweens,
    gated_block,
    image,
    int8_blocks,
    int8_shortcut,
    with_constant_map,
)
from tests.support.ckernels import library
from tests.support.delegate_runs import delegate_run
from tests.support.examples import examples


@settings(max_examples=examples(150))
@given(case=betweens())
@example(DENSE)
@example(MELIUS)
@example(GATED)
def test_outputs_equal_the_reference(case: Between) -> None:
    graph = case.graph()
    x = image(case, graph)
    for threads in (1, 2):
        interpreter = delegate_run(graph, x, threads)
        for index, y in zip(graph.outputs, run(graph, [x]), strict=True):
            np.testing.assert_array_equal(interpreter.get_tensor(index), y)


@settings(max_examples=examples(30))
@given(case=betweens())
@example(DENSE)
@example(MELIUS)
def test_batches_equal_the_reference(case: Between) -> None:
    moves = tuple(move for move in case.moves if move[0] != "gate")  # whose file is for one sample
    graph = Between(case.channels, moves or (("conv", 0, 0),), case.seed).graph()
    x = image(case, graph, batches=3)
    interpreter = delegate_run(graph, x)
    for index, y in zip(graph.outputs, run(resize(graph, [x.shape]), [x]), strict=True):
        np.testing.assert_array_equal(interpreter.get_tensor(index), y)


@pytest.mark.parametrize("kind", ["ADD", "MUL"])
def test_a_constant_map_is_that_of_each_sample(kind: str) -> None:
    graph = with_constant_map(kind, 0)
    x = image(Between(16, (), 0), graph, batches=3)
    (expected,) = run(resize(graph, [x.shape]), [x])
    np.testing.assert_array_equal(delegate_run(graph, x).get_tensor(graph.outputs[0]), expected)


@settings(max_examples=examples(30))
@given(case=betweens())
@example(MELIUS)
def test_tensors_that_are_to_be_preserved_are(case: Between) -> None:
    graph = case.graph()
    x = image(case, graph)
    floats = tuple(i for op in graph.ops for i in op.outputs)
    expected = run(Graph(graph.name, graph.tensors, graph.ops, graph.inputs, floats), [x])
    interpreter = delegate_run(graph, x, preserve=True)
    for index, y in zip(floats, expected, strict=True):
        np.testing.assert_array_equal(interpreter.get_tensor(index), y)


def labels(case: Between) -> list[str]:
    """Of the ops that ran, ours and the interpreter's stretches."""
    graph = case.graph()
    interpreter = delegate_run(graph, image(case, graph))
    return [entry.label for entry in interpreter.profile(repeats=2).ops if entry.members]


@pytest.mark.parametrize("case", [DENSE, MELIUS, GATED])
def test_a_trunk_is_one_partition(case: Between) -> None:
    graph = case.graph()
    interpreter = delegate_run(graph, image(case, graph))
    entries = [entry for entry in interpreter.profile(repeats=2).ops if entry.members]
    assert all(entry.kernel != "litert" for entry in entries)


def test_batch_normalizations_become_thresholds() -> None:
    assert labels(Between(32, (("conv", 0, 4),), 0, kept=0)) == ["LceQuantize + ADD + MUL", "LceBconv2d"]


def test_scales_and_prelus_become_part_of_the_convolution() -> None:
    case = Between(33, (("conv", 0, 6), ("prelu", 0, 0), ("relu", 0, 1), ("add", 0, 3)), 0, kept=0)
    assert "LceBconv2d + PRELU + RELU6 + ADD" in labels(case)


@settings(max_examples=examples(10))
@given(seed=st.integers(0, 2**32))
def test_a_learned_scale_is_in_one_partition_with_the_convolution(seed: int) -> None:
    graph = gated_block(seed)
    x = image(Between(16, (), seed), graph)
    (expected,) = run(graph, [x])
    interpreter = Interpreter(model_content=to_bytes(graph), num_threads=2)
    interpreter.allocate_tensors()
    interpreter.set_tensor(graph.inputs[0], x)
    interpreter.invoke()
    np.testing.assert_allclose(interpreter.get_tensor(graph.outputs[0]), expected, atol=1e-5 * np.abs(expected).max())
    entries = [entry for entry in interpreter.profile(repeats=2).ops if entry.members]
    assert all(entry.kernel != "litert" for entry in entries)
    assert entries[-1].label == "LceBconv2d + MUL + PRELU + ADD"


@settings(max_examples=examples(40))
@given(
    st.sampled_from([1, 8, 33, 64, 70]), st.integers(1, 3), st.integers(0, 2**32), st.sampled_from([None, "portable"])
)
def test_int8_additions_equal_the_reference(channels: int, blocks: int, seed: int, kernels: str | None) -> None:
    graph = int8_blocks(channels, blocks, seed)
    x = np.random.default_rng(seed).integers(-128, 128, graph.tensors[graph.inputs[0]].shape).astype(np.int8)
    interpreter = Interpreter(model_content=to_bytes(graph), kernels=kernels)
    interpreter.allocate_tensors()
    interpreter.set_tensor(graph.inputs[0], x)
    interpreter.invoke()
    for index, y in zip(graph.outputs, run(graph, [x]), strict=True):
        np.testing.assert_array_equal(interpreter.get_tensor(index), y)
    entries = [entry.label for entry in interpreter.profile(repeats=2).ops if entry.members]
    assert entries == ["LceQuantize", "LceBconv2d + ADD"] * blocks


@settings(max_examples=examples(20))
@given(
    st.sampled_from([5, 16, 32, 64, 70]),
    st.sampled_from([(2, 2), (1, 2)]),
    st.integers(0, 2**32),
    st.integers(1, 2),
    st.sampled_from([None, "portable"]),
)
def test_shortcuts_of_int8_equal_the_reference(
    channels: int, strides: tuple[int, int], seed: int, threads: int, kernels: str | None
) -> None:
    graph = int8_shortcut(channels, strides, Padding.SAME, seed)
    x = np.random.default_rng(seed).integers(-128, 128, graph.tensors[graph.inputs[0]].shape).astype(np.int8)
    interpreter = Interpreter(
        model_content=to_bytes(graph),
        kernels=kernels,
        num_threads=threads,
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
    )
    interpreter.allocate_tensors()
    interpreter.set_tensor(graph.inputs[0], x)
    interpreter.invoke()
    np.testing.assert_array_equal(interpreter.get_tensor(graph.outputs[0]), run(graph, [x])[0])
    profiled = [entry for entry in interpreter.profile(repeats=2).ops if entry.members]
    assert "AVERAGE_POOL_2D" in {entry.label for entry in profiled if entry.kernel != "litert"}
    entries = [entry.label for entry in profiled]
    features = library().eb_cpu_features()
    if channels >= 64 and kernels is None and features & AVX2 and not features & (AVX512_BW | AVX_VNNI):
        block = ["LceBconv2d + ADD", "LceQuantize", "AVERAGE_POOL_2D", "CONV_2D"]
        assert sorted(entries) == sorted([*block, "LceQuantize", "LceBconv2d + ADD", "LceQuantize", "LceBconv2d"])


def test_logistic_is_left_to_reference_kernels_where_these_are_asked_for() -> None:
    graph = gated_block(0)
    interpreter = delegate_run(graph, image(Between(16, (), 0), graph))
    entries = [entry for entry in interpreter.profile(repeats=2).ops if entry.kernel == "litert"]
    assert any("LOGISTIC" in entry.label for entry in entries)
