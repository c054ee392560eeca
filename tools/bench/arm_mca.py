#!/usr/bin/env python3
"""The ARM kernels without a board: cycles of their inner loops by llvm-mca, instructions of whole layers by qemu-user.

Usage: .venv/bin/python tools/bench/arm_mca.py [--json FILE] [--markdown FILE]

Needs ziglang, llvm-mca (Debian: llvm; llvm-22 where there is one: older ones have no model of their own for
neoverse-n1) and qemu-user-static. Cycles are estimated, from the static model of a processor, every load a hit of the
first-level cache. Instructions are simulated: exact, but they are not time.
"""

from __future__ import annotations

import argparse
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from json import dumps
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgebnn.errors import EdgebnnError, InputError
from edgebnn.files import write_text
from edgebnn.runtime import build
from edgebnn.targets.qemu_user import MACHINES, Machine, compile_program, count_instructions

WORD_BITS = 128
RUN_CASES = build.Source(Path(__file__).parent / "run_cases.c")

# Machine -> kernel, and the models of llvm-mca that tell its cycles.
LOOPS = {
    "aarch64": ("neon64", ("cortex-a53", "cortex-a72", "neoverse-n1")),
    "armv7": ("neon32", ("cortex-a57",)),
}
_MCA_TRIPLE = {"aarch64": "aarch64-linux-gnu", "armv7": "armv7-linux-gnueabihf"}
_ITERATIONS = 200
_BRANCH = re.compile(
    r"(?P<name>b[.\w]*|cbn?z\s+\w+,|tbn?z\s+\w+,\s*#\d+,)\s+(?:(?P<local>\d+)(?:b|(?P<forward>f))|(?P<label>\.L\w+))$"
)

OUTPUTS = {"float32": 0, "int8": 1, "packed": 3}
"""Names of enum eb_type."""


@dataclass(frozen=True)
class Layer:
    """A convolution with SAME padding of ones, over a square image and with a square filter."""

    size: int
    channels_in: int
    channels_out: int
    filter: int = 3
    stride: int = 1
    output: str = "float32"

    @property
    def name(self) -> str:
        what = f"{self.filter}x{self.filter} {self.size}x{self.size}x{self.channels_in}"
        to = f" to {self.channels_out}" if self.channels_out != self.channels_in else ""
        return what + to + (f" stride {self.stride}" if self.stride > 1 else "")

    @property
    def words(self) -> float:
        """128-bit words of XOR."""
        outputs = ((self.size - 1) // self.stride + 1) ** 2
        return outputs * self.channels_out * self.filter**2 * self.channels_in / WORD_BITS


LAYERS = (
    Layer(56, 64, 64),
    *(Layer(28, 128, 128, output=output) for output in OUTPUTS),
    *(Layer(14, 256, 256, output=output) for output in OUTPUTS),
    *(Layer(7, 512, 512, output=output) for output in OUTPUTS),
    Layer(56, 64, 128, stride=2),
    Layer(28, 256, 256, filter=1),
    Layer(14, 512, 512, filter=1),
)


@dataclass(frozen=True)
class LoopFigure:
    kernel: str
    processor: str
    macs_per_cycle: float
    instructions_per_word: float
    kind: str = "estimated (llvm-mca)"


@dataclass(frozen=True)
class LayerFigure:
    machine: str
    kernel: str
    layer: str
    output: str
    instructions: int
    instructions_per_word: float
    kind: str = "simulated (qemu-user, instructions)"


def assembly(machine: Machine, kernel: str) -> str:
    """What zig makes of the kernel's file."""
    name = f"bconv2d_{kernel}.c"
    source = next(source for source in build.sources(machine.processor) if source.path.name == name)
    compiler = build.zig_compiler(machine.zig_target)
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "kernel.s"
        command = (
            *compiler.command,
            *build.COMPILE_FLAGS,
            *source.flags,
            "-g0",
            "-S",
            str(source.path),
            "-o",
            str(made),
        )
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise InputError(f"{source.path}: {result.stderr.strip()}")
        return made.read_text(encoding="utf-8")


def inner_loop(text: str) -> list[str]:
    """The instructions of the loop, without another in it, that counts bits of the most words."""
    lines = [re.split("//|@", line)[0].strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not re.match(r"\.(?!L\w+:)", line)]
    loops = []
    for end, line in enumerate(lines):
        branch = _BRANCH.match(line)
        if branch is None or branch["forward"]:
            continue
        label = f"{branch['local'] or branch['label']}:"
        begin = next((i for i in range(end - 1, -1, -1) if lines[i] == label), None)
        if begin is not None:
            body = [line for line in lines[begin + 1 : end + 1] if not line.endswith(":")]
            if sum(_BRANCH.match(line) is not None for line in body) == 1:
                loops.append(body)
    return max(loops, key=counted_words)


def counted_words(loop: Sequence[str]) -> int:
    return sum(re.match(r"v?cnt", line) is not None for line in loop)


def find_mca() -> str | None:
    """The newest llvm-mca there is."""
    names = [*(f"llvm-mca-{version}" for version in range(30, 13, -1)), "llvm-mca"]
    return next((name for name in names if shutil.which(name)), None)


def cycles(machine: Machine, loop: Sequence[str], processor: str) -> float:
    """Cycles of one round of a loop. Raises InputError without llvm-mca, or if it does not know the processor."""
    mca = find_mca()
    if mca is None:
        raise InputError("llvm-mca is not installed; apt-get install llvm")
    loop = [_BRANCH.sub(r"\g<name> 0x10", line) for line in loop]
    command = [mca, f"-mtriple={_MCA_TRIPLE[machine.name]}", f"-mcpu={processor}", f"-iterations={_ITERATIONS}"]
    if machine.name == "armv7":
        command.append("-mattr=+neon")
    result = subprocess.run(command, input="\n".join(loop) + "\n", capture_output=True, text=True, check=False)
    found = re.search(r"Total Cycles:\s+(\d+)", result.stdout)
    if found is None:
        raise InputError(f"{mca} for {processor}: {result.stderr.strip().splitlines()[0]}")
    return int(found[1]) / _ITERATIONS


def loop_figures(machine: Machine) -> list[LoopFigure]:
    kernel, processors = LOOPS[machine.name]
    loop = inner_loop(assembly(machine, kernel))
    words = counted_words(loop)
    return [
        LoopFigure(kernel, processor, WORD_BITS * words / cycles(machine, loop, processor), len(loop) / words)
        for processor in processors
    ]


def encode_case(kind: int, operation: bytes, arrays: Sequence[NDArray[np.generic]], parts: int = 1) -> bytes:
    """A case as run_cases.c reads it. operation: the struct of kernels.h."""
    rest = b"".join(struct.pack("<q", array.nbytes) + array.tobytes() for array in arrays)
    return struct.pack("<i", kind) + operation + struct.pack("<i", parts) + rest


def encode_layer(layer: Layer) -> bytes:
    rng = np.random.default_rng(1)
    window = (1, layer.size, layer.size, layer.filter, layer.filter, layer.stride, layer.stride, 1, 1, 0, 0, 0, 0, 0)
    options = (layer.channels_in, layer.channels_out, 1, 1, 0, OUTPUTS[layer.output])
    operation = struct.pack("<20ifi", *window, *options, 1.0, 0)
    words = layer.channels_in // 32

    def draw(*shape: int) -> NDArray[np.int32]:
        return rng.integers(-(2**31), 2**31, shape).astype(np.int32)

    half = layer.filter**2 * layer.channels_in // 2
    multiplier, bias = np.full((2, layer.channels_out), 0.125, np.float32)
    threshold = np.full(layer.channels_out, half, np.int32)
    filters = draw(layer.channels_out, layer.filter, layer.filter, words)
    return encode_case(0, operation, (draw(layer.size, layer.size, words), filters, multiplier, bias, threshold))


def layer_instructions(machine: Machine, program: Path, kernel: str, layer: Layer) -> int:
    """Of one run of the layer, by one thread, without preparation. program: run_cases, compiled for the machine."""
    with tempfile.TemporaryDirectory() as folder:
        case = Path(folder) / "case"
        case.write_bytes(encode_layer(layer))
        without, once = (
            count_instructions(machine, program, kernel, str(case), "/dev/null", repeats) for repeats in ("0", "1")
        )
    return once - without


def layer_figures(machine: Machine) -> list[LayerFigure]:
    kernel, _ = LOOPS[machine.name]
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "run_cases"
        compile_program(machine, program, [RUN_CASES])
        for layer in LAYERS:
            print(f"counting {layer.name}, {layer.output}, for {machine.name}", file=sys.stderr, flush=True)
            count = layer_instructions(machine, program, kernel, layer)
            figures.append(LayerFigure(machine.name, kernel, layer.name, layer.output, count, count / layer.words))
    return figures


def markdown(loops: Sequence[LoopFigure], layers: Sequence[LayerFigure]) -> str:
    lines = [
        "Inner loops of binary convolution, estimated (llvm-mca).",
        "",
        "| kernel | processor model | binary MACs a cycle | instructions per 128-bit word |",
        "|---|---|---|---|",
        *(f"| {f.kernel} | {f.processor} | {f.macs_per_cycle:.1f} | {f.instructions_per_word:.2f} |" for f in loops),
        "",
        "Whole layers with their output transform, simulated (qemu-user, instructions).",
        "",
        "| machine | kernel | layer | output | instructions | per 128-bit word |",
        "|---|---|---|---|---|---|",
        *(
            f"| {f.machine} | {f.kernel} | {f.layer} | {f.output} | {f.instructions} | {f.instructions_per_word:.3f} |"
            for f in layers
        ),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    try:
        loops = [figure for name in LOOPS for figure in loop_figures(MACHINES[name])]
        layers = [figure for name in LOOPS for figure in layer_figures(MACHINES[name])]
    except EdgebnnError as error:
        sys.exit(f"arm_mca: {error}")
    table = markdown(loops, layers)
    print(table, end="")
    if options.markdown:
        write_text(options.markdown, table)
    if options.json:
        document = {"loops": [asdict(f) for f in loops], "layers": [asdict(f) for f in layers]}
        write_text(options.json, dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
