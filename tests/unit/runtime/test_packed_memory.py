"""Weights stay packed in memory: how much a process grows by a model of 16 MiB of int8 weights, measured."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgebnn.converters.w1a8 import to_w1a8
from edgebnn.converters.write_tflite import write
from edgebnn.graph.ops.dense import FullyConnectedOptions
from edgebnn.graph.types import DType
from tests.support.graphs import constant, one_op, per_tensor, tensor
from tests.support.packed_runs import here

SIDE = 4096
INT8_BYTES = SIDE * SIDE

PROGRAM = """
import sys
from edgebnn import Interpreter

def own_bytes():
    # What is not backed by files: the heap, and all that kernels keep.
    fields = dict(line.split(":") for line in open("/proc/self/status"))
    return 1024 * int(fields["RssAnon"].split()[0])

def prepared(path, pack_int8):
    interpreter = Interpreter(path, pack_int8=pack_int8)
    interpreter.allocate_tensors()
    interpreter.invoke()
    return interpreter

warm = prepared(sys.argv[1], "all")  # all code is loaded, and the thread pool made
before = own_bytes()
kept = prepared(sys.argv[2], sys.argv[3])
print(own_bytes() - before)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """small.tflite, int8.tflite, packed.tflite: dense layers with 1-bit weights."""
    made = tmp_path_factory.mktemp("memory")
    for name, side in (("small", 64), ("int8", SIDE)):
        signs = np.where(np.random.default_rng(0).random((side, side)) < 0.5, -127, 127).astype(np.int8)
        x, y = (tensor(end, (1, side), DType.INT8, per_tensor(0.02, 3)) for end in ("x", "y"))
        graph = one_op(
            "FULLY_CONNECTED", FullyConnectedOptions(), [x, constant("w", signs, per_tensor(0.001, 0)), None], [y]
        )
        write(graph, made / f"{name}.tflite")
    write(to_w1a8(graph)[0], made / "packed.tflite")
    return made


def grown(folder: Path, name: str, pack_int8: str) -> int:
    command = [sys.executable, "-c", PROGRAM, str(folder / "small.tflite"), str(folder / f"{name}.tflite"), pack_int8]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr[-1000:]
    return int(result.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")
@pytest.mark.parametrize(("name", "pack_int8"), [("packed", "auto"), ("int8", "auto"), ("int8", "all")])
def test_weights_are_kept_packed_in_both_forms(folder: Path, name: str, pack_int8: str) -> None:
    """Within a sixth of a byte a weight: 1 bit each, what the kernel's order wastes, constants and scratch."""
    if (name, pack_int8) == ("int8", "auto") and here() is None:
        pytest.skip("no costs are known of this processor")
    assert INT8_BYTES // 8 <= grown(folder, name, pack_int8) < INT8_BYTES // 6


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")
def test_the_measure_sees_weights_that_are_not_packed(folder: Path) -> None:
    """XNNPACK keeps its own copy of int8 weights."""
    assert grown(folder, "int8", "none") > INT8_BYTES
