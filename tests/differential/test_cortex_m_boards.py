"""Whole firmwares on boards that QEMU emulates give the bytes that the simulated cores and the reference give."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgebnn.converters.c_package.generate import Package, generate
from edgebnn.converters.read_tflite import read
from edgebnn.graph.execute import run
from edgebnn.kernels.cores import CORES
from edgebnn.targets.cortex_m import qemu
from edgebnn.targets.cortex_m.machine import SimulationError
from edgebnn.targets.cortex_m.network import Network, compile_package
from tests.support.c_graphs import small_graph

pytestmark = pytest.mark.skipif(
    not qemu.is_installed(), reason=f"needs {qemu.EMULATOR}: apt-get install {qemu.PACKAGE}"
)

RESNET = Path(__file__).parents[1] / "data" / "mcu" / "mlperf_tiny" / "pretrainedResnet_quant.tflite"
X = np.random.default_rng(1).integers(-128, 128, (1, 4, 5)).astype(np.int8)


def package(core: str) -> Package:
    return generate(small_graph(), CORES[core], "network")


def test_there_is_a_board_for_every_core() -> None:
    assert set(qemu.BOARDS) == set(CORES)


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
