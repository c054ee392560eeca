"""The kernels of convolution of few input channels under compilers and sanitizers: no stray access, no undefined
behaviour, right under each."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest

from edgebnn import kernels
from edgebnn.runtime import build

EXERCISE = build.Source(Path(__file__).parent / "exercise_conv2d_few.c")
SHARED = ("cpu.c", "kernels.c")


def run(compiler: build.Compiler, flags: tuple[str, ...], folder: Path) -> subprocess.CompletedProcess[str]:
    every = build.kernel_sources()
    files = [source for source in every if source.path.name.startswith("conv2d_few_") or source.path.name in SHARED]
    base = [flag for flag in build.COMPILE_FLAGS if flag != "-O3"]
    program = folder / "exercise"
    warnings = ("-Wall", "-Wextra", "-Wshadow", "-Wstrict-prototypes", "-pedantic", "-Werror")
    build.compile(program, [*files, EXERCISE], compiler, (*base, *warnings, *flags), ("-pthread", "-lm", *flags))
    return subprocess.run([program], capture_output=True, text=True, timeout=300, check=False)


def gcc() -> build.Compiler:
    path = shutil.which("gcc")
    if path is None:
        pytest.skip("gcc is not installed, and zig has no address sanitizer")
    return build.Compiler((path,), "gcc")


def test_sanitizers_find_nothing(tmp_path: Path) -> None:
    flags = ("-O1", "-g", "-UNDEBUG", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    result = run(gcc(), flags, tmp_path)
    assert (result.returncode, result.stdout) == (0, "ok\n"), result.stdout + result.stderr[-2000:]


@pytest.mark.parametrize("name", ["gcc", "zig"])
def test_optimised_code_is_right_under_each_compiler(name: str, tmp_path: Path) -> None:
    if name == "zig" and importlib.util.find_spec("ziglang") is None:
        pytest.skip("the ziglang wheel is not installed")
    result = run(build.zig_compiler() if name == "zig" else gcc(), ("-O3",), tmp_path)
    assert (result.returncode, result.stdout) == (0, "ok\n"), result.stdout + result.stderr[-2000:]


def test_header_is_c99(tmp_path: Path) -> None:
    source = tmp_path / "use.c"
    source.write_text('#include "conv2d_few.h"\nint use(void) { return (int)sizeof(eb_conv2d_few_plan); }\n')
    flags = ("-std=c99", "-fPIC", f"-I{kernels.CORE}", "-Wall", "-Wextra", "-pedantic", "-Werror")
    build.compile(tmp_path / "use.so", [build.Source(source)], gcc(), flags)
