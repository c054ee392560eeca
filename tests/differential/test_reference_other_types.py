"""The reference executor agrees exactly with LiteRT where results are integers or truth values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebnn.graph.execute import run
from edgebnn.graph.ops import OPS
from edgebnn.graph.types import DType
from tests.support.op_cases.base import Case
from tests.support.op_cases.tables import COMMON, FLOAT_ONLY, INTEGERS, OF_SEVERAL_TYPES
from tests.support.oracles import litert_run


def assert_equal(case: Case) -> None:
    for ours, theirs in zip(run(case.graph, case.inputs), litert_run(case.graph, case.inputs), strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("kind", OF_SEVERAL_TYPES)
@given(data=st.data())
def test_results_are_those_of_litert_exactly(kind: str, data: st.DataObject) -> None:
    assert_equal(data.draw(OF_SEVERAL_TYPES[kind]))


@pytest.mark.parametrize("kind", INTEGERS)
@given(data=st.data())
def test_int32_results_are_those_of_litert(kind: str, data: st.DataObject) -> None:
    assert_equal(data.draw(INTEGERS[kind](DType.INT32)))


def test_every_op_is_compared_with_an_oracle() -> None:
    compared = {*COMMON, *FLOAT_ONLY, *OF_SEVERAL_TYPES}
    assert {kind for kind, entry in OPS.items() if not entry.custom} == compared
