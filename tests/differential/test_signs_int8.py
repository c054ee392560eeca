"""What the delegate makes of int8 batch normalizations and concatenations in front of signs, against the reference
executor, bit for bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgebnn.graph.execute import run
from edgebnn.graph.shapes import resize
from edgebnn.graph.types import Array, Graph
from tests.support.ckernels import kernel_lines, runnable
from tests.support.delegate_runs import delegate_run
from tests.support.examples import examples
from tests.support.sign_graphs import APART, BLOCK, DENSE, ODD, Signs, sign_graphs

KERNELS = (None, *(line.name.decode() for line in kernel_lines() if runnable(line)))


def image(case: Signs, graph: Graph, batches: int = 1) -> Array:
    """Each value is there at once, if the image is large enough."""
    (source,) = graph.inputs
    shape = (batches, *graph.tensors[source].shape[1:])
    return np.random.default_rng(case.seed + 1).integers(-128, 128, shape).astype(np.int8)


@settings(max_examples=examples(120))
@given(case=sign_graphs(), kernels=st.sampled_from(KERNELS))
@example(BLOCK, None)
@example(ODD, None)
@example(DENSE, None)
@example(APART, None)
def test_outputs_equal_the_reference(case: Signs, kernels: str | None) -> None:
    graph = case.graph()
    x = image(case, graph)
    expected = run(graph, [x])
    for threads in (1, 2):
        interpreter = delegate_run(graph, x, threads, kernels=kernels)
        for index, y in zip(graph.outputs, expected, strict=True):
            np.testing.assert_array_equal(interpreter.get_tensor(index), y)


@settings(max_examples=examples(30))
@given(case=sign_graphs())
@example(ODD)
@example(DENSE)
def test_batches_equal_the_reference(case: Signs) -> None:
    graph = case.graph()
    x = image(case, graph, batches=3)
    interpreter = delegate_run(graph, x)
    for index, y in zip(graph.outputs, run(resize(graph, [x.shape]), [x]), strict=True):
        np.testing.assert_array_equal(interpreter.get_tensor(index), y)


@settings(max_examples=examples(30))
@given(case=sign_graphs())
@example(BLOCK)
@example(DENSE)
def test_tensors_that_are_to_be_preserved_are(case: Signs) -> None:
    graph = case.graph()
    x = image(case, graph)
    inner = tuple(i for op in graph.ops for i in op.outputs)
    expected = run(replace(graph, outputs=inner), [x])
    interpreter = delegate_run(graph, x, preserve=True)
    for index, y in zip(inner, expected, strict=True):
        np.testing.assert_array_equal(interpreter.get_tensor(index), y)


def labels(case: Signs) -> list[str]:
    """Of the ops that ran, ours and the interpreter's stretches."""
    graph = case.graph()
    interpreter = delegate_run(graph, image(case, graph))
    return [entry.label for entry in interpreter.profile(repeats=2).ops if entry.members]


def test_a_batch_normalization_becomes_thresholds() -> None:
    assert labels(Signs(70, (("norm", 0, 0), ("conv", 0, 0)), 0, 0)) == [
        "LceQuantize + DEPTHWISE_CONV_2D",
        "LceBconv2d",
    ]


def test_a_concatenation_is_read_where_its_parts_lie() -> None:
    fronts = [f"LceQuantize + DEPTHWISE_CONV_2D x{count} + CONCATENATION" for count in (4, 5, 2)]
    assert labels(BLOCK) == [label for front in fronts for label in (front, "LceBconv2d")]


def test_a_dense_block_is_written_into_its_place() -> None:
    """All but the last concatenation, which only the interpreter needs, are ours, and in one partition."""
    block = ["LceQuantize + DEPTHWISE_CONV_2D", "LceBconv2d", "CONCATENATION"]
    assert labels(DENSE) == [*block, *block, *block[:2], "CONCATENATION + RELU"]


@pytest.mark.parametrize("count", [16, 24, 25])
def test_blocks_of_many_layers(count: int) -> None:
    """Of more parts than an op can read, the concatenation is the interpreter's, and so is what it needs."""
    case = Signs(33, (("conv", 0, 0), ("concat", 0, count), ("conv", 0, 0)), 5, 0)
    graph = case.graph()
    x = image(case, graph)
    (expected,) = run(graph, [x])
    np.testing.assert_array_equal(delegate_run(graph, x).get_tensor(graph.outputs[0]), expected)
    joined = f"LceQuantize + CONCATENATION + DEPTHWISE_CONV_2D x{count}"
    assert (joined in labels(case)) == (count <= 24)


def test_what_a_later_run_would_need_is_left_to_the_interpreter() -> None:
    """The part that is there before the interpreter's op runs would be ours to compute else."""
    found = labels(APART)
    assert not [label for label in found if "packed" in label]
    assert "LceQuantize + CONCATENATION + DEPTHWISE_CONV_2D" in found
