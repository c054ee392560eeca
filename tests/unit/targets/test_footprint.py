"""What a network takes of a microcontroller's memory, and what is said where that is too much."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import edgebnn
from edgebnn.cli.main import cli, main
from edgebnn.converters.c_package.generate import generate
from edgebnn.errors import InputError
from edgebnn.kernels.cores import CORES
from edgebnn.targets import TARGETS
from edgebnn.targets.cortex_m import boards
from edgebnn.targets.cortex_m.footprint import live_bytes
from edgebnn.targets.cortex_m.network import compile_package
from edgebnn.targets.footprint import Footprint, Limits
from edgebnn.targets.model_file import open_model

RESNET = Path(__file__).parents[2] / "data" / "mcu" / "mlperf_tiny" / "pretrainedResnet_quant.tflite"
X = (np.zeros((1, 32, 32, 3), np.int8),)


@pytest.fixture(scope="module")
def resnet() -> Footprint:
    return edgebnn.target("cortex-m4").footprint(open_model(RESNET), X, Limits())


def test_layers_and_totals(resnet: Footprint) -> None:
    weights = sum(layer.flash_bytes for layer in resnet.layers)
    assert 77_000 < weights <= resnet.flash.constants
    assert resnet.flash.total == resnet.flash.code + resnet.flash.constants
    assert 2000 < resnet.flash.code < 16_000
    sizes = {function.name: function.bytes for function in resnet.functions}
    assert 100 < sizes["network_invoke"] < 2000
    assert 0.9 * resnet.flash.code < sum(sizes.values()) <= resnet.flash.code
    assert list(sizes.values()) == sorted(sizes.values(), reverse=True)
    ram = resnet.ram
    assert (ram.inputs_and_outputs, ram.limit, resnet.fits, resnet.remedies) == (3072 + 10, None, True, ())
    assert ram.total == ram.arena + ram.inputs_and_outputs + ram.stack
    assert 50 < ram.stack < 2000
    assert ram.arena_lower_bound <= max(layer.ram_bytes for layer in resnet.layers) <= ram.arena


def test_what_is_live_in_a_layer() -> None:
    package = generate(open_model(RESNET).graph, CORES["cortex-m3"], "net")
    live = live_bytes(package)
    tensors = package.graph.tensors
    for number, (layer, bytes_) in enumerate(zip(package.layers, live, strict=True)):
        inside = {tensor: offset for tensor, offset in layer.outputs if offset is not None}
        assert bytes_ >= layer.scratch_bytes + sum(tensors[tensor].bytes for tensor in inside), number
    first = package.layers[0]
    assert live[0] == tensors[first.outputs[0][0]].bytes + first.scratch_bytes, "its input is the caller's"


def test_remedies_name_layers_and_commands(resnet: Footprint) -> None:
    found = edgebnn.target("cortex-m4").footprint(open_model(RESNET), X, Limits(flash=65536, ram=20480))
    assert not found.fits
    text = "\n".join(found.remedies)
    assert f"flash: {resnet.flash.total - 65536:,} bytes too many" in text
    assert f"{max(resnet.layers, key=lambda layer: layer.flash_bytes).index} (37," in text
    assert "convert --to w1a8" in text
    assert f"edgebnn prune --budget flash={65536 - found.flash.code}" in text
    assert f"RAM: {found.ram.total - 20480:,} bytes too many" in text
    assert f"edgebnn prune --budget ram={20480 - found.ram.total + found.ram.arena}" in text
    tiny = edgebnn.target("cortex-m4").footprint(open_model(RESNET), X, Limits(flash=1000, ram=1000))
    assert any("choose a device with more flash" in remedy for remedy in tiny.remedies)
    assert "or a device with more RAM" in tiny.remedies[-1]


def test_boards_are_targets_with_a_core_memory_and_a_clock() -> None:
    names = {path.stem for path in boards.FOLDER.glob("*.toml")}
    assert names <= set(TARGETS)
    for name in names:
        board = boards.board(name)
        assert board.core in CORES
        assert board.flash_bytes >= board.ram_bytes > 0
        assert board.source
    target = edgebnn.target("nucleo-l4r5zi")
    times = target.in_unit("ms", wait_states=1).profile(RESNET)
    cycles = edgebnn.target("cortex-m4").in_unit("cycles", wait_states=1).profile(RESNET)
    assert (target.unit, times.unit, times.kind) == ("instructions", "ms", "estimated")
    assert times.total == pytest.approx(cycles.total / 120e3)
    assert sum(op.value for op in times.ops) == pytest.approx(times.total)
    with pytest.raises(InputError, match="cortex-m4: has no clock; choose a board"):
        edgebnn.target("cortex-m4").in_unit("ms")


def test_models_that_are_too_large_for_a_board_do_not_run_there() -> None:
    with pytest.raises(
        InputError, match=r"quant.tflite: takes \d\d,\d{3} bytes of flash of 65,536 on bluepill-f103c8; edgebnn analyze"
    ):
        edgebnn.target("bluepill-f103c8").profile(RESNET)


def test_analyze_tells_it_and_fails_where_it_does_not_fit(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["analyze", str(RESNET), "--target", "cortex-m0plus", "--ram", "64k", "--json"]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 0, done.output
    value = json.loads(done.stdout)
    assert value["footprint"]["fits"] is True
    assert value["footprint"]["ram"]["limit"] == 65536
    assert {"index", "op", "name", "kernel", "flash_bytes", "ram_bytes"} == set(value["footprint"]["layers"][0])
    with pytest.raises(SystemExit) as ended:
        main(["analyze", str(RESNET), "--target", "bluepill-f103c8"])
    assert ended.value.code == 1
    assert "DOES NOT FIT" in capsys.readouterr().out
    for wrong in (
        ["--ram", "64k"],
        ["--target", "cortex-m4", "--ram", "64 apples"],
        ["--target", "host", "--ram", "64k"],
    ):
        assert CliRunner().invoke(cli, ["analyze", str(RESNET), *wrong]).exit_code != 0


def test_a_compiler_is_chosen_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEBNN_MCU_COMPILER", "other")
    with pytest.raises(InputError, match="choose zig or gcc"):
        edgebnn.target("cortex-m4")


def test_what_the_elf_file_reserves_is_the_arena_to_the_byte() -> None:
    package = generate(open_model(RESNET).graph, CORES["cortex-m4"], "net")
    image = compile_package(package)
    assert {symbol.name: symbol.size for symbol in image.symbols}["net_arena"] == package.arena_bytes
    assert image.sections["bss"] == package.arena_bytes
    assert image.sections["data"] == 0
