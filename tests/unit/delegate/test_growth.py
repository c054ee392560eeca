"""The delegate's work over graphs of thousands of ops grows with their number, counted in steps and not in time."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgebnn.runtime import build

PROGRAM = build.Source(Path(__file__).parent / "growth.c")


@pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("gcc") is None, reason="gcc, which counts, is not installed"
)
def test_work_grows_with_the_number_of_ops(tmp_path: Path) -> None:
    """The kernels are those of the library; the delegate's own steps are counted."""
    library = build.library()
    counted = [build.Source(source.path, ("-fsanitize-coverage=trace-pc",)) for source in build.delegate_sources()]
    flags = (*build.COMPILE_FLAGS, "-O1", "-UNDEBUG", "-Wall", "-Wextra", "-Werror", f"-I{build.DELEGATE}")
    link = ("-pthread", "-Wl,--no-as-needed", str(library), f"-Wl,-rpath,{library.parent}")
    gcc = build.Compiler((str(shutil.which("gcc")),), "gcc")
    build.compile(tmp_path / "growth", [*counted, PROGRAM], gcc, flags, link)
    result = subprocess.run([tmp_path / "growth"], capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout == "work grows with the number of ops\n"
