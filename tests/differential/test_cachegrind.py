"""Predicted references and misses against valgrind's cachegrind: a part of what tools/bench/cachegrind.py compares."""

from __future__ import annotations

import shutil

import pytest

from edgebnn.machine import processor
from tools.bench.cachegrind import BARS, PACKAGE, Layer, Program, compare, rank_correlation, schedules_of

LAYERS = (
    Layer(14, 128, 64, output="int8"),
    Layer(10, 256, 96, filter=1),
    Layer(16, 64, 40, stride=2, zeros=True),
    Layer(12, 64, 64, groups=2, output="packed"),
    Layer(12, 64, 64, output="int8", operation="w1a8"),
    Layer(10, 40, 48, stride=2, output="int8", operation="w1a8"),
)

pytestmark = [
    pytest.mark.skipif(shutil.which("valgrind") is None, reason=f"not installed: apt-get install {PACKAGE}"),
    pytest.mark.skipif(shutil.which("objdump") is None, reason="not installed: apt-get install binutils"),
    pytest.mark.skipif(processor() not in ("x86_64", "amd64"), reason="references are known of x86-64 kernels"),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return Program.compiled(tmp_path_factory.mktemp("cachegrind"))


@pytest.mark.parametrize("operation", ["bconv2d", "w1a8"])
def test_predictions_keep_their_bars_and_rank_schedules(program: Program, operation: str) -> None:
    found = [
        comparison
        for layer in LAYERS
        if layer.operation == operation
        for comparison in compare(program, layer, schedules_of(layer, "portable"), ["pi3"])
    ]
    for comparison in found:
        within = [abs(error) <= bar for error, bar in zip(comparison.errors, BARS, strict=True)]
        assert all(within), comparison
    costs = [(c.cost(c.predicted), c.cost(c.counted)) for c in found]
    assert rank_correlation(*zip(*costs, strict=True)) >= 0.9


def test_the_same_counts_on_every_run(program: Program) -> None:
    schedules = schedules_of(LAYERS[1], "portable")[:1]
    first, second = (list(compare(program, LAYERS[1], schedules, ["pi4"])) for _ in range(2))
    assert first == second


def test_ranks_share_those_of_equals() -> None:
    assert rank_correlation([1, 2, 2, 3], [10, 20, 20, 30]) == pytest.approx(1)
    assert rank_correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
