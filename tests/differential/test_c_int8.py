"""The int8 kernels of C packages against the reference executor, bit for bit: plain ones on this machine, those of each
core in the simulator. Cases are drawn first and compiled together."""

from __future__ import annotations

import numpy as np
import pytest

from edgebnn.converters.c_package.generate import generate
from edgebnn.graph.execute import run
from edgebnn.graph.types import Array
from edgebnn.kernels.cores import CORES, PORTABLE
from tests.support.c_packages import CompiledPackage, compile_packages
from tests.support.op_cases.base import Case
from tests.support.op_cases.drawing import drawn
from tests.support.simulated_packages import SimulatedPackages

KINDS = (
    *("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED", "BATCH_MATMUL"),
    *("ADD", "SUB", "MUL", "AVERAGE_POOL_2D", "MAX_POOL_2D", "MEAN", "SOFTMAX"),
)
CASES_HERE, CASES_SIMULATED = 8, 2
UNDEFINED = ("-O1", "-fsanitize=undefined", "-fno-sanitize-recover=all")


def drawn_of_all(count: int) -> list[tuple[str, Case]]:
    return [(kind, case) for kind in KINDS for case in drawn(kind, count)]


def check(case: Case, outputs: tuple[Array, ...]) -> None:
    for found, expected in zip(outputs, run(case.graph, case.inputs), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, Case, CompiledPackage]]:
    """Plain kernels on this machine, with the sanitizer of undefined behaviour."""
    cases = drawn_of_all(CASES_HERE)
    packages = [generate(case.graph, PORTABLE, f"net{number}") for number, (_, case) in enumerate(cases)]
    made = compile_packages(packages, tmp_path_factory.mktemp("c"), UNDEFINED)
    return [(kind, case, package) for (kind, case), package in zip(cases, made, strict=True)]


@pytest.fixture(scope="module", params=CORES)
def simulated(request: pytest.FixtureRequest) -> tuple[list[tuple[str, Case]], SimulatedPackages]:
    cases = drawn_of_all(CASES_SIMULATED)
    return cases, SimulatedPackages([case.graph for _, case in cases], request.param)


@pytest.mark.parametrize("kind", KINDS)
def test_plain_kernels(kind: str, compiled: list[tuple[str, Case, CompiledPackage]]) -> None:
    for of, case, package in compiled:
        if of == kind:
            check(case, package.invoke(*case.inputs))


@pytest.mark.parametrize("kind", KINDS)
def test_kernels_of_each_core(kind: str, simulated: tuple[list[tuple[str, Case]], SimulatedPackages]) -> None:
    cases, packages = simulated
    for number, (of, case) in enumerate(cases):
        if of == kind:
            check(case, packages.invoke(number, *case.inputs)[0])
