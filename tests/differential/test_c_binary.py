"""The binary kernels of C packages against the reference executor, bit for bit: on this machine those for any processor
and those for microcontrollers, which are plain C too, and the latter on each simulated core. Cases are drawn first and
compiled together."""

from __future__ import annotations

import ctypes
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from edgebnn.arithmetic.packing import pack, packed_channels
from edgebnn.converters.c_package.generate import generate
from edgebnn.converters.c_package.lowering import binary, binary_conv, choices, lower
from edgebnn.errors import InputError, UnsupportedOpError
from edgebnn.graph.execute import run
from edgebnn.graph.opdef import op_view
from edgebnn.graph.ops.binary import LceBMaxPool2dOptions
from edgebnn.graph.ops.enums import Activation, Padding
from edgebnn.graph.types import Array, DType, Graph, Quantization
from edgebnn.kernels.cores import CORES, PORTABLE, Core
from edgebnn.kernels.schedules import LayerSchedule, TileSizes
from edgebnn.targets.cortex_m.toolchain import ToolchainName
from tests.support.binary_cases import ConvCase, conv_cases, conv_graph
from tests.support.binary_graphs import dequantize_graph, pool_graph, quantize_graph
from tests.support.c_packages import CompiledPackage, compile_packages
from tests.support.simulated_packages import SimulatedPackages

SANITIZED = ("-O1", "-fsanitize=undefined", "-fno-sanitize-recover=all")


@dataclass(frozen=True, eq=False)
class Case:
    """A network of one op, and its input."""

    graph: Graph
    x: Array


def slides(case: ConvCase) -> ConvCase:
    """The same for a filter that moves by one pixel, so that it can be computed by rows."""
    sizes = [max(size, 3) for size in case.size]
    ones = (1, 1)
    return replace(case, size=(sizes[0], sizes[1] * 3), filter=(3, 3), stride=ones, dilation=ones, groups=1)


def convolution(case: ConvCase) -> Case:
    operands = case.operands()
    return Case(conv_graph(case, operands), operands.x)


_QUANTIZATIONS = st.builds(
    lambda scale, zero_point: Quantization((float(np.float32(scale)),), (zero_point,)),
    st.floats(0.003, 3),
    st.integers(-128, 127),
)
_SHAPES = st.tuples(*[st.integers(1, 3)] * 3, st.integers(1, 70))


@st.composite
def quantizations(draw: st.DrawFn) -> Case:
    shape, dtype = draw(_SHAPES), draw(st.sampled_from([DType.INT8, DType.FLOAT32, DType.BOOL]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    if dtype == DType.FLOAT32:
        special = np.array([0.0, -0.0, np.nan, -np.nan, np.inf, -np.inf, 1e-45, -1e-45, 1, -1], np.float32)
        x: Array = rng.choice(special, shape)
    else:
        x = rng.integers(0, 2, shape).astype(bool) if dtype == DType.BOOL else rng.integers(-128, 128, shape, np.int8)
    return Case(quantize_graph(shape, dtype, draw(_QUANTIZATIONS) if dtype == DType.INT8 else None), x)


@st.composite
def dequantizations(draw: st.DrawFn) -> Case:
    shape, dtype = draw(_SHAPES), draw(st.sampled_from([DType.INT8, DType.FLOAT32, DType.BOOL]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    graph = dequantize_graph(shape, dtype, draw(_QUANTIZATIONS) if dtype == DType.INT8 else None)
    return Case(graph, pack(rng.random(shape) < 0.5))


@st.composite
def poolings(draw: st.DrawFn) -> Case:
    pads = draw(st.sampled_from(Padding))
    filter_size, stride = draw(st.tuples(*[st.integers(1, 4)] * 2)), draw(st.tuples(*[st.integers(1, 3)] * 2))
    size = [draw(st.integers(f if pads == Padding.VALID else 1, 9)) for f in filter_size]
    shape = (draw(st.integers(1, 2)), *size, packed_channels(draw(st.integers(1, 130))))
    options = LceBMaxPool2dOptions(pads, stride[1], stride[0], filter_size[1], filter_size[0])
    output = [
        -(-s // t) if pads == Padding.SAME else (s - f) // t + 1
        for s, f, t in zip(size, filter_size, stride, strict=True)
    ]
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    x = rng.integers(-(2**31), 2**31, shape, np.int32) | rng.integers(-(2**31), 2**31, shape, np.int32)
    return Case(pool_graph(shape, (output[0], output[1]), options), x)


KINDS: dict[str, Callable[[], st.SearchStrategy[Case]]] = {
    "conv": lambda: st.one_of(conv_cases(), conv_cases().map(slides)).map(convolution),
    "rows": lambda: conv_cases().map(slides).map(convolution),
    "quantize": quantizations,
    "dequantize": dequantizations,
    "max_pool": poolings,
}


def drawn(kind: str, count: int) -> list[Case]:
    cases: list[Case] = []

    @settings(max_examples=count, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(KINDS[kind]())
    def draw(case: Case) -> None:
        cases.append(case)

    draw()
    return cases


def compiled_here(
    cases: list[Case], core: Core, folder: Any, flags: tuple[str, ...] = SANITIZED
) -> list[CompiledPackage]:
    packages = [generate(case.graph, core, f"net{number}") for number, case in enumerate(cases)]
    return compile_packages(packages, folder, flags)


def drawn_of_all(convolutions: int, others: int) -> list[Case]:
    kinds = [kind for kind in KINDS if kind != "rows"]
    return [case for kind in kinds for case in drawn(kind, convolutions if kind == "conv" else others)]


def use_only(monkeypatch: pytest.MonkeyPatch, kernel: str) -> None:
    """Convolutions by this kernel wherever it can be used; elsewhere by the plain one."""
    named = {k.name: k for k in binary.KERNELS}
    chosen, plain = named[f"conv_binary{kernel}"], named["conv_binary"]
    elsewhere = replace(plain, applies=lambda core, conv: not chosen.applies(core, conv))
    monkeypatch.setattr(binary, "KERNELS", (chosen, elsewhere) if kernel else (plain,))


@pytest.mark.parametrize("kernel", ["", "_sliced", "_rows", "_by_channel"])
def test_kernels_on_this_machine(kernel: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    use_only(monkeypatch, kernel)
    core = CORES["cortex-m4"] if kernel else PORTABLE
    cases = drawn_of_all(30, 12 if kernel in ("", "_sliced") else 1)
    for case, package in zip(cases, compiled_here(cases, core, tmp_path), strict=True):
        np.testing.assert_array_equal(package.invoke(case.x)[0], run(case.graph, (case.x,))[0])


EACH_CORE = pytest.mark.parametrize(
    ("core", "toolchain"), [*((core, "zig") for core in CORES), ("cortex-m0plus", "gcc"), ("cortex-m4", "gcc")]
)


@EACH_CORE
def test_rows_on_each_core(core: str, toolchain: ToolchainName) -> None:
    skip_without(toolchain)
    cases = drawn("rows", 8)
    points = [LayerSchedule(0, "y", "conv_binary_rows", "rs", {"columns": 8 * (n % 4 + 1)}) for n in range(len(cases))]
    packages = SimulatedPackages([case.graph for case in cases], core, toolchain, [[point] for point in points])
    for number, case in enumerate(cases):
        (found,), _ = packages.invoke(number, case.x)
        np.testing.assert_array_equal(found, run(case.graph, (case.x,))[0])


def skip_without(toolchain: ToolchainName) -> None:
    if toolchain == "gcc" and shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("arm-none-eabi-gcc is not installed")


@EACH_CORE
def test_kernels_of_each_core(core: str, toolchain: ToolchainName) -> None:
    skip_without(toolchain)
    cases = drawn_of_all(6, 3)
    packages = SimulatedPackages([case.graph for case in cases], core, toolchain)
    for number, case in enumerate(cases):
        (found,), _ = packages.invoke(number, case.x)
        np.testing.assert_array_equal(found, run(case.graph, (case.x,))[0])


@pytest.mark.parametrize("kernel", ["", "_sliced", "_rows", "_by_channel"])
def test_outputs_may_lie_over_inputs(kernel: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """As far apart as the step says, in one buffer."""
    use_only(monkeypatch, kernel)
    if kernel == "_rows":  # with whole rows of narrow images: no output lies over the input otherwise
        rows, plain = binary.KERNELS
        whole = replace(rows, tiles=lambda conv: {"columns": TileSizes(32, 32)})
        monkeypatch.setattr(binary, "KERNELS", (whole, plain))
    core = CORES["cortex-m4"] if kernel else PORTABLE
    cases = drawn_of_all(12, 8)
    for case, package in zip(cases, compiled_here(cases, core, tmp_path, ("-O1",)), strict=True):
        step = lower(op_view(case.graph, 0), core)
        if not step.leads:  # type: ignore[union-attr]
            continue
        lead = -(-step.leads[0] // 4) * 4  # type: ignore[union-attr]
        (expected,) = run(case.graph, (case.x,))
        buffer = np.zeros(lead + max(case.x.nbytes, expected.nbytes), np.uint8)
        buffer[lead : lead + case.x.nbytes] = np.frombuffer(case.x.tobytes(), np.uint8)
        at = buffer.ctypes.data
        invoke = getattr(package.library, f"{package.package.name}_invoke")
        assert invoke(ctypes.c_void_p(at + lead), ctypes.c_void_p(at)) == 0
        found = np.frombuffer(buffer[: expected.nbytes].tobytes(), expected.dtype).reshape(expected.shape)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m0plus"])
def test_every_schedule_gives_the_same_bits(core: str, tmp_path: Any) -> None:
    cases = drawn("conv", 16)
    found = [choices(op_view(case.graph, 0), CORES[core]) for case in cases]
    points = [(case, c.schedule) for case, of in zip(cases, found, strict=True) if of for c in of.candidates]
    assert {point.kernel for _, point in points} == {kernel.name for kernel in binary.KERNELS}
    assert len({str(point.tiles) for _, point in points if point.kernel == "conv_binary_rows"}) == 3
    packages = [
        generate(case.graph, CORES[core], f"net{number}", [replace(point, op=0)])
        for number, (case, point) in enumerate(points)
    ]
    for (case, _), package in zip(points, compile_packages(packages, tmp_path, SANITIZED), strict=True):
        np.testing.assert_array_equal(package.invoke(case.x)[0], run(case.graph, (case.x,))[0])


def layer(channels_in: int, channels_out: int, output: str = "int32", size: int = 16, pad_value: int = 1) -> ConvCase:
    """3x3, of size x size positions."""
    square, once = (size, size), (1, 1)
    return ConvCase(
        1, square, (3, 3), once, once, Padding.SAME, pad_value, 1, channels_in, channels_out, Activation.NONE, output, 1
    )


BARS = (
    # A layer, and instructions for a word of 32 products, all of the layer: on Cortex-M3 to M33, and on M0+.
    (layer(64, 64), 5.4, 8.2),
    (layer(128, 128), 5.7, 8.6),
    (layer(32, 32), 5.8, 8.8),
    (layer(16, 16), 3.5, 5.3),
    (layer(64, 64, pad_value=0), 6.1, 9.0),
    (layer(64, 64, "int8"), 6.5, 10.2),
    (layer(128, 128, size=4), 9.4, 13.6),
)


@pytest.mark.parametrize("core", CORES)
def test_instructions(core: str) -> None:
    cases = [convolution(case) for case, _, _ in BARS]
    packages = SimulatedPackages([case.graph for case in cases], core)
    for number, (case, thumb2, thumb1) in enumerate(BARS):
        (found,), call = packages.invoke(number, cases[number].x)
        np.testing.assert_array_equal(found, run(cases[number].graph, (cases[number].x,))[0])
        words = case.size[0] * case.size[1] * 9 * case.channels_out * packed_channels(case.channels_in)
        assert call.instructions / words <= (thumb2 if CORES[core].thumb2 else thumb1), case


def test_no_image_at_all(tmp_path: Any) -> None:
    nothing, packed = np.zeros((0, 3, 3, 8), np.float32), np.zeros((0, 3, 3, 1), np.int32)
    cases = [
        *(convolution(replace(layer(64, 64, kind, size=5), batches=0)) for kind in ("int32", "int8", "float32")),
        Case(quantize_graph(nothing.shape, DType.FLOAT32, None), nothing),
        Case(dequantize_graph(nothing.shape, DType.FLOAT32, None), packed),
    ]
    for core in (PORTABLE, CORES["cortex-m4"]):
        for case, package in zip(cases, compiled_here(cases, core, tmp_path / core.name), strict=True):
            np.testing.assert_array_equal(package.invoke(case.x)[0], run(case.graph, (case.x,))[0])


def test_layers_without_their_constants_are_refused() -> None:
    graph = convolution(layer(64, 64)).graph
    (op,) = graph.ops
    for inputs in ((0, 1, -1, -1, -1), (0, 1, -1, -1, 1)):
        with pytest.raises(InputError, match="needs a threshold for each of its 64 output channels"):
            generate(replace(graph, ops=(replace(op, inputs=inputs),)), PORTABLE, "net")


def test_channels_without_a_multiplication_have_a_table(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """None is known, so one in three is taken away."""
    case = convolution(layer(33, 9, "int8", size=5, pad_value=0))
    proven, calls = binary_conv.prove, iter(range(10**6))
    monkeypatch.setattr(binary_conv, "prove", lambda steps: None if next(calls) % 3 == 0 else proven(steps))
    for core in (PORTABLE, CORES["cortex-m4"]):
        (package,) = compiled_here([case], core, tmp_path / core.name)
        np.testing.assert_array_equal(package.invoke(case.x)[0], run(case.graph, (case.x,))[0])
    assert next(calls) >= 18


def test_zero_padding_of_odd_channels_has_no_packed_output() -> None:
    case = convolution(layer(33, 9, size=5, pad_value=0))
    with pytest.raises(UnsupportedOpError, match="odd number of channels"):
        generate(case.graph, PORTABLE, "net")
