"""The C kernels of ARM machines, run by qemu-user: each call is one process of tools/bench/run_cases.c."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgebnn import kernels
from edgebnn.graph.types import Array
from edgebnn.runtime import build
from edgebnn.targets.qemu_user import PACKAGE, Machine, compile_program, is_emulated, run
from tools.bench.arm_mca import encode_case

from . import ckernels, conv2d_few_cases, conv2d_few_kernels, objects, w1a8_cases
from .binary_cases import ConvCase, Operands, c_operation
from .w1a8_cases import Case

BCONV2D, QUANTIZE, DEQUANTIZE, BMAXPOOL2D, W1A8, CONV2D_FEW = range(6)


def compiled(machine: Machine, source: build.Source, folder: Path) -> Path:
    """Skips, once it is compiled without a warning, where it cannot be run."""
    path = folder / f"{source.path.stem}-{machine.name}"
    if not path.exists():
        compile_program(machine, path, [source], objects.OPTIMIZED)
    if not is_emulated(machine):
        pytest.skip(f"compiled for {machine.name}, but untested: apt-get install {PACKAGE} for {machine.emulator}")
    return path


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
    """A line of a table of kernels on a machine."""

    program: Program
    line: str

    def convolve(
        self, case: ConvCase, operands: Operands, parts: int, like: Array, residual: Array | None = None
    ) -> Array:
        """``like``: an array of the output's shape and type."""
        added = np.zeros(0, np.float32) if residual is None else residual
        arrays = (operands.x, operands.filters, operands.multiplier, operands.bias, operands.threshold, added)
        y = self.program.output(BCONV2D, c_operation(case), arrays, parts, self.line)
        return np.frombuffer(y, like.dtype).reshape(like.shape)


@dataclass(frozen=True)
class W1A8Kernel:
    """A line of w1a8.kernels on a machine."""

    program: Program
    line: str

    def run(self, case: Case, data: w1a8_cases.Operands, parts: int = 1) -> NDArray[np.int8]:
        arrays = (data.x, w1a8_cases.packed(case, data.minus), data.magnitude, data.bias, data.factor)
        y = self.program.output(W1A8, case.op(), arrays, parts, self.line)
        return np.frombuffer(y, np.int8)


@dataclass(frozen=True)
class FewKernel:
    """A line of conv2d_few.kernels or conv2d_few_float.kernels on a machine."""

    program: Program
    line: str

    def run(self, case: conv2d_few_cases.Case, data: conv2d_few_cases.Operands, parts: int = 1) -> NDArray[np.generic]:
        factor = np.zeros(0) if data.factor is None else data.factor
        arrays = (data.x, data.filters, data.bias, factor)
        y = self.program.output(CONV2D_FEW, case.op(), arrays, parts, self.line)
        return np.frombuffer(y, conv2d_few_kernels.DTYPES[case.op().output_type])


def kernel_lines(machine: Machine, operation: str = "bconv2d") -> list[str]:
    """The lines of the operation's table of kernels that the machine has."""
    files = build.kernel_flags(kernels.table(operation), machine.processor)
    return [file.removeprefix(f"{operation}_").removesuffix(".c") for file in files]
