"""Every op of the IR as C: what a generated package computes is what the reference executor does, or it is refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st

from edgebnn.converters.c_package.generate import generate
from edgebnn.graph.execute import run
from edgebnn.graph.types import DType
from edgebnn.kernels.cores import PORTABLE
from tests.support.c_ops import drawn, joined
from tests.support.c_packages import compile_packages
from tests.support.examples import examples
from tests.support.op_cases.base import Case
from tests.support.op_cases.tables import COMMON, MOVING, OF_SEVERAL_TYPES

FLAGS = ("-O0", "-fsanitize=undefined", "-fno-sanitize-recover=all")

MOVEMENTS: Mapping[str, st.SearchStrategy[Case]] = {
    **{kind: make(DType.INT8) | make(DType.FLOAT32) for kind, make in MOVING.items()},
    "RESIZE_NEAREST_NEIGHBOR": COMMON["RESIZE_NEAREST_NEIGHBOR"](DType.INT8),
    "FILL": OF_SEVERAL_TYPES["FILL"],
}


@pytest.mark.parametrize("kinds", [sorted(MOVEMENTS)])
def test_movements_are_exact(kinds: list[str], tmp_path: Path) -> None:
    cases = {kind: joined(drawn(MOVEMENTS[kind], examples(8))) for kind in kinds}
    packages = [generate(case.graph, PORTABLE, f"net_{kind.lower()}") for kind, case in cases.items()]
    for compiled, case in zip(compile_packages(packages, tmp_path, FLAGS), cases.values(), strict=True):
        for found, expected in zip(compiled.invoke(*case.inputs), run(case.graph, case.inputs), strict=True):
            np.testing.assert_array_equal(found, expected, err_msg=compiled.package.name)
        assert compiled.selftest() == 0
