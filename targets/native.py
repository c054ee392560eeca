"""The C package of a network, compiled for this machine and run in this process, without LiteRT."""

from __future__ import annotations

import ctypes
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgebnn import machine
from edgebnn.converters.c_package.generate import generate
from edgebnn.converters.c_package.package import Package
from edgebnn.graph.types import Array, Graph
from edgebnn.kernels.cores import HOSTS, PORTABLE
from edgebnn.runtime import build

from .inputs import run_with
from .model_file import ModelFile
from .running import run_samples

NAME = "network"
_FLAGS = ("-O2", "-ffp-contract=off", "-fPIC", "-std=gnu11")


class NativePackage:
    """A package in this process. What it works in is static: one inference at a time."""

    def __init__(self, package: Package) -> None:
        self._package = package
        with tempfile.TemporaryDirectory(prefix="edgebnn-") as folder:
            library = _compiled(package, Path(folder))
            self._invoke = ctypes.CDLL(str(library))[f"{package.name}_invoke"]

    def run(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        """One inference on inputs of exactly the network's shapes and types.

        Raises:
            MemoryError: there is no memory for prepared weights.
        """
        outputs = tuple(np.empty(a.tensor.shape, a.tensor.dtype.numpy) for a in self._package.outputs)
        arrays = [_aligned(values) for values in inputs]
        if self._invoke(*(ctypes.c_void_p(array.ctypes.data) for array in (*arrays, *outputs))) != 0:
            raise MemoryError
        return outputs


def run_native(model: ModelFile, arrays: Sequence[Array]) -> tuple[Array, ...]:
    """What the C package makes of the user's arrays.

    Args:
        model: in the IR.
        arrays: one for each input, [N, ...].

    Returns:
        An array [N, ...] for each output, quantized ones as real numbers.

    Raises:
        InputError: the arrays do not fit.
        UnsupportedOpError, ModelFormatError: the IR does not hold the model, or an op has no C kernel.
        BuildError: there is no C compiler.
    """

    def compute(graph: Graph, values: Sequence[Array]) -> tuple[Array, ...]:
        core = next((core for core in HOSTS.values() if core.host == machine.processor()), PORTABLE)
        return run_samples(NativePackage(generate(graph, core, NAME)), graph, values)

    return run_with(model, arrays, compute)


def _compiled(package: Package, folder: Path) -> Path:
    for name, text in package.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    own = package.c_flags
    sources = [build.Source(folder / name, tuple(own.get(name, "").split())) for name in package.c_files]
    library = folder / "package.so"
    build.compile(library, sources, build.find_compiler(), _FLAGS, build.LINK_FLAGS)
    return library


def _aligned(values: Array) -> Array:
    """The values where a package can read them: a view of an array may begin at any byte."""
    plain = np.ascontiguousarray(values)
    return plain if plain.ctypes.data % 8 == 0 else plain.copy()
