"""Invoke takes nothing from the heap: what it needs was taken in prepare."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgebnn.runtime import build
from edgebnn.runtime.kernel_choice import read_table
from tests.support import objects

HERE = Path(__file__).parent
PROGRAM = HERE / "allocations.c"
HEAP = {"malloc", "calloc", "realloc", "aligned_alloc", "posix_memalign", "free", "mmap", "munmap", "sbrk"}

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("gcc") is None or shutil.which("nm") is None,
    reason="gcc and binutils on Linux, whose linker can wrap functions, are not installed",
)


def _gcc() -> build.Compiler:
    return build.Compiler((str(shutil.which("gcc")),), "gcc")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """allocations.c with the delegate, every function that it counts wrapped."""
    wrapped = re.findall(r"^WRAP\([^,]+, (\w+),", PROGRAM.read_text(encoding="utf-8"), re.MULTILINE)
    path = tmp_path_factory.mktemp("allocations") / "allocations"
    link = ("-pthread", "-lm", *(f"-Wl,--wrap={name}" for name in wrapped))
    program = build.Source(PROGRAM, (f"-I{build.DELEGATE}", "-Wno-pedantic"))
    objects.link(path, [*build.sources(), program], _gcc(), objects.CHECKED, link)
    return path


@pytest.mark.parametrize("kernel", read_table(build.library()).runnable)
def test_no_thread_allocates_during_invoke(program: Path, kernel: str) -> None:
    result = subprocess.run([program, kernel], capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout == "no allocation during invoke\n"


def test_kernels_do_not_know_the_heap(tmp_path: Path) -> None:
    library = tmp_path / "libkernels.so"
    objects.link(library, build.kernel_sources(), _gcc(), objects.CHECKED, ("-shared",))
    listed = subprocess.run(["nm", "-D", "-u", library], capture_output=True, text=True, check=True).stdout
    needed = {line.split()[-1].partition("@")[0] for line in listed.splitlines()}
    assert "memcpy" in needed or "memset" in needed
    assert not needed & HEAP
