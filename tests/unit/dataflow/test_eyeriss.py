"""The published figures of the Eyeriss chip on AlexNet's convolutions, batch 4 (JSSC 52(1), 2017)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from edgebnn.dataflow import hardware
from edgebnn.dataflow.constraints import DATAFLOWS
from edgebnn.dataflow.energy import Costs, costs
from edgebnn.dataflow.row_stationary import Parameters, from_parameters, parameters
from edgebnn.dataflow.scheduler import best
from edgebnn.dataflow.workload import Workload
from edgebnn.errors import InputError
from tests.support.dataflow_layers import ALEXNET, VGG16, layer_of

EYERISS = hardware.load("eyeriss")
ZEROS = (0.0, 0.387, 0.725, 0.793, 0.776, 0.776)
"""Of each layer's input; what comes of the last layer is taken to be like what goes into it."""


@dataclass(frozen=True)
class Published:
    parameters: Parameters
    active_pes: int
    processing_ms: float
    buffer_mb: float
    dram_mb: float


PUBLISHED = (
    Published(Parameters(m=96, n=1, e=7, p=16, q=1, r=1, t=2), 154, 16.5, 18.5, 5.0),
    Published(Parameters(m=64, n=1, e=27, p=16, q=2, r=1, t=1), 135, 39.2, 77.6, 4.0),
    Published(Parameters(m=64, n=4, e=13, p=16, q=4, r=1, t=4), 156, 21.8, 50.2, 3.0),
    Published(Parameters(m=64, n=4, e=13, p=16, q=3, r=2, t=2), 156, 16.0, 37.4, 2.1),
    Published(Parameters(m=64, n=4, e=13, p=16, q=3, r=2, t=2), 156, 10.0, 24.9, 1.3),
)
LAYERS = tuple(replace(layer_of(conv, batch=4), zeros=(ZEROS[i], ZEROS[i + 1])) for i, conv in enumerate(ALEXNET))
NAMED = [(layer, figures) for layer, figures in zip(LAYERS, PUBLISHED, strict=True)]
IDS = [conv.name for conv in ALEXNET]


def _as_published(layer: Workload, figures: Published) -> Costs:
    stored = layer.stored_in(EYERISS.word_bits)
    return costs(stored, EYERISS, from_parameters(stored, EYERISS, figures.parameters), DATAFLOWS["rs"].registers)


def _mb(found: Costs, level: str) -> float:
    return sum(float(traffic.total[0]) for traffic in found.traffic[level].values()) / 8e6


def _ms(found: Costs) -> float:
    return float(found.cycles[0]) / EYERISS.clock_hz * 1e3


@pytest.mark.parametrize(("layer", "figures"), NAMED, ids=IDS)
def test_published_mappings_are_legal_and_use_the_published_elements(layer: Workload, figures: Published) -> None:
    found = _as_published(layer, figures)
    assert int(found.active_pes[0]) == figures.active_pes
    assert _ms(found) == pytest.approx(figures.processing_ms, rel=0.15)


@pytest.mark.parametrize(("layer", "figures"), NAMED, ids=IDS)
def test_the_mapper_finds_nothing_worse(layer: Workload, figures: Published) -> None:
    found, theirs = best(layer, EYERISS).costs, _as_published(layer, figures)
    ours = float(found.total_energy[0] * found.cycles[0])
    assert ours <= float(theirs.total_energy[0] * theirs.cycles[0])
    assert _ms(found) == pytest.approx(figures.processing_ms, rel=0.15)


@pytest.mark.parametrize("mapped", ["published", "found"])
def test_totals(mapped: str) -> None:
    all_found = [
        _as_published(layer, figures) if mapped == "published" else best(layer, EYERISS).costs
        for layer, figures in NAMED
    ]
    assert sum(map(_ms, all_found)) == pytest.approx(103.5, rel=0.08)
    assert sum(_mb(found, "GLB") for found in all_found) == pytest.approx(208.5, rel=0.2)
    assert sum(_mb(found, "DRAM") for found in all_found) == pytest.approx(15.4, rel=0.2)


def test_the_mapper_finds_the_published_active_elements() -> None:
    plain = [replace(layer, zeros=(0.0, 0.0)) for layer in LAYERS]
    found = [best(layer, EYERISS) for layer in plain]
    assert [int(choice.costs.active_pes[0]) for choice in found] == [figures.active_pes for figures in PUBLISHED]
    same = [parameters(choice.mapping) == figures.parameters for choice, figures in zip(found, PUBLISHED, strict=True)]
    assert same == [True, False, False, True, True]


def test_buffer_traffic_as_the_chip_counts_it() -> None:
    """Towards the array alone: what DRAM writes into the buffer is not in the published figures, nor are filters.

    CONV3's figure is not that of the parameters published for it: it is that of q 3, r 2, t 2, as in CONV4.
    """
    for layer, figures in NAMED:
        given = figures.parameters
        if layer.name == "conv3":
            given = PUBLISHED[3].parameters
        found = _as_published(layer, replace(figures, parameters=given)).traffic["GLB"]
        inputs, sums = found["inputs"], found["outputs"]
        counted = float((inputs.read + sums.total)[0]) / 8e6
        assert counted == pytest.approx(figures.buffer_mb, rel=0.005), layer.name


def test_energy_of_convolutions_is_in_the_register_files_and_of_dense_layers_in_dram() -> None:
    found = [best(layer, EYERISS).costs for layer in LAYERS]
    registers = sum(float(cost.energy["RF"][0]) for cost in found)
    assert registers > 0.5 * sum(float(cost.total_energy[0]) for cost in found)
    dense = replace(LAYERS[0], bounds=(1, 16, 96, 96, 1, 1, 1, 1), macs=16 * 96**2, stride=(1, 1), in_size=(1, 1))
    energy = best(dense, EYERISS).costs.energy
    assert max(energy, key=lambda level: float(energy[level][0])) == "DRAM"


def test_what_does_not_fit_is_refused_with_the_reason() -> None:
    layer = LAYERS[0].stored_in(16)
    with pytest.raises(InputError, match=r"conv1.*RF \(448 bytes for weights\)"):
        from_parameters(layer, EYERISS, replace(PUBLISHED[0].parameters, p=24))
    with pytest.raises(InputError, match=r"conv1.*the array \(168 elements\)"):
        from_parameters(layer, EYERISS, replace(PUBLISHED[0].parameters, e=8))
    with pytest.raises(InputError, match=r"conv1.*GLB"):
        from_parameters(layer, EYERISS, replace(PUBLISHED[0].parameters, n=2))


def test_vgg_on_the_mapping_that_its_figures_imply() -> None:
    """CONV1-2 at 3 samples: 156 elements and 810.6 ms, of which sums that pass for every single channel take most.

    16 filters by 13 rows of sums and one channel of inputs fill all banks; a 14th row or a second channel does not fit.
    The figures are those of Table VI, from memory; JSSC's text has nearly four times CONV4-2's time.
    """
    layer = next(layer_of(conv, 3) for conv in VGG16 if conv.name == "conv1-2").stored_in(EYERISS.word_bits)
    given = Parameters(m=16, n=1, e=13, p=4, q=1, r=1, t=4)
    found = costs(layer, EYERISS, from_parameters(layer, EYERISS, given), DATAFLOWS["rs"].registers)
    assert int(found.active_pes[0]) == 156
    assert _ms(found) == pytest.approx(810.6, rel=0.15)
    assert max(found.bound, key=lambda name: float(found.bound[name][0])) == "network outputs"
    for more in (replace(given, e=14), replace(given, q=2)):
        with pytest.raises(InputError, match=r"conv1-2.*GLB"):
            from_parameters(layer, EYERISS, more)
