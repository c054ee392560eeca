"""Which kernel of a table runs, and why: the best for this processor, or a forced one.

There is a table for each operation: ``bconv2d`` (binary convolutions), ``w1a8`` (1-bit weights, 8-bit activations),
``conv2d_few`` and ``conv2d_few_float`` (convolutions of few input channels, of int8 and float32).
A forced kernel runs the operations whose tables have it; the others run their best. The only place that reads the
environment variable EDGEBNN_KERNELS; a program in C passes the delegate's option ``kernels`` instead.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgebnn.errors import InputError
from edgebnn.kernels import OPERATIONS

VARIABLE = "EDGEBNN_KERNELS"


class _Line(ctypes.Structure):
    """The first fields of eb_bconv2d_kernel, eb_w1a8_kernel and eb_conv2d_few_kernel."""

    _fields_ = (("name", ctypes.c_char_p), ("cpu_features", ctypes.c_uint32))


@dataclass(frozen=True)
class Kernels:
    """The lines of a compiled table, best first: those that this processor runs, and those it lacks instructions for.
    ``by_layer``: each layer runs the one that costs it least."""

    runnable: tuple[str, ...]
    lacking: tuple[str, ...]
    by_layer: bool = False


@dataclass(frozen=True)
class Choice:
    """``name`` is None where nothing is forced, and the best of the table runs. ``by``: what forced it."""

    name: str | None
    by: str


def read_table(library: Path, operation: str = "bconv2d") -> Kernels:
    """An operation's kernels in a compiled library. Raises OSError or AttributeError if it is no library of ours."""
    functions = ctypes.CDLL(str(library))
    functions.eb_cpu_features.restype = ctypes.c_uint32
    line_at = getattr(functions, f"eb_{operation}_kernel_at")
    line_at.argtypes = [ctypes.c_size_t]
    line_at.restype = ctypes.POINTER(_Line)
    features = functions.eb_cpu_features()
    lines: list[Any] = []
    while line := line_at(len(lines)):
        lines.append(line.contents)
    runnable = [line for line in lines if not line.cpu_features & ~features]
    lacking = [line for line in lines if line.cpu_features & ~features]
    return Kernels(
        runnable=tuple(line.name.decode() for line in runnable),
        lacking=tuple(line.name.decode() for line in lacking),
        by_layer=operation == "w1a8",
    )


def read_tables(library: Path) -> tuple[Kernels, ...]:
    """Of all operations. Raises as :func:`read_table` does."""
    return tuple(read_table(library, operation) for operation in OPERATIONS)


def choose(argument: str | None) -> Choice:
    """The kernel that the argument ``kernels`` names, else EDGEBNN_KERNELS."""
    if argument:
        return Choice(argument, f"kernels={argument!r}")
    named = os.environ.get(VARIABLE)
    return Choice(named or None, f"{VARIABLE}={named}" if named else "")


def check(choice: Choice, tables: Sequence[Kernels]) -> None:
    """Raises InputError if a forced kernel cannot run here for any operation."""
    runnable = list(dict.fromkeys(name for kernels in tables for name in kernels.runnable))
    if choice.name is None or choice.name in runnable:
        return
    lacking = any(choice.name in kernels.lacking for kernels in tables)
    reason = "this processor lacks its instructions" if lacking else "there is no such kernel"
    raise InputError(f"{choice.by}: {reason}; use one of {', '.join(runnable)}, or none for the best")


def explain(choice: Choice, kernels: Kernels) -> str:
    """One line: which kernel of an operation runs, and why. ``choice``: one that :func:`check` lets pass."""
    best, others = kernels.runnable[0], kernels.runnable[1:]
    if choice.name in kernels.runnable:
        return f"{choice.name}, forced by {choice.by}; the best for this processor is {best}"
    why = f"{best}, the best that this processor runs"
    if kernels.by_layer and others:
        why += f", or {' or '.join(others)} where it costs a layer less"
    elif others:
        why += f" (it also runs {', '.join(others)})"
    if kernels.lacking:
        why += f"; it lacks the instructions for {', '.join(kernels.lacking)}"
    if choice.name is not None:
        why += f"; there is no {choice.name} for it ({choice.by})"
    return why
