"""Every schedule of W1A8 and int8 convolutions on simulated cores: the reference's bits, and about the predicted
instructions; and the planner's picks against all schedules, counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from edgebnn.converters.c_package.lowering import choices
from edgebnn.converters.c_package.lowering.choices import Choices
from edgebnn.graph.execute import run
from edgebnn.graph.opdef import op_view
from edgebnn.graph.ops.enums import Padding
from edgebnn.graph.types import Graph
from edgebnn.kernels.cores import CORES, PORTABLE, VECTOR_CORES
from tests.support.simulated_packages import SimulatedPackages
from tests.support.w1a8_graphs import ConvLayer, conv_pair
from tools.bench.layers import Layer
from tools.bench.schedules_cortex_m import PACKED, Case, count

_SMALL = st.integers(1, 3)


@st.composite
def layers(draw: st.DrawFn) -> Graph:
    """A W1A8 or an int8 convolution: grouped, dilated, with strides."""
    groups, padding = draw(st.sampled_from([1, 1, 2])), draw(st.sampled_from(Padding))
    sizes = st.integers(1 if padding == Padding.SAME else 5, 9)
    layer = ConvLayer(
        size=draw(st.tuples(sizes, sizes)),
        filter=draw(st.tuples(_SMALL, _SMALL)),
        stride=draw(st.tuples(_SMALL, _SMALL)),
        dilation=draw(st.tuples(st.integers(1, 2), st.integers(1, 2))),
        padding=padding,
        groups=groups,
        inputs=draw(st.sampled_from([1, 3, 4, 8, 12, 33])),
        outputs=draw(st.integers(1, 9)),
    )
    return conv_pair(layer, draw(st.integers(0, 1000)))[draw(st.integers(0, 1))]


def drawn(count: int) -> list[Graph]:
    graphs: list[Graph] = []

    @settings(max_examples=count, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(layers())
    def draw(graph: Graph) -> None:
        graphs.append(graph)

    draw()
    return graphs


def space(graph: Graph, core: str) -> Choices:
    found = choices(op_view(graph, 0), CORES[core])
    assert found is not None
    return found


@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m3", "cortex-m0plus"])
def test_every_schedule_gives_the_same_bits(core: str) -> None:
    points = [(graph, c.schedule) for graph in drawn(16) for c in space(graph, core).candidates]
    fast = {"conv_w1a8_dsp", "conv_int8_dsp"} if CORES[core].dsp else {"conv_int8_words"}
    assert {point.kernel for _, point in points} == {"conv_w1a8", "conv_int8", "conv_w1a8_lookup", *fast}
    graphs = [graph for graph, _ in points]
    packages = SimulatedPackages(graphs, core, schedules=[[replace(point, op=0)] for _, point in points])
    for number, graph in enumerate(graphs):
        x = np.random.default_rng(number).integers(-128, 128, graph.tensors[0].shape, np.int8)
        (found,), _ = packages.invoke(number, x)
        np.testing.assert_array_equal(found, run(graph, (x,))[0])


def test_every_core_has_a_pick_for_every_layer() -> None:
    """Costs are known of all that a kernel does."""
    cores = (*CORES.values(), *VECTOR_CORES.values(), PORTABLE)
    for graph in drawn(8):
        for core in cores:
            found = choices(op_view(graph, 0), core)
            assert found is not None
            assert min(candidate.instructions for candidate in found.candidates) > 0
            assert found.pick.cost == min(candidate.cost for candidate in found.candidates)
            assert (found.runner_up is None) == (len(found.spaces) == 1)


BINARY = (Layer(16, 8, 8), Layer(12, 32, 16), Layer(8, 64, 64), Layer(3, 64, 64), Layer(10, 16, 8, stride=2))


@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m0plus"])
def test_picks_are_near_the_best_of_all_schedules(core: str) -> None:
    """By exact counts, which predictions meet within a tenth where it matters."""
    cases = [
        *(Case("binary", layer, PACKED) for layer in BINARY),
        Case("w1a8", Layer(8, 16, 16)),
        Case("int8", BINARY[1]),
    ]
    for one in count(cases, CORES[core]):
        picked, instructions = one.picked
        assert instructions <= 1.08 * one.best[1], one.case.name
        assert abs(picked.instructions / instructions - 1) < 0.1, one.case.name
