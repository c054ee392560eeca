"""The kernel for AVX-VNNI on processors without it: compiled for AVX-512's encoding of the same instruction, and for
compilers that know neither. Its own encoding runs in test_w1a8_kernels where the processor has it, and only there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from edgebnn import machine
from edgebnn.runtime import build
from tests.differential.test_w1a8_kernels import check
from tests.support import ckernels, w1a8_kernels
from tests.support.w1a8_cases import CASES, Case, operands

CPU = build.Source(Path(__file__).parents[1] / "support" / "cpu_with_avx_vnni.c")
VARIANTS = {
    "as AVX-512": (("avx2", "avx512_vnni", "avx512vl"), ("-mavx512vnni", "-mavx512vl")),
    "by an older compiler": (("avx2",), ("-U__GNUC__", "-D__GNUC__=10")),
}
ONCE_FOR_ALL = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module", params=VARIANTS.values(), ids=VARIANTS)
def line(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The kernel's name; the library is the one that was compiled so."""
    needed, flags = request.param
    missing = set(needed) - machine.cpu_flags()
    if missing:
        pytest.skip(f"this processor lacks {', '.join(sorted(missing))}")
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("gcc is not installed")
    files = [s for s in build.kernel_sources() if s.path.name != "cpu.c"]
    files = [replace(s, flags=(*s.flags, *flags)) if s.path.name == "w1a8_avxvnni.c" else s for s in files]
    path = tmp_path_factory.mktemp("avxvnni") / "kernels.so"
    build.compile(path, [*files, CPU], build.Compiler((gcc,), "gcc"))
    library = ckernels.open_library(path)
    with pytest.MonkeyPatch.context() as patch:
        for module in (ckernels, w1a8_kernels):
            patch.setattr(module, "library", lambda: library)
        yield "avxvnni"


@ONCE_FOR_ALL
@given(case=CASES, points=st.lists(st.floats(0, 1), max_size=3))
@example(Case(size=(1, 1), filter=(4, 4), same=True), [])
@example(Case(size=(12, 12), filter=(1, 1), stride=(3, 2), inputs=65, outputs=130), [0.4])
@example(Case(groups=3, inputs=33, outputs=20, dilation=(2, 3), zero_points=(-128, 127)), [0.3, 0.7])
@example(Case(size=(2, 70), filter=(3, 3), inputs=300, outputs=40), [0.5])
def test_convolution_equals_reference(line: str, case: Case, points: list[float]) -> None:
    check(case, line, points)


@ONCE_FOR_ALL
@given(case=CASES)
def test_depthwise_equals_reference(line: str, case: Case) -> None:
    check(replace(case, groups=1, depthwise=True, outputs=2), line)


def test_it_is_chosen_where_weights_serve_many_pixels(line: str) -> None:
    def memory(pixels: int, kernel: str | None) -> tuple[int, int]:
        plan = w1a8_kernels.plan(Case(size=(1, pixels), filter=(1, 1), inputs=256, outputs=256).op(), kernel)
        return plan.persistent_bytes, plan.scratch_bytes

    assert memory(64, None) == memory(64, line) != memory(64, "avx2")
    assert memory(1, None) == memory(1, "avx2") != memory(1, line)


@pytest.mark.parametrize("zero_point", [-128, 127])
def test_counters_do_not_overflow(line: str, zero_point: int) -> None:
    case = Case(size=(1, 3), filter=(1, 1), inputs=9216, outputs=70, zero_points=(zero_point, 0), scale=0.02)
    data = operands(case)
    for value in (-128, 127):
        for minus in (False, True):
            check(case, line, data=replace(data, x=np.full_like(data.x, value), minus=np.full_like(data.minus, minus)))
