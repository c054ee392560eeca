"""Checks what tools/build_wheels.py made: file format, exported names, needed libraries, oldest glibc, tags."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import lief
from platforms import Platform

# Each of these is called by LiteRT or by edgebnn's Python.
FACE = frozenset(
    {
        "tflite_plugin_create_delegate",
        "tflite_plugin_destroy_delegate",
        "edgebnn_delegate_forget",
        "edgebnn_delegate_message",
        "edgebnn_delegate_mismatch",
        "edgebnn_profile_enable",
        "edgebnn_profile_read",
        "eb_bconv2d_kernel_at",
        "eb_cpu_features",
    }
)
PREFIXES = ("tflite_plugin_", "edgebnn_", "eb_")

_OF_THE_LINKER = frozenset({"init", "fini", "_dso_handle", "__dso_handle", "_mh_dylib_header"})

_FORMATS = {
    "linux-x86_64": ("ELF", "X86_64"),
    "linux-aarch64": ("ELF", "AARCH64"),
    "linux-armv7": ("ELF", "ARM"),
    "macos-aarch64": ("MACHO", "ARM64"),
    "macos-x86_64": ("MACHO", "X86_64"),
    "windows-x86_64": ("PE", "AMD64"),
}


class Rejected(Exception):
    """What was built is not what it should be; the message says how."""


def check_library(platform: Platform, path: Path) -> None:
    """Raises Rejected."""
    lief.logging.disable()  # it remarks on parts that are not looked at here
    binary: Any = lief.parse(str(path))
    if binary is None:
        raise Rejected(f"{path}: not a binary")
    found = (binary.format.name, _processor(binary))
    if found != _FORMATS[platform.machine]:
        raise Rejected(f"{path}: is {found}, expected {_FORMATS[platform.machine]} for {platform.machine}")
    exported = {function.name.removeprefix("_") for function in binary.exported_functions}
    if not exported >= FACE:
        raise Rejected(f"{path}: does not export {', '.join(sorted(FACE - exported))}")
    foreign = sorted(name for name in exported if not name.startswith(PREFIXES) and name not in _OF_THE_LINKER)
    if foreign:
        raise Rejected(f"{path}: exports names that are not ours: {', '.join(foreign)}")
    needed = {library if isinstance(library, str) else library.name for library in binary.libraries}
    needed.discard(f"@rpath/{path.name}")
    if not needed <= platform.libraries:
        raise Rejected(f"{path}: needs {', '.join(sorted(needed - platform.libraries))}")


def _processor(binary: Any) -> str:
    header = binary.header
    names = ("machine_type", "cpu_type", "machine")  # of ELF, Mach-O and PE
    return str(next(getattr(header, name) for name in names if hasattr(header, name))).rpartition(".")[2]


def check_wheel(platform: Platform, path: Path) -> None:
    """auditwheel's verdict on a wheel for Linux: consistent with the oldest of its tags. Raises Rejected."""
    if not platform.machine.startswith("linux-"):
        return
    command = [sys.executable, "-m", "auditwheel", "show", "--json", str(path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise Rejected(f"{path}: auditwheel: {(result.stderr or result.stdout).strip()}")
    verdict = json.loads(result.stdout)
    if verdict["overall_tag"] != platform.tags[0] or verdict["external_libs"]:
        raise Rejected(
            f"{path}: auditwheel finds {verdict['overall_tag']}, needing {verdict['external_libs'] or 'none'}"
        )
