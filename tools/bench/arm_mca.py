#!/usr/bin/env python3
"""The ARM kernels without a board: cycles of their inner loops by llvm-mca, instructions of whole layers by qemu-user.

Usage: .venv/bin/python tools/bench/arm_mca.py [--json FILE] [--markdown FILE]

Needs ziglang, llvm-mca of LLVM 17 or later (Debian: llvm-19) and qemu-user-static. Cycles are estimated, from the
static model of a processor, every load a hit of the first-level cache. Instructions are counted under emulation: exact,
but they are not time.
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
from dataclasses import asdict, dataclass, replace
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


@dataclass(frozen=True)
class Kernel:
    """A kernel of a machine, what its inner loop counts with, and the models of llvm-mca that tell its cycles."""

    machine: str
    operation: str
    name: str
    counted: str
    """The instruction, as a regular expression, that does ``macs`` multiply-accumulates, with others."""
    macs: int
    processors: tuple[str, ...]


_AARCH64 = ("cortex-a53", "cortex-a72", "neoverse-n1")
_ARMV7 = ("cortex-a57",)
KERNELS = (
    Kernel("aarch64", "bconv2d", "neon64", "cnt", 128, _AARCH64),
    Kernel("armv7", "bconv2d", "neon32", "vcnt", 128, _ARMV7),
    Kernel("aarch64", "w1a8", "neon64", "tbl", 32, _AARCH64),
    Kernel("aarch64", "w1a8", "neon64dot", "sdot", 16, ("cortex-a55", "neoverse-n1")),
    Kernel("armv7", "w1a8", "neon32", "vtbl", 16, _ARMV7),
    Kernel("aarch64", "conv2d_few", "neon64", "sadalp", 16, _AARCH64),
    Kernel("aarch64", "conv2d_few", "neon64dot", "sdot", 16, ("cortex-a55", "neoverse-n1")),
    Kernel("armv7", "conv2d_few", "neon32", "vpadal", 16, _ARMV7),
    Kernel("aarch64", "conv2d_few_float", "neon64", "fmla", 4, _AARCH64),
    Kernel("armv7", "conv2d_few_float", "neon32", "vmla", 4, _ARMV7),
)
_MCA_TRIPLE = {"aarch64": "aarch64-linux-gnu", "armv7": "armv7-linux-gnueabihf"}
_ITERATIONS = 200
_BRANCH = re.compile(
    r"(?P<name>b[.\w]*|cbn?z\s+\w+,|tbn?z\s+\w+,\s*#\d+,)\s+(?:(?P<local>\d+)(?:b|(?P<forward>f))|(?P<label>\.L\w+))$"
)

OUTPUTS = {"float32": 0, "int8": 1, "packed": 3}
"""Names of enum eb_type. W1A8 layers give int8."""


@dataclass(frozen=True)
class Layer:
    """A convolution with SAME padding of ones, over a square image and with a square filter."""

    size: int
    channels_in: int
    channels_out: int
    filter: int = 3
    stride: int = 1
    output: str = "float32"
    adds: bool = False
    """Whether a tensor is added to the output, float32 or int8, of a binary layer."""

    @property
    def name(self) -> str:
        what = f"{self.filter}x{self.filter} {self.size}x{self.size}x{self.channels_in}"
        to = f" to {self.channels_out}" if self.channels_out != self.channels_in else ""
        stride = f" stride {self.stride}" if self.stride > 1 else ""
        return what + to + stride + (", added to" if self.adds else "")

    @property
    def outputs(self) -> int:
        return ((self.size - 1) // self.stride + 1) ** 2 * self.channels_out

    @property
    def macs(self) -> int:
        return self.outputs * self.filter**2 * self.channels_in

    @property
    def words(self) -> float:
        """128-bit words of XOR."""
        return self.macs / WORD_BITS


BINARY_LAYERS = (
    Layer(56, 64, 64),
    *(Layer(28, 128, 128, output=output) for output in OUTPUTS),
    *(Layer(28, 128, 128, output=output, adds=True) for output in ("float32", "int8")),
    *(Layer(14, 256, 256, output=output) for output in OUTPUTS),
    *(Layer(7, 512, 512, output=output) for output in OUTPUTS),
    Layer(56, 64, 128, stride=2),
    Layer(28, 256, 256, filter=1),
    Layer(14, 512, 512, filter=1),
)
W1A8_LAYERS = (
    Layer(56, 64, 64, output="int8"),
    Layer(28, 128, 128, output="int8"),
    Layer(14, 256, 256, output="int8"),
    Layer(7, 512, 512, output="int8"),
    Layer(28, 256, 256, filter=1, output="int8"),
    Layer(1, 1024, 1024, filter=1, output="int8"),
)
FEW_LAYERS = (
    Layer(224, 3, 64, filter=7, stride=2, output="int8"),
    Layer(224, 3, 64, filter=11, stride=4, output="int8"),
    Layer(224, 3, 16, stride=2, output="int8"),
    Layer(32, 3, 16, output="int8"),
)
LAYERS = {
    "bconv2d": BINARY_LAYERS,
    "w1a8": W1A8_LAYERS,
    "conv2d_few": FEW_LAYERS,
    "conv2d_few_float": tuple(replace(layer, output="float32") for layer in FEW_LAYERS),
}


@dataclass(frozen=True)
class LoopFigure:
    operation: str
    kernel: str
    processor: str
    macs_per_cycle: float
    macs_per_instruction: float
    kind: str = "estimated (llvm-mca)"


@dataclass(frozen=True)
class LayerFigure:
    operation: str
    machine: str
    kernel: str
    layer: str
    output: str
    instructions: int
    macs: int
    kind: str = "emulated (qemu-user, instructions)"

    @property
    def instructions_per_word(self) -> float:
        """Of 128 binary multiply-accumulates."""
        return self.instructions * WORD_BITS / self.macs


def assembly(kernel: Kernel) -> str:
    """What zig makes of the kernel's file."""
    machine = MACHINES[kernel.machine]
    name = f"{kernel.operation}_{kernel.name}.c"
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


def inner_loop(kernel: Kernel, text: str) -> list[str]:
    """The instructions of the loop, without another in it, that has the most of those that are counted."""
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
    return max(loops, key=lambda loop: macs_of(kernel, loop))


def macs_of(kernel: Kernel, loop: Sequence[str]) -> int:
    """Multiply-accumulates of one round of a loop."""
    return kernel.macs * sum(line.split()[0].partition(".")[0] == kernel.counted for line in loop)


def find_mca() -> str | None:
    """The newest llvm-mca there is, of those with a model of neoverse-n1: before LLVM 17 they take Cortex-A57's for it
    (github.com/llvm/llvm-project/issues/58990)."""
    names = (f"llvm-mca-{version}" for version in range(30, 16, -1))
    return next((name for name in names if shutil.which(name)), None)


def cycles(machine: Machine, loop: Sequence[str], processor: str) -> float:
    """Cycles of one round of a loop. Raises InputError without llvm-mca, or if it does not know the processor."""
    mca = find_mca()
    if mca is None:
        raise InputError("llvm-mca of LLVM 17 or later is not installed; apt-get install llvm-19")
    loop = [_BRANCH.sub(r"\g<name> 0x10", line) for line in loop]
    command = [mca, f"-mtriple={_MCA_TRIPLE[machine.name]}", f"-mcpu={processor}", f"-iterations={_ITERATIONS}"]
    if machine.name == "armv7":
        command.append("-mattr=+neon")
    result = subprocess.run(command, input="\n".join(loop) + "\n", capture_output=True, text=True, check=False)
    found = re.search(r"Total Cycles:\s+(\d+)", result.stdout)
    if found is None:
        raise InputError(f"{mca} for {processor}: {result.stderr.strip().splitlines()[0]}")
    return int(found[1]) / _ITERATIONS


def loop_figures(kernel: Kernel) -> list[LoopFigure]:
    loop = inner_loop(kernel, assembly(kernel))
    macs = macs_of(kernel, loop)
    return [
        LoopFigure(
            operation=kernel.operation,
            kernel=kernel.name,
            processor=processor,
            macs_per_cycle=macs / cycles(MACHINES[kernel.machine], loop, processor),
            macs_per_instruction=macs / len(loop),
        )
        for processor in kernel.processors
    ]


def encode_case(kind: int, operation: bytes, arrays: Sequence[NDArray[np.generic]], parts: int = 1) -> bytes:
    """A case as run_cases.c reads it. operation: the struct of kernels.h."""
    rest = b"".join(struct.pack("<q", array.nbytes) + array.tobytes() for array in arrays)
    return struct.pack("<i", kind) + operation + struct.pack("<i", parts) + rest


def encode_layer(operation: str, layer: Layer) -> bytes:
    """A case with weights and inputs drawn at random."""
    rng = np.random.default_rng(1)
    window = (1, layer.size, layer.size, layer.filter, layer.filter, layer.stride, layer.stride, 1, 1, 0, 0, 0, 0, 0)
    if operation.startswith("conv2d_few"):
        return _encode_few_channels(layer, window, rng)
    words, terms = -(-layer.channels_in // 32), layer.filter**2 * layer.channels_in

    def draw(*shape: int) -> NDArray[np.int32]:
        return rng.integers(-(2**31), 2**31, shape).astype(np.int32)

    filters = draw(layer.channels_out, layer.filter, layer.filter, words)
    if operation == "w1a8":
        packed = struct.pack("<23i", *window, layer.channels_in, layer.channels_out, 1, 0, -3, 5, -128, 127, 0)
        magnitude, bias = np.full((2, layer.channels_out), 127, np.int32)
        factor = np.full(layer.channels_out, 1 / 127 / terms**0.5)
        x = rng.integers(-128, 128, (layer.size, layer.size, layer.channels_in)).astype(np.int8)
        return encode_case(4, packed, (x, filters, magnitude, bias, factor))
    options = (layer.channels_in, layer.channels_out, 1, 1, 0, OUTPUTS[layer.output])
    packed = struct.pack("<20ifi", *window, *options, 1.0, 0)
    multiplier, bias = np.full((2, layer.channels_out), 0.125, np.float32)
    threshold = np.full(layer.channels_out, terms // 2, np.int32)
    residual = np.ones(layer.outputs if layer.adds else 0, np.int8 if layer.output == "int8" else np.float32)
    signs = draw(layer.size, layer.size, words)
    return encode_case(0, packed, (signs, filters, multiplier, bias, threshold, residual))


def _encode_few_channels(layer: Layer, window: tuple[int, ...], rng: np.random.Generator) -> bytes:
    kind, dtype = (OUTPUTS["int8"], np.int8) if layer.output == "int8" else (OUTPUTS["float32"], np.float32)
    border, pool, ends = (0,) * 4, (0,) * 6, (0, 0, -128, 127, 1.0, -np.inf, np.inf)
    channels = (layer.channels_in, layer.channels_out)
    packed = struct.pack("<33i3f", *window, *border, *channels, *(kind,) * 3, *pool, *ends)
    x = rng.integers(-128, 128, (layer.size, layer.size, layer.channels_in)).astype(dtype)
    filters = rng.integers(-127, 128, (layer.channels_out, layer.filter**2, layer.channels_in)).astype(dtype)
    bias = np.zeros(layer.channels_out, np.int32 if layer.output == "int8" else np.float32)
    return encode_case(5, packed, (x, filters, bias, np.full(layer.channels_out, 2.0**-12)))


def layer_instructions(kernel: Kernel, program: Path, layer: Layer) -> int:
    """Of one run of the layer, by one thread, without preparation. program: run_cases, compiled for the machine."""
    machine = MACHINES[kernel.machine]
    with tempfile.TemporaryDirectory() as folder:
        case = Path(folder) / "case"
        case.write_bytes(encode_layer(kernel.operation, layer))
        without, once = (
            count_instructions(machine, program, kernel.name, str(case), "/dev/null", repeats) for repeats in ("0", "1")
        )
    return once - without


def layer_figures(kernel: Kernel) -> list[LayerFigure]:
    figures = []
    machine = MACHINES[kernel.machine]
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "run_cases"
        compile_program(machine, program, [RUN_CASES])
        for layer in LAYERS[kernel.operation]:
            print(f"counting {layer.name}, {layer.output}, {kernel.operation}", file=sys.stderr, flush=True)
            count = layer_instructions(kernel, program, layer)
            description = (kernel.operation, machine.name, kernel.name, layer.name, layer.output)
            figures.append(LayerFigure(*description, count, layer.macs))
    return figures


def markdown(loops: Sequence[LoopFigure], layers: Sequence[LayerFigure]) -> str:
    lines = [
        "Inner loops, estimated (llvm-mca).",
        "",
        "| operation | kernel | processor model | MACs a cycle | MACs an instruction |",
        "|---|---|---|---|---|",
        *(
            f"| {f.operation} | {f.kernel} | {f.processor} | {f.macs_per_cycle:.1f} | {f.macs_per_instruction:.1f} |"
            for f in loops
        ),
        "",
        "Whole layers with their output transform, emulated (qemu-user, instructions).",
        "",
        "| operation | machine | kernel | layer | output | instructions | MACs an instruction | per 128 binary MACs |",
        "|---|---|---|---|---|---|---|---|",
        *(
            f"| {f.operation} | {f.machine} | {f.kernel} | {f.layer} | {f.output} | {f.instructions} "
            f"| {f.macs / f.instructions:.1f} "
            f"| {f'{f.instructions_per_word:.3f}' if f.operation == 'bconv2d' else '-'} |"
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
        loops = [figure for kernel in KERNELS for figure in loop_figures(kernel)]
        layers = [figure for kernel in KERNELS for figure in layer_figures(kernel)]
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
