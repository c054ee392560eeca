"""Exact instructions of a network's program on an emulated device: the same every time, and no board's time.

What is counted is the stand-alone program, layer by layer: binary and 1-bit-weight layers run the delegate's own
kernels on AArch64, other ops the C package's plain C, not LiteRT's kernels. Python with LiteRT is not counted: its
start alone executes billions of instructions, in threads that are never the same twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgebnn.errors import EdgebnnError, InputError
from edgebnn.graph.types import Array
from edgebnn.runtime import build
from edgebnn.runtime.profile import INTERPRETER, OpProfile, Profile, Unit
from edgebnn.targets import qemu_user
from edgebnn.targets.interface import Target
from edgebnn.targets.model_file import ModelFile

from .standalone import PackageSession, as_bytes, package_of, places, program
from .target import LinuxTarget

_PROGRAM = Path(__file__).parent / "counted.c"
_MARK = "edgebnn_profile_hook"


class CountingTarget(Target):
    """An emulated device whose figures are instructions.

    Args:
        programs: the device, which runs stand-alone programs.
        machine: how they are counted.
    """

    unit: Unit = "instructions"

    def __init__(self, programs: LinuxTarget, machine: qemu_user.Machine) -> None:
        self.name, self.kind = programs.name, programs.kind
        compiler = build.zig_compiler(machine.zig_target).identity
        self.device = f"{machine.cpu} in qemu-user, a stand-alone program of code of {compiler}"
        self._programs, self._machine = programs, machine

    def open(self, model: ModelFile, *, threads: int = 1, exact: bool = False, trace: bool = False) -> PackageSession:
        return PackageSession(self._programs, model, self._machine.processor, threads=threads, trace=trace)

    def measure(self, model: ModelFile, inputs: Sequence[Array], *, threads: int = 1, repeats: int = 30) -> Profile:
        """Of one inference: ``repeats`` would all be the same."""
        if threads != 1:
            raise InputError(f"{self.name}: what is counted runs on one thread; leave --threads at 1")
        graph = model.graph_for(inputs)
        package = package_of(model, graph, self._machine.processor)
        path = program(package, self._machine.processor, (_PROGRAM,), ())
        sections = qemu_user.count_sections(self._machine, path, _MARK, as_bytes(package, inputs))
        marks = len(package.layers) + 3  # around the call, in front of each layer and behind the last one
        if len(sections) != 2 * marks + 1:
            raise EdgebnnError(f"{self.name}: {self._machine.emulator} does not log every block; another version may")
        before, *values, behind = sections[-marks:-1]
        total = before + sum(values) + behind
        ops = [
            OpProfile(place, layer.kind, layer.name, value, value / total, layer.function, (place,))
            for layer, place, value in zip(package.layers, places(graph, package), values, strict=True)
        ]
        around = before + behind
        ops.append(OpProfile(-1, INTERPRETER, "around the layers", around, around / total))
        return Profile(self.kind, "instructions", total, tuple(ops))

    def close(self) -> None:
        self._programs.close()
