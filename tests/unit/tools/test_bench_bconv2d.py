"""The benchmark of single convolutions: its models, the machine's limit, and the bars."""

from __future__ import annotations

import importlib.util
import math

import pytest

from edgebnn.graph.types import DType
from edgebnn.runtime import build
from edgebnn.runtime.kernel_choice import read_table
from edgebnn.runtime.timing import Times
from tools.bench.bconv2d import BARS, OTHERS, RESNET, UNSEEN, compare, markdown, missed, result_of
from tools.bench.layers import Layer
from tools.bench.peak import peak_call


@pytest.mark.parametrize("kernel", ["portable", "avx512", "avx2"])
def test_the_limit_counts_its_work(kernel: str) -> None:
    if kernel not in read_table(build.library()).runnable:
        pytest.skip(f"this processor lacks the instructions of {kernel}")
    call, macs = peak_call(kernel)
    assert call() == macs > 1e6


def test_layers_are_named_by_their_shape() -> None:
    assert Layer(56, 64, 128, stride=2).name == "3x3 stride 2 56x56x64 to 128"
    assert Layer(56, 64, 128, stride=2).macs == 28 * 28 * 128 * 64 * 9


def test_bars_tell_what_is_missed() -> None:
    bars = BARS["avx512"]
    good = {"LCE": 46.0, "float32": 13.0, "int8": 3.1}
    assert missed(RESNET[0], bars, good, 0.7) == ()
    assert missed(RESNET[0], bars, {**good, "LCE": 44.0}, 0.5) == ("LCE", "peak")
    assert missed(OTHERS[0], bars, {**good, "LCE": 1.0}, 0.41) == ()
    assert missed(OTHERS[0], bars, good, 0.39) == ("peak",)
    assert missed(UNSEEN[0], bars, good, 0.1) == ()
    assert missed(RESNET[0], None, good, 0.1) == ()


@pytest.mark.parametrize("output", [DType.FLOAT32, DType.INT8, DType.INT32])
def test_a_layer_is_compared_with_all_contenders(output: DType) -> None:
    if importlib.util.find_spec("larq_compute_engine") is None:
        pytest.skip("the larq-compute-engine wheel is not installed")
    layer = Layer(6, 40, 24, stride=2)
    result = compare(layer, repeats=2, output=output)
    assert result.layer == layer.name
    assert result.gmacs == pytest.approx(layer.macs / result.ms / 1e6)
    assert all(math.isfinite(value) for value in vars(result).values() if isinstance(value, float))
    assert result.layer in markdown([result], "float32", 2)


def test_ratios_are_medians_over_rounds_of_theirs_to_ours() -> None:
    layer = Layer(6, 40, 24, stride=2)
    ours, theirs = Times((1.0, 2.0, 3.0)), Times((8.0, 10.0, 9.0))
    peak = Times((0.5, 0.5, 0.5))  # for half the work of the layer in a quarter of the time: it does twice as much
    result = result_of(layer, "avx2", layer.macs / 2, (ours, peak, theirs, theirs, Times((2.0, 2.0, 2.0)), theirs))
    assert (result.float32_ratio, result.int8_ratio, result.lce_ratio) == (5.0, 5.0, 4.5)
    assert result.gmacs == pytest.approx(layer.macs / 2e6)
    assert result.peak_gmacs == pytest.approx(layer.macs / 1e6)
    assert result.peak_share == pytest.approx(0.5)
