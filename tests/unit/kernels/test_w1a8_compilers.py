"""The W1A8 kernels under compilers and sanitizers: no stray access, no undefined behaviour, right under each."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest

from edgebnn import kernels
from edgebnn.runtime import build
from tests.support import objects

EXERCISE = build.Source(Path(__file__).parent / "exercise_w1a8.c")
SHARED = ("cpu.c", "kernels.c")


def run(
    compiler: build.Compiler, flags: tuple[str, ...], folder: Path, *options: str
) -> subprocess.CompletedProcess[str]:
    every = build.kernel_sources()
    files = [source for source in every if source.path.name.startswith("w1a8_") or source.path.name in SHARED]
    program = folder / "exercise"
    objects.link(program, [*files, EXERCISE], compiler, flags, ("-pthread", *options))
    return subprocess.run([program], capture_output=True, text=True, timeout=300, check=False)


def gcc() -> build.Compiler:
    path = shutil.which("gcc")
    if path is None:
        pytest.skip("gcc is not installed, and zig has no address sanitizer")
    return build.Compiler((path,), "gcc")


def test_sanitizers_find_nothing(tmp_path: Path) -> None:
    result = run(gcc(), objects.SANITIZED, tmp_path, *objects.SANITIZER)
    assert (result.returncode, result.stdout) == (0, "ok\n"), result.stdout + result.stderr[-2000:]


@pytest.mark.parametrize("name", ["gcc", "zig"])
def test_optimised_code_is_right_under_each_compiler(name: str, tmp_path: Path) -> None:
    if name == "zig" and importlib.util.find_spec("ziglang") is None:
        pytest.skip("the ziglang wheel is not installed")
    result = run(build.zig_compiler() if name == "zig" else gcc(), objects.OPTIMIZED, tmp_path)
    assert (result.returncode, result.stdout) == (0, "ok\n"), result.stdout + result.stderr[-2000:]


def test_header_is_c99(tmp_path: Path) -> None:
    source = tmp_path / "use.c"
    source.write_text('#include "w1a8.h"\nint use(void) { return (int)sizeof(eb_w1a8_plan); }\n')
    flags = ("-std=c99", "-fPIC", f"-I{kernels.CORE}", "-Wall", "-Wextra", "-pedantic", "-Werror")
    build.compile(tmp_path / "use.so", [build.Source(source)], gcc(), flags)
