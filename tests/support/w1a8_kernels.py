"""The W1A8 kernels (edgebnn/kernels/core/w1a8.h) called from Python, on NumPy arrays, for tests."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .ckernels import Schedule, Window, accept, garbage, library, pointer

ROUND_TWICE, ROUND_ONCE = 0, 1


class W1A8(ctypes.Structure):
    """eb_w1a8."""

    _fields_ = (
        ("window", Window),
        ("channels_in", ctypes.c_int32),
        ("channels_out", ctypes.c_int32),
        ("groups", ctypes.c_int32),
        ("depthwise", ctypes.c_int32),
        ("input_zero_point", ctypes.c_int32),
        ("output_zero_point", ctypes.c_int32),
        ("output_min", ctypes.c_int32),
        ("output_max", ctypes.c_int32),
        ("rounding", ctypes.c_int32),
    )


class Constants(ctypes.Structure):
    """eb_w1a8_constants."""

    _fields_ = tuple((name, ctypes.c_void_p) for name in ("filter", "magnitude", "bias", "factor"))


class Plan(ctypes.Structure):
    """eb_w1a8_plan; ``own`` is more than enough for what the kernels keep to themselves."""

    _fields_ = (
        ("persistent_bytes", ctypes.c_size_t),
        ("scratch_bytes", ctypes.c_size_t),
        ("tiles", ctypes.c_int32),
        ("op", W1A8),
        ("own", ctypes.c_char * 512),
    )


class Kernel(ctypes.Structure):
    """eb_w1a8_kernel: its first fields."""

    _fields_ = (("name", ctypes.c_char_p), ("cpu_features", ctypes.c_uint32))


def kernel_lines() -> Iterator[Kernel]:
    """The lines of w1a8.kernels, as compiled."""
    at = library().eb_w1a8_kernel_at
    at.restype, at.argtypes = ctypes.POINTER(Kernel), [ctypes.c_size_t]
    index = 0
    while line := at(index):
        yield line.contents
        index += 1


@dataclass(frozen=True)
class Layer:
    """Prepared weights under a plan."""

    plan: Plan
    persistent: NDArray[np.uint8]

    def run(self, x: NDArray[np.int8], splits: Sequence[int] = ()) -> NDArray[np.int8]:
        """Tile ranges between ``splits``, the last one first, each with scratch full of garbage."""
        win = self.plan.op.window
        size = win.batches * win.output_height * win.output_width * self.plan.op.channels_out
        guarded = np.full(size + 128, 0x55, np.int8)
        for begin, end in reversed(list(pairwise((0, *splits, self.plan.tiles)))):
            scratch = garbage(self.plan.scratch_bytes)
            arguments = (
                pointer(self.persistent),
                pointer(x),
                None,
                pointer(guarded[64:]),
                begin,
                end,
                pointer(scratch),
            )
            library().eb_w1a8_run(ctypes.byref(self.plan), *arguments)
        assert (guarded[:64] == 0x55).all()
        assert (guarded[64 + size :] == 0x55).all()
        return guarded[64 : 64 + size].reshape(win.batches, win.output_height, win.output_width, -1)


def reference_layer(
    op: W1A8,
    filters: NDArray[np.int32],
    magnitude: NDArray[np.int32],
    bias: NDArray[np.int32],
    factor: NDArray[np.float64],
    x: NDArray[np.int8],
) -> NDArray[np.int8]:
    """By w1a8_reference.c."""
    resolved = plan(op).op
    win = resolved.window
    y = np.full((win.batches, win.output_height, win.output_width, op.channels_out), 0x55, np.int8)
    constants = Constants(*(pointer(array).value for array in (filters, magnitude, bias, factor)))
    library().eb_w1a8_reference(ctypes.byref(resolved), ctypes.byref(constants), pointer(x), pointer(y))
    return y


def plan(op: W1A8, kernel: str | Schedule | None = None, cpu_features: int | None = None) -> Plan:
    """``kernel``: the line to force, or a whole schedule. Raises KernelRefused."""
    made = Plan()
    features = library().eb_cpu_features() if cpu_features is None else cpu_features
    if isinstance(kernel, Schedule):
        follow = library().eb_w1a8_plan_schedule
        follow.argtypes = [ctypes.POINTER(W1A8), ctypes.POINTER(Schedule), ctypes.c_uint32, ctypes.POINTER(Plan)]
        accept(follow(ctypes.byref(op), ctypes.byref(kernel), features, ctypes.byref(made)))
        return made
    name = None if kernel is None else kernel.encode()
    make = library().eb_w1a8_plan_make
    make.argtypes = [ctypes.POINTER(W1A8), ctypes.c_char_p, ctypes.c_uint32, ctypes.POINTER(Plan)]
    accept(make(ctypes.byref(op), name, features, ctypes.byref(made)))
    return made


def prepare(
    op: W1A8,
    filters: NDArray[np.int32],
    magnitude: NDArray[np.int32] | None,
    bias: NDArray[np.int32] | None,
    factor: NDArray[np.float64],
    kernel: str | Schedule | None = None,
) -> Layer:
    """Raises KernelRefused."""
    made = plan(op, kernel)
    persistent = garbage(made.persistent_bytes)
    constants = Constants(*(pointer(array).value for array in (filters, magnitude, bias, factor)))
    accept(library().eb_w1a8_prepare(ctypes.byref(made), ctypes.byref(constants), pointer(persistent)))
    return Layer(made, persistent)
