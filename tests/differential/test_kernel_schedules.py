"""Every schedule of the declared space gives the same bits: kernels, orders and tiles against the NumPy semantics."""

from __future__ import annotations

import ctypes
import importlib.util
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgebnn.graph.ops.enums import Activation, Padding
from edgebnn.targets.qemu_user import MACHINES
from tests.support import ckernels, emulated, w1a8_cases, w1a8_kernels
from tests.support.binary_cases import (
    ConvCase,
    bit_equal,
    c_convolution,
    c_operation,
    conv_cases,
    reference,
    residual_like,
    splits,
)
from tools.bench.arm_mca import RUN_CASES

PLAIN = ConvCase(1, (5, 5), (3, 3), (1, 1), (1, 1), Padding.SAME, 1, 1, 64, 32, Activation.NONE, "float32", 0)
SIZES = st.integers(1, 40)


def schedule(kernel: str, order: str, size: int, blocks: int) -> ckernels.Schedule:
    pixels, rows = (0, size) if order == "rs" else (size, 0)
    return ckernels.Schedule(kernel.encode(), ckernels.ORDERS[order], pixels, rows, blocks)


def is_held(case: ConvCase, most_row_words: int, most_words: int) -> bool:
    """Whether a row stationary kernel with these limits computes the case."""
    row_words = case.filter[1] * -(-case.channels_in // 32)
    return case.dilation[1] == 1 and row_words <= most_row_words and case.filter[0] * row_words <= most_words


def orders_of(kernel: ckernels.Kernel) -> list[str]:
    return [order for order, bit in ckernels.ORDERS.items() if kernel.orders & bit]


BINARY = {
    f"{kernel.name.decode()}-{order}": (kernel, order)
    for kernel in ckernels.kernel_lines()
    for order in orders_of(kernel)
}
W1A8 = list(w1a8_kernels.kernel_lines())


@pytest.fixture(params=BINARY.values(), ids=BINARY, scope="module")
def line(request: pytest.FixtureRequest) -> tuple[ckernels.Kernel, str]:
    """Each line of bconv2d.kernels with each of its orders."""
    kernel, order = request.param
    if not ckernels.runnable(kernel):
        pytest.skip(f"this processor lacks features of {kernel.name.decode()}")
    return kernel, order


@st.composite
def narrow_cases(draw: st.DrawFn) -> ConvCase:
    """Those that row stationary kernels compute, with images of many widths."""
    case = draw(conv_cases())
    channels = draw(st.sampled_from([1, 20, 32, 33, 64]) if case.groups == 1 else st.sampled_from([32, 64]))
    channels += channels % 2 if case.output == "int32" else 0
    filters = draw(st.sampled_from([(3, 3), (3, 3), (1, 1), (2, 2), (3, 1), (1, 3), (3, 2), (4, 3)]))
    size = (draw(st.integers(4, 12)), draw(st.integers(4, 70)))
    dilation = (draw(st.integers(1, 2)), 1)
    size = (max(size[0], (filters[0] - 1) * dilation[0] + 1), size[1])
    return replace(case, channels_in=channels, filter=filters, dilation=dilation, size=size)


@given(
    case=st.one_of(conv_cases(), narrow_cases()),
    size=SIZES,
    blocks=st.integers(1, 9),
    points=st.lists(st.floats(0, 1), max_size=3),
    adds=st.booleans(),
)
@example(replace(PLAIN, pad_value=0), 2, 1, [0.5], True)
@example(replace(PLAIN, size=(3, 140), channels_in=32, batches=2), 2, 1, [0.5], False)
@example(replace(PLAIN, groups=3, channels_in=32, channels_out=20, output="int32"), 3, 1, [0.5], False)
def test_a_schedule_does_not_change_the_result(
    line: tuple[ckernels.Kernel, str], case: ConvCase, size: int, blocks: int, points: list[float], adds: bool
) -> None:
    kernel, order = line
    operands = case.operands()
    followed = schedule(kernel.name.decode(), order, size, blocks)
    if order == "rs" and not is_held(case, kernel.most_row_words, kernel.most_words):
        with pytest.raises(ckernels.KernelRefused, match="EB_BAD_SCHEDULE"):
            c_convolution(case, operands, followed)
        return
    convolution = c_convolution(case, operands, followed)
    expected = reference(case, operands)
    residual = residual_like(expected, case.seed) if adds and case.output == "float32" else None
    y = convolution.run(operands.x, splits(convolution.plan.tiles, points), residual)
    assert bit_equal(y, expected if residual is None else expected + residual)


@given(
    case=w1a8_cases.CASES,
    kernel=st.sampled_from([k for k in W1A8 if not k.cpu_features & ~ckernels.library().eb_cpu_features()]),
    order=st.sampled_from(["os", "ws"]),
    rows=st.integers(1, 9),
    blocks=st.integers(1, 9),
    points=st.lists(st.floats(0, 1), max_size=3),
)
@example(w1a8_cases.Case(batches=2, size=(9, 3), groups=3, inputs=33, outputs=70), W1A8[-1], "ws", 4, 2, [0.4])
def test_a_w1a8_schedule_does_not_change_the_result(
    case: w1a8_cases.Case, kernel: w1a8_kernels.Kernel, order: str, rows: int, blocks: int, points: list[float]
) -> None:
    data = w1a8_cases.operands(case)
    filters = w1a8_cases.packed(case, data.minus)
    followed = ckernels.Schedule(kernel.name, ckernels.ORDERS[order], 0, rows, blocks)
    layer = w1a8_kernels.prepare(case.op(), filters, data.magnitude, data.bias, data.factor, followed)
    y = layer.run(data.x, splits(layer.plan.tiles, points))
    np.testing.assert_array_equal(y, w1a8_cases.reference(case, data))


def test_a_depthwise_layer_has_one_order() -> None:
    case = w1a8_cases.Case(depthwise=True, outputs=1)
    data = w1a8_cases.operands(case)
    filters = w1a8_cases.packed(case, data.minus)
    followed = ckernels.Schedule(b"portable", ckernels.ORDERS["os"], 0, 1, 0)
    layer = w1a8_kernels.prepare(case.op(), filters, data.magnitude, data.bias, data.factor, followed)
    np.testing.assert_array_equal(layer.run(data.x), w1a8_cases.reference(case, data))
    for wrong in (("ws", 0, 1, 0), ("os", 0, 2, 0), ("os", 0, 1, 1), ("os", 1, 1, 0)):
        refused = ckernels.Schedule(b"portable", ckernels.ORDERS[wrong[0]], *wrong[1:])
        with pytest.raises(ckernels.KernelRefused, match="EB_BAD_SCHEDULE"):
            w1a8_kernels.plan(case.op(), refused)


@pytest.mark.parametrize(
    ("kernel", "fields", "status"),
    [
        (b"portable", ("os", 8, 0, 1), "EB_OK"),
        (b"portable", ("rs", 0, 1, 1), "EB_BAD_SCHEDULE"),
        (b"portable", ("os", 0, 1, 1), "EB_BAD_SCHEDULE"),
        (b"portable", ("ws", 8, 1, 1), "EB_BAD_SCHEDULE"),
        (b"portable", ("ws", 8, 0, 0), "EB_BAD_SCHEDULE"),
        (b"portable", ("os", -8, 0, 1), "EB_BAD_SCHEDULE"),
        (b"portablers", ("rs", 0, 1, 1), "EB_OK"),
        (b"portablers", ("os", 8, 0, 1), "EB_BAD_SCHEDULE"),
        (b"neon", ("os", 8, 0, 1), "EB_UNKNOWN_KERNEL"),
        (None, ("os", 8, 0, 1), "EB_UNKNOWN_KERNEL"),
    ],
)
def test_what_is_outside_of_the_space_is_refused(
    kernel: bytes | None, fields: tuple[str, int, int, int], status: str
) -> None:
    followed = ckernels.Schedule(kernel, ckernels.ORDERS[fields[0]], *fields[1:])
    if status == "EB_OK":
        ckernels.plan_convolution(c_operation(PLAIN), followed)
        return
    with pytest.raises(ckernels.KernelRefused, match=status):
        ckernels.plan_convolution(c_operation(PLAIN), followed)


def test_windows_that_a_row_stationary_kernel_cannot_hold_are_refused() -> None:
    followed = schedule("portablers", "rs", 1, 1)
    for wide in (replace(PLAIN, channels_in=128), replace(PLAIN, dilation=(1, 2))):
        with pytest.raises(ckernels.KernelRefused, match="EB_BAD_SCHEDULE"):
            ckernels.plan_convolution(c_operation(wide), followed)
        ckernels.plan_convolution(c_operation(wide), "portablers")  # without a schedule it is a wish


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("neon64:ws:pixels=48,blocks=2", ("neon64", 2, 48, 0, 2)),
        ("neon64rs:rs:rows=4,blocks=1", ("neon64rs", 4, 0, 4, 1)),
        ("portable:os:rows=1", ("portable", 1, 0, 1, 0)),
        ("portable:os:", ("portable", 1, 0, 0, 0)),
        *((text, None) for text in ("", ":os:", "a", "a:os", "a:xs:rows=1", "a:os:rows", "a:os:rows=", "a:os:rows=0")),
        *((text, None) for text in ("a:os:rows=-1", "a:os:rows=1x", "a:os:rows=1,rows=1", "a:os:rows=2147483648")),
        *((text, None) for text in ("a:os:columns=1", "a:os:rows= 1", "a:os:rows=1;")),
    ],
)
def test_a_schedule_is_read_from_text(text: str, expected: tuple[str, int, int, int, int] | None) -> None:
    buffer = ctypes.create_string_buffer(text.encode())
    read = ckernels.Schedule()
    status = ckernels.library().eb_schedule_parse(buffer, ctypes.byref(read))
    if expected is None:
        assert ckernels.library().eb_status_name(status) == b"EB_BAD_SCHEDULE"
        return
    assert status == 0
    assert (read.kernel.decode(), read.order, read.tile_pixels, read.tile_rows, read.tile_blocks) == expected


ARM = [(m, line) for m in MACHINES.values() for line in emulated.kernel_lines(m)]


@pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="the ziglang wheel is not installed")
@pytest.mark.parametrize(("machine", "kernel"), ARM, ids=[f"{m.name}-{line}" for m, line in ARM])
def test_schedules_on_arm(machine: emulated.Machine, kernel: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp() / "schedules_on_arm"
    folder.mkdir(exist_ok=True)
    program = emulated.Program(machine, emulated.compiled(machine, RUN_CASES, folder))
    orders = ["rs"] if kernel.endswith("rs") else ["os", "ws"]

    @given(
        case=narrow_cases() if orders == ["rs"] else conv_cases(),
        order=st.sampled_from(orders),
        size=SIZES,
        blocks=st.integers(1, 9),
        parts=st.integers(1, 3),
    )
    @example(replace(PLAIN, pad_value=0), orders[0], 2, 1, 2)
    @example(replace(PLAIN, size=(3, 140), channels_in=32, batches=2), orders[0], 2, 1, 1)
    @example(replace(PLAIN, size=(9, 7), channels_out=70, stride=(2, 2), output="int8"), orders[0], 2, 2, 1)
    @example(replace(PLAIN, size=(9, 9), channels_in=32, filter=(4, 4), output="int32"), orders[0], 3, 2, 1)
    def check(case: ConvCase, order: str, size: int, blocks: int, parts: int) -> None:
        operands = case.operands()
        expected = reference(case, operands)
        tile = f"rows={size}" if order == "rs" else f"pixels={size}"
        followed = emulated.Kernel(program, f"{kernel}:{order}:{tile},blocks={blocks}")
        if order == "rs" and not is_held(case, most_row_words=6, most_words=31):
            with pytest.raises(ckernels.KernelRefused, match="EB_BAD_SCHEDULE"):
                followed.convolve(case, operands, parts, expected)
            return
        assert bit_equal(followed.convolve(case, operands, parts, expected), expected)

    check()
