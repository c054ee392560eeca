"""The NEON kernels under GCC, which boards compile them with: it takes fewer operands of assembly than zig does."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from edgebnn.runtime import build

GCC = "aarch64-linux-gnu-gcc"
NEON = [source for source in build.kernel_sources("aarch64") if source.path.parent.name == "neon"]


@pytest.mark.parametrize("source", NEON, ids=lambda source: source.path.stem)
def test_gcc_takes_every_kernel(source: build.Source, tmp_path: Path) -> None:
    if shutil.which(GCC) is None:
        pytest.skip(f"{GCC} is not installed: apt-get install gcc-aarch64-linux-gnu")
    flags = (*build.COMPILE_FLAGS, *source.flags, "-Wall", "-Wextra", "-Werror")
    command = (GCC, *flags, "-c", str(source.path), "-o", str(tmp_path / "kernel.o"))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
