"""The delegate in a fake interpreter (exercise.c) under the sanitizers: no stray access, no leak, no race."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from edgebnn.runtime import build

HERE = Path(__file__).parent
SANITIZERS = {
    "address and undefined": ("-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"),
    "thread": ("-fsanitize=thread",),
}


@pytest.mark.parametrize("sanitizer", SANITIZERS)
def test_the_delegate_is_clean_under_sanitizers(sanitizer: str, tmp_path: Path) -> None:
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("gcc, whose sanitizers are used, is not installed")
    flags = (*SANITIZERS[sanitizer], "-O1", "-g", "-Wall", "-Wextra", "-Werror", f"-I{build.DELEGATE}")
    program = tmp_path / "exercise"
    files = [*build.sources(), build.Source(HERE / "exercise.c")]
    compiler = build.Compiler((gcc,), "gcc")
    build.compile(program, files, compiler, (*build.COMPILE_FLAGS, *flags), ("-pthread", "-lm", *SANITIZERS[sanitizer]))
    result = subprocess.run([program], capture_output=True, text=True, timeout=300, check=False)
    if "unexpected memory mapping" in result.stderr:
        pytest.skip("this kernel's address space layout is too random for the thread sanitizer")
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout == "delegate: all as expected\n"
