"""A program without Python loads the library as TFLite's tools load external delegates, and runs a binary model."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgebnn.converters.binary_dense import to_binary_dense
from edgebnn.converters.write_tflite import to_bytes, write
from edgebnn.graph.execute import run
from edgebnn.graph.ops.enums import Activation
from edgebnn.graph.types import Signature
from edgebnn.runtime import build
from edgebnn.runtime.library import find
from tests.support.graphs import chain, tensor
from tests.unit.converters.test_binary_dense import dense, input_steps

PROGRAM = Path(__file__).parent / "run_in_tflite.c"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    gcc, tensorflow = shutil.which("gcc"), importlib.util.find_spec("tensorflow")
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        pytest.skip("the program calls C++ functions as x86-64 Linux does")
    if gcc is None or tensorflow is None or not tensorflow.submodule_search_locations:
        pytest.skip("gcc or TensorFlow, whose interpreter the program uses, is not installed")
    folder = Path(tensorflow.submodule_search_locations[0])
    made = tmp_path_factory.mktemp("program") / "run_in_tflite"
    libraries = [str(folder / f"libtensorflow_{name}.so.2") for name in ("cc", "framework")]
    flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", f"-I{build.DELEGATE}", f"-Wl,-rpath,{folder}"]
    subprocess.run([gcc, *flags, str(PROGRAM), *libraries, "-ldl", "-o", str(made)], check=True)
    return made


def test_a_program_in_c_runs_a_binary_model_bit_exact(program: Path, tmp_path: Path) -> None:
    shape = (2, 3, 5, 64)
    graph = chain(
        [
            *input_steps("flattened", shape),
            dense(tensor("signs", (2, 960)), "y", 960, 70, 7, Activation.NONE, True),
        ]
    )
    graph = to_binary_dense(graph)
    signature = Signature("serving_default", (("x", graph.inputs[0]),), (("y", graph.outputs[0]),))
    graph = replace(graph, signatures=(signature,))
    assert b"LceBconv2d" in to_bytes(graph)
    write(graph, tmp_path / "model.tflite")
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    x.tofile(tmp_path / "x")
    command = [program, find().path, tmp_path / "model.tflite", tmp_path / "x", tmp_path / "y"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "done\n"
    np.testing.assert_array_equal(np.fromfile(tmp_path / "y", np.float32).reshape(2, 70), run(graph, [x])[0])
