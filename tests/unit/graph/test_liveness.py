from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebnn.converters.read_tflite import read
from edgebnn.graph.liveness import (
    ALIGNMENT,
    arena_lower_bound_bytes,
    live_ranges,
    peak_arena_bytes,
    plan_arena,
)
from edgebnn.graph.ops.elementwise import AddOptions
from edgebnn.graph.types import DType, Graph, Op, Options, Tensor
from tests.support.data import data_file
from tests.support.graphs import chain, tensor
from tests.support.topologies import TOPOLOGIES, lce_bytes


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Ops of any kind that each read up to three earlier tensors and write one of any size."""
    count = draw(st.integers(1, 12))
    sizes = draw(st.lists(st.integers(1, 500), min_size=count + 1, max_size=count + 1))
    tensors = tuple(Tensor(f"t{i}", (size,), DType.INT8) for i, size in enumerate(sizes))
    ops = tuple(
        Op("ADD", tuple(draw(st.lists(st.integers(0, i), min_size=1, max_size=3))), (i + 1,), Options())
        for i in range(count)
    )
    outputs = tuple(draw(st.sets(st.integers(1, count), min_size=1, max_size=2)))
    return Graph("random", tensors, ops, (0,), outputs)


@given(graphs())
def test_tensors_that_are_live_together_never_overlap_in_the_arena(graph: Graph) -> None:
    offsets = dict(plan_arena(graph).offsets)
    ranges = live_ranges(graph)
    assert {live.tensor for live in ranges} == set(offsets)
    for one, other in combinations(ranges, 2):
        if one.overlaps(other):
            apart = offsets[one.tensor] + one.bytes <= offsets[other.tensor]
            assert apart or offsets[other.tensor] + other.bytes <= offsets[one.tensor]


@given(graphs())
def test_the_arena_lies_between_the_lower_bound_and_the_sum_of_all_tensors(graph: Graph) -> None:
    total = sum(live.bytes for live in live_ranges(graph))
    assert arena_lower_bound_bytes(graph) <= peak_arena_bytes(graph) <= total
    assert all(offset % ALIGNMENT == 0 for _, offset in plan_arena(graph).offsets)


def test_a_chain_needs_its_two_largest_neighbours() -> None:
    a, b, c, d = (tensor(name, (1, size)) for name, size in (("a", 1), ("b", 100), ("c", 200), ("d", 3)))
    graph = chain([("ADD", AddOptions(), (x, x), (y,), 1) for x, y in ((a, b), (b, c), (c, d))])
    sized = Graph(graph.name, (a, b, c, d), graph.ops, graph.inputs, graph.outputs)
    assert peak_arena_bytes(sized) == arena_lower_bound_bytes(sized) == 400 + 800


def test_a_shortcut_keeps_its_tensor_alive_and_outputs_live_to_the_end() -> None:
    x, y, z, out = (tensor(name, (1, 4)) for name in ("x", "y", "z", "out"))
    graph = chain([("ADD", AddOptions(), pair, (t,), 1) for pair, t in (((x, x), y), ((y, y), z), ((x, z), out))])
    ranges = {graph.tensors[live.tensor].name: (live.first, live.last) for live in live_ranges(graph)}
    assert ranges == {"x": (0, 2), "y": (0, 1), "z": (1, 2), "out": (2, 2)}


@pytest.mark.parametrize(("name", "head"), [("pretrainedResnet_quant", 49_152), ("kws_ref_model", 16_000)])
def test_the_arena_is_that_of_tflite_micro(name: str, head: int) -> None:
    """``head`` is the "Arena allocation head" that TensorFlow Lite Micro (wheel of 2026-10-23) prints for the file."""
    assert peak_arena_bytes(read(data_file(f"mlperf_tiny/{name}.tflite"))) == head


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_whole_models_fit_the_plan(name: str) -> None:
    graph = read(lce_bytes(name))
    assert arena_lower_bound_bytes(graph) <= peak_arena_bytes(graph) < 1.3 * arena_lower_bound_bytes(graph)
