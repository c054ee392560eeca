"""What the ARM kernels cost, exactly: instructions of whole layers, and cycles of the inner loop by a static model."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from edgebnn.targets.qemu_user import MACHINES, PACKAGE, compile_program, is_emulated
from tools.bench.arm_mca import RUN_CASES, Layer, assembly, find_mca, inner_loop, layer_instructions, loop_figures

AARCH64 = MACHINES["aarch64"]

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
    assert layer_instructions(AARCH64, program, "neon64", layer) <= 3.9 * layer.words


@pytest.mark.parametrize(("processor", "least"), [("cortex-a53", 38), ("cortex-a72", 83), ("neoverse-n1", 83)])
def test_inner_loop_keeps_processors_busy(processor: str, least: float) -> None:
    """XOR, count and addition of 128 bits: at most 85.3 binary MACs a cycle on two vector pipes, 42.7 on one."""
    if find_mca() is None:
        pytest.skip("llvm-mca is not installed: apt-get install llvm")
    figure = next(figure for figure in loop_figures(AARCH64) if figure.processor == processor)
    assert figure.macs_per_cycle >= least


def test_inner_loop_has_nothing_but_the_arithmetic_and_two_loads_a_word() -> None:
    loop = [line.split()[0] for line in inner_loop(assembly(AARCH64, "neon64"))]
    words = loop.count("cnt")
    assert words == loop.count("eor") == loop.count("uadalp") == 32
    assert loop.count("ld1") == words / 8
    assert len(loop) - 3 * words - words / 8 == 6  # four addresses, the end, the branch
