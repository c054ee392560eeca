"""The delegate in a fake interpreter (exercise.c), each of its allocations failing in turn (failing.c), and its pool of
threads alone (exercise_pool.c), under the sanitizers: no stray access, no leak, no race."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from edgebnn.runtime import build
from tests.support import objects

HERE = Path(__file__).parent
SANITIZERS = {"address and undefined": objects.SANITIZER, "thread": ("-fsanitize=thread",)}


@pytest.mark.parametrize("sanitizer", SANITIZERS)
def test_the_delegate_is_clean_under_sanitizers(sanitizer: str, tmp_path: Path) -> None:
    parts = [HERE / name for name in ("exercise.c", "exercise_int8.c", "exercise_around.c", "failing.c")]
    wrapped = re.findall(r"__real_(\w+)\(.*\);", parts[-1].read_text(encoding="utf-8"))
    files = [*build.sources(), *(build.Source(part, (f"-I{build.DELEGATE}",)) for part in parts)]
    link = [f"-Wl,--wrap={name}" for name in wrapped]
    assert _output_of(files, SANITIZERS[sanitizer], tmp_path / "exercise", link) == "delegate: all as expected\n"


@pytest.mark.parametrize("sanitizer", SANITIZERS)
def test_the_pool_runs_every_unit_once_and_then_sleeps(sanitizer: str, tmp_path: Path) -> None:
    paths = [*(build.DELEGATE / name for name in ("pool.c", "system_posix.c")), HERE / "exercise_pool.c"]
    files = [build.Source(path, ("-D_POSIX_C_SOURCE=200809L", f"-I{build.DELEGATE}")) for path in paths]
    assert _output_of(files, SANITIZERS[sanitizer], tmp_path / "exercise_pool") == "pool: all as expected\n"


def _output_of(files: Sequence[build.Source], flags: Sequence[str], program: Path, link: Sequence[str] = ()) -> str:
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("gcc, whose sanitizers are used, is not installed")
    options = ("-pthread", "-lm", *flags, *link)
    objects.link(program, files, build.Compiler((gcc,), "gcc"), (*objects.CHECKED, *flags), options)
    result = subprocess.run([program], capture_output=True, text=True, timeout=300, check=False)
    if "unexpected memory mapping" in result.stderr:
        pytest.skip("this kernel's address space layout is too random for the thread sanitizer")
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout
