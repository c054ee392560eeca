"""References and misses of a schedule, where they can be told by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgebnn.dataflow import references as module
from edgebnn.dataflow.caches import Cache
from edgebnn.dataflow.hardware import load
from edgebnn.dataflow.references import References, caches_of, references
from edgebnn.dataflow.workload import Workload, workload
from edgebnn.errors import InputError
from edgebnn.graph.opdef import Loops, Macs

ENDLESS = [Cache("L1", 1 << 26, 16)]
PI3 = caches_of(load("pi-zero-2w"))


def layer(size: int = 14, channels: int = 128, taps: int = 3, output_bits: float = 32) -> Workload:
    macs = Macs(binary=size**2 * channels**2 * taps**2)
    before = (taps // 2, taps // 2)
    loops = Loops(1, 1, channels, channels, macs, (size, size), (taps, taps), (size, size), before)
    return workload(loops, "layer", output_bits)


def test_each_line_of_each_array_is_missed_once_by_an_endless_cache() -> None:
    found = references(layer(), "neon64", "os", {"pixels": 196, "blocks": 4}, ENDLESS)
    assert found.by_array["weights"] == (4 * 36 * 32 * 4 // 64,)  # blocks, words, channels of a block, bytes
    assert found.by_array["inputs"] == (14 * 14 * 16 // 64,)
    assert found.by_array["windows"] == (14 * 14 * 36 * 4 // 64,)
    assert found.by_array["outputs"] == (14 * 14 * 128 * 4 // 64,)


def test_windows_of_one_tap_are_read_in_place() -> None:
    found = references(layer(taps=1), "portable", "os", {"pixels": 16, "blocks": 4}, ENDLESS)
    assert found.by_array["inputs"] == (0,)
    assert found.by_array["windows"] == (14 * 14 * 16 // 64,)


def test_small_tiles_read_weights_more_often_and_weight_stationary_tiles_do_not() -> None:
    wide = layer(channels=512, size=7)
    few = references(wide, "neon64", "os", {"pixels": 4, "blocks": 16}, PI3)
    many = references(wide, "neon64", "os", {"pixels": 49, "blocks": 16}, PI3)
    stationary = references(wide, "neon64", "ws", {"pixels": 4, "blocks": 1}, PI3)
    assert few.by_array["weights"][0] > 10 * many.by_array["weights"][1]
    assert stationary.by_array["weights"][1] == many.by_array["weights"][1]
    assert stationary.references > few.references  # windows are gathered again for every block


def test_padding_with_zeros_costs_references() -> None:
    tiles = {"pixels": 28, "blocks": 4}
    ones, zeros = (references(layer(), "avx2", "os", tiles, PI3, zero_padding=z) for z in (False, True))
    assert zeros.references > ones.references
    assert zeros.by_array["padding"][0] > ones.by_array["padding"][0] == 0


def test_a_long_nest_is_told_from_its_first_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    long, tiles = layer(size=56, channels=64), {"pixels": 48, "blocks": 2}
    whole = references(long, "neon64", "os", tiles, PI3)
    monkeypatch.setattr(module, "ENOUGH_TOUCHES", 60_000)
    part = references(long, "neon64", "os", tiles, PI3)
    assert part.references == whole.references
    assert part.misses != whole.misses
    assert part.misses == pytest.approx(whole.misses, rel=0.05)


def test_a_cycle_for_a_reference_and_the_time_of_a_line_for_a_miss() -> None:
    pi4 = load("pi4")
    l2, dram = (level.bytes_per_cycle for level in (pi4.levels[1], pi4.levels[0]))
    assert References(1000, (10, 1), {}).cycles(pi4) == 1000 + 10 * 64 / l2 + 64 / dram


def test_caches_are_those_between_memory_and_registers() -> None:
    assert caches_of(load("pi4")) == (Cache("L1", 32768, 2), Cache("L2", 1048576, 16))
    assert [cache.name for cache in caches_of(load("pi5"))] == ["L1", "L2", "L3"]


@pytest.mark.parametrize("name", ["eyeriss", "cortex-m4"])
def test_a_machine_without_caches_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="cache misses cannot be told"):
        caches_of(load(name))


def test_what_is_not_known_is_refused() -> None:
    tiles = {"pixels": 4, "blocks": 1}
    with pytest.raises(InputError, match="kernel 'neon128'"):
        references(layer(), "neon128", "os", tiles, PI3)
    with pytest.raises(InputError, match="order 'rs'"):
        references(layer(), "neon64", "rs", tiles, PI3)
    with pytest.raises(InputError, match="int8 layer"):
        references(replace(layer(), precision="int8"), "neon64", "os", tiles, PI3)
