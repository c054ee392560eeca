"""The C kernels, in rooms that say what each needs.

``core``: contracts, plain kernels, geometry, output transforms, fixed point; it compiles freestanding.
``x86``, ``neon``: one file a kernel and instruction set, each a line of the ``*.kernels`` tables in ``core``.
``host``: what a package for microcontrollers does not carry: choice by processor, caches, blocking, packing.
Rooms include from ``core`` and themselves alone.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent

CORE = FOLDER / "core"
"""Where the public headers lie."""


OPERATIONS = ("bconv2d", "w1a8")
"""Binary convolutions; 1-bit weights with 8-bit activations. Each has a table of kernels."""


def c_files() -> tuple[Path, ...]:
    """Every C file, those of other architectures too: they compile to nothing."""
    return tuple(sorted(FOLDER.glob("*/*.c")))


def table(operation: str) -> str:
    """The text of the table of kernels of one of :data:`OPERATIONS`."""
    return (CORE / f"{operation}.kernels").read_text(encoding="utf-8")
