"""Cases drawn before they are used, for tests that compile many at once."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, given, settings

from edgebnn.graph.types import DType
from tests.support.op_cases.base import Case
from tests.support.op_cases.tables import COMMON


def drawn(kind: str, count: int) -> list[Case]:
    """int8 cases of an op; the first is the simplest there is."""
    cases: list[Case] = []

    @settings(max_examples=count, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(COMMON[kind](DType.INT8))
    def draw(case: Case) -> None:
        cases.append(case)

    draw()
    return cases
