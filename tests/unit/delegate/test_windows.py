"""The delegate compiles without a warning for Windows and macOS, where nothing of it is run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edgebnn.runtime import build

pytest.importorskip("ziglang")


@pytest.mark.parametrize("target", ["x86_64-windows-gnu", "x86_64-macos.12.0"])
def test_the_delegate_compiles_elsewhere(target: str, tmp_path: Path) -> None:
    zig = [sys.executable, "-m", "ziglang", "cc", "-target", target, "-c"]
    flags = [*build.COMPILE_FLAGS, "-Wall", "-Wextra", "-Werror", "-O0"]
    for path in sorted(build.DELEGATE.glob("*.c")):
        command = [*zig, *flags, str(path), "-o", str(tmp_path / "made.o")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
