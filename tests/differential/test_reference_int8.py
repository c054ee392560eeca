"""The reference executor agrees with LiteRT's reference kernels bit for bit on every op that has an int8 form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebnn.graph.execute import run
from edgebnn.graph.types import DType
from tests.support.op_cases import COMMON
from tests.support.oracles import litert_run


@pytest.mark.parametrize("kind", COMMON)
@given(data=st.data())
def test_int8_results_are_those_of_litert_bit_for_bit(kind: str, data: st.DataObject) -> None:
    case = data.draw(COMMON[kind](DType.INT8))
    for ours, theirs in zip(run(case.graph, case.inputs), litert_run(case.graph, case.inputs), strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
