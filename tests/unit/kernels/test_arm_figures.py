"""What the ARM kernels cost, exactly: instructions of whole layers, and cycles of the inner loop by a static model."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest

from edgebnn.targets.qemu_user import MACHINES, PACKAGE, compile_program, is_emulated
from tools.bench.arm_mca import (
    KERNELS,
    RUN_CASES,
    Kernel,
    Layer,
    assembly,
    find_mca,
    inner_loop,
    layer_instructions,
    loop_figures,
)

AARCH64 = MACHINES["aarch64"]
BCONV2D, W1A8, W1A8_DOT, FEW, FEW_DOT, FEW_FLOAT = (kernel for kernel in KERNELS if kernel.machine == "aarch64")

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ziglang") is None, reason="the ziglang wheel is not installed"
)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not is_emulated(AARCH64):
        pytest.skip(f"{AARCH64.emulator} is not installed: apt-get install {PACKAGE}")
    path = tmp_path_factory.mktemp("arm") / "run_cases"
    compile_program(AARCH64, path, [RUN_CASES])
    return path


@pytest.mark.parametrize(
    ("size", "channels", "output"),
    [(28, 128, output) for output in ("float32", "int8", "packed")] + [(14, 256, "int8"), (7, 512, "float32")],
)
def test_whole_layers_take_few_instructions(program: Path, size: int, channels: int, output: str) -> None:
    layer = Layer(size, channels, channels, output=output)
    assert layer_instructions(BCONV2D, program, layer) <= 3.9 * layer.words


@pytest.mark.parametrize(("output", "most"), [("float32", 12), ("int8", 42)])
def test_adding_a_tensor_takes_few_instructions(program: Path, output: str, most: int) -> None:
    """Of 16 values: they stay in registers. Written and read again for each step they take 38 and 86."""
    layer = Layer(8, 32, 64, output=output)
    alone, added = (layer_instructions(BCONV2D, program, replace(layer, adds=adds)) for adds in (False, True))
    assert added - alone <= most * layer.outputs / 16


def test_a_w1a8_layer_takes_few_instructions(program: Path) -> None:
    layer = Layer(14, 128, 128, output="int8")
    assert layer.macs >= 8 * layer_instructions(W1A8, program, layer)


@pytest.mark.parametrize(("kernel", "least"), [(FEW, 3.4), (FEW_DOT, 7.7)], ids=["neon64", "neon64dot"])
def test_a_first_layer_takes_few_instructions(program: Path, kernel: Kernel, least: float) -> None:
    layer = Layer(64, 3, 64, filter=7, stride=2, output="int8")
    assert layer.macs >= least * layer_instructions(kernel, program, layer)


@pytest.mark.parametrize("size", [2, 8])
def test_the_kernel_of_fewer_instructions_is_taken(program: Path, size: int) -> None:
    layer = Layer(size, 32, 16, filter=1, output="int8")
    counts = {name: layer_instructions(replace(W1A8, name=name), program, layer) for name in ("neon64", "neon64dot")}
    best = layer_instructions(replace(W1A8, name="best"), program, layer)
    assert min(counts, key=lambda name: abs(counts[name] - best)) == min(counts, key=lambda name: counts[name])


@pytest.mark.parametrize(
    ("kernel", "processor", "least"),
    [
        (BCONV2D, "cortex-a53", 38),
        (BCONV2D, "cortex-a72", 83),
        (BCONV2D, "neoverse-n1", 83),
        (W1A8, "cortex-a53", 11),
        (W1A8, "cortex-a72", 14),
        (W1A8, "neoverse-n1", 22),
        (W1A8_DOT, "neoverse-n1", 30),
        (FEW, "cortex-a53", 4.53),
        (FEW, "cortex-a72", 7.9),
        (FEW, "neoverse-n1", 7.9),
        (FEW_DOT, "neoverse-n1", 31),
        (FEW_FLOAT, "neoverse-n1", 7.9),
    ],
    ids=lambda value: getattr(value, "operation", None),
)
def test_inner_loop_keeps_processors_busy(kernel: Kernel, processor: str, least: float) -> None:
    """At most 85.3 binary MACs a cycle on two vector pipes, 42.7 on one; 26.9 with look-ups, 32 with dot products.

    First layers without dot products: 8 where one of two pipes multiplies, 5.33 on one.
    """
    if find_mca() is None:
        pytest.skip("llvm-mca of LLVM 17 or later is not installed: apt-get install llvm-19")
    figure = next(figure for figure in loop_figures(kernel) if figure.processor == processor)
    assert figure.macs_per_cycle >= least


def test_inner_loop_has_nothing_but_the_arithmetic_and_two_loads_a_word() -> None:
    loop = [line.split()[0] for line in inner_loop(BCONV2D, assembly(BCONV2D))]
    words = loop.count("cnt")
    assert words == loop.count("eor") == loop.count("uadalp") == 32
    assert loop.count("ld1") == words / 8
    assert len(loop) - 3 * words - words / 8 == 6  # four addresses, the end, the branch
