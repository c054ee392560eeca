"""The benchmark of whole networks, on a small one."""

from __future__ import annotations

import importlib.util

import pytest

from tests.support.topologies import lce_bytes
from tools.bench.models import compare, markdown


def test_a_network_is_compared_and_its_time_divided() -> None:
    if importlib.util.find_spec("larq_compute_engine") is None:
        pytest.skip("the larq-compute-engine wheel is not installed")
    result = compare("small", lce_bytes("packed_chain"), repeats=2, kernels="portable")
    assert result.kernel == "portable"
    assert result.ratio > 0
    assert 0 < result.convolution_share < 1
    assert 0 < result.quantize_and_pool_share < 1 - result.convolution_share
    assert "| small | portable |" in markdown([result], 2, "float")
