"""Which kernel of the table runs the binary convolutions, and why: the best for this processor, or a forced one.

The only place that reads the environment variable EDGEBNN_KERNELS; a program in C passes the delegate's option
``kernels`` instead.
"""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from pathlib import Path

from edgebnn.errors import InputError

VARIABLE = "EDGEBNN_KERNELS"


class _Line(ctypes.Structure):
    """The first fields of eb_bconv2d_kernel."""

    _fields_ = (("name", ctypes.c_char_p), ("cpu_features", ctypes.c_uint32))


@dataclass(frozen=True)
class Kernels:
    """The lines of the compiled table, best first: those that this processor runs, and those it lacks
    instructions for."""

    runnable: tuple[str, ...]
    lacking: tuple[str, ...]


@dataclass(frozen=True)
class Choice:
    """``name`` is None where nothing is forced, and the best of the table runs. ``by``: what forced it."""

    name: str | None
    by: str


def read_table(library: Path) -> Kernels:
    """The kernels in a compiled library. Raises OSError or AttributeError if it is no library of ours."""
    functions = ctypes.CDLL(str(library))
    functions.eb_cpu_features.restype = ctypes.c_uint32
    functions.eb_bconv2d_kernel_at.argtypes = [ctypes.c_size_t]
    functions.eb_bconv2d_kernel_at.restype = ctypes.POINTER(_Line)
    features = functions.eb_cpu_features()
    names: dict[bool, list[str]] = {True: [], False: []}
    index = 0
    while line := functions.eb_bconv2d_kernel_at(index):
        names[not line.contents.cpu_features & ~features].append(line.contents.name.decode())
        index += 1
    return Kernels(tuple(names[True]), tuple(names[False]))


def choose(argument: str | None) -> Choice:
    """The kernel that the argument ``kernels`` names, else EDGEBNN_KERNELS."""
    if argument:
        return Choice(argument, f"kernels={argument!r}")
    named = os.environ.get(VARIABLE)
    return Choice(named or None, f"{VARIABLE}={named}" if named else "")


def check(choice: Choice, kernels: Kernels) -> None:
    """Raises InputError if a forced kernel cannot run here."""
    if choice.name is None or choice.name in kernels.runnable:
        return
    reason = "this processor lacks its instructions" if choice.name in kernels.lacking else "there is no such kernel"
    raise InputError(f"{choice.by}: {reason}; use one of {', '.join(kernels.runnable)}, or none for the best")


def explain(choice: Choice, kernels: Kernels) -> str:
    """One line: which kernel runs, and why. Raises InputError as :func:`check` does."""
    check(choice, kernels)
    best, others = kernels.runnable[0], kernels.runnable[1:]
    if choice.name is not None:
        return f"{choice.name}, forced by {choice.by}; the best for this processor is {best}"
    why = f"{best}, the best that this processor runs"
    if others:
        why += f" (it also runs {', '.join(others)})"
    if kernels.lacking:
        why += f"; it lacks the instructions for {', '.join(kernels.lacking)}"
    return why
