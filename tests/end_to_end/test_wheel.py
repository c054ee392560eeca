"""The wheel for x86-64 Linux, installed where no compiler is; the stand-alone library in a C program."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile

import pytest

from tests.support.wheels import PROGRAM, ROOT, build, make_trial

MACHINE = "linux-x86_64"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        (platform.system(), platform.machine()) != ("Linux", "x86_64"), reason="this is no x86-64 Linux machine"
    ),
]


class Clean(NamedTuple):
    """An environment with the wheel in it: its folder, and what to run programs with."""

    home: Path
    python: Path
    variables: dict[str, str]


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Clean:
    home = tmp_path_factory.mktemp("clean")
    (wheel,) = build(home / "dist", MACHINE)
    venv.create(home / "venv", with_pip=False)
    python = home / "venv" / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-index", "--no-deps", str(wheel)]
    subprocess.run(command, check=True, capture_output=True)
    # The dependencies of the present environment; its .pth files are not read this way, so not its edgebnn.
    (site,) = (home / "venv" / "lib").glob("python3.*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if name not in ("CC", "PYTHONPATH", "EDGEBNN_DELEGATE")}
    return Clean(home, python, {**kept, "PATH": str(python.parent), "EDGEBNN_CACHE": str(home / "cache")})


def run(clean: Clean, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(clean.python), *arguments]
    return subprocess.run(command, cwd=clean.home, env=clean.variables, capture_output=True, text=True, check=False)


def test_an_installed_wheel_runs_a_model_bit_exact_without_a_compiler(clean: Clean, tmp_path: Path) -> None:
    trial = make_trial(tmp_path)
    trial.check(run(clean, "-c", PROGRAM, str(tmp_path)), clean.home, MACHINE)
    assert not (clean.home / "cache").exists()


def test_doctor_says_that_the_library_came_with_the_wheel(clean: Clean) -> None:
    done = run(clean, "-m", "edgebnn", "doctor", "--json")
    assert done.returncode == 0, done.stderr
    details = {check["name"]: check["detail"] for check in json.loads(done.stdout)["checks"]}
    assert f"came with edgebnn for {MACHINE}" in details["delegate"]
    assert details["compiler"].startswith("not needed")


def test_a_wheel_has_no_python_abi_and_keeps_the_sources(clean: Clean) -> None:
    (wheel,) = (clean.home / "dist").glob("*.whl")
    assert wheel.name.endswith("-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl")
    names = ZipFile(wheel).namelist()
    assert [name for name in names if name.endswith(".so")] == [f"edgebnn/runtime/lib/{MACHINE}/libedgebnn.so"]
    sources = (path for path in (ROOT / "edgebnn").rglob("*") if path.suffix in (".c", ".h", ".kernels"))
    assert {path.relative_to(ROOT).as_posix() for path in sources} <= set(names)


def test_a_library_of_another_machine_or_without_its_functions_is_rejected(
    clean: Clean, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    from binary_check import Rejected, check_library  # type: ignore[import-not-found]
    from platforms import PLATFORMS  # type: ignore[import-not-found]

    (library,) = clean.home.rglob("libedgebnn.so")
    check_library(PLATFORMS[MACHINE], library)
    with pytest.raises(Rejected, match="X86_64"):
        check_library(PLATFORMS["linux-aarch64"], library)
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("gcc is not installed")
    empty = tmp_path / "empty.so"
    subprocess.run([gcc, "-shared", "-x", "c", "/dev/null", "-o", str(empty)], check=True)
    with pytest.raises(Rejected, match="does not export"):
        check_library(PLATFORMS[MACHINE], empty)


C_PROGRAM = r"""
#include <edgebnn/edgebnn.h>
#include <edgebnn/kernels.h>
#include <stdio.h>

static void report(const char *message) { printf("%s\n", message); }

int main(void) {
  char *key = "colour", *value = "red";
  if (tflite_plugin_create_delegate(&key, &value, 1, report) != NULL) return 1;
  TfLiteDelegate *delegate = tflite_plugin_create_delegate(NULL, NULL, 0, report);
  if (delegate == NULL || edgebnn_delegate_message(delegate)[0] != 0) return 2;
  tflite_plugin_destroy_delegate(delegate);
  printf("%s\n", eb_bconv2d_kernel_at(0)->name);
  return 0;
}
"""


def test_a_c_program_uses_the_stand_alone_library(tmp_path: Path) -> None:
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("gcc is not installed")
    (archive,) = build(tmp_path / "dist", "--library", MACHINE)
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.glob("edgebnn-*")
    (tmp_path / "program.c").write_text(C_PROGRAM, encoding="utf-8")
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{folder}/include"]
    link = [f"-L{folder}/lib", "-ledgebnn", f"-Wl,-rpath,{folder}/lib", "-o", str(tmp_path / "program")]
    subprocess.run([gcc, *flags, str(tmp_path / "program.c"), *link], check=True)
    done = subprocess.run([str(tmp_path / "program")], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "colour=red" in done.stdout.splitlines()[0]
