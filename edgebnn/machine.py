"""Which machine this is: figures hold for it alone, so they carry its name."""

from __future__ import annotations

import os
import platform
import struct
from contextlib import suppress
from pathlib import Path
from typing import Literal

from edgebnn.errors import InputError

_CPUINFO = Path("/proc/cpuinfo")
_BOARD = Path("/proc/device-tree/model")
_MEMORY = Path("/proc/meminfo")
_GROUP = Path("/sys/fs/cgroup")
_STATUS = Path("/proc/self/status")
_KERNEL_MACHINE = Path("/proc/sys/kernel/arch")
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_GENERATION = {"cpu family": "family", "model": "model", "CPU implementer": "implementer", "CPU part": "part"}
_FAMILIES = {"x86_64": "x86", "i686": "x86", "aarch64": "arm", "armv7l": "arm", "armv8l": "arm"}


def cpu_name(board: Path = _BOARD, cpuinfo: Path = _CPUINFO) -> str:
    """The processor's name and generation: virtual machines call them all by one name, "AMD EPYC", that differ by half
    in speed. Linux on ARM gives the board's name instead."""
    if board.is_file():
        return board.read_text(errors="replace").strip("\0 \n")
    fields = _fields(cpuinfo)
    name = fields.get("model name") or platform.processor() or platform.machine()
    return ", ".join([name, *(f"{word} {fields[field]}" for field, word in _GENERATION.items() if field in fields)])


_NARROW = {"aarch64": "armv7l", "arm64": "armv7l", "x86_64": "i686", "amd64": "i686"}


def processor(reported: str = "", pointer_bytes: int = struct.calcsize("P")) -> str:
    """The processor that this process's programs are made for, as :func:`platform.machine` calls them.

    A 32-bit system often runs on a 64-bit kernel (Raspberry Pi OS does), whose processor ``platform.machine`` reports:
    the size of this process's pointers tells.
    """
    name = reported or platform.machine()
    return _NARROW.get(name.lower(), name) if pointer_bytes == 4 else name


def cpu_flags() -> frozenset[str]:
    """Instruction set extensions as Linux names them; empty elsewhere."""
    fields = _fields(_CPUINFO)
    return frozenset((fields.get("flags") or fields.get("Features") or "").split())


def cpu_class() -> str:
    """Which class of machine: x86 by the vector instructions that decide about the speed of binary kernels."""
    flags = cpu_flags()
    if "avx512_vpopcntdq" in flags:
        return "x86-64 with AVX-512 VPOPCNTDQ" + (" and VNNI" if "avx512_vnni" in flags else "")
    if "avx2" in flags:
        return "x86-64 with AVX2"
    return platform.machine()


def emulated_on(machine: str = "", kernel_machine: Path = _KERNEL_MACHINE) -> str | None:
    """The machine whose Linux kernel serves this process if that is of another family, as under qemu-user, else None.

    An emulator says what it emulates (``machine``), but leaves the kernel's own files as they are (since Linux 6.1).
    Times under it are those of the emulator: they tell nothing about a board.
    """
    if not kernel_machine.is_file():
        return None
    served_by = kernel_machine.read_text(encoding="utf-8").strip()
    return served_by if differs(machine or platform.machine(), served_by) else None


def differs(machine: str, served_by: str) -> bool:
    """Whether a process that is told ``machine`` is served by the Linux kernel of a machine of another family."""
    return len({_FAMILIES.get(name) for name in (machine, served_by)} - {None}) > 1


def timing_kind() -> Literal["measured", "emulated"]:
    """What a time taken by this process is: measured on a machine, or emulated, which is of no machine."""
    return "measured" if emulated_on() is None else "emulated"


def cores() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def boot() -> str:
    """The number that Linux gave itself when it started, which tells this machine from others; empty elsewhere."""
    return _BOOT.read_text(encoding="utf-8").strip() if _BOOT.is_file() else ""


def peak_memory() -> int:
    """The most bytes of memory that this process has had at a time; 0 where the system does not say (Linux does).

    Not that of ``getrusage``, in which a process inherits the peak of the one that started it.
    """
    if not _STATUS.is_file():
        return 0
    fields = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
    return int(fields.get("VmHWM", "0 kB").split()[0]) * 1024


def free_memory() -> int | None:
    """Bytes that processes can still get, within the container's limit; None where Linux does not say."""
    try:
        lines = _MEMORY.read_text().splitlines()
    except OSError:
        return None
    kilobytes = next((int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")), None)
    if kilobytes is None:
        return None
    try:
        limit = int((_GROUP / "memory.max").read_text()) - int((_GROUP / "memory.current").read_text())
    except (OSError, ValueError):  # no version 2 control group, or "max"
        return kilobytes * 1024
    return max(0, min(kilobytes * 1024, limit))


def require_memory(needed: int, what: str) -> None:
    """Refuses what the machine cannot hold: memory is promised freely and taken when it is used, by ending a process.

    Args:
        needed: bytes that are used at once.
        what: that uses them, for the message.

    Raises:
        InputError: fewer are free.
    """
    free = free_memory()
    if free is not None and needed > free:
        raise InputError(
            f"{what} needs {needed / 2**30:.1f} GiB of memory at once; {free / 2**30:.1f} GiB are free here"
        )


def fingerprint() -> dict[str, str]:
    """What tells this machine from others, and decides about its speed: plain words, to be kept with figures."""
    served_by = emulated_on()
    system = {
        "cpu": cpu_name(),
        "class": cpu_class(),
        "cores": str(os.cpu_count() or 1),
        "machine": processor(),
        "system": platform.system(),
        "kernel": platform.release(),
        "libc": " ".join(part for part in platform.libc_ver() if part),
        "memory": f"{_memory() >> 20} MB" if _memory() else "",
    }
    return {name: text for name, text in system.items() if text} | ({"emulated on": served_by} if served_by else {})


def versions() -> dict[str, str]:
    """Of what computes in this process: Python, and those of the packages that are installed."""
    from importlib.metadata import PackageNotFoundError, version  # which takes longer to load than the rest

    found = {"python": platform.python_version()}
    for name in ("edgebnn", "ai-edge-litert", "tflite-runtime", "numpy"):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _memory() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 0


def describe() -> str:
    """One line: processor, class, cores, system; on an emulated machine, that it is one."""
    served_by = emulated_on()
    if served_by is not None:
        return f"emulated {platform.system()} {platform.machine()} on {served_by}: times are the emulator's"
    return f"{cpu_name()} ({cpu_class()}), {os.cpu_count()} cores, {platform.system()} {platform.machine()}"


def _fields(cpuinfo: Path) -> dict[str, str]:
    """What ``cpuinfo`` says of the first processor."""
    if not cpuinfo.is_file():
        return {}
    first = cpuinfo.read_text(errors="replace").split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines() if ":" in line)
    return {name.strip(): value.strip() for name, _, value in pairs}
