"""The kernels of convolution of few input channels (edgebnn/kernels/core/conv2d_few.h), called from Python."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edgebnn.arithmetic.packing import packed_channels

from .ckernels import Window, accept, garbage, library, pointer

FLOAT32, INT8, PACKED = 0, 1, 3
"""enum eb_type."""

DTYPES = {FLOAT32: np.dtype(np.float32), INT8: np.dtype(np.int8), PACKED: np.dtype(np.int32)}


class Conv2dFew(ctypes.Structure):
    """eb_conv2d_few."""

    _fields_ = (
        ("window", Window),
        ("border", ctypes.c_int32 * 4),
        *(
            (name, ctypes.c_int32)
            for name in (
                *("channels_in", "channels_out", "type", "input_type", "output_type"),
                *("pools", "pool_height", "pool_width", "pool_stride_height", "pool_stride_width", "pool_padding"),
                *("input_zero_point", "output_zero_point", "output_min", "output_max"),
            )
        ),
        *((name, ctypes.c_float) for name in ("input_scale", "float_min", "float_max")),
    )


class Constants(ctypes.Structure):
    """eb_conv2d_few_constants."""

    _fields_ = tuple((name, ctypes.c_void_p) for name in ("filter", "bias", "factor"))


class Plan(ctypes.Structure):
    """eb_conv2d_few_plan; ``own`` is more than enough for what the kernels keep to themselves."""

    _fields_ = (
        ("persistent_bytes", ctypes.c_size_t),
        ("scratch_bytes", ctypes.c_size_t),
        ("tiles", ctypes.c_int32),
        ("least_tiles", ctypes.c_int32),
        ("op", Conv2dFew),
        ("pool", Window),
        ("own", ctypes.c_char * 512),
    )


class Kernel(ctypes.Structure):
    """eb_conv2d_few_kernel: its first fields."""

    _fields_ = (("name", ctypes.c_char_p), ("cpu_features", ctypes.c_uint32))


def kernel_lines(kind: int = INT8) -> Iterator[Kernel]:
    """The lines of conv2d_few.kernels, or of conv2d_few_float.kernels, as compiled."""
    at = library().eb_conv2d_few_kernel_at if kind == INT8 else library().eb_conv2d_few_float_kernel_at
    at.restype, at.argtypes = ctypes.POINTER(Kernel), [ctypes.c_size_t]
    index = 0
    while line := at(index):
        yield line.contents
        index += 1


def output_like(plan: Plan) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    """Shape and element type of the output."""
    kind, channels, pool = plan.op.output_type, plan.op.channels_out, plan.pool
    width = packed_channels(channels) if kind == PACKED else channels
    return (pool.batches, pool.output_height, pool.output_width, width), DTYPES[kind]


@dataclass(frozen=True)
class Layer:
    """Prepared weights under a plan."""

    plan: Plan
    persistent: NDArray[np.uint8]

    def run(self, x: NDArray[np.generic], splits: Sequence[int] = ()) -> NDArray[np.generic]:
        """Tile ranges between ``splits``, the last one first, each with scratch full of garbage."""
        shape, dtype = output_like(self.plan)
        size = int(np.prod(shape)) * dtype.itemsize
        guarded = np.full(size + 128, 0x55, np.uint8)
        moved = garbage(x.nbytes, offset=x.itemsize).view(x.dtype).reshape(x.shape)
        moved[...] = x
        for begin, end in reversed(list(pairwise((0, *splits, self.plan.tiles)))):
            scratch = garbage(self.plan.scratch_bytes)
            arguments = (pointer(self.persistent), pointer(moved), pointer(guarded[64:]), begin, end, pointer(scratch))
            library().eb_conv2d_few_run(ctypes.byref(self.plan), *arguments)
        assert (guarded[:64] == 0x55).all()
        assert (guarded[64 + size :] == 0x55).all()
        return guarded[64 : 64 + size].view(dtype).reshape(shape)


def plan(op: Conv2dFew, kernel: str | None = None, cpu_features: int | None = None) -> Plan:
    """``kernel``: the line to force. Raises KernelRefused."""
    made = Plan()
    features = library().eb_cpu_features() if cpu_features is None else cpu_features
    make = library().eb_conv2d_few_plan_make
    make.argtypes = [ctypes.POINTER(Conv2dFew), ctypes.c_char_p, ctypes.c_uint32, ctypes.POINTER(Plan)]
    accept(make(ctypes.byref(op), None if kernel is None else kernel.encode(), features, ctypes.byref(made)))
    return made


def _constants(
    filters: NDArray[np.generic], bias: NDArray[np.generic] | None, factor: NDArray[np.float64] | None
) -> Constants:
    return Constants(*(pointer(array).value for array in (filters, bias, factor)))


def prepare(
    op: Conv2dFew,
    filters: NDArray[np.generic],
    bias: NDArray[np.generic] | None,
    factor: NDArray[np.float64] | None,
    kernel: str | None = None,
) -> Layer:
    """Raises KernelRefused."""
    made = plan(op, kernel)
    persistent = garbage(made.persistent_bytes)
    constants = _constants(filters, bias, factor)
    accept(library().eb_conv2d_few_prepare(ctypes.byref(made), ctypes.byref(constants), pointer(persistent)))
    return Layer(made, persistent)


def reference_layer(
    op: Conv2dFew,
    filters: NDArray[np.generic],
    bias: NDArray[np.generic] | None,
    factor: NDArray[np.float64] | None,
    x: NDArray[np.generic],
) -> NDArray[np.generic]:
    """By conv2d_few_reference.c."""
    made = plan(op)
    shape, dtype = output_like(made)
    y = np.full(int(np.prod(shape)) * dtype.itemsize, 0x55, np.uint8).view(dtype).reshape(shape)
    constants = _constants(filters, bias, factor)
    arguments = (ctypes.byref(made.pool), ctypes.byref(constants), pointer(x), pointer(y))
    library().eb_conv2d_few_reference(ctypes.byref(made.op), *arguments)
    return y
