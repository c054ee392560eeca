"""What the kernels refuse, and the sizes they compute."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import ckernels

INT_MAX = 2**31 - 1

CONV: dict[str, Any] = {
    "batches": 1,
    "input_height": 8,
    "input_width": 8,
    "filter_height": 3,
    "filter_width": 3,
    "stride_height": 1,
    "stride_width": 1,
    "dilation_height": 1,
    "dilation_width": 1,
    "padding": 0,
    "channels_in": 64,
    "channels_out": 32,
    "groups": 1,
    "pad_value": 1,
    "activation": 0,
    "output_type": ckernels.TYPES["float32"],
    "output_scale": 0.5,
    "output_zero_point": 0,
}
WINDOW = [name for name, _ in ckernels.Window._fields_[:10]]


def operation(**changes: Any) -> ckernels.Bconv2d:
    fields = CONV | changes
    window = ckernels.Window(*(fields[name] for name in WINDOW))
    return ckernels.Bconv2d(window, *(value for name, value in fields.items() if name not in WINDOW))


def status_of(**changes: Any) -> str:
    try:
        ckernels.plan_convolution(operation(**changes))
    except ckernels.KernelRefused as refused:
        return str(refused)
    return "EB_OK"


INT8 = {"output_type": ckernels.TYPES["int8"]}


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "EB_OK"),
        ({"batches": 0}, "EB_BAD_SIZE"),
        ({"input_height": -1}, "EB_BAD_SIZE"),
        ({"input_width": 0}, "EB_BAD_SIZE"),
        ({"filter_width": 0}, "EB_BAD_SIZE"),
        ({"channels_in": 0}, "EB_BAD_SIZE"),
        ({"channels_out": -5}, "EB_BAD_SIZE"),
        ({"stride_height": 0}, "EB_BAD_STRIDE"),
        ({"stride_width": -1}, "EB_BAD_STRIDE"),
        ({"dilation_width": 0}, "EB_BAD_STRIDE"),
        ({"padding": 2}, "EB_BAD_OPTION"),
        ({"padding": -1}, "EB_BAD_OPTION"),
        ({"pad_value": 2}, "EB_BAD_OPTION"),
        ({"activation": 4}, "EB_BAD_OPTION"),
        ({"activation": -1}, "EB_BAD_OPTION"),
        ({"output_type": ckernels.TYPES["bool"]}, "EB_BAD_OPTION"),
        ({"groups": 0}, "EB_BAD_GROUPS"),
        ({"groups": 4}, "EB_BAD_GROUPS"),  # 16 channels each
        ({"groups": 2, "channels_out": 33}, "EB_BAD_GROUPS"),
        ({"groups": 3}, "EB_BAD_GROUPS"),
        ({**INT8, "output_scale": 0.0}, "EB_BAD_QUANTIZATION"),
        ({**INT8, "output_scale": -1.0}, "EB_BAD_QUANTIZATION"),
        ({**INT8, "output_scale": float("nan")}, "EB_BAD_QUANTIZATION"),
        ({**INT8, "output_scale": float("inf")}, "EB_BAD_QUANTIZATION"),
        ({**INT8, "output_zero_point": 128}, "EB_BAD_QUANTIZATION"),
        ({"padding": 1, "filter_height": 9}, "EB_EMPTY_OUTPUT"),
        ({"padding": 1, "dilation_width": 4}, "EB_EMPTY_OUTPUT"),
        ({"filter_height": INT_MAX, "dilation_height": INT_MAX}, "EB_TOO_LARGE"),
        ({"input_height": INT_MAX, "input_width": INT_MAX}, "EB_TOO_LARGE"),
        ({"batches": INT_MAX}, "EB_TOO_LARGE"),
        ({"filter_height": 2, "dilation_height": INT_MAX}, "EB_TOO_LARGE"),
        ({"filter_height": 6000, "filter_width": 6000, "channels_out": 1}, "EB_TOO_LARGE"),  # popcounts beyond int32
        ({"channels_in": INT_MAX}, "EB_TOO_LARGE"),
        ({"channels_out": INT_MAX}, "EB_TOO_LARGE"),
        ({"channels_out": INT_MAX, "input_height": 1, "input_width": 1, "filter_height": 1}, "EB_TOO_LARGE"),
        ({"channels_in": 33, "pad_value": 0, "output_type": ckernels.TYPES["int32"]}, "EB_UNSUPPORTED"),
    ],
)
def test_plan_refuses_what_it_cannot_compute(changes: dict[str, Any], status: str) -> None:
    assert status_of(**changes) == status


_ANY = st.one_of(st.integers(-2, 70), st.sampled_from([-(2**31), 2**15, 2**16, 2**24, 2**30, INT_MAX - 1, INT_MAX]))


@given(changes=st.fixed_dictionaries({}, optional={k: _ANY for k in CONV if k != "output_scale"}))
def test_any_geometry_is_planned_or_refused(changes: dict[str, Any]) -> None:
    plan = ckernels.Plan()
    status = ckernels.library().eb_bconv2d_plan_make(ctypes.byref(operation(**changes)), None, 0, ctypes.byref(plan))
    if status != 0:
        assert ckernels.library().eb_status_name(status) != b"unknown status"
        return
    window = plan.op.window
    assert window.output_height >= 1
    assert window.output_width >= 1
    assert plan.tiles >= 1
    assert plan.persistent_bytes >= 4 * plan.op.channels_out * window.filter_height * window.filter_width
    assert plan.persistent_bytes < 2**31
    assert plan.scratch_bytes < 2**31


@pytest.mark.parametrize(
    ("channels_in", "filter_words", "expected"),
    [
        (64, 2, 1),
        (64, 1, 2),
        (96, 1, 3),
        (33, 2, 1),
        (7, 1, 1),
        (40, 1, "EB_BAD_GROUPS"),
        (64, 3, "EB_BAD_GROUPS"),
        (0, 1, "EB_BAD_SIZE"),
        (64, 0, "EB_BAD_SIZE"),
        (INT_MAX, 1, "EB_BAD_GROUPS"),
    ],
)
def test_groups_follow_from_the_filter(channels_in: int, filter_words: int, expected: int | str) -> None:
    groups = ctypes.c_int32()
    status = ckernels.library().eb_bconv2d_groups(channels_in, filter_words, ctypes.byref(groups))
    name = ckernels.library().eb_status_name(status).decode()
    assert (groups.value if name == "EB_OK" else name) == expected


@pytest.mark.parametrize(
    ("size", "filter_size", "stride", "dilation", "padding", "output", "pad"),
    [
        (5, 3, 1, 1, 0, 5, 1),
        (6, 3, 2, 1, 0, 3, 0),  # one padding pixel: it goes behind
        (5, 4, 1, 1, 0, 5, 1),
        (7, 3, 2, 2, 0, 4, 2),
        (1, 5, 3, 1, 0, 1, 2),
        (9, 2, 4, 1, 0, 3, 0),  # stride beyond the filter: no negative padding
        (7, 3, 2, 1, 1, 3, 0),
        (7, 3, 1, 3, 1, 1, 0),
    ],
)
def test_output_size_and_padding_are_tflites(
    size: int, filter_size: int, stride: int, dilation: int, padding: int, output: int, pad: int
) -> None:
    window = ckernels.Window(1, size, size, filter_size, filter_size, stride, stride, dilation, dilation, padding)
    ckernels.accept(ckernels.library().eb_window_resolve(ctypes.byref(window)))
    assert (window.output_height, window.output_width) == (output, output)
    assert (window.pad_top, window.pad_left) == (pad, pad)


def test_a_status_beyond_the_enumeration_has_a_name() -> None:
    assert ckernels.library().eb_status_name(999) == b"unknown status"


def test_unknown_kernel_is_refused_by_name() -> None:
    with pytest.raises(ckernels.KernelRefused, match="EB_UNKNOWN_KERNEL"):
        ckernels.plan_convolution(operation(), kernel="no such kernel")


def test_first_runnable_line_is_chosen_and_each_can_be_forced() -> None:
    lines = list(ckernels.kernel_lines())
    last = [line for line in lines if line.orders != ckernels.ORDERS["rs"]][-1]
    assert (last.name, last.cpu_features) == (b"portable", 0)  # it computes everything, so none below it is ever chosen
    assert all(line.orders == ckernels.ORDERS["rs"] for line in lines[lines.index(last) + 1 :])
    for line in lines:
        assert 32 % line.channel_tile == 0 or line.channel_tile % 32 == 0
        name = line.name.decode()
        if line.cpu_features:
            with pytest.raises(ckernels.KernelRefused, match="EB_CPU_LACKS_KERNEL"):
                ckernels.plan_convolution(operation(), name, cpu_features=0)
        else:
            ckernels.plan_convolution(operation(), name, cpu_features=0)


SMALL, LARGE = ckernels.Caches(16 * 1024, 128 * 1024), ckernels.Caches(48 * 1024, 2048 * 1024)


@pytest.mark.parametrize("line", [kernel.name.decode() for kernel in ckernels.kernel_lines()])
@pytest.mark.parametrize(("size", "channels"), [(56, 64), (28, 128), (14, 256), (7, 512), (3, 2048)])
def test_windows_of_a_tile_fit_the_caches(line: str, size: int, channels: int) -> None:
    op = operation(input_height=size, input_width=size, channels_in=channels, channels_out=channels)
    features = sum({kernel.cpu_features for kernel in ckernels.kernel_lines()})
    plan = ckernels.plan_convolution(op, line, cpu_features=features)
    choose = ckernels.library().eb_bconv2d_choose_blocking
    small, large = choose(ctypes.byref(plan), SMALL), choose(ctypes.byref(plan), LARGE)
    window_bytes = 9 * channels // 8
    pixel_tile = next(k.pixel_tile for k in ckernels.kernel_lines() if k.name.decode() == line)
    assert 1 <= small.tile_pixels <= large.tile_pixels <= size * size
    assert small.tile_pixels <= max(SMALL.level2 // 4 // window_bytes, pixel_tile)
    assert small.tile_blocks >= large.tile_blocks >= 1


def test_a_plan_can_be_cut_in_another_way() -> None:
    plan = ckernels.plan_convolution(operation(), "portable")
    block = ckernels.library().eb_bconv2d_plan_block
    for pixels, blocks, tiles in ((8, 4, 8), (1, 1, 8), (INT_MAX, INT_MAX, 1), (33, 3, 2)):
        ckernels.accept(block(ctypes.byref(plan), ckernels.Blocking(pixels, blocks)))
        assert plan.tiles == tiles
    for pixels, blocks in ((0, 1), (1, 0), (-5, 1)):
        with pytest.raises(ckernels.KernelRefused, match="EB_BAD_SIZE"):
            ckernels.accept(block(ctypes.byref(plan), ckernels.Blocking(pixels, blocks)))


def test_caches_are_known_or_guessed() -> None:
    caches = ckernels.library().eb_cpu_caches_read()
    assert 4 * 1024 <= caches.level1 <= 1024 * 1024
    assert caches.level1 < caches.level2


def test_cpu_features_agree_with_the_system() -> None:
    try:
        with open("/proc/cpuinfo", encoding="ascii") as file:
            flags = next((line.split() for line in file if line.startswith(("flags", "Features"))), [])
    except OSError:
        pytest.skip("no /proc/cpuinfo here")
    features = ckernels.library().eb_cpu_features()
    assert bool(features & 1) == ("avx2" in flags)
    assert bool(features & 2) == ({"avx512_vpopcntdq", "avx512bw", "avx512dq", "avx512vl"} <= set(flags))
