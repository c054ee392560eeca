"""Which machine this is: figures hold for it alone, so they carry its name."""

from __future__ import annotations

import os
import platform
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")


def cpu_name() -> str:
    """The processor's name: Linux on ARM gives the board's instead."""
    fields = _cpuinfo()
    board = Path("/proc/device-tree/model")
    if board.is_file():
        return board.read_text(errors="replace").strip("\0 \n")
    return fields.get("model name") or platform.processor() or platform.machine()


def cpu_flags() -> frozenset[str]:
    """Instruction set extensions as Linux names them; empty elsewhere."""
    fields = _cpuinfo()
    return frozenset((fields.get("flags") or fields.get("Features") or "").split())


def cpu_class() -> str:
    """Which class of machine: x86 by the vector instructions that decide about the speed of binary kernels."""
    flags = cpu_flags()
    if "avx512_vpopcntdq" in flags:
        return "x86-64 with AVX-512 VPOPCNTDQ" + (" and VNNI" if "avx512_vnni" in flags else "")
    if "avx2" in flags:
        return "x86-64 with AVX2"
    return platform.machine()


def cores() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe() -> str:
    """One line: processor, class, cores, system."""
    return f"{cpu_name()} ({cpu_class()}), {os.cpu_count()} cores, {platform.system()} {platform.machine()}"


def _cpuinfo() -> dict[str, str]:
    """The fields of the first processor."""
    if not _CPUINFO.is_file():
        return {}
    first = _CPUINFO.read_text(errors="replace").split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines() if ":" in line)
    return {name.strip(): value.strip() for name, _, value in pairs}
