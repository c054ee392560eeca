"""Places where models run and are measured: :func:`target` finds one by name."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from edgebnn.errors import InputError

if TYPE_CHECKING:
    from .interface import Target

# A target is added by one line: its name, and the module and class that make it. They are loaded when one is asked for,
# as each needs more to be installed than its name.
TARGETS = {
    "host": ("edgebnn.targets.host", "HostTarget"),
}


def target(name: str = "host") -> Target:
    """The place where models run that is called ``name``.

    Raises:
        InputError: there is none; the message lists those that there are.
    """
    if name not in TARGETS:
        raise InputError(f"unknown target '{name}'; known: {', '.join(TARGETS)}")
    module, kind = TARGETS[name]
    made: Target = getattr(import_module(module), kind)()
    return made
