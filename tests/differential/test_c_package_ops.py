"""Every op of the IR as C: what a generated package computes is what the reference executor does, or it is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from edgebnn.converters.c_package.generate import generate
from edgebnn.converters.c_package.lowering import LOWERINGS
from edgebnn.graph.execute import run
from edgebnn.graph.ops import OPS
from edgebnn.graph.types import Array
from edgebnn.kernels.cores import PORTABLE
from tests.support.c_op_cases import Pair, cases, every_pair
from tests.support.c_ops import Joined, drawn, joined
from tests.support.c_packages import compile_packages
from tests.support.examples import examples

FLAGS = ("-O0", "-fsanitize=undefined", "-fno-sanitize-recover=all")
TOLERANCE = 3e-6
"""Of the range of float outputs: a third of what `edgebnn validate` allows."""
CASES = 4
PACKAGES = 12
"""By which all pairs are divided, so that a compiler is started few times."""


def packages_of(pairs: Sequence[tuple[str, Pair]]) -> dict[str, Joined]:
    """A network for each op, with cases of all its pairs of types."""
    found: dict[str, list[Joined]] = {}
    for kind, pair in pairs:
        found.setdefault(kind, []).append(joined(drawn(cases(kind, pair), examples(CASES))))
    return {f"{kind.lower()}_{i}": case for kind, several in found.items() for i, case in enumerate(several)}


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


@pytest.mark.parametrize("part", range(PACKAGES))
def test_every_op_and_pair_of_types_computes_what_the_reference_does(part: int, tmp_path: Path) -> None:
    networks = packages_of(every_pair()[part::PACKAGES])
    packages = [generate(case.graph, PORTABLE, f"net_{name}") for name, case in networks.items()]
    for compiled, (name, case) in zip(compile_packages(packages, tmp_path, FLAGS), networks.items(), strict=True):
        for found, expected in zip(compiled.invoke(*case.inputs), run(case.graph, case.inputs), strict=True):
            assert_near(found, expected, name)
        assert compiled.selftest() == 0, name


def test_custom_ops_have_kernels() -> None:
    """Which their own tests compare."""
    kinds = {key if isinstance(key, str) else key[0] for key in LOWERINGS}
    assert {kind for kind, entry in OPS.items() if entry.custom} <= kinds
