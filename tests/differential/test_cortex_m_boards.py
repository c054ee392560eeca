"""Whole firmwares on boards that QEMU emulates give the bytes that the simulated cores and the reference give."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgebnn.converters.c_package.generate import generate
from edgebnn.converters.c_package.package import Package
from edgebnn.converters.read_tflite import read
from edgebnn.graph.execute import run
from edgebnn.kernels.cores import CORES
from edgebnn.targets.cortex_m import Machine, compile_image, qemu
from edgebnn.targets.cortex_m.machine import SimulationError
from edgebnn.targets.cortex_m.network import Network, compile_package
from edgebnn.targets.cortex_m.toolchain import link
from tests.support.c_graphs import small_graph
from tests.support.thumb_code import MIXED

pytestmark = pytest.mark.skipif(
    not qemu.is_installed(), reason=f"needs {qemu.EMULATOR}: apt-get install {qemu.PACKAGE}"
)

RESNET = Path(__file__).parents[1] / "data" / "mcu" / "mlperf_tiny" / "pretrainedResnet_quant.tflite"
X = np.random.default_rng(1).integers(-128, 128, (1, 4, 5)).astype(np.int8)


def package(core: str) -> Package:
    return generate(small_graph(), CORES[core], "network")


def test_there_is_a_board_for_every_core() -> None:
    assert set(CORES) <= set(qemu.BOARDS)


@pytest.mark.parametrize("core", CORES)
def test_boards_boot_and_agree(core: str) -> None:
    made = package(core)
    (booted,) = qemu.boot(made, (X,))
    (simulated,) = Network(made, compile_package(made)).infer((X,)).outputs
    np.testing.assert_array_equal(booted, simulated)
    np.testing.assert_array_equal(booted, run(small_graph(), (X,))[0])


@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m33"])
def test_a_firmware_that_faults_is_told_from_a_wrong_output(core: str) -> None:
    made = package(core)
    text = made.files["network.c"].replace("  edgebnn_profile_hook(0);", '  __asm volatile("udf #0");', 1)
    assert text != made.files["network.c"]
    with pytest.raises(SimulationError, match=r"^the firmware fails on .*: the code faults"):
        qemu.boot(replace(made, files={**made.files, "network.c": text}), (X,))


def test_an_error_of_the_network_is_told() -> None:
    made = package("cortex-m3")
    text = made.files["network.c"].replace("return -1;", "return -1; else return 5;", 1)
    assert text != made.files["network.c"]
    with pytest.raises(SimulationError, match="its function returns an error"):
        qemu.boot(replace(made, files={**made.files, "network.c": text}), (X,))


def test_a_whole_network_agrees() -> None:
    graph = read(RESNET)
    made = generate(graph, CORES["cortex-m4"], "network")
    x = np.random.default_rng(0).integers(-128, 128, (1, 32, 32, 3)).astype(np.int8)
    (booted,) = qemu.boot(made, (x,))
    np.testing.assert_array_equal(booted, run(graph, (x,))[0])


@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs gcc: apt-get install gcc-arm-none-eabi")
@pytest.mark.parametrize("core", CORES)
def test_gcc_compiles_the_same_firmware(core: str) -> None:
    made = package(core)
    (booted,) = qemu.boot(made, (X,), "gcc")
    (simulated,) = Network(made, compile_package(made, toolchain="gcc")).infer((X,)).outputs
    np.testing.assert_array_equal(booted, run(small_graph(), (X,))[0])
    np.testing.assert_array_equal(booted, simulated)


RUN = (
    MIXED
    + """
static int8_t data[40];
static int32_t out[26];
__attribute__((noinline)) int run_mixed(int repeats)
{
    int sum = 0;
    for (int i = 0; i < 40; ++i) data[i] = (int8_t)(i * 37 - 100);
    for (volatile int i = 0; i < repeats; ++i) sum += mixed(data, 40, out);
    return sum;
}
"""
)
MAIN = """
int run_mixed(int repeats);
int main(void)
{
    static const unsigned reason[2] = {0x20026, 0};
    register unsigned r0 __asm("r0");
    run_mixed(REPEATS);
    r0 = 0x20;
    register const void *r1 __asm("r1") = reason;
    __asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return 0;
}
"""


@pytest.mark.parametrize("core", CORES)
def test_the_boards_execute_as_many_instructions(core: str, tmp_path: Path) -> None:
    """QEMU translates each instruction by itself, and logs each execution of a translation."""
    board = qemu.BOARDS[core]
    counts = []
    for repeats in (1, 3):
        flags = (f"-DREPEATS={repeats}",)
        (tmp_path / "firmware.elf").write_bytes(link(CORES[core], [RUN, MAIN], memory=board.memory, flags=flags))
        command = [*qemu.command(board), one_at_a_time(), "-d", "exec,nochain"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
        counts.append(sum(line.startswith("Trace ") for line in done.stderr.splitlines()))
    machine = Machine(compile_image(CORES[core], [RUN], keep=("run_mixed",)))
    simulated = [machine.call("run_mixed", repeats).instructions for repeats in (1, 3)]
    assert counts[1] - counts[0] == simulated[1] - simulated[0]


def one_at_a_time() -> str:
    """QEMU 8.1 renamed the option."""
    options = subprocess.run([qemu.EMULATOR, "-h"], capture_output=True, text=True, check=True).stdout
    return "-one-insn-per-tb" if "one-insn-per-tb" in options else "-singlestep"
