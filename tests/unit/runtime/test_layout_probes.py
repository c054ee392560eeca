"""An interpreter whose structs are not those of tflite_layout.h is refused, never crashed upon."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgebnn.runtime import build
from tests.support.topologies import lce_bytes

ROOT = Path(__file__).parents[3]

MODELS = ("residual_int8", "packed_chain")

# A field more in front of a struct, a field more inside of it, a field less inside of it.
SHIFTS = {
    f"{struct.lower()} {what}": f"-DLAYOUT_{struct}_{place}={fields}"
    for struct in ("CONTEXT", "NODE", "REGISTRATION", "TENSOR")
    for what, place, fields in (
        ("begins later", "FRONT", "void *more;"),
        ("has a field more", "UNUSED", "void *field; void *more;"),
        ("has a field less", "UNUSED", ""),
    )
}

PROGRAM = """
import sys
import edgebnn
from edgebnn.errors import RuntimeMismatchError
for model in sys.argv[1:]:
    try:
        edgebnn.Interpreter(model).allocate_tensors()
    except RuntimeMismatchError as error:
        print(error)
    else:
        print("taken")
"""


def load_with(library: Path, folder: Path) -> list[str]:
    """What a process says that loads the models in ``folder``, a line each."""
    environment = {**os.environ, "EDGEBNN_DELEGATE": str(library)}
    command = [sys.executable, "-c", PROGRAM, *(str(folder / f"{name}.tflite") for name in MODELS)]
    result = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, (result.returncode, result.stderr[-500:])
    return result.stdout.splitlines()


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for libraries, with the models."""
    folder = tmp_path_factory.mktemp("layouts")
    for name in MODELS:
        (folder / f"{name}.tflite").write_bytes(lce_bytes(name))
    return folder


@pytest.mark.parametrize("shift", SHIFTS)
def test_a_foreign_layout_is_refused(shift: str, compiled: Path) -> None:
    library = compiled / f"{shift.replace(' ', '_')}.so"
    flags = (*build.COMPILE_FLAGS, "-O0", "-DEDGEBNN_FOREIGN_LAYOUT", SHIFTS[shift])
    kernels = build.library()  # all that a delegate calls; what this one defines itself comes before
    link = ("-shared", "-pthread", "-Wl,--no-as-needed", str(kernels), f"-Wl,-rpath,{kernels.parent}")
    build.compile(library, build.delegate_sources(), build.find_compiler(), flags, link)
    said = load_with(library, compiled)
    assert len(said) == len(MODELS)
    assert all("memory layout is not the one edgebnn knows" in line for line in said), said


def test_the_right_layout_passes(compiled: Path) -> None:
    assert load_with(build.library(), compiled) == ["taken"] * len(MODELS)
