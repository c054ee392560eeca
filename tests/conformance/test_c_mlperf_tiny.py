"""MLPerf Tiny's int8 networks as C packages: bit for bit on every simulated core, within bars of instructions; and what
TensorFlow Lite Micro answers to the same files."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from edgebnn.converters.c_package.generate import generate
from edgebnn.converters.read_tflite import read
from edgebnn.graph import counts
from edgebnn.graph.execute import run
from edgebnn.graph.types import Array, Graph
from edgebnn.kernels.cores import CORES
from edgebnn.targets.cortex_m.network import Network, compile_package

FOLDER = Path(__file__).parents[1] / "data" / "mcu" / "mlperf_tiny"
FILES = {"ResNet-8": "pretrainedResnet_quant.tflite", "DS-CNN": "kws_ref_model.tflite"}
INSTRUCTIONS_PER_MAC = {
    "ResNet-8": {"cortex-m4": 1.08, "cortex-m7": 1.08, "cortex-m33": 1.08},
    "DS-CNN": {"cortex-m4": 1.55, "cortex-m7": 1.55, "cortex-m33": 1.55},
}
"""Of whole networks at most."""


@lru_cache
def network(name: str) -> tuple[Graph, Array, Array]:
    """A network, an input, and what the reference executor makes of it."""
    graph = read(FOLDER / FILES[name])
    x = np.random.default_rng(7).integers(-128, 128, graph.tensors[graph.inputs[0]].shape).astype(np.int8)
    return graph, x, run(graph, (x,))[0]


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("name", FILES)
def test_it_is_exact_and_within_its_bars(name: str, core: str) -> None:
    graph, x, expected = network(name)
    package = generate(graph, CORES[core], "net")
    inference = Network(package, compile_package(package)).infer([x])
    np.testing.assert_array_equal(inference.outputs[0], expected)
    most = INSTRUCTIONS_PER_MAC[name].get(core)
    if most is not None:
        assert inference.call.instructions <= most * counts.macs(package.graph).total


@pytest.mark.parametrize("name", FILES)
def test_tensorflow_lite_micro_answers_the_same(name: str) -> None:
    micro = pytest.importorskip("tflite_micro", reason="pip install 'edgebnn[oracles]'")
    _, x, expected = network(name)
    interpreter = micro.runtime.Interpreter.from_file(str(FOLDER / FILES[name]))
    interpreter.set_input(x, 0)
    interpreter.invoke()
    np.testing.assert_array_equal(interpreter.get_output(0), expected)
