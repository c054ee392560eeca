"""What each op says of the axis of the samples holds: samples change places together, and none sees another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebnn.errors import EdgebnnError
from edgebnn.graph.execute import run
from edgebnn.graph.opdef import op_view
from edgebnn.graph.ops import OPS
from edgebnn.graph.types import Array, DType, Graph
from tests.support.op_cases.base import Case
from tests.support.op_cases.tables import COMMON, FLOAT_ONLY, OF_SEVERAL_TYPES

STRATEGIES = {
    **{f"{kind} float": strategy(DType.FLOAT32) for kind, strategy in {**COMMON, **FLOAT_ONLY}.items()},
    **{f"{kind} int8": strategy(DType.INT8) for kind, strategy in COMMON.items()},
    **OF_SEVERAL_TYPES,
}


def taken(array: Array, axis: int | None, order: Array) -> Array:
    return array if axis is None else np.take(array, order, axis=axis)


def placed(arrays: Sequence[Array], number: int, axis: int) -> list[int | None]:
    """Samples along an axis of one input, and along the same one, from the right, of others that have as many there."""
    place, count = axis - arrays[number].ndim, arrays[number].shape[axis]
    return [a.ndim + place if a.ndim >= -place and a.shape[place] == count else None for a in arrays]


@pytest.mark.parametrize("name", STRATEGIES)
@settings(max_examples=12)
@given(data=st.data())
def test_samples_change_places_together_and_none_sees_another(name: str, data: st.DataObject) -> None:
    case: Case = data.draw(STRATEGIES[name])
    number = data.draw(st.integers(0, len(case.inputs) - 1)) if case.inputs else 0
    for axis in range(case.inputs[number].ndim if case.inputs else 0):
        if case.inputs[number].shape[axis] > 1:
            check(case.graph, case.inputs, placed(case.inputs, number, axis))


def check(graph: Graph, inputs: Sequence[Array], places: Sequence[int | None]) -> None:
    view = op_view(graph, 0)
    by_tensor = dict(zip(graph.inputs, places, strict=True))
    try:
        found = OPS[view.op.kind].batch(view, tuple(by_tensor.get(index) for index in view.op.inputs))
    except EdgebnnError:  # an argument that is not known before the graph runs
        return
    if found is None:
        return
    (count,) = {a.shape[place] for a, place in zip(inputs, places, strict=True) if place is not None}
    order = np.random.default_rng(0).permutation(count)
    before = run(graph, inputs)
    moved = [taken(a, place, order) for a, place in zip(inputs, places, strict=True)]
    for one, other, axis in zip(before, run(graph, moved), found, strict=True):
        assert axis is not None
        assert one.shape[axis] == count
        np.testing.assert_allclose(other, taken(one, axis, order), rtol=1e-4, atol=1e-5)
    rest = np.arange(1, count)
    repeated = np.r_[rest[:1], rest]  # the first sample becomes the second
    changed = [taken(a, place, repeated) for a, place in zip(inputs, places, strict=True)]
    for one, other, axis in zip(before, run(graph, changed), found, strict=True):
        np.testing.assert_allclose(taken(other, axis, rest), taken(one, axis, rest), rtol=1e-4, atol=1e-5)
