"""The C kernels, in rooms that say what each needs.

``core``: contracts, plain kernels, geometry, output transforms, fixed point; it compiles freestanding.
``x86``, ``neon``: one file a kernel and instruction set, each a line of the ``*.kernels`` tables in ``core``.
``cortex_m``: one file a kernel of generated packages that is faster than the plain one in ``core``.
``host``: what a package for microcontrollers does not carry: choice by processor, caches, blocking, packing.
Rooms include from ``core`` and themselves alone.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent

CORE = FOLDER / "core"
"""Where the public headers lie."""


OPERATIONS = ("bconv2d", "w1a8", "conv2d_few", "conv2d_few_float", "rows")
"""Binary convolutions; 1-bit weights with 8-bit activations; convolutions of few input channels, of int8 and of
float32; what goes over rows of floats between them. Each has a table of kernels."""


_OF_THE_RUNTIME = (
    *("core/kernels.c", "core/bconv2d_*.c", "core/w1a8_*.c", "core/conv2d_few_*.c", "core/rows.c", "core/bmaxpool2d.c"),
    *("core/rows_portable.c", "core/exp_float.c"),
    *("x86/*.c", "neon/*.c", "host/*.c"),
)


def c_files() -> tuple[Path, ...]:
    """The C files of the runtime, those of other architectures too: they compile to nothing.

    What is not among them is for generated packages alone, which name each file that they need.
    """
    found = (path for pattern in _OF_THE_RUNTIME for path in FOLDER.glob(pattern))
    return tuple(sorted(path for path in found if not path.name.startswith("package_")))


def table(operation: str) -> str:
    """The text of the table of kernels of one of :data:`OPERATIONS`."""
    return (CORE / f"{operation}.kernels").read_text(encoding="utf-8")
