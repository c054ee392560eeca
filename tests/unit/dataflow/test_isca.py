"""Row stationary against the dataflows of earlier chips on AlexNet, 16 samples (Chen, Emer, Sze, ISCA 2016)."""

from __future__ import annotations

import pytest

from edgebnn.dataflow import hardware
from edgebnn.dataflow.scheduler import best
from edgebnn.errors import InputError
from tests.support.dataflow_layers import ALEXNET, FULLY_CONNECTED, Conv, layer_of

THEIRS = {
    "ws": (21.51, 9.25, 9.98, 10.01, 10.16),
    "os-soc-mop": (8.90, 7.78, 9.07, 8.78, 8.80),
    "os-moc-mop": (8.84, 8.28, 9.05, 8.89, 8.89),
    "os-moc-sop": (10.38, 9.68, 11.22, 11.06, 11.06),
    "nlr": (15.55, 12.46, 12.53, 12.56, 12.56),
}
"""Energy of a multiply-accumulate in CONV1 to CONV5: the least by the formulas of the authors' programs, all integers
tried (github.com/ominux/eyeriss-dataflow, cnn_dataflows/*.m at 8ce1562)."""
THEIR_ROW_STATIONARY = {"conv1": 6.43, "conv2": 5.75, "fc7": 17.88}
NETWORK_WEIGHTS = 2.0
"""What no local reuse pays here for a weight's way to its element; there what one element alone takes costs nothing."""


def _energy(name: str, conv: Conv, batch: int = 16) -> float:
    layer = layer_of(conv, batch)
    return float(best(layer, hardware.load(f"isca2016-{name}"), objective="energy").costs.total_energy[0]) / layer.macs


@pytest.mark.parametrize("name", list(THEIRS))
def test_energies_are_those_of_the_authors_programs(name: str) -> None:
    for conv, theirs in zip(ALEXNET, THEIRS[name], strict=True):
        ours = _energy(name, conv) - (NETWORK_WEIGHTS if name == "nlr" else 0)
        assert ours == pytest.approx(theirs, rel=0.03), conv.name


def test_convolutions_cost_others_up_to_two_and_a_half_times_as_much() -> None:
    """CONV1 and CONV2, half of all multiply-accumulates; docs/dataflow.md has the whole table."""
    layers = [layer_of(conv, 16) for conv in ALEXNET[:2]]
    share = [layer.macs / sum(layer.macs for layer in layers) for layer in layers]

    def mean(name: str) -> float:
        return sum(part * _energy(name, conv) for part, conv in zip(share, ALEXNET, strict=False))

    rows = mean("rs")
    assert rows == pytest.approx(
        sum(p * THEIR_ROW_STATIONARY[c.name] for p, c in zip(share, ALEXNET, strict=False)), rel=0.04
    )
    ratios = {name: mean(name) / rows for name in THEIRS}
    assert min(ratios, key=lambda name: ratios[name]) in ("os-soc-mop", "os-moc-mop")
    assert max(ratios, key=lambda name: ratios[name]) == "nlr"
    assert all(1.3 < ratio < 2.55 for ratio in ratios.values())


def test_weights_that_stay_need_room_for_a_whole_layer_of_sums() -> None:
    """At 64 samples the paper has no weight stationary figure for 256 elements: the buffer is too small."""
    with pytest.raises(InputError, match=r"conv1.*GLB \(342287 bytes\)"):
        _energy("ws", ALEXNET[0], 64)


def test_dense_layers_pay_for_dram() -> None:
    """All read each weight for 16 samples; those that stream inputs past weights read them again and again."""
    dense = FULLY_CONNECTED[-1]
    choice = best(layer_of(dense, 16), hardware.load("isca2016-os-moc-sop"), objective="energy")
    energy = {level: float(value[0]) for level, value in choice.costs.energy.items()}
    assert max(energy, key=lambda level: energy[level]) == "DRAM"
    assert _energy("ws", dense) > _energy("os-moc-sop", dense)
