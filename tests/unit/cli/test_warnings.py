"""What a user is warned of, on every path that takes their images: one line on standard error."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgebnn.converters.write_tflite import write
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import DType
from tests.support.graphs import one_op, per_tensor, tensor


@pytest.mark.parametrize(
    "arguments",
    [["run", "--output", "y.npy"], ["run", "--output", "y.npy", "--backend", "reference"], ["validate"], ["profile"]],
    ids=["run", "reference", "validate", "profile"],
)
def test_pixels_for_an_input_from_minus_one_to_one(arguments: list[str], tmp_path: Path) -> None:
    quantization = per_tensor(1 / 127.5, 0)
    x, y = tensor("image", (1, 2, 2, 3), DType.INT8, quantization), tensor("y", (), DType.INT8, quantization)
    write(one_op("RELU", NoOptions(), [x], [y]), tmp_path / "model.tflite")
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 256, (3, 2, 2, 3)).astype(np.uint8))
    verb, *options = arguments
    command = [sys.executable, "-m", "edgebnn", verb, "model.tflite", "--input", "x.npy", "--json", *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    (line,) = [line for line in done.stderr.splitlines() if "warning" in line.lower()]
    assert line.startswith("edgebnn: warning: model.tflite: input 'image' takes values from -1")
    assert "edgebnn.preprocessing.preprocess" in line
