"""The fast int8 kernels of each core on layers as networks have them: bit for bit, and in how many instructions."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgebnn.converters.c_package.lowering import choices
from edgebnn.graph import counts
from edgebnn.graph.execute import run
from edgebnn.graph.opdef import op_view
from edgebnn.graph.ops.elementwise import AddOptions, SubOptions
from edgebnn.graph.ops.enums import Activation, Padding
from edgebnn.graph.ops.pool import Pool2DOptions
from edgebnn.graph.ops.reduce import ReducerOptions
from edgebnn.graph.types import DType, Graph
from edgebnn.kernels.cores import CORES
from edgebnn.kernels.schedules import LayerSchedule
from tests.support.graphs import constant, one_op, per_tensor, tensor
from tests.support.int8_layers import convolution, dense, depthwise, values
from tests.support.simulated_packages import SimulatedPackages

DSP = ("cortex-m4", "cortex-m7", "cortex-m33")


def addition(kind: str, shape: tuple[int, ...], scales: tuple[float, float, float], zero: int = -128) -> Graph:
    x, y = (tensor(n, shape, DType.INT8, per_tensor(s, z)) for n, s, z in zip("xy", scales, (4, -7), strict=False))
    out = tensor("z", (), DType.INT8, per_tensor(scales[2], zero))
    return one_op(kind, AddOptions() if kind == "ADD" else SubOptions(), [x, y], [out])


def pool(
    kind: str, shape: tuple[int, ...], window: tuple[int, int], stride: int, padding: Padding, **more: Any
) -> Graph:
    x = tensor("x", shape, DType.INT8, per_tensor(0.1, 3))
    options = Pool2DOptions(padding, stride, stride, window[1], window[0], **more)
    return one_op(kind, options, [x], [tensor("y", (), DType.INT8, per_tensor(0.1, 3))])


def mean(shape: tuple[int, ...], axes: tuple[int, ...]) -> Graph:
    x = tensor("x", shape, DType.INT8, per_tensor(0.1, -10))
    axis = constant("axes", np.array(axes, np.int32))
    return one_op("MEAN", ReducerOptions(), [x, axis], [tensor("y", (), DType.INT8, per_tensor(0.02, -9))])


CONVOLUTIONS = (
    convolution((5, 6), (3, 4)),
    convolution((5, 5), (3, 5), stride=(2, 2), seed=1),
    convolution((4, 7), (8, 6), batches=2, zero_points=(-128, -128), activation=Activation.RELU, seed=2),
    convolution((6, 5), (4, 3), filter_size=(1, 1), activation=Activation.RELU6, zero_points=(127, 0), seed=3),
    convolution((6, 7), (12, 9), groups=3, filter_size=(2, 3), padding=Padding.VALID, seed=4),
    convolution((7, 6), (8, 4), groups=2, filter_size=(3, 2), dilation=(1, 2), seed=5),
    convolution((9, 8), (4, 2), dilation=(2, 1), stride=(1, 3), seed=6),
    convolution((2, 2), (4, 2), filter_size=(5, 5), seed=7),
    convolution((3, 1), (20, 1), filter_size=(3, 1), seed=8),
    convolution((1, 1), (6, 7), filter_size=(1, 1), seed=9),
    convolution((9, 5), (1, 8), filter_size=(10, 4), stride=(2, 2), seed=10),
    convolution((12, 7), (1, 4), filter_size=(10, 4), seed=11),
    convolution((7, 9), (2, 4), filter_size=(3, 4), stride=(2, 1), seed=12),
    convolution((7, 9), (3, 4), dilation=(2, 1), padding=Padding.VALID, batches=2, seed=13),
    convolution((6, 7), (5, 4), filter_size=(2, 3), padding=Padding.VALID, seed=14),
    convolution((6, 7), (4, 4), filter_size=(2, 4), padding=Padding.VALID, seed=15),
)
DEPTHWISE = (
    depthwise((5, 6), 8),
    depthwise((7, 5), 4, stride=(2, 2), padding=Padding.VALID, batches=2, seed=1),
    depthwise((6, 6), 12, filter_size=(5, 2), activation=Activation.RELU_N1_TO_1, seed=2),
    depthwise((8, 9), 4, filter_size=(3, 4), dilation=(2, 2), seed=3),
    depthwise((6, 7), 4, dilation=(1, 2), stride=(1, 2), seed=4),
    depthwise((2, 2), 4, filter_size=(4, 3), seed=5),
    depthwise((4, 3), 8, filter_size=(1, 1), seed=6),
    depthwise((5, 4), 4, filter_size=(5, 5), padding=Padding.SAME, seed=7),
)
DENSE = (dense(1, 64, 10), dense(3, 7, 5, seed=1), dense(2, 33, 4, seed=2), dense(1, 3, 1, seed=3))
SUMS = (
    addition("ADD", (1, 3, 3, 5), (0.0413, 0.0521, 0.0607)),
    addition("SUB", (1, 2, 3, 8), (0.1, 0.02, 0.09), zero=3),
    addition("ADD", (1, 3), (0.5, 0.5, 0.5), zero=0),
    addition("ADD", (4, 16), (0.05, 0.05, 0.07)),
)

AVERAGES = (
    pool("AVERAGE_POOL_2D", (2, 5, 6, 8), (3, 2), 2, Padding.SAME),
    pool("AVERAGE_POOL_2D", (1, 17, 15, 4), (17, 15), 1, Padding.VALID),
    pool("AVERAGE_POOL_2D", (1, 3, 4, 12), (4, 3), 1, Padding.SAME, fused_activation_function=Activation.RELU6),
)
MAXIMA = (
    pool("MAX_POOL_2D", (2, 6, 6, 4), (2, 2), 2, Padding.VALID),
    pool("MAX_POOL_2D", (1, 5, 4, 8), (3, 3), 1, Padding.SAME, fused_activation_function=Activation.RELU_N1_TO_1),
)
MEANS = (mean((1, 8, 8, 64), (1, 2)), mean((3, 15, 17, 4), (1, 2)), mean((2, 5, 4, 8), (2,)))


LARGE_SUM = addition("ADD", (1, 32, 32, 16), (0.076, 0.104, 0.051))
BARS = {
    "3x3 64": (convolution((16, 16), (64, 64)), 0.95),
    "3x3 128": (convolution((16, 16), (128, 128)), 0.93),
    "3x3 16": (convolution((32, 32), (16, 16)), 1.1),
    "3x3 of 3": (convolution((32, 32), (3, 16)), 1.68),
    "1x1 64": (convolution((25, 5), (64, 64), filter_size=(1, 1)), 1.13),
    "depthwise 3x3": (depthwise((25, 5), 64), 4.7),
    "dense": (dense(1, 64, 64), 3.0),
    "add": (LARGE_SUM, 8.1),
    "mean": (MEANS[0], 145),
}
"""Instructions of the whole call, by multiply-accumulate; by element where there are none."""

FAST = {
    "eb_conv_int8_dsp": CONVOLUTIONS,
    "eb_depthwise_int8_dsp": DEPTHWISE,
    "eb_dense_int8_dsp": DENSE,
    "eb_add_int8_linear_dsp": SUMS,
    "eb_average_pool_int8_dsp": AVERAGES,
    "eb_max_pool_int8_dsp": MAXIMA,
    "eb_mean_int8_dsp": MEANS,
}
GRAPHS = tuple(dict.fromkeys([g for graphs in FAST.values() for g in graphs] + [g for g, _ in BARS.values()]))


def fast(graph: Graph, core: str) -> list[LayerSchedule]:
    """Convolutions by their fast kernel, also where the plain one is picked."""
    found = choices(op_view(graph, 0), CORES[core])
    if found is None:
        return []
    return [replace(next(c.schedule for c in found.candidates if c.schedule.kernel != "conv_int8"), op=0)]


@pytest.fixture(scope="module", params=DSP)
def simulated(request: pytest.FixtureRequest) -> SimulatedPackages:
    return SimulatedPackages(GRAPHS, request.param, schedules=[fast(graph, request.param) for graph in GRAPHS])


def instructions(simulated: SimulatedPackages, graph: Graph, function: str = "", number: int | None = None) -> float:
    """Those of one inference, the outputs of which are checked. ``number``: of the graph's package."""
    number = GRAPHS.index(graph) if number is None else number
    layers = simulated.packages[number].layers
    assert [layer.function for layer in layers] == [function or layers[0].function]
    rng = np.random.default_rng(number)
    inputs = [values(rng, graph.tensors[i].shape) for i in graph.inputs]
    (expected,) = run(graph, tuple(inputs))
    outputs, call = simulated.invoke(number, *inputs)
    np.testing.assert_array_equal(outputs[0], expected, err_msg=f"case {number}")
    assert len(np.unique(expected)) > 1 or expected.size < 9
    return call.instructions / (counts.macs(graph).total or expected.size)


@pytest.mark.parametrize("function", FAST)
def test_fast_kernels(simulated: SimulatedPackages, function: str) -> None:
    for graph in FAST[function]:
        instructions(simulated, graph, function)


@pytest.mark.parametrize("name", BARS)
def test_instructions(simulated: SimulatedPackages, name: str) -> None:
    graph, most = BARS[name]
    assert instructions(simulated, graph) <= most


MOST_WITHOUT_DSP = {
    "cortex-m0plus": {"3x3 64": 3.1, "3x3 16": 4.0, "3x3 of 3": 7.0, "depthwise 3x3": 15.5},
    "cortex-m3": {"3x3 64": 1.8, "3x3 16": 2.35, "3x3 of 3": 4.1, "depthwise 3x3": 11.5},
}


@pytest.mark.parametrize("core", MOST_WITHOUT_DSP)
def test_kernels_without_the_dsp_extension(core: str) -> None:
    bars = MOST_WITHOUT_DSP[core]
    graphs = (*CONVOLUTIONS, *DEPTHWISE, *(BARS[name][0] for name in bars))
    packages = SimulatedPackages(graphs, core, schedules=[fast(graph, core) for graph in graphs])
    kernels = {"CONV_2D": "eb_conv_int8_words", "DEPTHWISE_CONV_2D": "eb_depthwise_int8_words"}
    found = [instructions(packages, graph, kernels[graph.ops[0].kind], number) for number, graph in enumerate(graphs)]
    for (name, most), spent in zip(bars.items(), found[-len(bars) :], strict=True):
        assert spent <= most, name


def test_dense_sums_that_wrap_are_scaled_in_double() -> None:
    """No line is equal to a function that is not monotone."""
    graph = dense(1, 4, 2)
    wrapping = np.array([2**31 - 1000, -(2**31) + 1000], np.int32)
    tensors = [replace(t, data=wrapping) if t.name == "bias" else t for t in graph.tensors]
    tensors = [replace(t, quantization=per_tensor(3e4, 3)) if t.name == "y" else t for t in tensors]
    wide = replace(graph, tensors=tuple(tensors))
    for core in ("cortex-m0plus", "cortex-m4"):
        packages = SimulatedPackages([wide], core)
        assert packages.packages[0].layers[0].function == "eb_dense_int8_double"
        for seed in range(4):
            x = values(np.random.default_rng(seed), (1, 4))
            np.testing.assert_array_equal(packages.invoke(0, x)[0][0], run(wide, (x,))[0])


@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m4"])
def test_kernels_compiled_by_gcc(core: str) -> None:
    """Much of them is assembly, whose arguments and syntax compilers treat in their own ways."""
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("arm-none-eabi-gcc is not installed")
    graphs = (*CONVOLUTIONS, *DEPTHWISE, *DENSE, *SUMS, *AVERAGES, *MAXIMA, *MEANS)
    packages = SimulatedPackages(graphs, core, "gcc", [fast(graph, core) for graph in graphs])
    for number, graph in enumerate(graphs):
        instructions(packages, graph, number=number)


@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m0plus"])
def test_factors_of_half_and_more_are_exact_all_the_same(core: str) -> None:
    """The fast kernels' form of rescaling has no shift to the left."""
    graph = convolution((4, 4), (4, 3), seed=3)
    tensors = [replace(t, quantization=per_tensor(2e-4, 3)) if t.name == "y" else t for t in graph.tensors]
    steep = replace(graph, tensors=tuple(tensors))
    x = values(np.random.default_rng(0), graph.tensors[0].shape)
    outputs, _ = SimulatedPackages([steep], core).invoke(0, x)
    np.testing.assert_array_equal(outputs[0], run(steep, (x,))[0])
