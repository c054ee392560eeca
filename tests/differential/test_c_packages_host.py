"""Packages for processors with an operating system: the runtime's kernels, called without LiteRT."""

from __future__ import annotations

import importlib.util
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from edgebnn import machine
from edgebnn.converters.c_package.generate import generate
from edgebnn.graph.execute import run
from edgebnn.graph.ops.enums import Activation, Padding
from edgebnn.graph.types import Array, Graph
from edgebnn.kernels.cores import HOSTS
from edgebnn.runtime import build
from edgebnn.targets.exporting import export
from edgebnn.targets.qemu_user import MACHINES, PACKAGE, is_emulated
from edgebnn.targets.qemu_user import run as run_emulated
from tests.support.binary_cases import conv_cases, conv_graph
from tests.support.c_packages import compile_packages, write_files
from tests.support.w1a8_graphs import ConvLayer, DenseLayer, conv_pair, dense_pair

CORE = next((core for core in HOSTS.values() if core.host == machine.processor()), None)
pytestmark = pytest.mark.skipif(CORE is None, reason=f"no C packages for {machine.processor()}")


def drawn(count: int) -> list[tuple[Graph, Array]]:
    """Binary convolutions with their inputs, drawn by Hypothesis: they are compiled together, since that takes long."""
    found: list[tuple[Graph, Array]] = []

    @settings(max_examples=count, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(conv_cases())
    def collect(case: object) -> None:
        operands = case.operands()  # type: ignore[attr-defined]
        found.append((conv_graph(case, operands), operands.x))  # type: ignore[arg-type]

    collect()
    return found


W1A8 = (
    ConvLayer(),
    ConvLayer(inputs=19, outputs=33, stride=(2, 2), activation=Activation.RELU),
    ConvLayer(size=(9, 8), dilation=(2, 2), groups=2, inputs=16, outputs=5, padding=Padding.VALID),
    ConvLayer(inputs=6, outputs=2, depthwise=True, stride=(2, 1)),
)
INT8 = (
    ConvLayer(size=(15, 14), stride=(2, 2), inputs=3, outputs=19, activation=Activation.RELU),
    ConvLayer(size=(9, 8), dilation=(2, 1), inputs=37, outputs=5, padding=Padding.VALID),
    ConvLayer(size=(9, 8), groups=2, inputs=16, outputs=4),
)
DENSE = (DenseLayer(), DenseLayer(rows=3, channels_in=70))


def test_bit_exact_with_the_reference(tmp_path: Path) -> None:
    cases = drawn(40)
    rng = np.random.default_rng(0)
    graphs = [conv_pair(layer)[1] for layer in W1A8] + [dense_pair(layer)[1] for layer in DENSE]
    for graph in [*graphs, *(conv_pair(layer)[0] for layer in INT8)]:
        shape = graph.tensors[graph.inputs[0]].shape
        cases.append((graph, rng.integers(-128, 128, shape).astype(np.int8)))
    assert CORE is not None
    packages = [generate(replace(graph, name=f"net{i}"), CORE, f"net{i}") for i, (graph, _) in enumerate(cases)]
    for compiled, (graph, x) in zip(compile_packages(packages, tmp_path, ("-O2",)), cases, strict=True):
        for _ in range(2):  # the first call prepares
            (found,) = compiled.invoke(x)
            (expected,) = run(graph, (x,))
            np.testing.assert_array_equal(found, expected)
        assert compiled.selftest() == 0


def test_a_layer_that_the_kernels_do_not_take_is_computed_by_the_plain_one(tmp_path: Path) -> None:
    """Kernels add products in pairs, which weights of -128 would overflow; they have no groups."""
    assert CORE is not None
    graph = conv_pair(INT8[0])[0]
    weights = next(i for i, t in enumerate(graph.tensors) if t.data is not None and t.data.ndim == 4)
    data = graph.tensors[weights].data
    assert data is not None
    data = data.copy()
    data.flat[5] = -128
    tensors = [replace(t, data=data) if i == weights else t for i, t in enumerate(graph.tensors)]
    cases = [replace(graph, tensors=tuple(tensors)), conv_pair(INT8[2])[0]]
    packages = [generate(case, CORE, f"net{i}") for i, case in enumerate(cases)]
    rng = np.random.default_rng(0)
    for compiled, case in zip(compile_packages(packages, tmp_path), cases, strict=True):
        assert {name for name in compiled.package.c_files if name.startswith("conv")} == {"conv_int8.c"}
        x = rng.integers(-128, 128, case.tensors[case.inputs[0]].shape).astype(np.int8)
        np.testing.assert_array_equal(compiled.invoke(x)[0], run(case, (x,))[0])


def test_packages_hold_the_kernels_of_their_ops_alone() -> None:
    assert CORE is not None
    graphs = {"bconv2d": drawn(1)[0][0], "w1a8": conv_pair(W1A8[0])[1], "conv2d_few": conv_pair(INT8[0])[0]}
    for operation, graph in graphs.items():
        names = generate(graph, CORE, "net").c_files
        assert f"{operation}_plan.c" in names
        assert not [name for name in names if name.startswith(tuple(graphs.keys() - {operation}))]


def test_make_builds_a_plain_package(tmp_path: Path) -> None:
    assert CORE is not None
    export(conv_pair(ConvLayer())[1], tmp_path / "net", CORE.name, name="net")
    subprocess.run(["make", "-s", "-j2", "CFLAGS=-O1"], cwd=tmp_path / "net", check=True)
    (tmp_path / "main.c").write_text('#include "net.h"\nint main(void) { return net_selftest(); }\n')
    subprocess.run(["gcc", "main.c", "-Inet", "net/libnet.a", "-o", "main"], cwd=tmp_path, check=True)
    assert subprocess.run([tmp_path / "main"]).returncode == 0


def test_the_self_tests_pass_on_aarch64(tmp_path: Path) -> None:
    """Cross-compiled by zig, with the NEON kernels, and emulated."""
    emulated = MACHINES["aarch64"]
    if importlib.util.find_spec("ziglang") is None or not is_emulated(emulated):
        pytest.skip(f"needs the ziglang wheel, and {emulated.emulator} of {PACKAGE}")
    cases = [drawn(1)[0][0], conv_pair(W1A8[1])[1], dense_pair(DENSE[1])[1], *(conv_pair(layer)[0] for layer in INT8)]
    packages = [generate(graph, HOSTS["linux-aarch64"], f"net{i}") for i, graph in enumerate(cases)]
    names = {name for package in packages for name in write_files(package, tmp_path)}
    calls = " | ".join(f"net{i}_selftest()" for i in range(len(cases)))
    includes = "".join(f'#include "net{i}.h"\n' for i in range(len(cases)))
    (tmp_path / "main.c").write_text(f"{includes}int main(void) {{ return {calls}; }}\n")
    sources = [build.Source(tmp_path / name) for name in (*sorted(names), "main.c")]
    flags = ("-std=c11", "-O1", "-ffp-contract=off")
    build.compile(tmp_path / "main", sources, build.zig_compiler(emulated.zig_target), flags, ("-static",))
    assert run_emulated(emulated, tmp_path / "main").returncode == 0
