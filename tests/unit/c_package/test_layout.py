"""Chains of layers that trail over their inputs: the arena stays near the most that is live, moves are right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebnn.converters.c_package.generate import generate
from edgebnn.graph.types import Graph
from edgebnn.kernels.cores import PORTABLE
from tests.support.c_packages import assert_equal_to_reference, compile_package, compile_packages
from tests.support.w1a8_graphs import ConvLayer, chain, conv_pair


def depthwise_chain(length: int, size: tuple[int, int] = (12, 9), channels: int = 8) -> Graph:
    """Depthwise int8 layers, one behind the other."""
    layer = ConvLayer(size=size, inputs=channels, outputs=1, depthwise=True)
    return chain([conv_pair(layer, seed)[0] for seed in range(length)])


def test_a_chain_of_depthwise_layers_needs_one_tensor_and_a_few_rows(tmp_path: Path) -> None:
    graph = depthwise_chain(8)
    compiled = compile_package(graph, tmp_path)
    package = compiled.package
    assert "eb_move(" in package.files["net.c"]
    assert package.arena_bytes <= 1.05 * package.arena_lower_bound
    x = np.random.default_rng(0).integers(-128, 128, (1, 12, 9, 8)).astype(np.int8)
    assert_equal_to_reference(compiled, graph, x)
    assert compiled.selftest() == 0


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
