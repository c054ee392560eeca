"""Which layers a budget of energy cuts, and which one of MACs, where all are equally sensitive."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from edgebnn.models.alexnet import alexnet
from edgebnn.pruning.channels.coupling import Plan, couple
from edgebnn.pruning.search import algorithm
from edgebnn.pruning.search.algorithm import Problem
from edgebnn.pruning.settings import Settings
from edgebnn.workflows.deploying import deployed
from edgebnn.workflows.narrower_file import NarrowerFile
from tools.experiments.energy_widths import MACS, cost_of, layers_by, searched

SETTINGS = Settings(ratio=0.06)
DENSE = ("fc6", "fc7")


@pytest.fixture(scope="module")
def plan() -> Plan:
    """AlexNet, an eighth as wide; its dense layers have few of the MACs and much of the energy all the same."""
    return couple(alexnet(widths=(8, 24, 48, 32, 32, 512, 512)))


@pytest.fixture(scope="module")
def file(plan: Plan) -> NarrowerFile:
    return NarrowerFile(deployed(alexnet(widths=(8, 24, 48, 32, 32, 512, 512)), "float").graph, plan)


def _shares(name: str, file: NarrowerFile, plan: Plan) -> Mapping[str, float]:
    layers = layers_by(name)(file.at(plan.widths))
    total = sum(layers.values())
    return {layer: value / total for layer, value in layers.items()}


@pytest.mark.parametrize("machine", ["eyeriss", "pi4"])
def test_dense_layers_take_more_of_the_energy_than_of_the_macs(machine: str, file: NarrowerFile, plan: Plan) -> None:
    macs, energy = _shares(MACS, file, plan), _shares(machine, file, plan)
    for layer in DENSE:
        assert energy[layer] > 4 * macs[layer]
    for layer in ("conv1", "conv2", "conv3", "conv4", "conv5"):
        assert energy[layer] < macs[layer]


def test_a_budget_of_energy_cuts_dense_layers_and_spares_convolutions(file: NarrowerFile, plan: Plan) -> None:
    by_macs = searched(cost_of(MACS, file, plan), plan, 0.7, SETTINGS)
    by_energy = searched(cost_of("pi4", file, plan), plan, 0.7, SETTINGS)
    macs, energy, whole = by_macs[-1].widths, by_energy[-1].widths, plan.widths
    assert all(macs[layer] == whole[layer] for layer in DENSE), "they hold too few MACs to be worth it"
    assert sum(energy[layer] / whole[layer] for layer in DENSE) < 2
    convolutions = [name for name in whole if name.startswith("conv")]
    assert sum(energy[name] / whole[name] for name in convolutions) > sum(
        macs[name] / whole[name] for name in convolutions
    )
    assert {iteration.layer for iteration in by_macs}.isdisjoint(DENSE)
    assert by_energy[0].layer in DENSE


@pytest.mark.parametrize("machine", ["eyeriss", "pi4"])
def test_for_the_same_saving_a_dense_layer_keeps_more_by_energy_than_by_macs(
    machine: str, file: NarrowerFile, plan: Plan
) -> None:
    def proposed(name: str) -> dict[str, int]:
        cost = cost_of(name, file, plan)
        initial = cost.value(plan.widths)
        problem = Problem(plan.widths, (*DENSE, "conv2"), cost, initial, 0.7 * initial)
        limit = algorithm.target(problem, SETTINGS, initial, 1)
        return {one.layer: one.width for one in algorithm.propose(problem, plan.widths, limit, 8)}

    macs, energy = proposed(MACS), proposed(machine)
    assert energy["fc6"] > macs.get("fc6", 0)
    assert energy["conv2"] <= macs["conv2"]
