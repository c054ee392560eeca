"""Generated C packages, compiled for this machine and called from Python."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgebnn.converters.c_package.generate import generate
from edgebnn.converters.c_package.package import Package
from edgebnn.graph.execute import run
from edgebnn.graph.types import Array, Graph
from edgebnn.kernels.cores import PORTABLE

STRICT = ("-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wpedantic")
HOSTED = ("-std=c11", "-D_DEFAULT_SOURCE", "-Wall", "-Wextra", "-Werror")
"""For packages whose kernels are the runtime's: those are held to what the delegate is compiled with."""
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")


@dataclass(frozen=True)
class CompiledPackage:
    """A package in this process."""

    package: Package
    library: ctypes.CDLL

    def invoke(self, *inputs: Array) -> tuple[Array, ...]:
        """One inference on inputs of exactly the network's shapes and types."""
        outputs = [np.empty(a.tensor.shape, a.tensor.dtype.numpy) for a in self.package.outputs]
        arrays = [np.ascontiguousarray(x) for x in inputs]
        function = getattr(self.library, f"{self.package.name}_invoke")
        status = function(*(ctypes.c_void_p(array.ctypes.data) for array in (*arrays, *outputs)))
        assert status == 0
        return tuple(outputs)

    def selftest(self) -> int:
        return int(getattr(self.library, f"{self.package.name}_selftest")())


def write_files(package: Package, folder: Path) -> list[str]:
    """The package's files in ``folder``; the names of its C files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in package.files.items():
        (folder / name).write_text(text)
    return list(package.c_files)


def compile_packages(
    packages: Sequence[Package], folder: Path, flags: Sequence[str] = ("-O1",)
) -> list[CompiledPackage]:
    """Several packages, of different names, in one library: the kernels that they share are compiled once."""
    names = {name for package in packages for name in write_files(package, folder)}
    own = {name: found for package in packages for name, found in package.c_flags.items()}
    hosted = any(package.core.host for package in packages)
    command = ["gcc", *(HOSTED if hosted else ("-std=c99", *STRICT)), "-ffp-contract=off", "-fPIC", *flags]

    def run(*arguments: str) -> None:
        result = subprocess.run([*command, *arguments], cwd=folder, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr

    objects = [f"{name}.o" for name in sorted(own)]
    for name, found in own.items():
        run(*found.split(), "-c", name, "-o", f"{name}.o")
    run("-shared", "-o", "packages.so", *sorted(names - own.keys()), *objects)
    loaded = ctypes.CDLL(str(folder / "packages.so"))
    return [CompiledPackage(package, loaded) for package in packages]


def compile_package(graph: Graph, folder: Path, name: str = "net") -> CompiledPackage:
    """A graph as a package of plain kernels."""
    return compile_packages([generate(graph, PORTABLE, name)], folder)[0]


def assert_equal_to_reference(compiled: CompiledPackage, graph: Graph, *inputs: Array) -> None:
    """Bit for bit what the reference executor computes."""
    for found, expected in zip(compiled.invoke(*inputs), run(graph, inputs), strict=True):
        np.testing.assert_array_equal(found, expected)
