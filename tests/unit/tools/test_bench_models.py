"""The benchmark of whole networks, on small ones."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from edgebnn.converters.write_tflite import to_bytes
from edgebnn.errors import EdgebnnError
from edgebnn.runtime import library
from edgebnn.runtime.profile import INTERPRETER, OpProfile, Profile
from edgebnn.runtime.timing import Times
from tests.support.topologies import lce_bytes
from tools.bench import networks, zoo
from tools.bench.layers import Layer
from tools.bench.models import BEFORE, INT8, LCE, compare, markdown, result_of
from tools.bench.w1a8_vs_xnnpack import cold_in_turn, pair


def test_a_network_is_compared_and_its_time_divided() -> None:
    if importlib.util.find_spec("larq_compute_engine") is None:
        pytest.skip("the larq-compute-engine wheel is not installed")
    result = compare("small", lce_bytes("packed_chain"), repeats=2, kernels="portable")
    assert result.kernel == "portable"
    assert sum(result.shares.values()) == pytest.approx(1)
    assert [baseline.name for baseline in result.baselines] == [LCE]
    assert "| small | portable |" in markdown([result], 2, "float")


def test_a_packed_network_is_compared_with_its_int8_file() -> None:
    int8, packed = pair(Layer(8, 32, 32))
    result = compare("layer", to_bytes(packed), 2, kernels="portable", lce=False, int8=to_bytes(int8))
    assert [baseline.name for baseline in result.baselines] == [INT8]
    assert result.against(LCE) is None
    assert result.shares["1-bit layers"] > 0
    assert "| - | - |" in markdown([result], 2, "float"), "LCE did not run"


def test_another_delegate_is_compared_where_one_is_named() -> None:
    result = compare("small", lce_bytes("packed_chain"), 2, kernels="portable", lce=False, before=library.find().path)
    assert [baseline.name for baseline in result.baselines] == [BEFORE]
    assert "before ms" in markdown([result], 2, "float")


def test_shares_and_ratios_are_those_of_the_samples() -> None:
    parts = [
        *(("LceQuantize", 0.1, ""), ("LceBconv2d", 0.5, "avx2"), ("LceBMaxPool2d", 0.05, ""), ("ADD", 0.1, "")),
        *(("LceBconv2d", 0.15, "avx2"), ("CONV_2D", 0.07, "litert"), (INTERPRETER, 0.03, "")),
    ]
    ops = tuple(OpProfile(i, kind, f"op {i}", share, share, kernel) for i, (kind, share, kernel) in enumerate(parts))
    profile = Profile("measured", "ms", 1.0, ops)
    result = result_of("net", Times((1.0, 2.0, 4.0)), {LCE: Times((10.0, 30.0, 40.0))}, profile)
    lce = result.against(LCE)
    assert lce is not None
    assert (result.ours_ms, lce.ms, lce.ratio, result.kernel) == (2.0, 30.0, 10.0, "avx2")
    assert result.shares == pytest.approx(
        {"quantize and pool": 0.15, "1-bit layers": 0.65, "other ops of ours": 0.1, "in LiteRT": 0.1}
    )


def test_calls_whose_weights_come_from_memory_are_timed_one_by_one() -> None:
    called: list[int] = []
    first, second = cold_in_turn((lambda: called.append(0), lambda: called.append(1)), repeats=3)
    assert called == [0, 1] * 3
    assert len(first.samples_ms) == len(second.samples_ms) == 3


def test_every_int8_baseline_is_known() -> None:
    wanted = {network.int8 for network in networks.ALL.values() if network.int8}
    assert wanted == set(networks.INT8)


def test_networks_are_converted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bi-real-18_int8.tflite").write_bytes(b"kept")
    assert networks.content("Bi-Real-18", tmp_path, "int8") == b"kept"


def test_a_missing_larq_zoo_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed")
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", sys.modules.get("tensorflow_datasets"))
    monkeypatch.setitem(sys.modules, "larq_zoo", None)
    with pytest.raises(EdgebnnError, match="pip install --target"):
        zoo.build_zoo("XNORNet")
