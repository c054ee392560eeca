"""References and misses of a schedule, where they can be told by hand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from edgebnn.dataflow import references as module
from edgebnn.dataflow.bconv2d_nest import BinaryNest
from edgebnn.dataflow.caches import Cache
from edgebnn.dataflow.hardware import load
from edgebnn.dataflow.kernel_lines import binary_line
from edgebnn.dataflow.references import References, caches_of, references, workload_of
from edgebnn.errors import InputError
from edgebnn.kernels.schedules import LayerSchedule
from edgebnn.kernels.spaces import LayerShape

ENDLESS = [Cache("L1", 1 << 26, 16)]
PI3 = caches_of(load("pi-zero-2w"))


def layer(size: int = 14, channels: int = 128, taps: int = 3, output: str = "float32", **more: object) -> LayerShape:
    return LayerShape(
        operation="w1a8" if output == "int8" else "bconv2d",
        batch=1,
        in_size=(size, size),
        out_size=(size, size),
        filter_size=(taps, taps),
        stride=(1, 1),
        dilation=(1, 1),
        in_channels=channels,
        out_channels=channels,
        groups=1,
        output_type=output,
        padded=taps > 1,
        **more,  # type: ignore[arg-type]
    )


def cost(
    shape: LayerShape, kernel: str, dataflow: str, tiles: dict[str, int], caches: Sequence[Cache] = PI3
) -> References:
    return references(shape, LayerSchedule(0, "layer", kernel, dataflow, tiles), caches)


def test_each_line_of_each_array_is_missed_once_by_an_endless_cache() -> None:
    found = cost(layer(), "neon64", "os", {"pixels": 196, "blocks": 4}, ENDLESS)
    assert found.by_array["weights"] == (4 * 36 * 32 * 4 // 64,)  # blocks, words, channels of a block, bytes
    assert found.by_array["inputs"] == (14 * 14 * 16 // 64,)
    assert found.by_array["windows"] == (14 * 14 * 36 * 4 // 64,)
    assert found.by_array["outputs"] == (14 * 14 * 128 * 4 // 64,)


def test_windows_of_one_tap_are_read_in_place() -> None:
    found = cost(layer(taps=1), "portable", "os", {"pixels": 16, "blocks": 4}, ENDLESS)
    assert found.by_array["inputs"] == (0,)
    assert found.by_array["windows"] == (14 * 14 * 16 // 64,)


def test_small_tiles_read_weights_more_often_and_weight_stationary_tiles_do_not() -> None:
    wide = layer(channels=512, size=7)
    few = cost(wide, "neon64", "os", {"pixels": 4, "blocks": 16})
    many = cost(wide, "neon64", "os", {"pixels": 49, "blocks": 16})
    stationary = cost(wide, "neon64", "ws", {"pixels": 4, "blocks": 1})
    assert few.by_array["weights"][0] > 10 * many.by_array["weights"][1]
    assert stationary.by_array["weights"][1] == many.by_array["weights"][1]
    assert stationary.references > few.references  # windows are gathered again for every block


def test_a_pixel_beyond_whole_tiles_is_a_tile_of_its_own() -> None:
    nest = BinaryNest(
        workload_of(layer(channels=512, size=7)), binary_line("neon64"), "os", {"pixels": 48, "blocks": 16}
    )
    assert [(region.first, region.end) for region in nest.regions()] == [(0, 48), (48, 49)]


def test_padding_with_zeros_costs_references() -> None:
    tiles = {"pixels": 28, "blocks": 4}
    ones, zeros = (cost(layer(pads_with_zeros=z), "avx2", "os", tiles) for z in (False, True))
    assert zeros.references > ones.references
    assert zeros.by_array["padding"][0] > ones.by_array["padding"][0] == 0


def test_a_long_nest_is_told_from_its_first_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    long, tiles = layer(size=56, channels=64), {"pixels": 48, "blocks": 2}
    whole = cost(long, "neon64", "os", tiles)
    monkeypatch.setattr(module, "ENOUGH_TOUCHES", 60_000)
    part = cost(long, "neon64", "os", tiles)
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
        cost(layer(), "neon128", "os", tiles)
    with pytest.raises(InputError, match="row stationary"):
        cost(layer(), "neon64", "rs", {"rows": 4, "blocks": 1})
    with pytest.raises(InputError, match="depthwise"):
        cost(layer(output="int8", depthwise=True), "avx2", "os", {"rows": 4, "blocks": 1})


def test_w1a8_stages_each_row_once_and_weight_stationary_tiles_stage_them_again() -> None:
    shape = layer(size=14, channels=64, output="int8")
    os = cost(shape, "avx2", "os", {"rows": 1, "blocks": 2}, ENDLESS)
    assert os.by_array["inputs"] == (14 * 14 * 64 // 64,)
    assert os.by_array["weights"] == (2 * 9 * 64 * 32 // 8 // 64,)  # blocks of 32 channels, a bit each
    assert os.by_array["outputs"] == (14 * 14 * 64 // 64,)
    ws = cost(shape, "avx2", "ws", {"rows": 1, "blocks": 1}, ENDLESS)
    assert ws.misses == os.misses
    assert ws.references > os.references
    assert cost(shape, "avx2", "ws", {"rows": 1, "blocks": 1}).by_array["inputs"][0] > os.by_array["inputs"][0]
