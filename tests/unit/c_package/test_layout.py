"""Chains of layers that trail over their inputs: the arena stays near the most that is live, moves are right."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebnn import kernels
from edgebnn.converters.c_package.generate import generate
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import Graph, Op
from edgebnn.kernels.cores import PORTABLE
from tests.support.c_packages import assert_equal_to_reference, compile_package, compile_packages
from tests.support.graphs import constant
from tests.support.w1a8_graphs import ConvLayer, chain, conv_pair

CORE = Path(kernels.__file__).parent / "core"


def depthwise_chain(length: int, size: tuple[int, int] = (12, 9), channels: int = 8) -> Graph:
    """Depthwise int8 layers, one behind the other."""
    layer = ConvLayer(size=size, inputs=channels, outputs=1, depthwise=True)
    return chain([conv_pair(layer, seed)[0] for seed in range(length)])


def test_a_chain_of_depthwise_layers_needs_one_tensor_and_a_few_rows(tmp_path: Path) -> None:
    graph = depthwise_chain(8)
    compiled = compile_package(graph, tmp_path)
    package = compiled.package
    assert "eb_move_bytes(" in package.files["net.c"]
    assert package.arena_bytes <= 1.05 * package.arena_lower_bound
    x = np.random.default_rng(0).integers(-128, 128, (1, 12, 9, 8)).astype(np.int8)
    assert_equal_to_reference(compiled, graph, x)
    assert compiled.selftest() == 0


def transposed(graph: Graph) -> Graph:
    """With height and width of its output exchanged."""
    (last,) = graph.outputs
    before = graph.tensors[last]
    count, height, width, channels = before.shape
    order = constant("order", np.asarray([0, 2, 1, 3], np.int32))
    after = replace(before, name="after", shape=(count, width, height, channels))
    number = len(graph.tensors)
    op = Op("TRANSPOSE", (last, number), (number + 1,), NoOptions())
    return replace(graph, tensors=(*graph.tensors, order, after), ops=(*graph.ops, op), outputs=(number + 1,))


def test_moves_in_the_arena_beside_an_op_that_moves_elements(tmp_path: Path) -> None:
    graph = transposed(depthwise_chain(8))
    compiled = compile_package(graph, tmp_path)
    assert {"eb_move_bytes", "eb_move"} <= set(re.findall(r"\b(eb_\w+)\(", compiled.package.files["net.c"]))
    assert_equal_to_reference(compiled, graph, np.random.default_rng(0).integers(-128, 128, (1, 12, 9, 8), np.int8))


def test_a_name_is_of_one_function_in_all_of_core() -> None:
    """Any kernels may be compiled together."""
    declared = [
        (name, path.name)
        for path in sorted(CORE.glob("*.h"))
        for name in set(re.findall(r"^(?!static)\w[\w *]*\b(eb_\w+)\([^;{]*\);", path.read_text(), re.MULTILINE))
    ]
    assert len(declared) > 50
    assert [name for name, count in Counter(name for name, _ in declared).items() if count > 1] == []


@settings(max_examples=6)
@given(st.lists(st.tuples(st.integers(2, 7), st.integers(1, 2), st.integers(1, 9)), min_size=2, max_size=5))
def test_whatever_overlaps_gives_the_same_answers(layers: list[tuple[int, int, int]]) -> None:
    """Convolutions whose sizes rise and fall, compiled together."""
    import tempfile

    graphs = []
    height, channels = 9, 4
    parts = []
    for seed, (_, stride, outputs) in enumerate(layers):
        layer = ConvLayer(size=(height, 5), stride=(stride, 1), inputs=channels, outputs=outputs)
        parts.append(conv_pair(layer, seed)[0])
        height, channels = -(-height // stride), outputs
    graphs.append(chain(parts))
    with tempfile.TemporaryDirectory() as folder:
        (compiled,) = compile_packages([generate(graphs[0], PORTABLE, "net")], Path(folder), ("-O1", "-g0"))
        x = np.random.default_rng(1).integers(-128, 128, (1, 9, 5, 4)).astype(np.int8)
        assert_equal_to_reference(compiled, graphs[0], x)
