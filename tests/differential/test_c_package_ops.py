"""Every op of the IR as C: what a generated package computes is what the reference executor does, or it is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings

from edgebnn.converters.c_package.generate import generate
from edgebnn.converters.c_package.lowering import LOWERINGS
from edgebnn.graph.execute import run
from edgebnn.graph.ops import OPS
from edgebnn.graph.types import Array, DType, Graph
from edgebnn.kernels.cores import CORES, PORTABLE
from tests.support.batch_graphs import graphs
from tests.support.c_op_cases import Pair, cases, every_pair
from tests.support.c_ops import Joined, drawn, joined
from tests.support.c_packages import compile_packages
from tests.support.examples import examples
from tests.support.simulated_packages import SimulatedPackages

FLAGS = ("-O0", "-fsanitize=undefined", "-fno-sanitize-recover=all")
TOLERANCE = 3e-6
"""Of the range of float outputs: a third of what `edgebnn validate` allows."""
CASES = 4
MOST = 8
"""Cases in one network."""
PARTS = 4
"""By which all pairs are divided, so that a compiler is started few times."""


def packages_of(pairs: Sequence[tuple[str, Pair]]) -> dict[str, Joined]:
    """A network for each op, with cases of all its pairs of types."""
    found: dict[str, list[Joined]] = {}
    for kind, pair in pairs:
        several = drawn(cases(kind, pair), examples(CASES))
        found.setdefault(kind, []).extend(joined(several[i : i + MOST]) for i in range(0, len(several), MOST))
    return {f"{kind.lower()}_{i}": network for kind, made in found.items() for i, network in enumerate(made)}


def assert_near(found: Array, expected: Array, name: str) -> None:
    """Bit for bit if they are no floats."""
    assert found.dtype == expected.dtype
    if expected.dtype != np.float32:
        np.testing.assert_array_equal(found, expected, err_msg=name)
        return
    finite = np.abs(expected[np.isfinite(expected)])
    allowed = TOLERANCE * float(finite.max(initial=0)) + 1e-37
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(found, expected, rtol=0, atol=allowed, err_msg=name)


@pytest.mark.parametrize("part", range(PARTS))
def test_every_op_and_pair_of_types_computes_what_the_reference_does(part: int, tmp_path: Path) -> None:
    networks = packages_of(every_pair()[part::PARTS])
    packages = [generate(case.graph, PORTABLE, f"net_{name}") for name, case in networks.items()]
    for compiled, (name, case) in zip(compile_packages(packages, tmp_path, FLAGS), networks.items(), strict=True):
        for found, expected in zip(compiled.invoke(*case.inputs), run(case.graph, case.inputs), strict=True):
            assert_near(found, expected, name)
        assert compiled.selftest() == 0, name


def test_random_networks_compute_what_the_reference_does(tmp_path: Path) -> None:
    """Of ops one after another, with outputs in the middle, second inputs, and ops that only reshape."""
    found: list[Graph] = []

    @settings(max_examples=examples(30), phases=[Phase.generate], derandomize=True, database=None, deadline=None)
    @given(graphs(longest=7))
    def collect(graph: Graph) -> None:
        found.append(graph)

    collect()
    packages = [generate(graph, PORTABLE, f"net{number}") for number, graph in enumerate(found)]
    for compiled, graph in zip(compile_packages(packages, tmp_path, FLAGS), found, strict=True):
        rng = np.random.default_rng(0)
        inputs = [rng.normal(size=graph.tensors[i].shape).astype(np.float32) for i in graph.inputs]
        for result, expected in zip(compiled.invoke(*inputs), run(graph, inputs), strict=True):
            assert_near(result, expected, compiled.package.name)
        assert compiled.selftest() == 0


def test_custom_ops_have_kernels() -> None:
    """Which their own tests compare."""
    kinds = {key if isinstance(key, str) else key[0] for key in LOWERINGS}
    assert {kind for kind, entry in OPS.items() if entry.custom} <= kinds


ON_CORES: tuple[tuple[str, Pair], ...] = (
    *((kind, (DType.FLOAT32, DType.FLOAT32)) for kind in ("EXP", "LOG", "TANH", "SIN", "POW", "SQRT", "GELU", "ROUND")),
    *(
        (kind, (DType.FLOAT32, DType.FLOAT32))
        for kind in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "SOFTMAX")
    ),
    *(
        (kind, (DType.FLOAT32, DType.FLOAT32))
        for kind in ("ADD", "FLOOR_DIV", "MEAN", "MAX_POOL_2D", "RESIZE_BILINEAR")
    ),
    *((kind, (DType.INT8, DType.INT8)) for kind in ("TRANSPOSE", "PAD", "SQUARED_DIFFERENCE", "PRELU", "SUM")),
    *((kind, (DType.INT8, DType.INT8)) for kind in ("L2_NORMALIZATION", "RESIZE_BILINEAR", "REDUCE_MAX", "MAXIMUM")),
    *((kind, (DType.INT64, DType.INT64)) for kind in ("MUL", "CONCATENATION", "SUM")),
    *((kind, (DType.INT8, DType.BOOL)) for kind in ("LESS", "EQUAL")),
    *(("CAST", pair) for pair in ((DType.INT64, DType.FLOAT32), (DType.FLOAT32, DType.INT8))),
    *(("SELECT", (DType.BOOL, DType.INT16)), ("SPLIT", (DType.INT32, DType.FLOAT32))),
)
"""Of each kind of kernel: what could go wrong on a core is alignment, division, and doubles or int64 by software."""


@pytest.mark.parametrize("core", CORES)
def test_cores_compute_what_the_reference_does(core: str) -> None:
    found = [drawn(cases(kind, pair), 3)[-1] for kind, pair in ON_CORES]
    networks = [joined(found[i::4]) for i in range(4)]
    simulated = SimulatedPackages([network.graph for network in networks], core)
    for number, network in enumerate(networks):
        results, _ = simulated.invoke(number, *network.inputs)
        for result, expected in zip(results, run(network.graph, network.inputs), strict=True):
            assert_near(result, expected, f"network {number}")
