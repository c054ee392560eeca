"""A generated package on a simulated core."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgebnn.converters.c_package.package import Package
from edgebnn.graph.types import Array

from .image import Image, Memory
from .machine import Call, Machine, Section, SimulationError
from .thumb import Instruction, disassemble
from .toolchain import ToolchainName, compile_image, kept_object

HOOK = "edgebnn_profile_hook"
"""What packages call before each layer, with its number, and once after the last one."""

ROOMY = Memory(flash_bytes=256 << 20, ram_bytes=256 << 20, stack_bytes=64 << 10)
"""More than any microcontroller has, so that every network runs that could be split or cut down to fit one."""


@dataclass(frozen=True)
class Inference:
    """What one inference gave, and the call that it was.

    layers: what was executed of each layer, and of the call of the hook before it.
    around: before the first layer and after the last one.
    """

    outputs: tuple[Array, ...]
    call: Call
    layers: tuple[Section, ...]
    around: tuple[Section, ...]


class Network:
    """A package, compiled and put on a core."""

    def __init__(self, package: Package, image: Image) -> None:
        self.package = package
        self.image = image
        self._machine = Machine(image, HOOK)

    def infer(self, inputs: Sequence[Array], after_layer: Callable[[int], None] | None = None) -> Inference:
        """One inference.

        Args:
            inputs: of exactly the network's shapes and types.
            after_layer: called with the number of each layer that is done, while the arena is as that left it.

        Raises:
            SimulationError: the code faults, or returns an error.
        """
        last = len(self.package.layers)
        outputs = [np.zeros(argument.tensor.shape, argument.tensor.dtype.numpy) for argument in self.package.outputs]

        def at_mark(number: int) -> None:
            if after_layer is not None and number > 0:
                after_layer(number - 1)

        call = self._machine.call(f"{self.package.name}_invoke", *inputs, *outputs, at_mark=at_mark)
        if call.value != 0:
            raise SimulationError(f"{self.package.name}_invoke returns {call.value:#x}")
        by_number = {section.number: section for section in call.sections}
        layers = tuple(by_number[number] for number in range(last))
        return Inference(call.arrays[len(inputs) :], call, layers, (by_number[None], by_number[last]))

    def disassembled(self, address: int, size: int) -> tuple[Instruction, ...]:
        """The instructions of a block that was executed."""
        return disassemble(self._machine.read(address, size), address)

    def selftest(self) -> int:
        """What the package's own test returns: 0 where all is well. Its function must have been kept."""
        return self._machine.call(f"{self.package.name}_selftest").value

    def read_arena(self, offset: int, size: int) -> bytes:
        """Bytes of the arena as they are."""
        return self._machine.read(self.image.address(f"{self.package.name}_arena") + offset, size)


def compile_package(
    package: Package,
    memory: Memory = ROOMY,
    *,
    keep: Sequence[str] = (),
    flags: Sequence[str] = (),
    toolchain: ToolchainName = "zig",
) -> Image:
    """The image of a package for the core it was made for.

    Args:
        package: its files.
        memory: of the device.
        keep: functions that are wanted besides its ``_invoke``.
        flags: of the compiler.
        toolchain: clang of ziglang, or arm-none-eabi-gcc.

    Raises:
        BuildError: it does not compile, or does not fit the memory.
    """
    with tempfile.TemporaryDirectory(prefix="edgebnn-") as name:
        folder = Path(name)
        write_files(package, folder)
        return compile_image(
            package.core,
            [folder / own_file(package)],
            keep=(f"{package.name}_invoke", *keep),
            memory=memory,
            flags=(f"-I{folder}", *flags),
            objects=kernel_objects(package, folder, flags, toolchain),
            toolchain=toolchain,
        )


def write_files(package: Package, folder: Path) -> None:
    """The package's files in a folder."""
    for file, text in package.files.items():
        (folder / file).write_text(text, encoding="utf-8")


def own_file(package: Package) -> str:
    """The C file that is this network's alone; the others are kernels."""
    return f"{package.name}.c"


def kernel_objects(package: Package, folder: Path, flags: Sequence[str], toolchain: ToolchainName) -> list[Path]:
    """The kernels, compiled once for all networks that use them. ``folder``: where the package's files are."""
    headers = {name: text for name, text in package.files.items() if name not in package.c_files}
    del headers[f"{package.name}.h"]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        kernels = [folder / file for file in package.c_files if file != own_file(package)]
        options = (f"-I{folder}", *flags)
        return list(pool.map(lambda file: kept_object(package.core, file, headers, options, toolchain), kernels))
