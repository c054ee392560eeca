"""Microcontrollers without a board: C compiled for a core, run in a simulator that counts its instructions exactly."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgebnn.graph.types import Array
from edgebnn.kernels.cores import CORES, Core

from .image import Memory
from .machine import Call, Machine
from .toolchain import compile_image


def simulate(
    core: Core | str,
    sources: Sequence[Path | str],
    function: str,
    *arguments: int | Array | bytes,
    memory: Memory | None = None,
    flags: Sequence[str] = (),
) -> Call:
    """Compile C for a core and call one of its functions once.

    Args:
        core: or its name.
        sources: C files, or C text.
        function: its name.
        arguments: integers; arrays and bytes, whose address is passed.
        memory: of the device.
        flags: of the compiler.

    Returns:
        What it returned, the arrays afterwards, the instructions it took, and the stack.

    Raises:
        BuildError: it does not compile.
        SimulationError: the code faults, does not end, or writes around an array.
    """
    chosen = CORES[core] if isinstance(core, str) else core
    image = compile_image(chosen, sources, keep=(function,), memory=memory, flags=flags)
    return Machine(image).call(function, *arguments)
