"""W1A8 convolutions with vectors, on a Cortex-M55 that QEMU emulates: their bytes, and how many instructions."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgebnn.converters.c_package.generate import generate
from edgebnn.converters.c_package.package import Package
from edgebnn.graph.execute import run
from edgebnn.graph.ops.enums import Activation, Padding
from edgebnn.graph.types import Graph
from edgebnn.kernels.cores import VECTOR_CORES
from edgebnn.targets.cortex_m import qemu
from edgebnn.targets.cortex_m.toolchain import ToolchainName
from tests.support.w1a8_graphs import ConvLayer, chain, conv_pair

pytestmark = pytest.mark.skipif(
    not qemu.is_installed(), reason=f"needs {qemu.EMULATOR}: apt-get install {qemu.PACKAGE}"
)

CORE = VECTOR_CORES["cortex-m55"]
LAYERS = (
    ConvLayer(),
    ConvLayer(inputs=19, outputs=33, stride=(2, 2), activation=Activation.RELU),
    ConvLayer(size=(9, 8), dilation=(2, 2), groups=2, inputs=16, outputs=5, padding=Padding.VALID),
    ConvLayer(size=(5, 7), filter=(1, 1), inputs=3, outputs=4),
)


def noise(graph: Graph) -> np.ndarray:
    shape = graph.tensors[graph.inputs[0]].shape
    return np.random.default_rng(0).integers(-128, 128, shape).astype(np.int8)


@pytest.mark.parametrize("layer", LAYERS)
def test_layers_equal_the_reference(layer: ConvLayer) -> None:
    graph = conv_pair(layer)[1]
    package = generate(graph, CORE, "network")
    assert [one.function for one in package.layers] == ["eb_conv_w1a8_mve"]
    x = noise(graph)
    np.testing.assert_array_equal(qemu.boot(package, (x,))[0], run(graph, (x,))[0])


@pytest.mark.parametrize("toolchain", ["zig", "gcc"])
def test_a_chain_lies_over_itself(toolchain: ToolchainName) -> None:
    if toolchain == "gcc" and shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("arm-none-eabi-gcc is not installed")
    graph = chain([conv_pair(ConvLayer(size=(9, 7), inputs=12, outputs=12), seed)[1] for seed in range(3)])
    package = generate(graph, CORE, "network")
    x = noise(graph)
    assert package.arena_bytes < 2 * x.nbytes + 3 * 4 * 12 * 9
    np.testing.assert_array_equal(qemu.boot(package, (x,), toolchain)[0], run(graph, (x,))[0])


def executed(package: Package, x: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> int:
    """Instructions of the whole firmware. QEMU translates each by itself, and logs each execution of a translation."""
    found = []

    def counted(board: qemu.Board, folder: Path) -> None:
        options = subprocess.run([qemu.EMULATOR, "-h"], capture_output=True, text=True, check=True).stdout
        single = "-one-insn-per-tb" if "one-insn-per-tb" in options else "-singlestep"
        command = [*qemu.command(board), single, "-d", "exec,nochain"]
        with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE) as process:
            assert process.stderr is not None
            found.append(sum(line.startswith(b"Trace ") for line in process.stderr))

    monkeypatch.setattr(qemu, "_run", counted)
    qemu.boot(package, (x,))
    return found[0]


def test_vectors_take_little_more_than_half_of_what_usada8_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """3x3, 64 to 64 channels, 8x8 positions; the start-up code and the writing of the output counted."""
    graph = conv_pair(ConvLayer(size=(8, 8), inputs=64, outputs=64))[1]
    macs = 8 * 8 * 64 * 9 * 64
    vectors = executed(generate(graph, CORE, "network"), noise(graph), monkeypatch)
    words = executed(generate(graph, replace(CORE, mve=False), "network"), noise(graph), monkeypatch)
    assert vectors / macs < 0.29
    assert vectors < 0.6 * words
