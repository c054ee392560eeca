"""The kernels as ARM machines run them, cross-compiled and emulated, against the NumPy semantics, bit for bit."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgebnn.arithmetic.packing import pack
from edgebnn.graph.ops.binary import LceBMaxPool2dOptions, LceDequantizeOptions, LceQuantizeOptions
from edgebnn.graph.ops.enums import Activation, Padding
from edgebnn.graph.types import DType, Quantization, Tensor
from edgebnn.runtime import build
from edgebnn.targets.qemu_user import MACHINES, Machine, run
from tests.differential.test_kernels_rows import DTYPES, SHAPES, values
from tests.differential.test_kernels_rows import reference as rows_reference
from tests.support import ckernels, emulated, objects
from tests.support.binary_cases import ConvCase, bit_equal, conv_cases, reference, residual_like
from tests.support.emulated import compiled
from tests.support.examples import examples
from tools.bench.arm_mca import RUN_CASES

EXERCISE = build.Source(Path(__file__).parents[1] / "unit" / "kernels" / "exercise.c")
PLAIN = ConvCase(1, (5, 5), (3, 3), (1, 1), (1, 1), Padding.SAME, 1, 1, 64, 32, Activation.NONE, "float32", 0)
SPLIT = settings(max_examples=examples(20))

GLIBC = {"aarch64": "aarch64-linux-gnu.2.17", "armv7": "arm-linux-gnueabihf.2.28"}
"""The zig targets of a library that LiteRT loads, with the oldest glibc that works."""
LINES = {f"{m.name}-{line}": (m, line) for m in MACHINES.values() for line in emulated.kernel_lines(m)}

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ziglang") is None, reason="the ziglang wheel is not installed"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("arm")


@pytest.fixture(scope="module", params=MACHINES.values(), ids=MACHINES)
def program(request: pytest.FixtureRequest, folder: Path) -> emulated.Program:
    return emulated.Program(request.param, compiled(request.param, RUN_CASES, folder))


@pytest.fixture(scope="module", params=LINES.values(), ids=LINES)
def kernel(request: pytest.FixtureRequest, folder: Path) -> emulated.Kernel:
    """Each line of bconv2d.kernels that the machine has."""
    machine, line = request.param
    return emulated.Kernel(emulated.Program(machine, compiled(machine, RUN_CASES, folder)), line)


@given(case=conv_cases(), parts=st.integers(1, 4))
@example(replace(PLAIN, pad_value=0), 1)
@example(replace(PLAIN, pad_value=0, size=(1, 2), filter=(4, 4), output="int8"), 1)
@example(replace(PLAIN, groups=3, channels_in=32, channels_out=20, output="int32"), 2)
@example(replace(PLAIN, size=(20, 20), channels_out=70, output="int32"), 3)
def test_convolution_equals_reference(kernel: emulated.Kernel, case: ConvCase, parts: int) -> None:
    operands = case.operands()
    expected = reference(case, operands)
    assert bit_equal(kernel.convolve(case, operands, parts, expected), expected)


@SPLIT
@given(case=conv_cases(), parts=st.integers(1, 4))
@example(replace(PLAIN, pad_value=0), 2)
def test_a_residual_is_added_last(kernel: emulated.Kernel, case: ConvCase, parts: int) -> None:
    case = replace(case, output="float32")
    operands = case.operands()
    plain = reference(case, operands)
    residual = residual_like(plain, case.seed)
    assert bit_equal(kernel.convolve(case, operands, parts, plain, residual), plain + residual)


@pytest.mark.parametrize("words", [1, 2, 3, 143, 144, 145, 146, 289, 2000])
def test_counters_do_not_overflow(kernel: emulated.Kernel, words: int) -> None:
    case = replace(PLAIN, size=(1, 6), filter=(1, 1), channels_in=32 * words, channels_out=41)
    operands = case.operands()
    all_differ = replace(operands, x=np.zeros_like(operands.x), filters=np.full_like(operands.filters, -1))
    expected = reference(case, all_differ)
    assert bit_equal(kernel.convolve(case, all_differ, 1, expected), expected)


@SPLIT
@given(shape=SHAPES, dtype=DTYPES, zero_point=st.integers(-128, 127), seed=st.integers(0, 2**32))
def test_quantize_equals_reference(
    program: emulated.Program, shape: tuple[int, ...], dtype: str, zero_point: int, seed: int
) -> None:
    x = values(dtype, shape, seed)
    quantization = Quantization((0.5,), (zero_point,)) if dtype == "int8" else None
    source = Tensor("x", shape, DType(dtype), quantization)
    expected = rows_reference("LceQuantize", LceQuantizeOptions(), x, source, Tensor("y", (), DType.INT32))
    op = ckernels.Rows(ckernels.TYPES[dtype], int(np.prod(shape[:-1])), shape[-1], 0.0, zero_point)
    y = np.frombuffer(program.output(emulated.QUANTIZE, op, [x], parts=2), np.int32)
    assert bit_equal(y.reshape(expected.shape), expected)


@SPLIT
@given(
    shape=SHAPES,
    dtype=DTYPES,
    scale=st.floats(2**-126, 4, width=32),
    zero_point=st.integers(-128, 127),
    seed=st.integers(0, 2**32),
)
def test_dequantize_equals_reference(
    program: emulated.Program, shape: tuple[int, ...], dtype: str, scale: float, zero_point: int, seed: int
) -> None:
    words = pack(np.random.default_rng(seed).random(shape) < 0.5)
    quantization = Quantization((scale,), (zero_point,)) if dtype == "int8" else None
    target = Tensor("y", shape, DType(dtype), quantization)
    source = Tensor("x", words.shape, DType.INT32)
    expected = rows_reference("LceDequantize", LceDequantizeOptions(), words, source, target)
    op = ckernels.Rows(ckernels.TYPES[dtype], int(np.prod(shape[:-1])), shape[-1], scale, zero_point)
    y = np.frombuffer(program.output(emulated.DEQUANTIZE, op, [words], parts=2), dtype)
    assert bit_equal(y.reshape(expected.shape), expected)


@SPLIT
@given(
    size=st.tuples(st.integers(1, 3), st.integers(3, 9), st.integers(3, 9), st.integers(1, 300)),
    window=st.integers(1, 3),
    stride=st.integers(1, 4),
    padding=st.sampled_from(Padding),
    seed=st.integers(0, 2**32),
)
def test_max_pool_equals_reference(
    program: emulated.Program, size: tuple[int, int, int, int], window: int, stride: int, padding: Padding, seed: int
) -> None:
    x = pack(np.random.default_rng(seed).random(size) < 0.8)
    options = LceBMaxPool2dOptions(padding, stride, stride, window, window)
    source = Tensor("x", x.shape, DType.INT32)
    expected = rows_reference("LceBMaxPool2d", options, x, source, Tensor("y", (), DType.INT32))
    geometry = ckernels.Window(*size[:3], window, window, stride, stride, 1, 1, int(padding))
    op = ckernels.Bmaxpool2d(geometry, size[3])
    y = np.frombuffer(program.output(emulated.BMAXPOOL2D, op, [x], parts=2), np.int32)
    assert bit_equal(y.reshape(expected.shape), expected)


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_every_kernel_over_a_grid_of_geometries(machine: Machine, folder: Path) -> None:
    result = run(machine, compiled(machine, EXERCISE, folder))
    assert (result.returncode, result.stdout) == (0, "ok\n")


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_the_library_with_the_delegate_compiles_without_a_warning(machine: Machine, folder: Path) -> None:
    library = folder / f"{machine.name}.so"
    compiler = build.zig_compiler(GLIBC[machine.name])
    build.compile(library, build.sources(machine.processor), compiler, objects.OPTIMIZED)
    assert library.read_bytes()[18:20] == {"aarch64": b"\xb7\0", "armv7": b"\x28\0"}[machine.name]  # e_machine
