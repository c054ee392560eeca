"""Ops that move elements: how few copies describe them. That these are the op, blocks_of itself proves each time, and
tests/differential/test_c_package_ops.py shows on compiled packages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebnn.converters.c_package.lowering.move import move
from edgebnn.converters.c_package.program import Alias, Step
from edgebnn.converters.c_package.strided import FILL, Map, blocks_of, runs_of
from edgebnn.errors import UnsupportedOpError
from edgebnn.graph.opdef import op_view
from edgebnn.graph.ops.resize import ResizeNearestNeighborOptions
from edgebnn.graph.ops.shape_ops import ConcatenationOptions, GatherOptions
from edgebnn.graph.ops.slicing import DepthToSpaceOptions, SpaceToDepthOptions
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import DType, Options, Tensor
from edgebnn.kernels.cores import PORTABLE
from tests.support.graphs import constant, one_op, tensor

IMAGE = tensor("x", (1, 16, 16, 8))


def numbers(values: object, name: str = "argument") -> Tensor:
    return constant(name, np.asarray(values, np.int32))


def step_of(kind: str, options: Options, inputs: Sequence[Tensor]) -> Step | Alias:
    found = move(op_view(one_op(kind, options, inputs, [tensor("y", ())]), 0), PORTABLE)
    assert isinstance(found, (Step, Alias))
    return found


@pytest.mark.parametrize(
    ("kind", "options", "inputs", "blocks"),
    [
        ("TRANSPOSE", NoOptions(), [IMAGE, numbers([0, 3, 1, 2])], 1),
        ("TRANSPOSE", NoOptions(), [IMAGE, numbers([0, 2, 1, 3])], 1),
        ("PAD", NoOptions(), [IMAGE, numbers([[0, 0], [1, 2], [1, 2], [0, 0]])], 5),
        ("CONCATENATION", ConcatenationOptions(axis=3), [IMAGE, tensor("z", (1, 16, 16, 4))], 2),
        ("TILE", NoOptions(), [IMAGE, numbers([1, 3, 3, 1])], 1),
        ("SPACE_TO_DEPTH", SpaceToDepthOptions(2), [IMAGE], 1),
        ("DEPTH_TO_SPACE", DepthToSpaceOptions(2), [IMAGE], 1),
        ("SPACE_TO_BATCH_ND", NoOptions(), [IMAGE, numbers([2, 2]), numbers([[0, 0], [0, 0]], "edges")], 1),
        (
            "BATCH_TO_SPACE_ND",
            NoOptions(),
            [tensor("x", (4, 8, 8, 8)), numbers([2, 2]), numbers([[0, 0], [0, 0]], "edges")],
            1,
        ),
        ("RESIZE_NEAREST_NEIGHBOR", ResizeNearestNeighborOptions(), [IMAGE, numbers([32, 32])], 1),
    ],
)
def test_regular_movements_are_few_copies(kind: str, options: Options, inputs: list[Tensor], blocks: int) -> None:
    step = step_of(kind.replace("TRANSPOSE", "TRANSPOSE"), options, inputs)
    assert isinstance(step, Step)
    assert step.function == "eb_move"
    assert step.layer.fields["blocks"] == blocks


def test_rows_in_any_order_are_a_table_of_rows() -> None:
    rows = np.random.default_rng(0).permutation(16).tolist()
    step = step_of("GATHER", GatherOptions(axis=1), [IMAGE, numbers(rows)])
    assert isinstance(step, Step)
    assert step.function == "eb_move_table"
    assert step.layer.fields["runs"] == 16
    assert step.layer.fields["bytes"] == 16 * 8 * 4


def test_what_moves_nothing_costs_nothing() -> None:
    assert step_of("SLICE", NoOptions(), [IMAGE, numbers([0, 0, 0, 0]), numbers([-1, -1, -1, -1], "size")]) == Alias(0)


def test_a_computed_place_is_refused_by_name() -> None:
    inputs = [IMAGE, tensor("begin", (4,), DType.INT32), numbers([1, 1, 1, 1], "size")]
    view = op_view(
        one_op("SLICE", NoOptions(), [IMAGE, numbers([0, 0, 0, 0]), numbers([1, 1, 1, 1], "size")], [tensor("y", ())]),
        0,
    )
    computed = type(view)(view.name, view.op, (inputs[0], inputs[1], inputs[2]), view.outputs)
    with pytest.raises(UnsupportedOpError, match="layer 'y': SLICE with computed argument 'begin' is not supported"):
        move(computed, PORTABLE)


@given(st.lists(st.integers(-1, 11), min_size=1, max_size=24))
def test_any_map_is_told_as_it_is(entries: list[int]) -> None:
    """Each way, read back: blocks_of compares by itself, and raises where they differ."""
    element = np.asarray(entries, np.int64)
    found = Map(np.where(element < 0, FILL, 0), np.maximum(element, 0))
    assert blocks_of(found, len(entries)) is not None
    run, places = runs_of(found)
    back = np.where(places[:, None] == FILL, FILL, places[:, None] + np.arange(run)).reshape(-1)
    np.testing.assert_array_equal(back, element)
