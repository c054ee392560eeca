"""What a machine is under while something is measured on it: clock policy, heat, throttling, pinning, other load.

All of it is read from files of the Linux kernel; what a system does not tell is None or empty.
"""

from __future__ import annotations

import math
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from edgebnn import machine
from edgebnn.errors import InputError

ROOT = Path("/")

_THROTTLED_FILES = "sys/devices/platform/soc*/soc*firmware/get_throttled"
_VCGENCMD = ("vcgencmd", "get_throttled")
"""What a Raspberry Pi's firmware says of throttling: a file where the kernel has one, else this command."""
_VCGENCMD_SECONDS = 5
_FLAGS = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}
"""Bits that hold now; those 16 places higher say that it has been so since the board started. Source: Raspberry Pi's
documentation of vcgencmd."""
_SINCE_START = 16
_MOST_CORES = 1024


@dataclass(frozen=True)
class Conditions:
    """At one moment.

    governor: of the clocks. frequency_mhz: of the first processor. temperature_c: the hottest zone's. throttling: what
    slows the board down now. throttled_before: what has done so since it started. throttle_events: how often processors
    have counted that. load: runnable processes, averaged over a minute. affinity: the processors that may be used.
    peak_memory_bytes: the most that this process has had at a time, or on a device without Python the model's program.
    """

    governor: str
    frequency_mhz: float | None
    temperature_c: float | None
    throttling: tuple[str, ...]
    throttled_before: tuple[str, ...]
    throttle_events: int | None
    load: float | None
    affinity: tuple[int, ...]
    peak_memory_bytes: int | None


def now(root: Path = ROOT) -> Conditions:
    """The conditions at this moment; ``root``: where the file system begins."""
    cpus = root / "sys/devices/system/cpu"
    heat = [_number(path) for path in sorted((root / "sys/class/thermal").glob("thermal_zone*/temp"))]
    events = [_number(path) for path in sorted(cpus.glob("cpu*/thermal_throttle/core_throttle_count"))]
    frequency = _number(cpus / "cpu0/cpufreq/scaling_cur_freq")
    bits = _throttled(root)
    known_heat, known_events = ([value for value in found if value is not None] for found in (heat, events))
    return Conditions(
        governor=_text(cpus / "cpu0/cpufreq/scaling_governor"),
        frequency_mhz=None if frequency is None else frequency / 1000,
        temperature_c=max(known_heat) / 1000 if known_heat else None,
        throttling=throttling(bits),
        throttled_before=throttling(bits >> _SINCE_START),
        throttle_events=int(sum(known_events)) if known_events else None,
        load=_load(root),
        affinity=tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else (),
        peak_memory_bytes=machine.peak_memory() or None,
    )


def said_by_a_shell(found: Mapping[str, str]) -> Conditions:
    """The conditions by what a device's shell read of the kernel's files and the firmware's command.

    Args:
        found: "governor", "frequency" in kHz, "temperature" in thousandths of a degree, "throttled", "load" and
            "cores"; what it does not tell is left out, and so is what is no number.
    """
    frequency, heat = (as_number(found.get(name, "")) for name in ("frequency", "temperature"))
    bits = throttled_bits(found.get("throttled", ""))
    return Conditions(
        governor=found.get("governor", ""),
        frequency_mhz=None if frequency is None else frequency / 1000,
        temperature_c=None if heat is None else heat / 1000,
        throttling=throttling(bits),
        throttled_before=throttling(bits >> _SINCE_START),
        throttle_events=None,
        load=as_number(found.get("load", "").partition(" ")[0]),
        affinity=tuple(range(min(_MOST_CORES, int(as_number(found.get("cores", "")) or 0)))),
        peak_memory_bytes=None,
    )


def throttling(bits: int) -> tuple[str, ...]:
    """What the firmware's lowest bits say, in words."""
    return tuple(name for bit, name in _FLAGS.items() if bits >> bit & 1)


def slowed(before: Conditions, after: Conditions) -> tuple[str, ...]:
    """What slowed the machine down between two moments, in words; empty if it says of nothing."""
    found = dict.fromkeys((*before.throttling, *after.throttling))
    found |= dict.fromkeys(name for name in after.throttled_before if name not in before.throttled_before)
    if (after.throttle_events or 0) > (before.throttle_events or 0):
        found["throttled"] = None
    return tuple(found)


@contextmanager
def pinned(processors: tuple[int, ...]) -> Iterator[None]:
    """This thread, and those that it starts, on these processors alone; nothing is done for none.

    Raises:
        InputError: this process may not use them, or the system cannot pin.
    """
    if not processors:
        yield
        return
    before = pin(processors)
    try:
        yield
    finally:
        pin(before)


def pin(processors: Sequence[int]) -> tuple[int, ...]:
    """This thread, and those that it starts, on these processors from now on; gives those that it could use before.

    Raises:
        InputError: the machine has not these, or the system cannot pin.
    """
    if not hasattr(os, "sched_setaffinity"):
        raise InputError("this system does not pin processes to processors")
    before = tuple(sorted(os.sched_getaffinity(0)))
    try:
        os.sched_setaffinity(0, processors)
    except (OSError, ValueError):
        listed, there = (", ".join(map(str, some)) for some in (processors, before))
        raise InputError(f"cannot pin to the processors {listed}; this process may use {there}") from None
    return before


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip("\0 \n")
    except OSError:
        return ""


def _number(path: Path) -> float | None:
    return as_number(_text(path))


def as_number(text: str) -> float | None:
    """The finite number that a text is; None for anything else."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _throttled(root: Path) -> int:
    """The firmware's bits, 0 where there is none."""
    text = next((_text(file) for file in sorted(root.glob(_THROTTLED_FILES))), "")
    if not text and root == ROOT and shutil.which(_VCGENCMD[0]):
        with suppress(OSError, subprocess.SubprocessError):
            done = subprocess.run(_VCGENCMD, capture_output=True, text=True, timeout=_VCGENCMD_SECONDS, check=False)
            text = done.stdout
    return throttled_bits(text)


def throttled_bits(text: str) -> int:
    """``throttled=0x50005``, or the file's ``50005``, as a number; 0 for anything else."""
    try:
        return int(text.strip().removeprefix("throttled="), 16)
    except ValueError:
        return 0


def _load(root: Path) -> float | None:
    words = _text(root / "proc/loadavg").split()
    try:
        return float(words[0]) if words else None
    except ValueError:
        return None
