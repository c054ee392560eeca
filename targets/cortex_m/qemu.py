"""A second opinion: the whole firmware, with start-up code and linker script, booted on a board that QEMU emulates."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from jinja2 import Environment, StrictUndefined

from edgebnn.converters.c_package.package import Argument, Package
from edgebnn.errors import InputError
from edgebnn.graph.types import Array

from .image import Memory
from .machine import SimulationError
from .network import kernel_objects, own_file, write_files
from .toolchain import FIRMWARE, ToolchainName, link

EMULATOR = "qemu-system-arm"
PACKAGE = "qemu-system-arm"
"""Of Debian."""
_SECONDS = 120
_MIB = 1 << 20
_FAILURES = {2: "its function returns an error", 3: "its output cannot be written", 4: "the code faults"}


@dataclass(frozen=True)
class Board:
    """A machine of QEMU's, and where its memories lie."""

    machine: str
    memory: Memory


BOARDS: Mapping[str, Board] = MappingProxyType(
    {
        "cortex-m0plus": Board("microbit", Memory(256 << 10, 16 << 10, 2 << 10, 0, 0x2000_0000)),
        "cortex-m3": Board("mps2-an385", Memory(4 * _MIB, 4 * _MIB, 16 << 10, 0, 0x2000_0000)),
        "cortex-m4": Board("mps2-an386", Memory(4 * _MIB, 4 * _MIB, 16 << 10, 0, 0x2000_0000)),
        "cortex-m7": Board("mps2-an500", Memory(4 * _MIB, 4 * _MIB, 16 << 10, 0, 0x2000_0000)),
        "cortex-m33": Board("mps2-an505", Memory(4 * _MIB, 4 * _MIB, 16 << 10, 0x1000_0000, 0x3800_0000)),
        "cortex-m55": Board("mps3-an547", Memory(512 << 10, 512 << 10, 16 << 10, 0x1000_0000, 0x3000_0000)),
    }
)
"""One of each core; the microbit's is a Cortex-M0, of the same instruction set as Cortex-M0+."""


def is_installed() -> bool:
    """Whether boards can be emulated here."""
    return shutil.which(EMULATOR) is not None


def boot(package: Package, inputs: Sequence[Array], toolchain: ToolchainName = "zig") -> tuple[Array, ...]:
    """What a network gives on the board of its core.

    Args:
        package: the network.
        inputs: of exactly its shapes and types.
        toolchain: what compiles it.

    Raises:
        BuildError: it does not compile, or does not fit the board.
        InputError: there is no emulator.
        SimulationError: the firmware fails or does not end.
    """
    if not is_installed():
        raise InputError(f"{EMULATOR} is not installed; apt-get install {PACKAGE}")
    board = BOARDS[package.core.name]
    with tempfile.TemporaryDirectory(prefix="edgebnn-") as name:
        folder = Path(name)
        write_files(package, folder)
        (folder / "case.h").write_text(_case(package, inputs), encoding="utf-8")
        firmware = link(
            package.core,
            [folder / own_file(package), FIRMWARE / "semihosting.c"],
            memory=board.memory,
            flags=(f"-I{folder}",),
            objects=kernel_objects(package, folder, (), toolchain),
            toolchain=toolchain,
        )
        (folder / "firmware.elf").write_bytes(firmware)
        _run(board, folder)
        return _read(package.outputs, (folder / "outputs.bin").read_bytes())


def command(board: Board) -> list[str]:
    """What runs ``firmware.elf`` in the current folder on a board, and gives it that folder by semihosting."""
    screenless = ["-display", "none", "-serial", "none", "-monitor", "none"]
    semihosting = ["-semihosting-config", "enable=on,target=native"]
    return [EMULATOR, "-M", board.machine, *screenless, *semihosting, "-kernel", "firmware.elf"]


def _run(board: Board, folder: Path) -> None:
    try:
        done = subprocess.run(command(board), cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise SimulationError(f"the firmware does not end within {_SECONDS} s on {board.machine}") from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        why = _FAILURES.get(done.returncode, lines[0] if lines else f"exit {done.returncode}")
        raise SimulationError(f"the firmware fails on {board.machine}: {why}")


def _read(outputs: Sequence[Argument], content: bytes) -> tuple[Array, ...]:
    found, offset = [], 0
    for argument in outputs:
        tensor = argument.tensor
        part = content[offset : offset + tensor.bytes]
        found.append(np.frombuffer(part, tensor.dtype.numpy).reshape(tensor.shape))
        offset += tensor.bytes
    return tuple(found)


def _case(package: Package, inputs: Sequence[Array]) -> str:
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, autoescape=False)  # C, not HTML
    template = environment.from_string((FIRMWARE / "case.h.j2").read_text(encoding="utf-8"))
    arguments = [f"(const {a.type} *)(const void *)eb_case_input_{i}" for i, a in enumerate(package.inputs)]
    arguments += [f"({a.type} *)(void *)eb_case_output_{i}" for i, a in enumerate(package.outputs)]
    return template.render(
        name=package.name,
        inputs=[list(np.ascontiguousarray(values).tobytes()) for values in inputs],
        outputs=[argument.tensor.bytes for argument in package.outputs],
        arguments=arguments,
    )
