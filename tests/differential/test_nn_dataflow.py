"""Access counts of the same mappings in nn-dataflow (Gao et al.), which counts blocked loops independently.

Both count what enters and leaves the tiles of two levels. They agree for layers whose filters have no extent, such as
dense ones; of sliding windows nn-dataflow moves whole feature maps, where here rows overlap.
"""

from __future__ import annotations

import random
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from edgebnn.dataflow.mapping import Mappings, moves
from edgebnn.dataflow.workload import INPUTS, OUTPUTS, WEIGHTS, C, M, N, Workload

core: Any = pytest.importorskip("nn_dataflow.core", reason="pip install 'edgebnn[oracles]'")

THEIRS = {WEIGHTS: core.DataCategoryEnum.FIL, INPUTS: core.DataCategoryEnum.IFM, OUTPUTS: core.DataCategoryEnum.OFM}
LOOPS = {core.LoopEnum.IFM: C, core.LoopEnum.OFM: M, core.LoopEnum.BAT: N}


def _theirs(factors: list[list[int]], orders: list[list[int]]) -> Any:
    """Their scheme for (outer, middle, inner) factors by loop; ``orders`` name loops from the outermost."""
    unit = core.PhyDim2(1, 1)
    region = core.NodeRegion(origin=core.PhyDim2(0, 0), dim=unit, type=core.NodeRegion.DRAM)
    resource = core.Resource(
        proc_region=core.NodeRegion(origin=core.PhyDim2(0, 0), dim=unit, type=core.NodeRegion.PROC),
        dram_region=region,
        src_data_region=region,
        dst_data_region=region,
        dim_array=unit,
        size_gbuf=2**40,
        size_regf=2**40,
        array_bus_width=float("inf"),
        dram_bandwidth=float("inf"),
        no_time_mux=False,
    )
    le = core.LoopEnum
    dims = {
        core.DataCategoryEnum.FIL: core.DataDimLoops(le.IFM, le.OFM),
        core.DataCategoryEnum.IFM: core.DataDimLoops(le.IFM, le.BAT),
        core.DataCategoryEnum.OFM: core.DataDimLoops(le.OFM, le.BAT),
    }
    nest = core.NestedLoopDesc(
        loopcnt=tuple(int(np.prod([factors[level][loop] for level in range(3)])) for loop in range(3)),
        usize_gbuf=(1, 1, 1),
        usize_regf=(1, 1, 1),
        unit_access=((1, 1, 1),) * core.MemHierEnum.NUM,
        unit_ops=1,
        unit_time=1,
        data_loops=tuple(dims[category] for category in range(3)),
    )
    positions = [tuple(2 - order.index(loop) for loop in range(3)) for order in orders]
    partition = core.PartitionScheme(order=range(core.ParallelEnum.NUM), pdims=[(1, 1)] * core.ParallelEnum.NUM)
    sharing = core.BufShrScheme(resource.proc_region, partition, nest.data_loops)
    options = core.Option(sw_gbuf_bypass=(False,) * 3)
    return core.LoopBlockingScheme(nest, factors, positions, resource, sharing, options)


def test_tiles_of_two_levels_move_as_much() -> None:
    rng = random.Random(0)
    for _ in range(200):
        factors = [[rng.choice([1, 1, 2, 3, 5]) for _ in range(3)] for _ in range(3)]
        orders = [rng.sample(range(3), 3) for _ in range(2)]
        scheme = _theirs(factors, orders)
        assert scheme.is_valid()
        access = scheme.get_access()
        tiles = np.ones((3, 8, 1), np.int64)
        for loop, dim in LOOPS.items():
            sizes = [f[loop] for f in factors]
            tiles[:, dim, 0] = sizes[0] * sizes[1] * sizes[2], sizes[1] * sizes[2], sizes[2]
        ours = tuple((0, 4, 5, 6, 7, *(LOOPS[loop] for loop in order)) for order in orders)
        layer = Workload("dense", tuple(tiles[0, :, 0].tolist()), "int8", MappingProxyType({}), 32, 1, 1)
        mappings = Mappings(tiles, ours, False)
        for level, depth in ((core.MemHierEnum.DRAM, 1), (core.MemHierEnum.GBUF, 2)):
            for operand, category in THEIRS.items():
                found = float(moves(layer, mappings, operand, depth).distinct[0])
                size = float(np.prod([tiles[0, dim, 0] for dim in (N, M)])) if operand == OUTPUTS else 0.0
                assert (2 * found - size if operand == OUTPUTS else found) == access[level][category], (
                    operand,
                    depth,
                    factors,
                    orders,
                )
