"""What the tools for schedules share: layers as the kernels' spaces have them, and what a schedule costs when run."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from edgebnn.errors import InputError
from edgebnn.kernels.schedules import LayerSchedule, Schedule
from edgebnn.kernels.spaces import LayerShape
from edgebnn.runtime import build
from edgebnn.targets.qemu_user import MACHINES as EMULATED
from edgebnn.targets.qemu_user import compile_program, count_instructions
from tools.bench.arm_mca import RUN_CASES, Layer, encode_layer

MACHINES: Mapping[str, str] = MappingProxyType({"aarch64": "instructions", "x86-64": "ns"})
"""What is counted or measured on which kind of machine."""


def shape_of(layer: Layer, operation: str) -> LayerShape:
    """The layer as the kernels know it."""
    out = -(-layer.size // layer.stride)
    return LayerShape(
        operation=operation,
        batch=1,
        in_size=(layer.size, layer.size),
        out_size=(out, out),
        filter_size=(layer.filter, layer.filter),
        stride=(layer.stride, layer.stride),
        dilation=(1, 1),
        in_channels=layer.channels_in,
        out_channels=layer.channels_out,
        groups=1,
        output_type={"packed": "int32"}.get(layer.output, layer.output),
        padded=layer.filter > 1,
    )


def text_of(schedule: LayerSchedule) -> str:
    """As run_cases takes it: the delegate's option without the op."""
    return Schedule("", "", (schedule,)).text.partition(":")[2]


@dataclass(frozen=True)
class Runner:
    """run_cases, compiled for a machine, and a folder for its files."""

    machine: str
    program: Path

    @classmethod
    def make(cls, machine: str, folder: Path) -> Runner:
        """Raises BuildError."""
        program = folder / "run_cases"
        if machine == "aarch64":
            compile_program(EMULATED[machine], program, [RUN_CASES])
        else:
            build.compile(
                program, [*build.kernel_sources(), RUN_CASES], build.find_compiler(), link_flags=("-pthread",)
            )
        return cls(machine, program)

    def costs(self, operation: str, layer: Layer, schedules: Sequence[str], rounds: int = 7) -> list[float]:
        """What an inference costs under each schedule: exact instructions, or the least nanoseconds of some rounds.

        Args:
            operation: "bconv2d" or "w1a8".
            layer: the layer.
            schedules: as run_cases takes them (:func:`text_of`), or "best": what the kernels choose by themselves.
            rounds: in which each is timed once.

        Raises:
            InputError: a schedule is refused.
        """
        case = self.program.with_suffix(".case")
        case.write_bytes(encode_layer(operation, layer))
        if self.machine == "aarch64":
            return self._instructions(case, schedules)
        repeats = max(3, int(1e8 / layer.macs))
        best = [float("inf")] * len(schedules)
        for _ in range(rounds):
            for index, schedule in enumerate(schedules):
                best[index] = min(best[index], self._time(schedule, case, repeats))
        return best

    def _instructions(self, case: Path, schedules: Sequence[str]) -> list[float]:
        """Preparation is the kernel's, whatever its schedule: it is counted once for each."""
        without: dict[str, int] = {}
        found = []
        for schedule in schedules:
            once = self._count(schedule, case, "1")
            kernel = schedule.partition(":")[0]
            if kernel not in without:
                without[kernel] = self._count(schedule, case, "0")
            found.append(float(once - without[kernel]))
        return found

    def _count(self, schedule: str, case: Path, repeats: str) -> int:
        machine = EMULATED[self.machine]
        return count_instructions(machine, self.program, schedule, str(case), "/dev/null", repeats)

    def _time(self, schedule: str, case: Path, repeats: int) -> float:
        command = [str(self.program), schedule, str(case), "/dev/null", str(repeats), "time"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise InputError(f"run_cases {schedule}: exit {done.returncode}")
        return float(done.stdout)
