"""The C sources under compilers and sanitizers: no warning, no stray access, no undefined behaviour."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest

from edgebnn import kernels
from edgebnn.errors import BuildError
from edgebnn.runtime import build

EXERCISE = build.Source(Path(__file__).parent / "exercise.c")
WARNINGS = ("-Wall", "-Wextra", "-Wshadow", "-Wstrict-prototypes", "-pedantic", "-Werror")


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
    build.compile(tmp_path / "all.so", build.sources(), compiler, flags=(*build.COMPILE_FLAGS, *WARNINGS))


def test_a_warning_would_be_seen(compiler: build.Compiler, tmp_path: Path) -> None:
    source = tmp_path / "unused.c"
    source.write_text("static int unused;\n")
    with pytest.raises(BuildError, match="unused"):
        build.compile(tmp_path / "unused.so", [build.Source(source)], compiler, (*build.COMPILE_FLAGS, *WARNINGS))


@pytest.mark.parametrize("standard", ["c99", "c11"])
def test_header_is_c99(compiler: build.Compiler, standard: str, tmp_path: Path) -> None:
    source = tmp_path / "use.c"
    source.write_text('#include "kernels.h"\nint use(void) { return (int)sizeof(eb_bconv2d_plan); }\n')
    flags = (f"-std={standard}", "-fPIC", f"-I{kernels.CORE}", "-Wall", "-Wextra", "-pedantic", "-Werror")
    build.compile(tmp_path / "use.so", [build.Source(source)], compiler, flags)


def exercise(compiler: build.Compiler, flags: tuple[str, ...], folder: Path) -> subprocess.CompletedProcess[str]:
    program = folder / "exercise"
    base = [flag for flag in build.COMPILE_FLAGS if flag != "-O3"]
    build.compile(program, [*build.kernel_sources(), EXERCISE], compiler, (*base, *flags), ("-pthread", *flags))
    return subprocess.run([program], capture_output=True, text=True, timeout=300, check=False)


def test_sanitizers_find_nothing(tmp_path: Path) -> None:
    path = shutil.which("gcc") or shutil.which("clang")
    if path is None:
        pytest.skip("neither gcc nor clang is installed, and zig has no address sanitizer")
    flags = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    result = exercise(build.Compiler((path,), path), flags, tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout == "ok\n"


def test_optimised_code_is_right_under_each_compiler(compiler: build.Compiler, tmp_path: Path) -> None:
    result = exercise(compiler, ("-O3",), tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout == "ok\n"
