"""Places where models run and are measured: :func:`target` finds one by name."""

from __future__ import annotations

from collections.abc import Callable

from edgebnn.errors import InputError

from .host import HostTarget
from .interface import Target

# A target is added by one line: its name and what makes it.
TARGETS: dict[str, Callable[[], Target]] = {
    "host": HostTarget,
}


def target(name: str = "host") -> Target:
    """The target called ``name``. Raises InputError that lists the known ones."""
    if name not in TARGETS:
        raise InputError(f"unknown target '{name}'; known: {', '.join(TARGETS)}")
    return TARGETS[name]()
