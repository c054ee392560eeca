"""The closed forms of the counts against loops that are walked."""

from __future__ import annotations

import random
from types import MappingProxyType

import numpy as np
import pytest

from edgebnn.dataflow.mapping import Links, Mappings, loads, moves
from edgebnn.dataflow.workload import DIMS, INPUTS, OPERANDS, OUTPUTS, C, E, F, G, M, N, R, S, Workload
from tests.support.loop_walk import handed_on, walked


def _layer(rng: random.Random) -> Workload:
    bounds = [rng.choice([1, 1, 2]), *(rng.randint(1, 4) for _ in range(3))]
    bounds += [rng.randint(1, 6), rng.randint(1, 6), rng.randint(1, 3), rng.randint(1, 3)]
    return Workload(
        name="layer",
        bounds=tuple(bounds),  # type: ignore[arg-type]
        precision="float",
        bits=MappingProxyType({}),
        sum_bits=32,
        lanes=1,
        macs=1,
        stride=(rng.randint(1, 3), rng.randint(1, 2)),
        dilation=(rng.randint(1, 2), rng.randint(1, 3)),
        in_size=(99, 99),
    )


def _mappings(rng: random.Random, layer: Workload, spatial: bool) -> Mappings:
    tiles = [list(layer.bounds)]
    for _ in range(rng.choice([2, 3]) if spatial else rng.choice([1, 2, 3])):
        tiles.append([rng.randint(1, size) if rng.random() < 0.6 else size for size in tiles[-1]])
    stages = len(tiles) - (2 if spatial else 1)
    orders = tuple(tuple(rng.sample(range(8), 8)) for _ in range(stages))
    return Mappings(np.array(tiles, np.int64)[:, :, None], orders, spatial)


@pytest.mark.parametrize("seed", range(12))
def test_counts_are_those_of_the_loops(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(20):
        layer, spatial = _layer(rng), rng.random() < 0.5
        mappings = _mappings(rng, layer, spatial)
        for operand in OPERANDS:
            depth = mappings.depth - 1 if spatial else rng.randint(1, mappings.depth - 1)
            found = moves(layer, mappings, operand, depth)
            brought = loads(mappings, operand, depth - 1 if spatial else depth)
            counted = (float(found.distinct[0]), float(found.delivered[0]), float(brought[0]))
            assert counted == walked(layer, mappings, operand, depth), (layer, mappings, operand)


def test_padding_is_not_read_from_where_the_layer_lies() -> None:
    """Of 6 rows with one of padding on each side, tiles of 2 output rows cover 4, 4 and 4 of 8: 10 without padding."""
    layer = Workload(
        name="layer",
        bounds=(1, 1, 1, 1, 6, 1, 3, 1),
        precision="float",
        bits=MappingProxyType({}),
        sum_bits=32,
        lanes=1,
        macs=18,
        before=(1, 0),
        in_size=(6, 1),
    )
    tiles = np.array([layer.bounds, (1, 1, 1, 1, 2, 1, 3, 1)], np.int64)[:, :, None]
    sliding = moves(layer, Mappings(tiles, (tuple(range(8)),), False), "inputs", 1)
    assert float(sliding.distinct[0]) == 6
    with_channels = np.array([(1, 1, 1, 2, 6, 1, 3, 1), (1, 1, 1, 1, 2, 1, 3, 1)], np.int64)[:, :, None]
    deep = Workload(**{**vars(layer), "bounds": (1, 1, 1, 2, 6, 1, 3, 1)})
    again = moves(deep, Mappings(with_channels, ((4, 3, 0, 1, 2, 5, 6, 7),), False), "inputs", 1)
    assert float(again.distinct[0]) == 2 * 10


def test_what_is_not_kept_comes_at_every_turn() -> None:
    """4 output channels by 1 and 6 positions by 2: 12 turns bring 2 inputs each, in whichever order."""
    layer = Workload("layer", (1, 1, 4, 1, 1, 6, 1, 1), "int8", MappingProxyType({}), 32, 1, 24, in_size=(1, 6))
    tiles = np.array([layer.bounds, (1, 1, 1, 1, 1, 2, 1, 1)], np.int64)[:, :, None]
    for order in ((0, 1, 2, 3, 4, 5, 6, 7), (0, 1, 3, 4, 5, 6, 7, 2)):
        assert float(moves(layer, Mappings(tiles, (order,), False), "inputs", 1, kept=False).distinct[0]) == 24
    inmost = Mappings(tiles, ((0, 1, 3, 4, 5, 6, 7, 2),), False)
    assert float(moves(layer, inmost, "inputs", 1).distinct[0]) == 6


@pytest.mark.parametrize(("order", "slides"), [((G, M, C, R, S, N, E, F), {E, F}), ((G, N, M, E, F, C, R, S), {R, S})])
def test_what_elements_hand_on_comes_once(order: tuple[int, ...], slides: set[int]) -> None:
    """Delay lines along the output's rows and columns, or neighbours along the filter's, against walked loops."""
    rng = random.Random(f"{slides}")
    for _ in range(40):
        layer = _layer(rng)
        held = [rng.randint(1, bound) for bound in layer.bounds]
        array = [rng.randint(1, size) for size in held]
        tiles = np.array([layer.bounds, held, array, [1] * len(DIMS)], np.int64)[:, :, None]
        links = Links(frozenset(slides))
        found = moves(layer, Mappings(tiles, (tuple(range(8)), order), True, links), INPUTS, 3, kept=False)
        assert float(found.distinct[0]) == handed_on(layer, tiles[:, :, 0], (tuple(range(8)), order), slides)


def test_sums_that_are_not_added_on_the_way_are_written_for_each_element() -> None:
    """2 channels by 3 filter rows by 2 columns at once: with rows apart, each of 5 outputs is written 3 times."""
    layer = Workload("layer", (1, 1, 1, 2, 1, 5, 3, 2), "int8", MappingProxyType({}), 32, 1, 60, in_size=(3, 6))
    tiles = np.array([layer.bounds, layer.bounds, (1, 1, 1, 2, 1, 1, 3, 2), [1] * 8], np.int64)[:, :, None]
    orders = (tuple(range(8)),) * 2
    together = moves(layer, Mappings(tiles, orders, True), OUTPUTS, 3, kept=False)
    apart = moves(layer, Mappings(tiles, orders, True, Links(apart=frozenset((R,)))), OUTPUTS, 3, kept=False)
    assert (float(together.distinct[0]), float(together.delivered[0])) == (5, 60)
    assert (float(apart.distinct[0]), float(apart.delivered[0])) == (15, 60)


def test_a_memory_that_loads_every_tile_anew() -> None:
    """6 rows by 2 with 3 taps: 4 rows a tile, of which two are those of the tile before."""
    layer = Workload("layer", (1, 1, 1, 1, 6, 1, 3, 1), "int8", MappingProxyType({}), 32, 1, 18, in_size=(8, 1))
    tiles = np.array([layer.bounds, (1, 1, 1, 1, 2, 1, 3, 1)], np.int64)[:, :, None]
    mappings = Mappings(tiles, (tuple(range(8)),), False)
    assert float(moves(layer, mappings, INPUTS, 1).distinct[0]) == 8
    assert float(moves(layer, mappings, INPUTS, 1, overlaps=False).distinct[0]) == 12
