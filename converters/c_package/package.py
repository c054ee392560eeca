"""A generated package, in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgebnn.graph.types import Graph, Tensor
from edgebnn.kernels import OPERATIONS, table
from edgebnn.kernels.cores import Core
from edgebnn.runtime.build import kernel_flags

from .c_text import c_type


@dataclass(frozen=True)
class Argument:
    """An input or output of the network as the C function takes it."""

    name: str
    tensor: Tensor
    index: int

    @property
    def type(self) -> str:
        return c_type(self.tensor.dtype.numpy)

    @property
    def meaning(self) -> str:
        """The real number that a value q stands for."""
        quantization = self.tensor.quantization
        if quantization is None or not quantization.per_tensor:
            return "q"
        return f"{quantization.scale[0]:.9g} * (q - {quantization.zero_point[0]})"


@dataclass(frozen=True)
class Layer:
    """A step as it is called: ``op`` is its index in the prepared graph, ``outputs`` where its outputs lie.

    An output that lies in the arena has an offset in bytes; the network's own lie in the caller's memory (None).
    """

    op: int
    kind: str
    name: str
    function: str
    outputs: tuple[tuple[int, int | None], ...]
    weight_bytes: int
    scratch_bytes: int


@dataclass(frozen=True)
class Package:
    """A generated package.

    name:        the prefix of everything in it.
    core:        what its kernels were chosen for.
    graph:       the network as it is computed, in that order; its tensors are those of the file.
    files:       text by path.
    c_files:     those to compile.
    arena_bytes, arena_lower_bound: the memory that the network works in, and the most that is live at once.
    constant_bytes: the tables' bytes in flash.
    layers:      in order, as ``edgebnn_profile_hook`` counts them.
    roots:       for each tensor that is another's bytes under another shape: that one.
    """

    name: str
    core: Core
    graph: Graph
    files: Mapping[str, str]
    arena_bytes: int
    arena_lower_bound: int
    constant_bytes: int
    layers: tuple[Layer, ...]
    roots: Mapping[int, int]
    inputs: tuple[Argument, ...]
    outputs: tuple[Argument, ...]

    @property
    def c_files(self) -> tuple[str, ...]:
        return tuple(name for name in self.files if name.endswith(".c"))

    @property
    def c_flags(self) -> Mapping[str, str]:
        """Compiler flags of those of its files that need some of their own."""
        tables = "".join(map(table, OPERATIONS))
        flags = kernel_flags(tables, self.core.host) if self.core.host else {}
        return {name: " ".join(flags[name]) for name in self.c_files if flags.get(name)}
