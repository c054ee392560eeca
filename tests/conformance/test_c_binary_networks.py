"""Whole binary networks as C packages on simulated cores, beside the reference executor."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgebnn.converters.read_tflite import read
from edgebnn.graph.execute import run
from edgebnn.kernels.cores import CORES
from tests.support.simulated_packages import SimulatedPackages

NETWORKS = Path(__file__).parents[1] / "data" / "mcu"


@pytest.mark.parametrize("core", CORES)
def test_quicknet(core: str) -> None:
    """Int8 between binary convolutions with int8, packed and float output, and a binary maximum: bit for bit."""
    graph = read(NETWORKS / "quicknet_int8.tflite")
    assert {"LceQuantize", "LceBconv2d", "LceBMaxPool2d"} < {op.kind for op in graph.ops}
    x = np.random.default_rng(0).uniform(-1, 1, graph.tensors[graph.inputs[0]].shape).astype(np.float32)
    every_result = replace(graph, outputs=tuple(i for op in graph.ops for i in op.outputs))
    packages = SimulatedPackages([graph, every_result], core)
    found, _ = packages.invoke(0, x)  # in an arena where results lie over one another
    np.testing.assert_array_equal(found[0], run(graph, (x,))[0])
    found, _ = packages.invoke(1, x)
    for op, result, expected in zip(graph.ops, found, run(every_result, (x,)), strict=True):
        np.testing.assert_array_equal(result, expected, err_msg=op.kind)
