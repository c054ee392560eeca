"""Layers whose output lies over the input that they are made from, as far as their kernels allow it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgebnn.converters.c_package.generate import generate
from edgebnn.graph.execute import run
from edgebnn.graph.ops.elementwise import AddOptions, MulOptions
from edgebnn.graph.ops.enums import Padding
from edgebnn.graph.ops.pool import Pool2DOptions
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import DType, Graph
from edgebnn.kernels.cores import PORTABLE
from tests.support.c_packages import SANITIZERS, compile_packages
from tests.support.graphs import chain, constant, per_tensor, tensor
from tests.support.int8_layers import convolution, depthwise, values
from tests.support.simulated_packages import SimulatedPackages


def between(layer: Graph) -> Graph:
    """The layer between two others, so that its input and its output lie in the arena."""
    (op,) = layer.ops
    inputs = [layer.tensors[i] for i in op.inputs]
    y = layer.tensors[op.outputs[0]]
    image = tensor("image", inputs[0].shape, DType.INT8, inputs[0].quantization)
    last = tensor("last", y.shape, DType.INT8, y.quantization)
    return chain(
        [
            ("RELU", NoOptions(), [image], [inputs[0]], 1),
            (op.kind, op.options, inputs, [y], 1),
            ("RELU", NoOptions(), [y], [last], 1),
        ]
    )


def pool(kind: str, size: tuple[int, int], window: int, stride: int, channels: int = 8) -> Graph:
    x = tensor("x", (1, *size, channels), DType.INT8, per_tensor(0.1, 3))
    options = Pool2DOptions(
        padding=Padding.SAME, stride_h=stride, stride_w=stride, filter_height=window, filter_width=window
    )
    return chain([(kind, options, [x], [tensor("y", (), DType.INT8, per_tensor(0.1, 3))], 1)])


def pairwise(kind: str, shape: tuple[int, ...]) -> Graph:
    x = tensor("x", (2, 3, 8), DType.INT8, per_tensor(0.05, -4))
    other = constant("other", values(np.random.default_rng(3), shape), per_tensor(0.03, 9))
    y = tensor("y", (), DType.INT8, per_tensor(0.07 if kind == "ADD" else 0.01, 1))
    return chain([(kind, AddOptions() if kind == "ADD" else MulOptions(), [x, other], [y], 1)])


LAYERS = {
    "1x1": convolution((6, 5), (16, 8), filter_size=(1, 1)),
    "1x1 to more channels": convolution((6, 5), (8, 16), filter_size=(1, 1)),
    "3x3": convolution((7, 6), (16, 16)),
    "3x3 to fewer channels, odd pixels": convolution((5, 5), (16, 5), seed=1),
    "strided": convolution((8, 9), (8, 16), stride=(2, 2), seed=2),
    "groups": convolution((6, 6), (16, 16), groups=4, seed=3),
    "batches": convolution((4, 5), (8, 8), batches=3, seed=4),
    "depthwise": depthwise((7, 6), 16),
    "depthwise, strided": depthwise((8, 9), 8, stride=(2, 2)),
    "average": pool("AVERAGE_POOL_2D", (6, 7), 3, 1),
    "average of many channels": pool("AVERAGE_POOL_2D", (6, 5), 3, 1, channels=37),
    "maximum": pool("MAX_POOL_2D", (6, 7), 2, 2),
    "maximum of many channels": pool("MAX_POOL_2D", (6, 5), 3, 1, channels=37),
    "add": pairwise("ADD", (2, 3, 8)),
    "add a channel": pairwise("ADD", (8,)),
    "multiply": pairwise("MUL", (2, 3, 1)),
}
GRAPHS = tuple(map(between, LAYERS.values()))


def expected(graph: Graph) -> tuple[np.ndarray, np.ndarray]:
    x = values(np.random.default_rng(5), graph.tensors[graph.inputs[0]].shape)
    return x, run(graph, (x,))[0]


def test_outputs_share_memory_with_inputs() -> None:
    for name, graph in zip(LAYERS, GRAPHS, strict=True):
        package = generate(graph, PORTABLE, "net")
        apart = graph.tensors[graph.ops[0].outputs[0]].bytes + graph.tensors[graph.ops[1].outputs[0]].bytes
        assert package.arena_bytes < apart, name


def test_plain_kernels(tmp_path: Path) -> None:
    packages = [generate(graph, PORTABLE, f"net{number}") for number, graph in enumerate(GRAPHS)]
    flags = ("-O1", *SANITIZERS[1:], "-fsanitize=undefined")
    for graph, compiled in zip(GRAPHS, compile_packages(packages, tmp_path, flags), strict=True):
        x, y = expected(graph)
        np.testing.assert_array_equal(compiled.invoke(x)[0], y)


@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m4"])
def test_kernels_of_cores(core: str) -> None:
    simulated = SimulatedPackages(GRAPHS, core)
    for number, (name, graph) in enumerate(zip(LAYERS, GRAPHS, strict=True)):
        x, y = expected(graph)
        np.testing.assert_array_equal(simulated.invoke(number, x)[0][0], y, err_msg=name)
