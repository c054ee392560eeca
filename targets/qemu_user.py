"""Linux programs for ARM on another machine: compiled by zig, linked statically, run and counted by qemu-user.

Emulated time says nothing about a board; the number of instructions is exact and always the same.
"""

from __future__ import annotations

import shutil
import subprocess
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

    qemu translates each instruction by itself and logs every execution of a translation.
    Raises InputError if there is no emulator or the program fails.
    """
    command = [*_command(machine), _one_at_a_time(machine), "-d", "exec,nochain", str(program), *arguments]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        executed = sum(line.startswith(b"Trace ") for line in process.stderr)
    if process.returncode != 0:
        raise InputError(f"{program} failed under {machine.emulator}: exit {process.returncode}")
    return executed


def _command(machine: Machine) -> list[str]:
    if not is_emulated(machine):
        raise InputError(f"{machine.emulator} is not installed; apt-get install {PACKAGE}")
    return [machine.emulator, "-cpu", machine.cpu]


def _one_at_a_time(machine: Machine) -> str:
    """qemu 8.1 renamed the option."""
    help_text = subprocess.run([machine.emulator, "-h"], capture_output=True, text=True, check=False).stdout
    return "-one-insn-per-tb" if "one-insn-per-tb" in help_text else "-singlestep"
