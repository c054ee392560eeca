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

from edgebnn import machine
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
    """A kind of machine, such as linux-x86_64, linux-armv7 or macos-aarch64, from what :mod:`platform` calls it."""
    name = machine.processor(processor, pointer_bytes).lower()
    return f"{_SYSTEMS.get(system.lower(), system.lower())}-{_PROCESSORS.get(name, name)}"


def packaged_name(kind: str) -> str:
    """Where below :data:`FOLDER` a wheel for the kind of machine has its library."""
    return f"{kind}/libedgebnn{_SUFFIXES.get(kind.partition('-')[0], '.so')}"


def find_prebuilt() -> Library | None:
    """The library that needs no compiler here, if there is one. Raises BuildError if EDGEBNN_DELEGATE names no file."""
    named = os.environ.get(VARIABLE)
    if named:
        path = Path(named)
        if not path.is_file():
            raise BuildError(f"{named}: {VARIABLE} names no file; unset it to have the delegate compiled here")
        return Library(path, f"named by {VARIABLE}", True)
    kind = machine_name(platform.system(), platform.machine(), struct.calcsize("P"))
    path = FOLDER / packaged_name(kind)
    return Library(path, f"came with edgebnn for {kind}", True) if path.is_file() else None


def find() -> Library:
    """The library, compiled now if it has to be. Raises BuildError."""
    prebuilt = find_prebuilt()
    if prebuilt is not None:
        return prebuilt
    from .build import library

    return Library(library(), "compiled on this machine", False)
