"""Where 1-bit weights pay: the costs in the delegate and in Python agree, and say what was measured."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebnn import kernels
from edgebnn.converters.lint import lint_graph
from edgebnn.converters.w1a8 import to_w1a8
from edgebnn.runtime.w1a8_costs import MARGIN, Cost, Work, chosen, read_costs, speedup
from tests.support.examples import examples
from tests.support.packed_runs import here, ran_packed
from tests.support.w1a8_graphs import ConvLayer, DenseLayer, conv_pair, dense_pair


def work_of(layer: ConvLayer) -> Work:
    height, width = (-(-size // stride) for size, stride in zip(layer.size, layer.stride, strict=True))
    inputs = layer.size[0] * layer.size[1] * layer.channels_in
    terms = layer.filter[0] * layer.filter[1] * layer.depth
    return Work(inputs, terms, height * width, layer.channels_out, layer.groups)


def test_every_kernel_with_vectors_has_costs() -> None:
    names = re.findall(r"^EB_W1A8_KERNEL\((\w+)", kernels.table("w1a8"), re.MULTILINE)
    assert {cost.kernel for cost in read_costs()} == set(names) - {"portable"}


def test_the_formula_by_hand() -> None:
    """Ten pixels of 40 channels, of which 64 are computed, from 50 terms each; int8 reads its weights once more."""
    cost = Cost("avx2", "VNNI", "measured", 32, 2.0, 0.3, 0.5, 10.0, weight=3.0, int8_output=4.0, int8_weight=1.0)
    ours = (2 + 0.3 * 2) * 100 + (25 + 10) * 10 * 64 + 3 * 50 * 64
    theirs = (55 + 4) * 10 * 40
    assert speedup(cost, Work(inputs=100, terms=50, pixels=10, channels=40)) == pytest.approx(theirs / ours)
    in_groups = (2 + 0.3) * 100 + ((25 + 10) * 10 + 3 * 50) * (2 * 32)  # each group fills tiles of its own
    assert speedup(cost, Work(100, 50, 10, 40, groups=2)) == pytest.approx(theirs / in_groups)
    strided = (2 + 0.3 * 2) * 50 * 10 + (25 + 10) * 10 * 64 + 3 * 50 * 64  # windows read 500 of 1000 inputs
    assert speedup(cost, Work(1000, 50, 10, 40)) == pytest.approx(theirs / strided)


@given(
    layer=st.builds(
        ConvLayer,
        size=st.tuples(st.integers(1, 12), st.integers(3, 12)),
        filter=st.sampled_from([(1, 1), (3, 3), (1, 3)]),
        stride=st.sampled_from([(1, 1), (2, 2)]),
        groups=st.sampled_from([1, 1, 2]),
        inputs=st.sampled_from([16, 32, 64, 128, 256]),
        outputs=st.sampled_from([10, 32, 64, 96, 128]),
    )
)
@settings(max_examples=examples(30))
def test_the_delegate_packs_by_itself_what_python_says_pays(layer: ConvLayer) -> None:
    work, int8 = work_of(layer), conv_pair(layer)[0]
    best = chosen(here(), work) if here() else None
    expected = [best.kernel] if best is not None and speedup(best, work) > MARGIN else []
    assert ran_packed(int8, "auto") == expected
    assert best is None or ran_packed(int8, "all") == [best.kernel]


def test_never_packs_where_it_may_not_and_depthwise_only_if_asked() -> None:
    dense, depthwise = dense_pair(DenseLayer(1, 2048, 512))[0], conv_pair(ConvLayer(depthwise=True))[0]
    assert not ran_packed(dense, "none")
    assert not ran_packed(depthwise, "auto")
    assert len(ran_packed(depthwise, "all")) == 1
    assert not here() or len(ran_packed(dense, "auto")) == 1


MEASURED = [
    (Work(28 * 28 * 64, 64, 28 * 28, 64), 0.39, 0.55),
    (Work(28 * 28 * 32, 288, 28 * 28, 32), 0.83, None),
    (Work(14 * 14 * 256, 256, 14 * 14, 256), 0.97, 0.94),
    (Work(56 * 56 * 32, 288, 56 * 56, 64), None, 1.14),
    (Work(56 * 56 * 64, 576, 28 * 28, 128), None, 0.97),
    (Work(56 * 56 * 128, 1152, 28 * 28, 128), None, 0.96),
    (Work(14 * 14 * 64, 576, 14 * 14, 64), None, 1.21),
    (Work(56 * 56 * 64, 576, 56 * 56, 64), 1.27, None),
    (Work(28 * 28 * 128, 1152, 28 * 28, 128), 1.57, 1.37),
    (Work(7 * 7 * 512, 4608, 7 * 7, 512), 1.84, 1.49),
    (Work(1024, 1024, 1, 1024), 3.18, None),
    (Work(27 * 27 * 96, 2400, 27 * 27, 256), None, 1.59),
]
"""Layers and int8's time over ours with AVX-512, VBMI and VNNI, on Zen 4 and Zen 5 (tools.bench.w1a8_vs_xnnpack)."""


@pytest.mark.parametrize(
    ("int8", "work", "ratio"),
    [
        (int8, work, ratio)
        for work, *ratios in MEASURED
        for int8, ratio in zip(("VNNI", "VNNI_WIDE"), ratios, strict=True)
        if ratio is not None
    ],
)
def test_measured_costs_give_the_ratios_measured(int8: str, work: Work, ratio: float) -> None:
    cost = next(cost for cost in read_costs() if (cost.kernel, cost.int8) == ("avx512", int8))
    assert cost.source == "measured"
    assert ratio / 1.35 < speedup(cost, work) < ratio * 1.35
    assert (speedup(cost, work) > MARGIN) == (ratio > 1)


WITHOUT_VNNI = [
    ("avx2mul", Work(56 * 56 * 16, 144, 56 * 56, 16), 3.1),
    ("avx2mul", Work(14 * 14 * 16, 144, 14 * 14, 16), 2.5),
    ("avx2mul", Work(56 * 56 * 32, 32, 56 * 56, 32), 1.5),
    ("avx2mul", Work(28 * 28 * 24, 24, 14 * 14, 24), 1.3),
    ("avx2", Work(14 * 14 * 256, 2304, 14 * 14, 256), 2.4),
    ("avx2", Work(9216, 9216, 1, 4096), 9.1),
]
"""As above, on Zen 3, with the kernel that is chosen there. Weights that come from memory cost more than is said."""


@pytest.mark.parametrize(("kernel", "work", "ratio"), WITHOUT_VNNI)
def test_processors_without_vnni_choose_what_was_measured_to_be_faster(kernel: str, work: Work, ratio: float) -> None:
    cost = chosen([cost for cost in read_costs() if cost.int8 == "WIDENING" and cost.kernel.startswith("avx2")], work)
    assert (cost.kernel, cost.source) == (kernel, "measured")
    assert ratio / 2.2 < speedup(cost, work) < ratio * 1.4
    assert speedup(cost, work) > MARGIN


@pytest.mark.parametrize(
    ("layer", "pays"),
    [
        (ConvLayer((14, 14), (1, 1), inputs=64, outputs=32), False),
        (ConvLayer((14, 14), inputs=128, outputs=128), True),
    ],
)
def test_lint_says_where_it_pays(layer: ConvLayer, pays: bool) -> None:
    int8, _ = conv_pair(layer)
    (finding,) = lint_graph(int8)
    assert finding.rule == "binary-weights-in-int8"
    of = "avx512 with VNNI; by measured" if pays else "avx512vnni with VNNI; by estimated"
    assert f"times as fast ({of} costs)" in finding.message
    assert ("; faster too with avx" if pays else "; faster with avx2mul without VNNI (measured)") in finding.message
    after = [f.rule for f in lint_graph(to_w1a8(int8)[0])]
    assert after == ([] if pays else ["w1a8-slower"])
