"""Which shared library holds the kernels and the delegate here: the only place that decides.

1. the one that EDGEBNN_DELEGATE names;
2. the one that came with edgebnn, in a wheel for this kind of machine: ``lib/MACHINE/`` beside this file;
3. the one that :mod:`edgebnn.runtime.build` compiles from the sources, at first use.
"""

from __future__ import annotations

import os
import platform
import struct
from dataclasses import dataclass
from pathlib import Path

from edgebnn.errors import BuildError

VARIABLE = "EDGEBNN_DELEGATE"
FOLDER = Path(__file__).parent / "lib"

_SUFFIXES = {"linux": ".so", "macos": ".dylib", "windows": ".dll"}
_SYSTEMS = {"darwin": "macos"}
_PROCESSORS = {"amd64": "x86_64", "arm64": "aarch64", "armv7l": "armv7", "armv8l": "armv7"}


@dataclass(frozen=True)
class Library:
    """The library, and one clause that says where it comes from. ``prebuilt``: no compiler is needed."""

    path: Path
    origin: str
    prebuilt: bool


def machine_name(system: str, processor: str, pointer_bytes: int) -> str:
    """A kind of machine, such as linux-x86_64, linux-armv7 or macos-aarch64, from what :mod:`platform` calls it.

    A 32-bit Raspberry Pi OS often runs on a 64-bit Linux, which calls the processor aarch64: the size of a program's
    pointers tells.
    """
    name = _PROCESSORS.get(processor.lower(), processor.lower())
    if name == "aarch64" and pointer_bytes == 4:
        name = "armv7"
    return f"{_SYSTEMS.get(system.lower(), system.lower())}-{name}"


def packaged_name(machine: str) -> str:
    """Where below :data:`FOLDER` a wheel for the machine has its library."""
    return f"{machine}/libedgebnn{_SUFFIXES.get(machine.partition('-')[0], '.so')}"


def find_prebuilt() -> Library | None:
    """The library that needs no compiler here, if there is one. Raises BuildError if EDGEBNN_DELEGATE names no file."""
    named = os.environ.get(VARIABLE)
    if named:
        path = Path(named)
        if not path.is_file():
            raise BuildError(f"{named}: {VARIABLE} names no file; unset it to have the delegate compiled here")
        return Library(path, f"named by {VARIABLE}", True)
    machine = machine_name(platform.system(), platform.machine(), struct.calcsize("P"))
    path = FOLDER / packaged_name(machine)
    return Library(path, f"came with edgebnn for {machine}", True) if path.is_file() else None


def find() -> Library:
    """The library, compiled now if it has to be. Raises BuildError."""
    prebuilt = find_prebuilt()
    if prebuilt is not None:
        return prebuilt
    from .build import library

    return Library(library(), "compiled on this machine", False)
