"""The C sources under compilers and sanitizers: no warning, no stray access, no undefined behaviour."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from edgebnn import kernels
from edgebnn.errors import BuildError
from edgebnn.runtime import build
from edgebnn.targets.cortex_m.toolchain import FIRMWARE
from tests.support import objects

EXERCISE = build.Source(Path(__file__).parent / "exercise.c")


@pytest.fixture(scope="module", params=["gcc", "zig"])
def compiler(request: pytest.FixtureRequest) -> build.Compiler:
    if request.param == "zig":
        if importlib.util.find_spec("ziglang") is None:
            pytest.skip("the ziglang wheel is not installed")
        return build.zig_compiler()
    path = shutil.which("gcc")
    if path is None:
        pytest.skip("gcc is not installed")
    return build.Compiler((path,), "gcc")


def test_no_warning(compiler: build.Compiler, tmp_path: Path) -> None:
    objects.link(tmp_path / "all.so", build.sources(), compiler, objects.OPTIMIZED, build.LINK_FLAGS)


def test_a_warning_would_be_seen(compiler: build.Compiler, tmp_path: Path) -> None:
    source = tmp_path / "unused.c"
    source.write_text("static int unused;\n")
    with pytest.raises(BuildError, match="unused"):
        build.compile(tmp_path / "unused.so", [build.Source(source)], compiler, objects.OPTIMIZED)


@pytest.mark.parametrize("standard", ["c99", "c11"])
def test_header_is_c99(compiler: build.Compiler, standard: str, tmp_path: Path) -> None:
    source = tmp_path / "use.c"
    source.write_text('#include "kernels.h"\nint use(void) { return (int)sizeof(eb_bconv2d_plan); }\n')
    flags = (f"-std={standard}", "-fPIC", f"-I{kernels.CORE}", "-Wall", "-Wextra", "-pedantic", "-Werror")
    build.compile(tmp_path / "use.so", [build.Source(source)], compiler, flags)


@pytest.mark.parametrize("target", ["thumb-freestanding-eabi", "aarch64-freestanding"])
def test_core_compiles_freestanding(target: str, tmp_path: Path) -> None:
    """With no system but memcpy and memset, as for a microcontroller, and on one with NEON."""
    if importlib.util.find_spec("ziglang") is None:
        pytest.skip("the ziglang wheel is not installed")
    cpu = "-mcpu=cortex_m4" if target.startswith("thumb") else "-mcpu=cortex_a53"
    left_out = ("-fPIC", "-pthread")
    flags = [flag for flag in build.COMPILE_FLAGS if flag not in left_out]
    for path in sorted(kernels.CORE.glob("*.c")):
        headers = ("-isystem", str(FIRMWARE / "include"))
        command = [
            *build.zig_compiler(target).command,
            cpu,
            "-ffreestanding",
            *headers,
            *flags,
            *objects.WARNINGS,
            "-c",
            str(path),
        ]
        done = subprocess.run([*command, "-o", str(tmp_path / "made.o")], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("room", ["core", "x86", "neon", "cortex_m", "host"])
def test_rooms_include_from_core_and_themselves_alone(room: str) -> None:
    for path in sorted((kernels.FOLDER / room).glob("*.[ch]")):
        included = re.findall(r'^\s*#include "(?:\.\./(\w+)/)?[\w.]+"', path.read_text(encoding="utf-8"), re.MULTILINE)
        assert set(included) <= {"", "core"} - ({"core"} if room == "core" else set()), path.name


def exercise(
    compiler: build.Compiler, flags: tuple[str, ...], folder: Path, *options: str
) -> subprocess.CompletedProcess[str]:
    program = folder / "exercise"
    objects.link(program, [*build.kernel_sources(), EXERCISE], compiler, flags, ("-pthread", *options))
    return subprocess.run([program], capture_output=True, text=True, timeout=300, check=False)


def test_sanitizers_find_nothing(tmp_path: Path) -> None:
    path = shutil.which("gcc") or shutil.which("clang")
    if path is None:
        pytest.skip("neither gcc nor clang is installed, and zig has no address sanitizer")
    result = exercise(build.Compiler((path,), path), objects.SANITIZED, tmp_path, *objects.SANITIZER)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout == "ok\n"


def test_optimised_code_is_right_under_each_compiler(compiler: build.Compiler, tmp_path: Path) -> None:
    result = exercise(compiler, objects.OPTIMIZED, tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout == "ok\n"
