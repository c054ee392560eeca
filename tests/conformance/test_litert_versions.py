"""The delegate in old and new releases of LiteRT and in TensorFlow's own interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgebnn.converters.write_tflite import to_bytes
from edgebnn.graph.ops.enums import Activation, Padding
from tests.support.binary_cases import ConvCase, conv_graph
from tests.support.oracles import lce_run
from tests.support.other_interpreter import BATCHES
from tests.support.topologies import images, lce_bytes
from tools.side_packages import LITERT, Release, folder

ROOT = Path(__file__).parents[2]
MODELS = {
    "plain.float": ("plain", False),
    "residual.int8": ("residual_int8", True),
    "chain.float": ("packed_chain", False),
}
CONV = ConvCase(
    4, (9, 9), (3, 3), (1, 1), (1, 1), Padding.SAME, 1, 1, 96, 64, Activation.RELU, "float32", seed=1
)  # fmt: skip


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with models, inputs, and NAME.lce.npy, what LCE's interpreter makes of them."""
    from larq_compute_engine.tflite.python.interpreter import Interpreter as LceInterpreter

    folder = tmp_path_factory.mktemp("models")
    for name, (topology, int8) in MODELS.items():
        content, x = lce_bytes(topology, int8), images(max(BATCHES))
        (folder / f"{name}.tflite").write_bytes(content)
        np.save(folder / f"{name}.npy", x)
        np.save(folder / f"{name}.lce.npy", LceInterpreter(content).predict(x))
    operands = CONV.operands()
    graph = conv_graph(replace(CONV, batches=1), operands)
    (folder / "conv.tflite").write_bytes(to_bytes(graph))
    np.save(folder / "conv.npy", operands.x)
    np.save(folder / "conv.lce.npy", lce_run(graph, [operands.x])[0])
    return folder


def check(kind: str, expected: Path, folder: Path, path: Path | None = None) -> None:
    for file in (*expected.glob("*.tflite"), *expected.glob("*.npy")):
        (folder / file.name).symlink_to(file)
    paths = os.pathsep.join(str(part) for part in (path, ROOT) if part)
    environment = {**os.environ, "PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-m", "tests.support.other_interpreter", kind, str(folder)]
    result = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert str(path or "tensorflow") in result.stdout
    for name in (*MODELS, "conv"):
        lce = np.load(expected / f"{name}.lce.npy")
        for batch in BATCHES:
            for resolver, tolerance in tolerances(name, float(np.ptp(lce))).items():
                ours = np.load(folder / f"{name}.{batch}.{resolver}.npy")
                message = f"{name}, batch {batch}, {resolver}"
                np.testing.assert_allclose(ours, lce[:batch], rtol=0, atol=tolerance, err_msg=message)


def tolerances(name: str, spread: float) -> dict[str, float]:
    """XNNPACK rounds int8 in ways of its own; the last op of the int8 model dequantizes, which differs by one ulp."""
    if name == "conv":
        return {"plain": 0.0, "xnnpack": 0.0}
    return {"plain": 1e-6} if name.endswith("int8") else {"plain": 1e-5 * spread, "xnnpack": 1e-4 * spread}


@pytest.mark.parametrize("release", LITERT, ids="-".join)
def test_the_delegate_works_in_litert(release: Release, expected: Path, tmp_path: Path) -> None:
    if not folder(release).is_dir():
        message = f"{'=='.join(release)} is not there: run python3 tools/side_packages.py"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    check("litert", expected, tmp_path, folder(release))


def test_the_delegate_works_in_tensorflows_interpreter(expected: Path, tmp_path: Path) -> None:
    check("tensorflow", expected, tmp_path)
