"""The benchmark of whole networks, on a small one."""

from __future__ import annotations

import importlib.util

import pytest

from edgebnn.runtime.profile import OpProfile, Profile
from edgebnn.runtime.timing import Times
from tests.support.topologies import lce_bytes
from tools.bench.models import compare, markdown, result_of


def test_a_network_is_compared_and_its_time_divided() -> None:
    if importlib.util.find_spec("larq_compute_engine") is None:
        pytest.skip("the larq-compute-engine wheel is not installed")
    result = compare("small", lce_bytes("packed_chain"), repeats=2, kernels="portable")
    assert result.kernel == "portable"
    assert result.convolution_share + result.quantize_and_pool_share < 1
    assert "| small | portable |" in markdown([result], 2, "float")


def test_shares_and_ratios_are_those_of_the_samples() -> None:
    parts = [("LceQuantize", 0.1), ("LceBconv2d", 0.5), ("LceBMaxPool2d", 0.05), ("LceBconv2d", 0.25), ("ADD", 0.1)]
    ops = tuple(
        OpProfile(index, kind, f"op {index}", share, share, kernel="avx2" if kind == "LceBconv2d" else "")
        for index, (kind, share) in enumerate(parts)
    )
    profile = Profile("measured", "ms", 1.0, ops)
    result = result_of("net", Times((1.0, 2.0, 4.0)), Times((10.0, 30.0, 40.0)), profile)
    assert (result.ours_ms, result.lce_ms, result.ratio, result.kernel) == (2.0, 30.0, 10.0, "avx2")
    assert result.convolution_share == pytest.approx(0.75)
    assert result.quantize_and_pool_share == pytest.approx(0.15)
