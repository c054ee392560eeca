"""Places where models run and are measured: :func:`target` finds one by name."""

from __future__ import annotations

import difflib
import importlib.util
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from edgebnn.errors import EdgebnnError, InputError, one_line

if TYPE_CHECKING:
    from .interface import Target
    from .linux.access import Access

SSH = "ssh"
"""The scheme in the names of devices that are reached by ssh."""

_CORTEX_M = ("edgebnn.targets.cortex_m.target", "CortexMTarget")
_EMULATED = ("edgebnn.targets.linux.emulated", "EmulatedTarget")

# A target is added by one line: its name, and the module and class that make it. They are loaded when one is asked for,
# as each needs more to be installed than its name. A board is a file in boards/.
TARGETS = {
    "host": ("edgebnn.targets.host", "HostTarget"),
    "qemu-aarch64": _EMULATED,
    "qemu-armv7": _EMULATED,
    "cortex-m0plus": _CORTEX_M,
    "cortex-m3": _CORTEX_M,
    "cortex-m4": _CORTEX_M,
    "cortex-m7": _CORTEX_M,
    "cortex-m33": _CORTEX_M,
    **{path.stem: _CORTEX_M for path in sorted((Path(__file__).parent / "boards").glob("*.toml"))},
}


def target(name: str = "host", access: Access | None = None) -> Target:
    """The place where models run that is called ``name``.

    Args:
        name: of :data:`TARGETS`, or ssh://user@host[:port].
        access: how to log in to a device.

    Returns:
        The target.

    Raises:
        InputError: there is none; the message lists those that there are.
        EdgebnnError: what it needs is not installed, or the device cannot be reached.
    """
    if access is not None and access.wheels is not None:
        from .linux.bundle import check_folder

        check_folder(access.wheels)
    if name.startswith(f"{SSH}:"):
        try:
            from .linux.ssh import SshTarget
        except ModuleNotFoundError as error:
            raise EdgebnnError(f"targets by ssh need {error.name}: pip install 'edgebnn[targets]'") from None
        return SshTarget(name, access)
    if name not in TARGETS:
        near = difflib.get_close_matches(name, TARGETS, 1)
        meant = f", did you mean {near[0]}?" if near else ";"
        raise InputError(one_line(f"unknown target '{name}'{meant} known: {', '.join(TARGETS)}, ssh://user@host"))
    module, kind = TARGETS[name]
    try:
        made: Target = getattr(import_module(module), kind)(name)
    except ModuleNotFoundError as error:
        raise EdgebnnError(f"the target {name} needs {error.name}: pip install 'edgebnn[mcu]'") from None
    if access is not None and access.wheels is not None:
        from .linux.target import LinuxTarget

        if not isinstance(made, LinuxTarget):
            raise InputError(
                f"{name}: needs no wheels from a folder; --wheels is for ssh://user@host and emulated devices"
            )
        made.where.wheels = access.wheels
    return made


@dataclass(frozen=True)
class TargetFacts:
    """A target and what it tells; field names are the JSON's.

    ``detail`` is the machine that its figures hold for, or why it cannot be used here.
    """

    name: str
    available: bool
    kind: str | None
    unit: str | None
    detail: str


def targets() -> tuple[TargetFacts, ...]:
    """Every target that there is, and whether it can be used here."""
    return (*map(_facts, TARGETS), _ssh_facts())


def _ssh_facts() -> TargetFacts:
    name = f"{SSH}://user@host"
    if importlib.util.find_spec("asyncssh") is None:
        return TargetFacts(name, False, None, None, "needs asyncssh: pip install 'edgebnn[targets]'")
    return TargetFacts(name, True, "measured", "ms", "a Raspberry Pi, or another device that runs Linux")


def _facts(name: str) -> TargetFacts:
    try:
        found = target(name)
    except EdgebnnError as error:
        return TargetFacts(name, False, None, None, str(error))
    return TargetFacts(name, True, found.kind, found.unit, found.device)
