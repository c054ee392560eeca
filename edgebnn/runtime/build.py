"""Compiles the C kernels and the LiteRT delegate into one shared library, at first use.

The library lies in the user's cache folder under a hash of everything that makes it: sources, flags, compiler. It is
compiled in a folder beside it and renamed into place; of processes that start at once one compiles, and the others wait
for it. The compiler is the one named by CC, else cc, gcc or clang, else the ``ziglang`` wheel.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from edgebnn import kernels
from edgebnn.errors import BuildError
from edgebnn.files import cache_folder
from edgebnn.machine import processor

from .workplace import workplace

DELEGATE = Path(__file__).parent / "delegate"

# No contraction: a fused multiply-add rounds once where LCE rounds twice. Nobody reads the floating-point exception
# flags, and gcc does not vectorise comparisons while it must keep them right.
COMPILE_FLAGS = (
    *(
        "-std=c11",
        "-O3",
        "-ffp-contract=off",
        "-fno-trapping-math",
        "-fPIC",
        "-fvisibility=hidden",
        "-pthread",
        "-DNDEBUG",
    ),
    f"-I{kernels.CORE}",
)
LINK_FLAGS = ("-shared", "-pthread", "-s")

_REMEDY = "install gcc or pip install 'edgebnn[mcu]'"
_TABLE_LINE = re.compile(r'^EB_(\w+)_KERNEL\(\s*(\w+)\s*,\s*(\w+)\s*,\s*"([^"]*)"', re.MULTILINE)
_ARCHITECTURES = {"x86_64": "X86_64", "amd64": "X86_64", "aarch64": "AARCH64", "arm64": "AARCH64"}


@dataclass(frozen=True)
class Compiler:
    """A C compiler: the command line it is called by, what tells its versions apart, and what helps where it fails."""

    command: tuple[str, ...]
    identity: str
    remedy: str = f"another compiler can be named by CC, or {_REMEDY}"


@dataclass(frozen=True)
class Source:
    """A C file and the flags that it alone needs."""

    path: Path
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Description:
    """How the library is made here: what ``edgebnn doctor`` shows. ``compiled``: it is in the cache already."""

    compiler: str
    flags: str
    library: Path
    compiled: bool


def find_compiler() -> Compiler:
    """The C compiler of this machine. Raises BuildError where there is none, or CC names none."""
    named = os.environ.get("CC", "").strip()
    if named:
        command = tuple(shlex.split(named))
        if shutil.which(command[0]) is None:
            raise BuildError(f"CC={named}: there is no such compiler; unset CC, or {_REMEDY}")
        return Compiler(command, version_of(command))
    for name in ("cc", "gcc", "clang"):
        path = shutil.which(name)
        if path is not None:
            return Compiler((path,), version_of((path,)))
    return zig_compiler()


def zig_compiler(target: str = "") -> Compiler:
    """The compiler in the ``ziglang`` wheel, for this machine or a zig target such as aarch64-linux-gnu.2.17.

    Raises BuildError where it is not installed.
    """
    try:
        version = importlib.metadata.version("ziglang")
    except importlib.metadata.PackageNotFoundError:
        raise BuildError(f"no C compiler: neither CC, cc, gcc, clang nor ziglang was found; {_REMEDY}") from None
    # zig compiles for the very processor it runs on unless told otherwise.
    machine = ("-target", target) if target else ("-mcpu=baseline",)
    return Compiler((sys.executable, "-m", "ziglang", "cc", *machine), f"zig {version}")


@lru_cache
def version_of(command: tuple[str, ...]) -> str:
    """What tells a compiler's versions apart. Raises BuildError if it cannot be run."""
    return _run((*command, "--version")).stdout.partition("\n")[0]


def sources(machine: str = "") -> tuple[Source, ...]:
    """The files of the library for a machine, as :func:`edgebnn.machine.processor` calls it (default: this one).

    Flags of single files come from the tables of kernels. The files of other architectures' kernels compile to nothing.
    """
    return (*kernel_sources(machine), *delegate_sources())


def kernel_sources(machine: str = "") -> tuple[Source, ...]:
    """The kernels alone."""
    tables = "".join(map(kernels.table, kernels.OPERATIONS))
    flags = kernel_flags(tables, machine or processor())
    return tuple(Source(path, flags.get(path.name, ())) for path in kernels.c_files())


def delegate_sources() -> tuple[Source, ...]:
    """The delegate without the kernels."""
    return tuple(map(Source, sorted(DELEGATE.glob("*.c"))))


def kernel_flags(table: str, machine: str) -> dict[str, tuple[str, ...]]:
    """File name -> compiler flags, of each line of tables of kernels that is for the machine."""
    architecture = _ARCHITECTURES.get(machine.lower(), "ARM" if machine.lower().startswith("arm") else "")
    return {
        f"{operation.lower()}_{name}.c": tuple(flags.split())
        for operation, name, needed, flags in _TABLE_LINE.findall(table)
        if needed in ("ANY", architecture)
    }


def library() -> Path:
    """The shared library, compiled if it is not in the cache yet.

    Raises BuildError if there is no compiler, it fails, or the cache folder cannot be written.
    """
    compiler = find_compiler()
    path = _library_path(compiler)
    if not os.path.isfile(path):  # not Path.is_file: that raises where a folder may not be entered
        compile(path, sources(), compiler)
    return path


def cross_library(machine: str, zig_target: str) -> Path:
    """The shared library for another kind of Linux machine, compiled by zig if it is not in the cache yet.

    Args:
        machine: its processor, as :func:`edgebnn.machine.processor` calls it.
        zig_target: such as aarch64-linux-gnu.2.17.

    Raises:
        BuildError: zig is not installed or fails, or the cache folder cannot be written.
    """
    compiler = zig_compiler(zig_target)
    path = cache_folder() / f"libedgebnn-{machine}-{_fingerprint(compiler)}.so"
    if not os.path.isfile(path):
        compile(path, sources(machine), compiler)
    return path


def describe() -> Description:
    """How the library is made here, without making it. Raises BuildError if there is no compiler."""
    compiler = find_compiler()
    path = _library_path(compiler)
    flags = " ".join((*COMPILE_FLAGS, *LINK_FLAGS))
    return Description(f"{' '.join(compiler.command)} ({compiler.identity})", flags, path, os.path.isfile(path))


def _library_path(compiler: Compiler) -> Path:
    suffix = {"Darwin": ".dylib", "Windows": ".dll"}.get(platform.system(), ".so")
    return cache_folder() / f"libedgebnn-{_fingerprint(compiler)}{suffix}"


def _fingerprint(compiler: Compiler) -> str:
    made_of = hashlib.sha256()
    settings = (processor(), compiler.identity, *compiler.command, *COMPILE_FLAGS, *LINK_FLAGS)
    made_of.update("\0".join(settings).encode())
    for folder in (kernels.FOLDER, DELEGATE):
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".c", ".h", ".kernels"):
                made_of.update(f"\0{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return made_of.hexdigest()[:16]


def compile(
    output: Path,
    files: Sequence[Source],
    compiler: Compiler,
    flags: Sequence[str] = COMPILE_FLAGS,
    link_flags: Sequence[str] = LINK_FLAGS,
) -> None:
    """Compiles and links ``files`` into ``output``, which appears whole or not at all.

    Where another process is compiling it, this waits and takes what that makes. Raises BuildError with the compiler's
    first error if it fails, or if the folder of ``output`` cannot be written.
    """
    with _folder_for(output) as folder:
        if folder is None:
            return
        objects = [folder / f"{index}-{source.path.stem}.o" for index, source in enumerate(files)]
        commands = [
            (*compiler.command, *flags, *source.flags, "-c", str(source.path), "-o", str(made))
            for source, made in zip(files, objects, strict=True)
        ]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for result in pool.map(_run, commands):
                _raise_if_failed(result, compiler)
        linked = folder / output.name
        _raise_if_failed(_run((*compiler.command, *link_flags, *map(str, objects), "-o", str(linked))), compiler)
        os.replace(linked, output)


def compile_object(output: Path, file: Source, compiler: Compiler, flags: Sequence[str]) -> None:
    """Compiles one file into the object ``output``, which appears whole or not at all. Raises as :func:`compile`."""
    with _folder_for(output) as folder:
        if folder is None:
            return
        made = folder / output.name
        command = (*compiler.command, *flags, *file.flags, "-c", str(file.path), "-o", str(made))
        _raise_if_failed(_run(command), compiler)
        os.replace(made, output)


@contextmanager
def _folder_for(output: Path) -> Iterator[Path | None]:
    """A folder to make ``output`` in; None where another process made it meanwhile. Raises BuildError."""
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(workplace(output))
        except OSError as error:
            raise BuildError(
                f"{output.parent}: the native library cannot be put there ({error.strerror}); "
                "set EDGEBNN_CACHE to a folder that can be written"
            ) from None
        yield folder


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        raise BuildError(f"{command[0]}: cannot be run ({error.strerror}); {_REMEDY}") from None


def _raise_if_failed(result: subprocess.CompletedProcess[str], compiler: Compiler) -> None:
    if result.returncode == 0:
        return
    lines = [line.strip() for line in (result.stderr + result.stdout).splitlines() if line.strip()]
    said = next((line for line in lines if "error" in line.lower()), lines[0] if lines else f"exit {result.returncode}")
    raise BuildError(f"{' '.join(compiler.command)} failed: {said}; {compiler.remedy}")
