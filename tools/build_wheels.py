#!/usr/bin/env python3
"""Cross-builds wheels that carry the compiled library, for every machine of tools/platforms.py, and checks them.

Usage: python3 tools/build_wheels.py [--library] [-o DIR] [MACHINE ...]   (default: all machines, into dist/)

--library makes archives of the stand-alone library, its headers and the licence instead, for C programs and for
Pythons that no wheel fits. The compiler is zig, from PyPI. The wheels are py3-none-MACHINE: there is no CPython ABI
in them.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from environment import PYTHON, ROOT, ensure_environment
from platforms import PLATFORMS, Platform

DATE = (2024, 1, 1, 0, 0, 0)
HEADERS = ("runtime/delegate/edgebnn.h", "kernels/core/kernels.h")
# All that pip reads for a wheel: building in a copy leaves nothing in the checkout, and takes nothing stale from it.
SOURCES = ("setup.py", "pyproject.toml", "README.md", "LICENSE", "edgebnn", "converters", "targets")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("machines", nargs="*", metavar="MACHINE", help=f"of {', '.join(PLATFORMS)} (default: all)")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "dist", help="default: dist/")
    parser.add_argument("--library", action="store_true", help="stand-alone libraries with headers, not wheels")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.machines if name not in PLATFORMS]
    if unknown:
        parser.error(f"{unknown[0]}: no such machine; known: {', '.join(PLATFORMS)}")
    if Path(sys.prefix) != PYTHON.parent.parent:
        ensure_environment(["train", "mcu", "dev"])
        os.execv(PYTHON, [str(PYTHON), *sys.argv])
    from binary_check import Rejected

    try:
        build(arguments.machines or list(PLATFORMS), arguments.output, arguments.library)
    except Rejected as error:
        sys.exit(f"[edgebnn] {error}")


def build(machines: Sequence[str], output: Path, library_only: bool = False) -> list[Path]:
    """Makes and checks what is asked for, says what was made, and returns the files."""
    output.mkdir(parents=True, exist_ok=True)
    wanted = [PLATFORMS[machine] for machine in machines]
    if not library_only:
        for platform in wanted:
            if not platform.tags:
                print(f"{platform.machine}: no wheel, as LiteRT has none for it; --library makes the library")
        wanted = [platform for platform in wanted if platform.tags]
    made = []
    with tempfile.TemporaryDirectory(prefix=".build-", dir=output) as name:
        folder = Path(name)
        pure = None if library_only else _pure_wheel(folder)
        for platform in wanted:
            library = _compile(platform, folder)
            if pure is None:
                file = _archive(platform, library, folder)
            else:
                file = _platform_wheel(platform, library, pure, folder)
            final = output / file.name
            os.replace(file, final)
            made.append(final)
            print(f"{final}: {platform.ran or 'compiled, not run here'}", flush=True)
    return made


def _compile(platform: Platform, folder: Path) -> Path:
    """The checked library for a platform."""
    from binary_check import check_library

    from edgebnn.runtime import build as compiler
    from edgebnn.runtime.library import packaged_name

    path = folder / packaged_name(platform.machine)
    path.parent.mkdir()
    zig = compiler.zig_compiler(platform.zig_target)
    link_flags = (*compiler.LINK_FLAGS, *platform.link_flags)
    compiler.compile(path, compiler.sources(platform.processor), zig, link_flags=link_flags)
    check_library(platform, path)
    return path


def _pure_wheel(folder: Path) -> Path:
    """The wheel of the Python files and C sources alone."""
    copy = folder / "source"
    copy.mkdir()
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.so", "*.egg-info"))
        else:
            shutil.copy(source, copy / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    _run([*command, "--wheel-dir", str(folder / "pure"), str(copy)])
    (wheel,) = (folder / "pure").glob("*-py3-none-any.whl")
    return wheel


def _platform_wheel(platform: Platform, library: Path, pure: Path, folder: Path) -> Path:
    """``pure`` with the library in it, its tags, and the dependencies that the machine's markers choose."""
    from wheel.wheelfile import WheelFile

    from edgebnn.runtime.library import packaged_name

    name = pure.name.replace("-any.whl", f"-{'.'.join(platform.tags)}.whl")
    with ZipFile(pure) as source, WheelFile(folder / name, "w", ZIP_DEFLATED) as target:
        for entry in source.infolist():
            if entry.is_dir() or entry.filename.endswith(".dist-info/RECORD"):
                continue
            data = source.read(entry)
            if entry.filename.endswith(".dist-info/WHEEL"):
                data = _wheel_metadata(platform, data.decode()).encode()
            elif entry.filename.endswith(".dist-info/METADATA"):
                data = _resolved(platform, data.decode()).encode()
            target.writestr(_entry(entry.filename), data)
        target.writestr(_entry(f"edgebnn/runtime/lib/{packaged_name(platform.machine)}", 0o755), library.read_bytes())
    from binary_check import check_wheel

    check_wheel(platform, folder / name)
    return folder / name


def _entry(name: str, mode: int = 0o644) -> ZipInfo:
    entry = ZipInfo(name, DATE)
    entry.compress_type = ZIP_DEFLATED
    entry.external_attr = (0o100000 | mode) << 16
    return entry


def _wheel_metadata(platform: Platform, text: str) -> str:
    lines = [line for line in text.splitlines() if line and not line.startswith(("Tag:", "Root-Is-Purelib:"))]
    return "\n".join([*lines, "Root-Is-Purelib: false", *(f"Tag: py3-none-{tag}" for tag in platform.tags), ""])


def _resolved(platform: Platform, text: str) -> str:
    """Metadata whose dependencies on the kind of machine are settled.

    A marker sees the kernel's machine, which on a 32-bit Raspberry Pi OS with a 64-bit Linux is not the programs' one.
    """
    from packaging.requirements import Requirement

    head, _, body = text.partition("\n\n")
    lines = []
    for line in head.splitlines():
        requirement = Requirement(line.partition(":")[2]) if line.startswith("Requires-Dist:") else None
        if requirement is not None and requirement.marker is not None and "extra" not in str(requirement.marker):
            if not requirement.marker.evaluate({"platform_machine": platform.processor}):
                continue
            requirement.marker = None
            line = f"Requires-Dist: {requirement}"
        lines.append(line)
    return "\n".join(lines) + "\n\n" + body


def _archive(platform: Platform, library: Path, folder: Path) -> Path:
    """edgebnn-VERSION-MACHINE.tar.gz: lib/, include/ and the licence."""
    import importlib.metadata

    stem = f"edgebnn-{importlib.metadata.version('edgebnn')}-{platform.machine}"
    files = {f"lib/{library.name}": library, "LICENSE": ROOT / "LICENSE"}
    files |= {f"include/edgebnn/{Path(header).name}": ROOT / "edgebnn" / header for header in HEADERS}
    with tarfile.open(folder / f"{stem}.tar.gz", "w:gz") as archive:
        for name, path in sorted(files.items()):
            entry = tarfile.TarInfo(f"{stem}/{name}")
            entry.size = path.stat().st_size
            entry.mode = 0o755 if path is library else 0o644
            archive.addfile(entry, io.BytesIO(path.read_bytes()))
    return folder / f"{stem}.tar.gz"


def _run(command: Sequence[str]) -> None:
    result = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if result.returncode:
        sys.exit(f"[edgebnn] failed: {' '.join(command)}\n{result.stdout}{result.stderr}")


if __name__ == "__main__":
    main()
