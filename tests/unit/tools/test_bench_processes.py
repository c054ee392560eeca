"""The benchmarks that compare processes, on a small model."""

from __future__ import annotations

import importlib.util
import math
import multiprocessing
import sys

import pytest

from edgebnn.converters.write_tflite import to_bytes
from edgebnn.graph.types import DType
from tools.bench import memory, threads
from tools.bench.layers import Layer, binary

MODEL = to_bytes(binary(Layer(16, 256, 2048)))


def test_two_threads_are_compared_with_two_copies() -> None:
    before = set(multiprocessing.active_children())
    result = threads.compare("small", MODEL, rounds=2, seconds=0.05)
    assert result.model == "small"
    assert all(math.isfinite(value) for value in (result.two_threads, result.two_copies, result.ratio, result.cores))
    assert set(multiprocessing.active_children()) == before, "both copies have ended"
    assert "| small |" in threads.markdown([result], 2, 0.5)


def test_ratios_are_those_of_rounds_not_of_medians() -> None:
    """The machine slows down and speeds up: a round's measurements share its speed, medians do not."""
    result = threads.result_of("net", [(90.0, 100.0, 50.0), (9.0, 10.0, 6.25), (160.0, 200.0, 100.0)])
    assert (result.two_threads, result.two_copies) == (90.0, 100.0)
    assert result.ratio == pytest.approx(0.9)
    assert result.cores == pytest.approx(2.0)


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read from /proc")
def test_growth_of_memory_is_at_least_what_a_network_writes() -> None:
    if importlib.util.find_spec("larq_compute_engine") is None:
        pytest.skip("the larq-compute-engine wheel is not installed")
    result = memory.compare("small", MODEL, rounds=1)
    output_mib = 16 * 16 * 2048 * 4 / 2**20
    assert result.ours_mib > output_mib
    assert result.lce_mib is not None
    assert result.lce_mib > output_mib
    assert "| small |" in memory.markdown([result], 1)


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read from /proc")
def test_a_file_that_lce_refuses_has_ours_alone(capsys: pytest.CaptureFixture[str]) -> None:
    if importlib.util.find_spec("larq_compute_engine") is None:
        pytest.skip("the larq-compute-engine wheel is not installed")
    padded_with_zeros = binary(Layer(8, 64, 32), DType.INT8, pad_value=0)
    result = memory.compare("zeros", to_bytes(padded_with_zeros), rounds=1)
    assert result.lce_mib is None
    assert "LCE refuses zeros: " in capsys.readouterr().err
    assert "| - | - |" in memory.markdown([result], 1)
