"""Paired timing, with a clock that is moved by hand."""

from __future__ import annotations

import pytest

from edgebnn.runtime.timing import Times, measure, paired


class Clock:
    """Advances by what is done, and by drift: everything takes longer the later it is."""

    def __init__(self, drift: float = 0.0) -> None:
        self.now = 0.0
        self.drift = drift
        self.calls: list[str] = []

    def __call__(self) -> float:
        return self.now

    def work(self, name: str, seconds: float) -> None:
        self.calls.append(name)
        self.now += seconds * (1 + self.drift * self.now)


def test_ratio_is_theirs_by_ours() -> None:
    clock = Clock()
    times = paired(lambda: clock.work("a", 0.01), lambda: clock.work("b", 0.03), repeats=5, clock=clock)
    assert times.ours.median_ms == pytest.approx(10)
    assert times.theirs.median_ms == pytest.approx(30)
    assert times.ratio == pytest.approx(3)
    assert times.ratio_spread == pytest.approx(0, abs=1e-9)


def test_the_order_alternates_so_that_drift_cancels() -> None:
    clock = Clock(drift=1.0)
    times = paired(lambda: clock.work("a", 0.01), lambda: clock.work("b", 0.01), repeats=10, clock=clock)
    assert clock.calls[4:10] == ["a", "b", "b", "a", "a", "b"]
    assert times.ratio == pytest.approx(1, abs=1e-3)


def test_short_calls_are_gathered_into_samples() -> None:
    clock = Clock()
    times = measure(lambda: clock.work("a", 1e-5), repeats=3, clock=clock)
    assert times.median_ms == pytest.approx(0.01)
    assert len(clock.calls) >= 3 * 199


def test_spread_is_the_interquartile_range() -> None:
    assert Times((1.0, 2.0, 3.0, 4.0, 100.0)).spread_ms == pytest.approx(2.0)
