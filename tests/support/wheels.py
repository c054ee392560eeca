"""Wheels as tools/build_wheels.py makes them, and a small model to run with what they install."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgebnn.runtime.model import load

from .topologies import images, lce_bytes

ROOT = Path(__file__).parents[2]

# Runs where only edgebnn and its dependencies are installed; prints where the library comes from.
PROGRAM = """
import sys
import numpy as np
import edgebnn
from edgebnn.runtime import library

folder = sys.argv[1]
model = edgebnn.load(f"{folder}/model.tflite", exact=True)
np.save(f"{folder}/output.npy", model(np.load(f"{folder}/input.npy")))
print(edgebnn.__file__, library.find().path, library.find().origin, sep="\\n")
"""


def build(folder: Path, *arguments: str) -> list[Path]:
    """What tools/build_wheels.py makes, one file for each machine among the arguments."""
    command = [sys.executable, str(ROOT / "tools" / "build_wheels.py"), "-o", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return [Path(line.partition(": ")[0]) for line in done.stdout.splitlines() if line.startswith(str(folder))]


@dataclass(frozen=True)
class Trial:
    """A model with binary ops between int8 ops, its input, and what edgebnn computes in this very process."""

    folder: Path
    expected: NDArray[np.generic]

    def check(self, done: subprocess.CompletedProcess[str], home: Path, machine: str) -> None:
        """After PROGRAM has run on the folder, with edgebnn installed below ``home`` for a kind of machine."""
        assert done.returncode == 0, done.stderr
        package, library, origin = done.stdout.splitlines()
        assert Path(package).is_relative_to(home)
        assert Path(library).is_relative_to(home)
        assert origin == f"came with edgebnn for {machine}"
        np.testing.assert_array_equal(np.load(self.folder / "output.npy"), self.expected)


def make_trial(folder: Path) -> Trial:
    content, x = lce_bytes("residual_int8", int8=True), images(3)
    (folder / "model.tflite").write_bytes(content)
    np.save(folder / "input.npy", x)
    return Trial(folder, np.asarray(load(content, exact=True)(x)))
