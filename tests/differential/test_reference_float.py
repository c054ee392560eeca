"""The reference executor agrees with LiteRT's reference kernels in float32, up to the order of summation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebnn.graph.execute import run
from edgebnn.graph.types import DType
from tests.support.op_cases.tables import COMMON, FLOAT_ONLY
from tests.support.oracles import litert_run

STRATEGIES = {**COMMON, **FLOAT_ONLY}


@pytest.mark.parametrize("kind", STRATEGIES)
@given(data=st.data())
def test_float_results_are_those_of_litert_up_to_rounding(kind: str, data: st.DataObject) -> None:
    case = data.draw(STRATEGIES[kind](DType.FLOAT32))
    for ours, theirs in zip(run(case.graph, case.inputs), litert_run(case.graph, case.inputs), strict=True):
        assert ours.dtype == theirs.dtype
        largest = max((float(np.abs(x).max(initial=0)) for x in case.inputs if x.dtype == np.float32), default=1.0)
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-5 * max(1.0, largest))
