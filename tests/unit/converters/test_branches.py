"""Sums and slices of concatenations: the same values, of the branches themselves."""

from __future__ import annotations

import numpy as np
import pytest

from edgebnn.converters.branches import apart
from edgebnn.graph.execute import trace
from edgebnn.graph.ops.elementwise import AddOptions
from edgebnn.graph.ops.shape_ops import SplitOptions
from edgebnn.graph.ops.slicing import StridedSliceOptions
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import Array, Graph, Op
from tests.support.image_graphs import Building, normal


def padded(built: Building, x: int, before: int, after: int = 0) -> int:
    paddings = built.tensor(0, np.asarray([[0, 0], [0, 0], [0, 0], [before, after]], np.int32))
    channels = built.tensors[x].shape[-1] + before + after
    return built.op("PAD", (x, paddings), NoOptions(), built.tensor(channels))


def added(built: Building, x: int, y: int) -> int:
    return built.op("ADD", (x, y), AddOptions(), built.tensor(built.tensors[x].shape[-1]))


def sliced(built: Building, x: int, begin: int, end: int) -> int:
    bounds = (built.tensor(0, np.asarray([0, 0, 0, v], np.int32)) for v in (begin, end))
    strides = built.tensor(0, np.ones(4, np.int32))
    options = StridedSliceOptions(begin_mask=7, end_mask=7)
    return built.op("STRIDED_SLICE", (x, *bounds, strides), options, built.tensor(end - begin))


def check(built: Building, outputs: tuple[int, ...], kinds: list[str]) -> None:
    graph = built.graph(*outputs)
    changed = apart(graph)
    assert sorted(op.kind for op in changed.ops) == sorted(kinds)
    inputs = [normal(seed=seed, channels=graph.tensors[i].shape[-1]) for seed, i in enumerate(graph.inputs)]
    expected, found = _outputs(graph, inputs), _outputs(changed, inputs)
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(other, one)


def _outputs(graph: Graph, inputs: list[Array]) -> list[Array]:
    values = trace(graph, inputs)
    return [values[i] for i in graph.outputs]


def test_a_sum_with_a_padded_branch_is_a_sum_with_the_branch_beside_it_however_often() -> None:
    built = Building()
    x = built.join(built.image(8), built.image(4))
    x = added(built, x, padded(built, built.image(4), 8))
    x = built.join(x, built.image(2))
    x = added(built, padded(built, built.image(4), 8, 2), x)
    check(built, (x,), ["ADD", "ADD", "CONCATENATION"])


@pytest.mark.parametrize(("begin", "end", "kinds"), [(8, 12, []), (0, 12, ["CONCATENATION"]), (7, 12, None)])
def test_a_slice_of_whole_branches_is_these(begin: int, end: int, kinds: list[str] | None) -> None:
    built = Building()
    x = built.join(built.image(8), built.image(4), built.image(2))
    y = sliced(built, x, begin, end)
    z = added(built, y, y)
    check(built, (z,), ["ADD", *(["CONCATENATION", "STRIDED_SLICE"] if kinds is None else kinds)])


def test_a_split_between_branches_gives_them_and_one_through_a_branch_stays() -> None:
    built = Building()
    x = built.join(built.image(4), built.image(2), built.image(2))
    axis = built.tensor(0, np.asarray(3, np.int32))
    halves = built.tensor(4), built.tensor(4)
    built.ops.append(_split((axis, x), halves))
    fourths = tuple(built.tensor(2) for _ in range(4))
    built.ops.append(_split((axis, x), fourths))
    check(built, (*halves, *fourths), ["CONCATENATION"] * 3 + ["SPLIT"])


def _split(inputs: tuple[int, ...], outputs: tuple[int, ...]) -> Op:
    return Op("SPLIT", inputs, outputs, SplitOptions(len(outputs)))


def test_sums_that_do_not_fit_a_branch_stay() -> None:
    built = Building()
    x = built.join(built.image(8), built.image(4))
    y = added(built, x, padded(built, built.image(4), 6, 2))
    z = added(built, y, padded(built, built.image(8), 4))
    graph = built.graph(z)
    assert apart(graph) is graph
