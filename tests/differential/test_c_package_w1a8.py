"""W1A8 layers in generated C against the reference executor: plain kernels here, fast ones on simulated cores.

The layers of a test are a few networks, which are compiled together.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgebnn.converters.c_package.generate import generate
from edgebnn.converters.c_package.package import Package
from edgebnn.converters.read_tflite import read
from edgebnn.graph.counts import macs
from edgebnn.graph.execute import run
from edgebnn.graph.ops.enums import Activation, Padding
from edgebnn.graph.types import Array, Graph, Op, Quantization, Tensor
from edgebnn.kernels.cores import CORES, PORTABLE, Core
from edgebnn.targets.cortex_m import Machine, compile_image
from edgebnn.targets.cortex_m.toolchain import ToolchainName
from tests.support.c_packages import SANITIZERS, STRICT, assert_equal_to_reference, compile_package, write_files
from tests.support.examples import examples
from tests.support.w1a8_graphs import ConvLayer, DenseLayer, chain, conv_pair, dense_pair

DATA = Path(__file__).parents[1] / "data" / "mcu"
EACH_CORE = pytest.mark.parametrize("core", CORES.values(), ids=list(CORES))


def conv(seed: int = 0, batch: int = 1, **layer: object) -> Graph:
    return conv_pair(ConvLayer(**layer), seed, batch)[1]  # type: ignore[arg-type]


def dense(seed: int = 0, **layer: object) -> Graph:
    return dense_pair(DenseLayer(**layer), seed)[1]  # type: ignore[arg-type]


def with_tensor(graph: Graph, index: int, **changes: object) -> Graph:
    tensors = list(graph.tensors)
    tensors[index] = replace(tensors[index], **changes)  # type: ignore[arg-type]
    return replace(graph, tensors=tuple(tensors))


def rescaled(graph: Graph, scale: float, zero_point: int = 5) -> Graph:
    """Another scale of the output: factors change with it."""
    return with_tensor(graph, graph.outputs[0], quantization=Quantization((scale,), (zero_point,)))


def with_biases(graph: Graph, value: int) -> Graph:
    bias = graph.tensors[4].data
    assert bias is not None
    return with_tensor(graph, 4, data=np.full_like(bias, value))


SHAPES = (
    conv(1, inputs=16, outputs=16),
    conv(2, batch=3, size=(5, 7), inputs=16, outputs=3),
    conv(3, size=(8, 4), inputs=4, outputs=5, stride=(2, 2)),
    conv(4, size=(7, 6), filter=(1, 1), inputs=12, outputs=9, stride=(2, 1)),
    conv(5, size=(9, 9), inputs=5, outputs=6, dilation=(2, 2), padding=Padding.VALID),
    conv(6, size=(9, 8), inputs=8, outputs=6, dilation=(1, 2)),
    conv(7, size=(4, 4), inputs=3, outputs=4, groups=3),
    conv(8, batch=2, size=(5, 4), inputs=8, outputs=5, groups=2, activation=Activation.RELU),
    conv(9, size=(3, 3), filter=(5, 5), inputs=7, outputs=2),
    conv(10, size=(1, 1), filter=(1, 1), inputs=1, outputs=1),
    conv(11, size=(6, 1), filter=(3, 1), inputs=33, outputs=4, activation=Activation.RELU6),
    conv(12, size=(2, 12), filter=(4, 3), inputs=20, outputs=4, dilation=(3, 1)),
    conv(13, size=(4, 4), inputs=64, outputs=8),
    conv(14, size=(3, 5), inputs=36, outputs=8, activation=Activation.RELU_N1_TO_1),
    conv(15, size=(3, 2), inputs=130, outputs=2),
    conv(40, batch=2, size=(3, 4), inputs=8, outputs=3),
    conv(41, size=(7, 12), filter=(5, 3), inputs=4, outputs=3, stride=(2, 1), dilation=(2, 1)),
    conv(42, size=(4, 10), filter=(2, 3), inputs=12, outputs=3, padding=Padding.VALID),
    conv(43, size=(1, 16), filter=(1, 3), inputs=4, outputs=3),
    conv(44, size=(2, 8), filter=(7, 3), inputs=4, outputs=3, dilation=(2, 1)),
    conv(16, size=(6, 5), inputs=6, outputs=1, depthwise=True),
    conv(17, size=(6, 5), inputs=5, outputs=3, depthwise=True, stride=(2, 2), padding=Padding.VALID),
    conv(18, batch=2, size=(7, 8), inputs=16, outputs=1, depthwise=True, activation=Activation.RELU),
    conv(19, size=(8, 7), inputs=8, outputs=1, depthwise=True, dilation=(2, 3)),
    conv(20, size=(3, 4), filter=(5, 4), inputs=4, outputs=2, depthwise=True),
    # factors of a half and more, of one to the power of two, very small; accumulators that wrap
    rescaled(conv(21, size=(4, 4), inputs=4, outputs=6), 0.0235 * 0.01 / 0.75),
    rescaled(conv(22, size=(4, 4), inputs=4, outputs=6), 1e-7),
    rescaled(conv(23, size=(4, 4), inputs=4, outputs=6), 1e9, -128),
    rescaled(with_tensor(conv(24, inputs=4), 2, data=np.full(8, 2.0**-6, np.float32)), 0.0235 * 2),
    with_biases(conv(25, size=(4, 4), inputs=8, outputs=4), 2**31 - 1),
    with_biases(conv(26, size=(4, 4), inputs=8, outputs=4), -(2**31)),
    with_biases(conv(27, size=(4, 4), inputs=8, outputs=4), 2**30 - 9),
    with_tensor(conv(28, inputs=4), 3, data=np.array([0, 127] * 4, np.int8)),
    dense(31),
    dense(32, rows=3, channels_in=67, channels_out=5, keep_num_dims=True),
    dense(33, channels_in=1, channels_out=1),
    dense(34, rows=2, channels_in=130, channels_out=7, activation=Activation.RELU),
    rescaled(dense(35, channels_in=33), 1e-9),
    rescaled(with_tensor(dense(36), 2, data=np.full(12, 2.0**-6, np.float32)), 0.0235 * 2, -1),
    with_biases(dense(37), 2**31 - 1),
    rescaled(conv(29, size=(3, 5), inputs=6, outputs=2, depthwise=True), 1e-6),
)


def random_layer(seed: int) -> Graph:
    rng = np.random.default_rng(seed)
    if rng.random() < 0.2:
        depth, channels = (int(n) for n in (rng.integers(1, 200), rng.integers(1, 20)))
        return dense(seed, rows=int(rng.integers(1, 4)), channels_in=depth, channels_out=channels)
    filters = tuple(int(n) for n in rng.integers(1, 5, 2))
    dilation = tuple(int(n) for n in rng.choice([1, 1, 2, 3], 2))
    padding = Padding(int(rng.integers(2)))
    least = [1 if padding == Padding.SAME else (f - 1) * d + 1 for f, d in zip(filters, dilation, strict=True)]
    layer = ConvLayer(
        size=(least[0] + int(rng.integers(7)), least[1] + int(rng.integers(7))),
        filter=(filters[0], filters[1]),
        stride=(int(rng.integers(1, 4)), int(rng.integers(1, 4))),
        dilation=(dilation[0], dilation[1]),
        padding=padding,
        groups=int(rng.choice([1, 1, 1, 2, 3])),
        inputs=int(rng.choice([1, 3, 4, 8, 12, 16, 20, 32, *rng.integers(1, 50, 4)])),
        outputs=int(rng.integers(1, 9)),
        activation=Activation(int(rng.integers(4))),
    )
    if rng.random() < 0.25:
        layer = replace(layer, depthwise=True, groups=1, outputs=int(rng.integers(1, 4)))
    return conv_pair(layer, seed, int(rng.integers(1, 3)))[1]


def inputs(graph: Graph, index: int = 0) -> tuple[Array, Array, Array]:
    """For an input of a network: noise, and what lies at the ends of int8."""
    shape = graph.tensors[index].shape
    rng = np.random.default_rng(7)
    noise = rng.integers(-128, 128, shape).astype(np.int8)
    return noise, rng.choice([-128, 127], shape).astype(np.int8), np.full(shape, 127, np.int8)


def together(graphs: Sequence[Graph]) -> Graph:
    """Layers that have nothing to do with each other, as one network: one package, which is compiled once."""
    tensors: list[Tensor] = []
    ops: list[Op] = []
    ends: list[tuple[int, int]] = []
    for number, graph in enumerate(graphs):
        first = len(tensors)
        tensors += [replace(tensor, name=f"{tensor.name}{number}") for tensor in graph.tensors]
        for op in graph.ops:
            reads, writes = (tuple(i + first for i in indices) for indices in (op.inputs, op.outputs))
            ops.append(replace(op, inputs=reads, outputs=writes))
        ends.append((first + graph.inputs[0], first + graph.outputs[0]))
    starts, finals = zip(*ends, strict=True)
    return Graph("layers", tuple(tensors), tuple(ops), starts, finals)


def networks(graphs: Sequence[Graph]) -> list[Graph]:
    """Eight layers each: the order of many that are free of each other takes long to find."""
    return [together(graphs[i : i + 8]) for i in range(0, len(graphs), 8)]


def packages(graphs: Sequence[Graph], core: Core, folder: Path) -> tuple[list[Package], list[str]]:
    """Packages net0, net1, ... in one folder, and the names of their C files."""
    made = [generate(graph, core, f"net{number}") for number, graph in enumerate(graphs)]
    return made, sorted({name for package in made for name in write_files(package, folder)})


def machine_of(graphs: Sequence[Graph], core: Core, folder: Path, toolchain: ToolchainName = "zig") -> Machine:
    _, names = packages(graphs, core, folder)
    files, wanted = [folder / name for name in names], [f"net{number}_invoke" for number in range(len(graphs))]
    return Machine(compile_image(core, files, keep=wanted, flags=(*STRICT, f"-I{folder}"), toolchain=toolchain))


def assert_exact_on(core: Core, layers: Sequence[Graph], folder: Path, toolchain: ToolchainName = "zig") -> None:
    graphs = networks(layers)
    machine = machine_of(graphs, core, folder, toolchain)
    for number, graph in enumerate(graphs):
        for kind in range(3):
            xs = [inputs(graph, end)[kind] for end in graph.inputs]
            expected = run(graph, xs)
            found = machine.call(f"net{number}_invoke", *xs, *map(np.zeros_like, expected)).arrays[len(xs) :]
            for a, b, end in zip(found, expected, graph.outputs, strict=True):
                np.testing.assert_array_equal(a, b, err_msg=f"layer {8 * number + graph.outputs.index(end)}")


@EACH_CORE
def test_fast_kernels_equal_the_reference(core: Core, tmp_path: Path) -> None:
    assert_exact_on(core, (*SHAPES, *map(random_layer, range(examples(12)))), tmp_path)


@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed")
@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m3", "cortex-m33"])
def test_fast_kernels_compiled_by_gcc(core: str, tmp_path: Path) -> None:
    assert_exact_on(CORES[core], SHAPES, tmp_path, "gcc")


@pytest.mark.parametrize(("core", "fast"), [("cortex-m0plus", "lookup"), ("cortex-m3", "lookup"), ("cortex-m4", "dsp")])
def test_kernels_are_chosen_by_the_core(core: str, fast: str) -> None:
    """The plain ones for single pixels and few filters, too. Outputs of dense layers are lines, but where accumulators
    wrap."""
    functions = {f"eb_conv_w1a8_{fast}", "eb_conv_w1a8", "eb_depthwise_w1a8", "eb_depthwise_w1a8_bytes"}
    usual = [graph for graph in SHAPES if graph.tensors[graph.ops[0].inputs[-1]].data.max() < 2**31 - 1]  # type: ignore[union-attr]
    called = {layer.function for graph in usual for layer in generate(graph, CORES[core], "net").layers}
    assert called == functions | {"eb_dense_w1a8_bytes"}
    wraps = generate(with_biases(dense(37), 2**31 - 1), CORES[core], "net")
    assert [layer.function for layer in wraps.layers] == ["eb_dense_int8_double"]


def test_plain_kernels_equal_the_reference_under_sanitizers(tmp_path: Path) -> None:
    """The self-tests hold inputs and outputs of the reference executor."""
    graphs = networks((*SHAPES, *map(random_layer, range(examples(60)))))
    _, files = packages(graphs, PORTABLE, tmp_path)
    numbers = range(len(graphs))
    declared = "".join(f'#include "net{i}.h"\n' for i in numbers)
    calls = "".join(f"  if (net{i}_selftest() != 0) return {i + 1};\n" for i in numbers)
    (tmp_path / "main.c").write_text(f"{declared}int main(void) {{\n{calls}  return 0;\n}}\n")
    program = tmp_path / "selftests"
    command = ["gcc", "-std=c99", "-O1", *STRICT, *SANITIZERS, "-o", str(program), "main.c", *files]
    subprocess.run(command, cwd=tmp_path, check=True)
    done = subprocess.run([program], capture_output=True, text=True)
    assert done.returncode == 0, f"net{done.returncode - 1}: {done.stderr[-2000:]}"


OVERLAPPING = (
    chain([conv(i, size=(8, 8), inputs=8, outputs=8) for i in range(3)]),
    chain([conv(i, size=(6, 7), inputs=8, outputs=8, groups=2) for i in range(3)]),
    chain([conv(i, size=(9, 5), inputs=5, outputs=1, depthwise=True) for i in range(3)]),
    chain(
        [
            conv(0, batch=2, size=(8, 8), inputs=4, outputs=8),
            conv(1, batch=2, size=(8, 8), inputs=8, outputs=12, stride=(2, 2)),
            conv(2, batch=2, size=(4, 4), inputs=12, outputs=40, filter=(1, 1)),
            conv(3, batch=2, size=(4, 4), inputs=40, outputs=8),
        ]
    ),
)


@EACH_CORE
def test_outputs_over_inputs(core: Core, tmp_path: Path) -> None:
    """Layers in a row, each of which writes over what it reads: the arena holds less than input and output."""
    for graph in OVERLAPPING:
        assert_overlaps(graph, generate(graph, core, "net"))
    assert_exact_on(core, OVERLAPPING, tmp_path)


def test_plain_kernels_write_over_inputs(tmp_path: Path) -> None:
    for number, graph in enumerate(OVERLAPPING):
        compiled = compile_package(graph, tmp_path / str(number))
        assert_overlaps(graph, compiled.package)
        assert_equal_to_reference(compiled, graph, inputs(graph)[0])


def assert_overlaps(graph: Graph, package: Package) -> None:
    pairs = [(graph.tensors[op.inputs[0]].bytes, graph.tensors[op.outputs[0]].bytes) for op in graph.ops[1:-1]]
    scratch = max(layer.scratch_bytes for layer in package.layers)
    assert package.arena_bytes < max(map(sum, pairs)) + scratch


_DSP = {(64, 64): 0.485, (128, 128): 0.468, (16, 16): 0.599}
BARS = {
    "cortex-m0plus": {(64, 64): 0.86, (128, 128): 0.75, (16, 16): 1.78},
    "cortex-m3": {(64, 64): 0.547, (128, 128): 0.49, (16, 16): 1.04},
    "cortex-m4": _DSP,
    "cortex-m7": _DSP,
    "cortex-m33": _DSP,
}
"""Instructions a multiply-accumulate of whole 3x3 layers on 16x16 positions, by input and output channels."""


@pytest.mark.parametrize("core", BARS)
def test_instructions_of_whole_layers(core: str, tmp_path: Path) -> None:
    graphs = [conv(1, size=(16, 16), inputs=i, outputs=o) for i, o in BARS[core]]
    machine = machine_of(graphs, CORES[core], tmp_path)
    for number, (graph, bar) in enumerate(zip(graphs, BARS[core].values(), strict=True)):
        x = inputs(graph)[0]
        (expected,) = run(graph, (x,))
        call = machine.call(f"net{number}_invoke", x, np.zeros_like(expected))
        np.testing.assert_array_equal(call.arrays[1], expected)
        per_mac = call.instructions / macs(graph).w1a8
        assert per_mac <= bar, graph.tensors[0].shape


@pytest.mark.parametrize(("core", "bar"), [("cortex-m4", 0.64), ("cortex-m3", 1.04), ("cortex-m0plus", 1.73)])
def test_instructions_of_a_whole_network(core: str, bar: float, tmp_path: Path) -> None:
    """MLPerf Tiny's ResNet-8 with 1-bit weights; its first layer and shortcuts are int8."""
    graph = read(DATA / "resnet8_w1a8.tflite")
    machine = machine_of([graph], CORES[core], tmp_path)
    x = inputs(graph, graph.inputs[0])[0]
    (expected,) = run(graph, (x,))
    call = machine.call("net0_invoke", x, np.zeros_like(expected))
    np.testing.assert_array_equal(call.arrays[1], expected)
    per_mac = call.instructions / macs(graph).total
    assert per_mac <= bar
