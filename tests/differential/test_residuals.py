"""Residual additions in the delegate, most part of a convolution, against the reference executor, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings

from edgebnn.graph.execute import run
from edgebnn.graph.shapes import resize
from edgebnn.graph.types import Array, Graph
from tests.support.delegate_runs import delegate_run
from tests.support.examples import examples
from tests.support.residual_graphs import Residual, residuals

BLOCK = Residual(64, (("conv", 0, 0), ("add", 0, 1)), 0)
BLOCKS = Residual(64, (("conv", 0, 0), ("add", 0, 1), ("conv", 0, 0), ("add", 1, 0), ("conv", 0, 0), ("add", 0, 1)), 3)
OF_TWO = Residual(40, (("conv", 0, 0), ("conv", 1, 0), ("add", 0, 1), ("abs", 0, 0)), 1)
WITH_ITSELF = Residual(33, (("conv", 0, 0), ("add", 0, 0), ("conv", 0, 0)), 2)


def image(case: Residual, batches: int) -> Array:
    shape = (batches, *case.graph().tensors[0].shape[1:])
    return np.random.default_rng(case.seed + 1).normal(size=shape).astype(np.float32)


@settings(max_examples=examples(100))
@given(case=residuals())
@example(BLOCK)
@example(BLOCKS)
@example(OF_TWO)
@example(WITH_ITSELF)
@pytest.mark.parametrize(("batches", "threads"), [(1, 1), (3, 2)])
def test_outputs_equal_the_reference(batches: int, threads: int, case: Residual) -> None:
    graph, x = case.graph(), image(case, batches)
    expected = run(resize(graph, [x.shape]), [x])
    interpreter = delegate_run(graph, x, threads)
    for index, y in zip(graph.outputs, expected, strict=True):
        np.testing.assert_array_equal(interpreter.get_tensor(index), y)


@settings(max_examples=examples(100))
@given(case=residuals())
@example(BLOCKS)
def test_tensors_that_are_to_be_preserved_are(case: Residual) -> None:
    graph, x = case.graph(), image(case, 1)
    floats = tuple(i for op in graph.ops for i in op.outputs)
    expected = run(Graph(graph.name, graph.tensors, graph.ops, graph.inputs, floats), [x])
    interpreter = delegate_run(graph, x, preserve=True)
    for index, y in zip(floats, expected, strict=True):
        np.testing.assert_array_equal(interpreter.get_tensor(index), y)


def joined(case: Residual) -> list[str]:
    """The ops that the delegate ran, and the interpreter."""
    interpreter = delegate_run(case.graph(), image(case, 1))
    return [entry.label for entry in interpreter.profile(repeats=2).ops if entry.members]


def test_an_addition_becomes_part_of_the_convolution_in_front_of_it() -> None:
    assert joined(BLOCK) == ["LceQuantize", "LceBconv2d + ADD"]
    assert joined(BLOCKS) == ["LceQuantize", "LceBconv2d + ADD"] * 3
    assert joined(OF_TWO).count("LceBconv2d + ADD") == 1


def test_an_addition_stays_where_the_convolution_is_needed_besides() -> None:
    assert joined(WITH_ITSELF) == ["LceQuantize", "LceBconv2d", "ADD", "LceQuantize", "LceBconv2d"]


def test_an_addition_with_an_activation_becomes_part_of_the_convolution_too() -> None:
    assert joined(Residual(64, (("conv", 0, 0), ("add, relu", 0, 1)), 0)) == ["LceQuantize", "LceBconv2d + ADD"]
