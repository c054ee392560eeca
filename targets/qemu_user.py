"""Linux programs for ARM on another machine: compiled by zig, linked statically, run and counted by qemu-user.

Emulated time says nothing about a board; the number of instructions is exact and always the same.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgebnn.errors import InputError
from edgebnn.runtime import build

PACKAGE = "qemu-user-static"


@dataclass(frozen=True)
class Machine:
    """A kind of ARM machine that runs Linux. ``processor``: as :func:`platform.machine` calls it there."""

    name: str
    processor: str
    zig_target: str
    emulator: str
    cpu: str


MACHINES = {
    machine.name: machine
    for machine in (
        Machine("aarch64", "aarch64", "aarch64-linux-musl", "qemu-aarch64-static", "cortex-a76"),
        Machine("armv7", "armv7l", "arm-linux-musleabihf", "qemu-arm-static", "cortex-a15"),
    )
}


def is_emulated(machine: Machine) -> bool:
    """Whether programs for the machine can be run here."""
    return shutil.which(machine.emulator) is not None


def compile_program(
    machine: Machine, output: Path, files: Sequence[build.Source], flags: Sequence[str] = build.COMPILE_FLAGS
) -> None:
    """A static program from C files and the kernels. Raises BuildError, with the compiler's first error."""
    sources = [*build.kernel_sources(machine.processor), *files]
    build.compile(output, sources, build.zig_compiler(machine.zig_target), flags, ("-static", "-pthread"))


def run(machine: Machine, program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The program's exit code and output. Raises InputError if there is no emulator."""
    command = [*_command(machine), str(program), *arguments]
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)


def count_instructions(machine: Machine, program: Path, *arguments: str) -> int:
    """How many instructions a program executes that writes nothing to standard error.

    Raises InputError if there is no emulator or the program fails.
    """
    return sum(_counted([*_command(machine), *_LOG, str(program), *arguments], None, b""))


def count_sections(machine: Machine, program: Path, mark: str, data: bytes) -> tuple[int, ...]:
    """How many instructions a program executes in front of, between and behind its calls of a function.

    Args:
        machine: that runs it.
        program: not stripped; it writes nothing to standard error.
        mark: the function, without branches, which is not counted.
        data: the program's standard input.

    Returns:
        A number for each section: one more than there are calls.

    Raises:
        InputError: there is no emulator, or the program fails.
    """
    return _counted([*_command(machine), *_LOG, str(program)], mark, data)


_LOG = ("-d", "in_asm,exec,nochain")
"""qemu writes the instructions of each block that it translates, and a line for each execution of a block."""


def _counted(command: Sequence[str], mark: str | None, data: bytes) -> tuple[int, ...]:
    ending = None if mark is None else f" {mark}\n".encode()
    sizes: dict[bytes, int] = {}
    finished: list[int] = []
    count = translated = 0
    with tempfile.TemporaryFile() as given:
        given.write(data)
        given.seek(0)
        with subprocess.Popen(command, stdin=given, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            assert process.stderr is not None
            for line in process.stderr:
                size = sizes.get(line)
                if size is not None:
                    count += size
                elif line.startswith(b"0x"):
                    translated += 1
                elif line.startswith(b"Trace "):  # a block runs for the first time as soon as it is translated
                    if ending is not None and line.endswith(ending):
                        finished.append(count)
                        count = 0
                    else:
                        sizes[line] = translated
                        count += translated
                elif line.startswith(b"IN:"):
                    translated = 0
    if process.returncode != 0:
        raise InputError(f"{command[-1]} failed under {command[0]}: exit {process.returncode}")
    return (*finished, count)


def _command(machine: Machine) -> list[str]:
    if not is_emulated(machine):
        raise InputError(f"{machine.emulator} is not installed; apt-get install {PACKAGE}")
    return [machine.emulator, "-cpu", machine.cpu]
