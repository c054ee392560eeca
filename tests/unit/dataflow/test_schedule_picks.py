"""What schedules cost, and which are picked: counts that follow from the loops, and the least of all candidates."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgebnn.dataflow import kernel_costs
from edgebnn.dataflow.kernel_costs import terms
from edgebnn.dataflow.schedule_picks import picks
from edgebnn.graph.ops.enums import Activation, Padding
from edgebnn.kernels.schedules import LayerSchedule
from edgebnn.kernels.spaces import LayerShape, spaces
from edgebnn.kernels.tables import lines
from tests.support.binary_cases import ConvCase, conv_graph

ONES = (1, 1)
CASE = ConvCase(1, (16, 16), (3, 3), ONES, ONES, Padding.SAME, 1, 1, 32, 64, Activation.NONE, "float32", 1)
SHAPE = LayerShape("bconv2d", 1, (16, 16), (16, 16), (3, 3), ONES, ONES, 32, 64, 1, "float32", padded=True)
W1A8 = replace(SHAPE, operation="w1a8", output_type="int8")
MACHINES = ("pi4", "pi5", "pi-zero-2w", "host")


def point(kernel: str, order: str, **tiles: int) -> LayerSchedule:
    return LayerSchedule(0, "y", kernel, order, tiles)


def test_weights_that_stay_have_windows_gathered_for_each_chunk() -> None:
    once = terms(SHAPE, point("neon64", "os", pixels=32, blocks=1))
    again = terms(SHAPE, point("neon64", "ws", pixels=32, blocks=1))
    inner = 16 * 14 * 9  # of 16 columns, 14 lie within the image
    assert (once["gathered word"], again["gathered word"]) == (inner, 2 * inner)
    assert once["edge tap"] == 16 * 2 * 9
    assert once["word"] == again["word"] == 256 // 4 * 4 * 9


def test_the_last_pixels_of_a_tile_go_alone() -> None:
    found = terms(replace(SHAPE, out_size=(7, 7), in_size=(7, 7)), point("neon64", "os", pixels=48, blocks=1))
    assert (found["step"], found["rest"]) == (12 * 4, 1 * 4)


def test_rows_are_staged_once_for_a_tile() -> None:
    tall = terms(SHAPE, point("neon64rs", "rs", rows=16, blocks=2))
    flat = terms(SHAPE, point("neon64rs", "rs", rows=1, blocks=2))
    assert (tall["line"], flat["line"]) == (18, 48)
    assert tall["step"] == flat["step"] == 16 * 4 * 8  # rows, steps of 4 pixels, pairs of vectors of 4
    assert tall["3 shared pixel"] == 16 * 16 * 8


def test_w1a8_rows_are_staged_again_for_each_part() -> None:
    once = terms(W1A8, point("neon64", "os", rows=4, blocks=1))
    again = terms(W1A8, point("neon64", "ws", rows=4, blocks=1))
    assert (once["staged pixel"], again["staged pixel"]) == (16 * 18, 2 * 16 * 18)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("shape", [SHAPE, W1A8, replace(SHAPE, in_channels=256), replace(W1A8, depthwise=True)])
def test_every_candidate_costs_something(machine: str, shape: LayerShape) -> None:
    costs = kernel_costs.of(machine)
    assert costs is not None
    kernels = costs.kernels(shape.operation, machine)
    assert kernels
    for space in spaces(shape, kernels):
        for candidate in space.candidates(0, "y"):
            assert shape.depthwise or costs.cost(shape, candidate) > 0


def test_every_cost_is_of_something_that_is_counted() -> None:
    names: dict[str, set[str]] = {"bconv2d": set(), "w1a8": set()}
    for taps in (1, 3, 5):
        for channels in (32, 64, 96):
            for stride in (1, 2):
                for output in ("float32", "int8", "int32"):
                    for base in (SHAPE, W1A8):
                        shape = replace(
                            base,
                            filter_size=(taps, taps),
                            in_channels=channels,
                            out_channels=72,
                            stride=(stride, stride),
                            output_type="int8" if base is W1A8 else output,
                        )
                        known = [line.name for line in lines(shape.operation)]
                        for space in spaces(shape, known):
                            for candidate in space.candidates(0, "y"):
                                names[shape.operation] |= set(terms(shape, candidate))
    for costs in kernel_costs.load():
        for operation, kernels in costs.once.items():
            for once in kernels.values():
                assert set(once) <= names[operation]
                assert all(value > 0 for value in once.values())


@pytest.mark.parametrize("machine", MACHINES)
def test_the_cheapest_is_picked(machine: str) -> None:
    (pick,) = picks(conv_graph(CASE, CASE.operands()), machine)
    costs = kernel_costs.of(machine)
    assert costs is not None
    found = [
        costs.cost(SHAPE, candidate)
        for space in spaces(SHAPE, costs.kernels("bconv2d", machine))
        for candidate in space.candidates(0, "y")
    ]
    assert pick.cost == min(found)
    assert pick.candidates == len(found)
    assert pick.runner_up is not None
    assert pick.runner_up[1] >= pick.cost
    assert pick.json()["runner_up"]["kernel"] == pick.runner_up[0].kernel


def test_rows_are_held_where_channels_are_few_on_a_pi() -> None:
    (pick,) = picks(conv_graph(CASE, CASE.operands()), "pi4")
    assert (pick.schedule.kernel, pick.schedule.dataflow) == ("neon64rs", "rs")
    many = replace(CASE, channels_in=128)
    (pick,) = picks(conv_graph(many, many.operands()), "pi4")
    assert pick.schedule.kernel == "neon64"


def test_only_kernels_that_run_are_picked() -> None:
    graph = conv_graph(CASE, CASE.operands())
    (pick,) = picks(graph, "pi4", {"bconv2d": ("neon64",), "w1a8": ()})
    assert pick.schedule.kernel == "neon64"
    assert picks(graph, "pi4", {"bconv2d": ("portable",), "w1a8": ()}) == ()
    assert picks(graph, "eyeriss") == ()
