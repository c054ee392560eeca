"""The C kernels of ARM machines, run by qemu-user: each call is one process of tools/bench/run_cases.c."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgebnn.graph.types import Array
from edgebnn.runtime import build
from edgebnn.targets.qemu_user import Machine, run
from tools.bench.arm_mca import encode_case

from . import ckernels
from .binary_cases import ConvCase, Operands, c_operation

BCONV2D, QUANTIZE, DEQUANTIZE, BMAXPOOL2D = range(4)


@dataclass(frozen=True)
class Program:
    """run_cases, compiled for a machine, and a folder for its files."""

    machine: Machine
    path: Path

    def output(
        self,
        kind: int,
        operation: ctypes.Structure,
        arrays: Sequence[NDArray[np.generic]],
        parts: int = 1,
        kernel: str = "best",
    ) -> bytes:
        """Raises KernelRefused."""
        case, result = self.path.with_suffix(".case"), self.path.with_suffix(".result")
        case.write_bytes(encode_case(kind, bytes(operation), arrays, parts))
        done = run(self.machine, self.path, kernel, str(case), str(result), "1")
        assert done.returncode == 0, f"exit {done.returncode}: {done.stderr}"
        status, size = struct.unpack_from("<iq", data := result.read_bytes())
        ckernels.accept(status)
        assert len(data) == 12 + size
        return data[12:]


@dataclass(frozen=True)
class Kernel:
    """A line of bconv2d.kernels on a machine."""

    program: Program
    line: str

    def convolve(self, case: ConvCase, operands: Operands, parts: int, like: Array) -> Array:
        """``like``: an array of the output's shape and type."""
        constants = (operands.multiplier, operands.bias, operands.threshold)
        arrays = (operands.x, operands.filters, *constants)
        y = self.program.output(BCONV2D, c_operation(case), arrays, parts, self.line)
        return np.frombuffer(y, like.dtype).reshape(like.shape)


def kernel_lines(machine: Machine) -> list[str]:
    """The lines of bconv2d.kernels that the machine has."""
    table = (build.KERNELS / "bconv2d.kernels").read_text(encoding="utf-8")
    files = build.kernel_flags(table, machine.processor)
    return [file.removeprefix("bconv2d_").removesuffix(".c") for file in files]
