"""Mappings onto processors: the search against all mappings of its grid, and what it reports."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import numpy as np
import pytest

from edgebnn.dataflow import hardware
from edgebnn.dataflow.constraints import DATAFLOWS, ORDERS, overfull, registers
from edgebnn.dataflow.energy import costs
from edgebnn.dataflow.hardware import Hardware, Level
from edgebnn.dataflow.mapping import Mappings
from edgebnn.dataflow.nested import TOLERANCE, sizes
from edgebnn.dataflow.plan import energy_of, plan
from edgebnn.dataflow.scheduler import best
from edgebnn.dataflow.workload import R, S, Workload
from edgebnn.errors import InputError
from tests.support.dataflow_layers import Conv, graph_of, layer_of


def _small_pi(l1: int) -> Hardware:
    """A Pi 4 with small caches, so that small layers need several tiles."""
    machine = hardware.load("pi4")
    shrunk = {"L2": 4 * l1, "L1": l1, "registers": 64}
    levels = tuple(replace(level, capacity=shrunk.get(level.name)) for level in machine.levels)
    return replace(machine, levels=levels)


def _exhaustive(layer: Workload, machine: Hardware, name: str) -> float:
    """Least energy over halves of every loop at both caches, in every order that keeps some operand in place."""
    flow = DATAFLOWS[name]
    chains = []
    for dim, bound in enumerate(layer.bounds):
        outer = [bound] if dim in (R, S) else sizes(bound, bound)
        found = []
        for first in outer:
            for second in [first] if dim in (R, S) else sizes(bound, first):
                own = range(1, second + 1) if dim in flow.block else (1,)
                found += [(first, second, third) for third in own if third in (1, 2, 3, 4, 6, 8, second)]
        chains.append(found)
    chosen = np.array(list(itertools.product(*chains)), np.int64).transpose(2, 1, 0)
    tiles = np.concatenate([np.broadcast_to(np.array(layer.bounds)[None, :, None], (1, *chosen.shape[1:])), chosen])
    fits = np.ones(tiles.shape[2], bool)
    for _, full in overfull(layer, machine, flow, tiles):
        fits &= ~full
    kept = registers(machine, flow)
    return min(
        float(costs(layer, machine, Mappings(tiles[:, :, fits], orders, False), kept).total_energy.min())
        for orders in itertools.product(ORDERS, ORDERS, flow.orders)
    )


@pytest.mark.parametrize("name", ["os", "ws", "rs"])
def test_no_mapping_of_the_grid_is_much_better(name: str) -> None:
    rng = random.Random(name)
    for _ in range(2):
        conv = Conv("layer", rng.randint(3, 5), rng.randint(2, 5), rng.randint(2, 6), rng.choice([1, 3]))
        layer, machine = layer_of(conv), _small_pi(rng.choice([128, 256]))
        found = float(best(layer, machine, [name]).costs.total_energy[0])
        assert found <= _exhaustive(layer, machine, name) * (1 + TOLERANCE)


def test_every_machine_plans_a_small_network() -> None:
    graph = graph_of((Conv("first", 16, 3, 16, 3), Conv("second", 16, 16, 32, 3, 2)))
    for name in {name for name in hardware.names() if not name.startswith("isca2016")}:  # which take longer
        machine = hardware.load(name)
        result = plan(graph, machine)
        assert result.total_energy == pytest.approx(energy_of(machine)(graph))
        for layer in result.layers:
            assert 0 < layer.utilization <= 1
            assert all(count >= 0 for count in layer.accesses.values())


def test_layers_must_fit_where_whole_ones_lie() -> None:
    machine = hardware.load("cortex-m4")
    with pytest.raises(InputError, match=r"layer 'wide': .*bytes of inputs.* do not fit SRAM of Cortex-M4"):
        plan(graph_of((Conv("wide", 224, 3, 64, 3),)), machine)
    with pytest.raises(InputError, match=r"bytes of weights do not fit flash of Cortex-M4.*, 2,097,152 bytes"):
        plan(graph_of(tuple(Conv(f"deep{i}", 4, 512, 512, 3) for i in range(2))), machine)


def test_a_register_file_too_small_for_one_element_of_each_is_named() -> None:
    machine = hardware.load("cortex-m4")
    levels: tuple[Level, ...] = (*machine.levels[:-1], replace(machine.levels[-1], capacity=4))
    with pytest.raises(InputError, match=r"layer 'first': not even its smallest tile fits registers \(4 bytes\)"):
        plan(graph_of((Conv("first", 8, 3, 8, 3),)), replace(machine, levels=levels))
