"""The mapper's optimum against a search of all sizes, and its time."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterator
from types import MappingProxyType

import numpy as np
import pytest

from edgebnn.dataflow import hardware
from edgebnn.dataflow.constraints import DATAFLOWS, ORDERS, Dataflow, overfull, registers
from edgebnn.dataflow.energy import costs
from edgebnn.dataflow.hardware import Hardware
from edgebnn.dataflow.mapping import Mappings
from edgebnn.dataflow.plan import plan
from edgebnn.dataflow.scheduler import best
from edgebnn.dataflow.workload import C, E, F, G, M, N, R, S, Workload
from tests.support.dataflow_layers import RESNET18, graph_of

SMALL = """
name = "small"
source = "made up"
energy_unit = "pJ"
clock_mhz = 100
dataflows = ["rs", "ws", "os", "os-soc-mop", "os-moc-mop", "os-moc-sop", "nlr"]
{objective}
[array]
rows = 4
columns = 3
[array.network]
width = 16
energy = 2
words_per_cycle = {{ weights = 1, inputs = 1, outputs = 1 }}
[mac]
energy = {{ binary = 1, w1a8 = 1, int8 = 1, float = 1 }}
per_cycle = {{ binary = 1, w1a8 = 1, int8 = 1, float = 1 }}
[[levels]]
name = "DRAM"
width = 16
energy = 200
bytes_per_cycle = 1
[[levels]]
name = "buffer"
capacity = {capacity}
width = 16
energy = 6
bytes_per_cycle = 4
[[levels]]
name = "RF"
capacity = {{ weights = 32, inputs = 24, outputs = 16 }}
width = 16
energy = 1
bytes_per_cycle = 8
per_pe = true
buffered = {buffered}
"""


def _machine(capacity: int, buffered: bool = False) -> Hardware:
    return hardware.parse(SMALL.format(capacity=capacity, buffered=str(buffered).lower(), objective=""), "small.toml")


def _layer(bounds: tuple[int, ...], stride: int) -> Workload:
    macs = int(np.prod(bounds))
    bits = MappingProxyType({"weights": 8.0, "inputs": 8.0, "outputs": 8.0})
    size = tuple((bounds[out] - 1) * stride + bounds[tap] for out, tap in ((E, R), (F, S)))
    return Workload("layer", bounds, "int8", bits, 32, 1, macs, (stride, stride), in_size=size)  # type: ignore[arg-type]


def _sizes(flow: Dataflow, dim: int, bound: int) -> Iterator[tuple[int, int, int]]:
    """Every size of the buffer's tile, the array's and a processing element's along one loop; rows are whole."""
    row = dim in flow.spans
    for array in range(1, bound + 1):
        if row and array < bound:
            continue
        for own in range(1, array + 1):
            if dim in flow.own and dim not in flow.beside and own != array:
                continue
            if dim not in flow.own and own != 1:
                continue
            if dim not in flow.own and dim not in flow.beside and array != 1:
                continue
            if dim in flow.own and dim in flow.beside and own not in {-(-array // n) for n in range(1, array + 1)}:
                continue
            for held in range(array, bound + 1):
                if dim in flow.same | {G} and held != array:
                    continue
                if (dim in (R, S) or (dim == F and F not in flow.same)) and held != bound:
                    continue
                if dim in flow.whole and held != bound:
                    continue
                if held % array and held != bound and dim == M:  # whole tiles of the array along output channels
                    continue
                yield held, array, own


def _exhaustive(layer: Workload, machine: Hardware, flow: Dataflow, goal: str) -> float:
    """The least cost over all sizes and all orders of the loops above the buffer."""
    options = [list(_sizes(flow, dim, bound)) for dim, bound in enumerate(layer.bounds)]
    chosen = np.array(list(itertools.product(*options)), np.int64)
    tiles = np.concatenate([np.broadcast_to(np.array(layer.bounds), (len(chosen), 1, 8)), chosen.transpose(0, 2, 1)], 1)
    tiles = np.ascontiguousarray(tiles.transpose(1, 2, 0))
    fits = np.ones(tiles.shape[2], bool)
    for _, full in overfull(layer, machine, flow, tiles):
        fits &= ~full
    tiles = tiles[:, :, fits]
    turning = [dim for dim, bound in enumerate(layer.bounds) if bound > 1]
    still = tuple(dim for dim in range(8) if dim not in turning)
    least = np.inf
    orders = [(*still, *outer) for outer in itertools.permutations(turning)] if flow.outer == ORDERS else flow.outer
    for outer in orders:
        for inner in flow.orders:
            mappings = Mappings(tiles, (outer, inner), True, flow.links)
            found = costs(layer, machine, mappings, registers(machine, flow))
            value = {"energy": found.total_energy, "latency": found.cycles, "edp": found.total_energy * found.cycles}
            least = min(least, float(value[goal].min()))
    return least


@pytest.mark.parametrize("name", list(DATAFLOWS))
@pytest.mark.parametrize("goal", ["energy", "latency", "edp"])
def test_the_best_of_all_sizes_and_orders_is_found(name: str, goal: str) -> None:
    rng = random.Random(f"{name} {goal}")
    for _ in range(3):
        bounds = [1] * 8
        for dim in rng.sample([N, M, C, E], 3):
            bounds[dim] = rng.randint(2, 6)
        bounds[F], bounds[R], bounds[S] = rng.randint(1, 2), rng.randint(1, 2), rng.randint(1, 2)
        while np.prod([len(list(_sizes(DATAFLOWS[name], dim, bound))) for dim, bound in enumerate(bounds)]) > (
            200 if name == "nlr" else 800
        ):
            bounds[max(range(len(bounds)), key=lambda dim: bounds[dim])] -= 1
        layer = _layer(tuple(bounds), rng.choice([1, 2]))
        room = rng.choice([48, 96, 200]) * (6 if DATAFLOWS[name].whole else 1)  # for whole layers along some loops
        machine = _machine(room, rng.random() < 0.5)
        found = best(layer, machine, [name], goal).costs
        ours = {"energy": found.total_energy, "latency": found.cycles, "edp": found.total_energy * found.cycles}[goal]
        assert float(ours[0]) == pytest.approx(_exhaustive(layer, machine, DATAFLOWS[name], goal)), (layer, machine)


@pytest.mark.parametrize("name", ["eyeriss", "pi4", "pi5", "pi-zero-2w", "host"])
def test_a_resnet18_is_planned_in_time(name: str) -> None:
    """A guard against searches that run away, in processor time: 1.5 to 5.5 s on an idle Zen 5, more on
    slower machines with others at work. Its weights are more than the flash of the microcontrollers."""
    graph, machine = graph_of(RESNET18), hardware.load(name)
    start = time.process_time()
    result = plan(graph, machine)
    assert time.process_time() - start < 40
    assert [layer.name for layer in result.layers] == [conv.name for conv in RESNET18]
