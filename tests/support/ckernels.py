"""The C kernels (edgebnn/kernels/core/kernels.h) called from Python, on NumPy arrays, for tests."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
from numpy.typing import NDArray

from edgebnn.arithmetic.packing import packed_channels
from edgebnn.runtime import build

ALIGNMENT = 64
TYPES = {"float32": 0, "int8": 1, "bool": 2, "int32": 3}
"""enum eb_type by NumPy name; int32 is packed."""


class KernelRefused(Exception):
    """A kernel's check returned another status than EB_OK; the message is the status's name."""


class Window(ctypes.Structure):
    """eb_window."""

    _fields_ = tuple(
        (name, ctypes.c_int32)
        for name in (
            *("batches", "input_height", "input_width", "filter_height", "filter_width", "stride_height"),
            *("stride_width", "dilation_height", "dilation_width", "padding"),
            *("output_height", "output_width", "pad_top", "pad_left"),
        )
    )


class Bconv2d(ctypes.Structure):
    """eb_bconv2d."""

    _fields_ = (
        ("window", Window),
        ("channels_in", ctypes.c_int32),
        ("channels_out", ctypes.c_int32),
        ("groups", ctypes.c_int32),
        ("pad_value", ctypes.c_int32),
        ("activation", ctypes.c_int32),
        ("output_type", ctypes.c_int32),
        ("output_scale", ctypes.c_float),
        ("output_zero_point", ctypes.c_int32),
    )


class Kernel(ctypes.Structure):
    """eb_bconv2d_kernel."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("cpu_features", ctypes.c_uint32),
        ("run", ctypes.c_void_p),
        ("pack", ctypes.c_void_p),
        ("channel_tile", ctypes.c_int32),
        ("pixel_tile", ctypes.c_int32),
        ("word_multiple", ctypes.c_int32),
        ("lane_bytes", ctypes.c_int32),
        ("best_pixels", ctypes.c_int32),
        ("best_channels", ctypes.c_int32),
        ("orders", ctypes.c_int32),
        ("row_lanes", ctypes.c_int32),
        ("most_row_words", ctypes.c_int32),
        ("most_words", ctypes.c_int32),
    )


class Plan(ctypes.Structure):
    """eb_bconv2d_plan; ``own`` is more than enough for what the kernels keep to themselves."""

    _fields_ = (
        ("persistent_bytes", ctypes.c_size_t),
        ("scratch_bytes", ctypes.c_size_t),
        ("tiles", ctypes.c_int32),
        ("op", Bconv2d),
        ("kernel", ctypes.POINTER(Kernel)),
        ("own", ctypes.c_char * 1024),
    )


class Blocking(ctypes.Structure):
    """eb_bconv2d_blocking."""

    _fields_ = (("tile_pixels", ctypes.c_int32), ("tile_blocks", ctypes.c_int32))


ORDERS = {"os": 1, "ws": 2, "rs": 4}
"""enum eb_order."""


class Schedule(ctypes.Structure):
    """eb_schedule."""

    _fields_ = (
        ("kernel", ctypes.c_char_p),
        *((name, ctypes.c_int32) for name in ("order", "tile_pixels", "tile_rows", "tile_blocks")),
    )


class Caches(ctypes.Structure):
    """eb_cpu_caches."""

    _fields_ = (("level1", ctypes.c_size_t), ("level2", ctypes.c_size_t))


class Rows(ctypes.Structure):
    """eb_rows."""

    _fields_ = (
        ("type", ctypes.c_int32),
        ("rows", ctypes.c_int64),
        ("channels", ctypes.c_int32),
        ("scale", ctypes.c_float),
        ("zero_point", ctypes.c_int32),
    )


class Step(ctypes.Structure):
    """eb_step."""

    _fields_ = (
        ("kind", ctypes.c_int32),
        ("low", ctypes.c_float),
        ("high", ctypes.c_float),
        ("operand", ctypes.c_void_p),
        ("stride", ctypes.c_size_t),
        ("rows", ctypes.c_int64),
        ("sum", ctypes.c_void_p),
        ("scale", ctypes.c_void_p),
    )


class Int8Scale(ctypes.Structure):
    """eb_int8_scale."""

    _fields_ = tuple((name, ctypes.c_int32) for name in ("shift", "low", "high", "channels"))


class OutputSteps(ctypes.Structure):
    """eb_output_steps."""

    _fields_ = (("count", ctypes.c_int32), ("step", Step * 4), ("output_stride", ctypes.c_size_t))


def steps_of(*steps: Step, output_stride: int = 0) -> OutputSteps:
    return OutputSteps(len(steps), (Step * 4)(*steps), output_stride)


STEP_KINDS = {"mul": 0, "add": 1, "prelu": 2, "clamp": 3, "sum": 4, "scale": 5}
"""enum eb_step_kind."""


class Bmaxpool2d(ctypes.Structure):
    """eb_bmaxpool2d."""

    _fields_ = (("window", Window), ("channels", ctypes.c_int32))


@lru_cache
def library() -> ctypes.CDLL:
    """That of this machine."""
    return open_library(build.library())


def open_library(path: Path) -> ctypes.CDLL:
    lib = ctypes.CDLL(str(path))
    lib.eb_status_name.restype = ctypes.c_char_p
    lib.eb_cpu_features.restype = ctypes.c_uint32
    lib.eb_bconv2d_kernel_at.restype = ctypes.POINTER(Kernel)
    lib.eb_bconv2d_kernel_at.argtypes = [ctypes.c_size_t]
    lib.eb_bconv2d_plan_make.argtypes = [
        ctypes.POINTER(Bconv2d),
        ctypes.c_char_p,
        ctypes.c_uint32,
        ctypes.POINTER(Plan),
    ]
    lib.eb_bconv2d_plan_schedule.argtypes = [
        ctypes.POINTER(Bconv2d),
        ctypes.POINTER(Schedule),
        ctypes.c_uint32,
        ctypes.POINTER(Plan),
    ]
    lib.eb_bconv2d_plan_block.argtypes = [ctypes.POINTER(Plan), Blocking]
    lib.eb_bconv2d_choose_blocking.argtypes = [ctypes.POINTER(Plan), Caches]
    lib.eb_bconv2d_choose_blocking.restype = Blocking
    lib.eb_cpu_caches_read.restype = Caches
    for name in ("eb_quantize_run", "eb_dequantize_run"):
        run = getattr(lib, name)
        run.argtypes = [ctypes.POINTER(Rows), ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64]
        run.restype = None
    return lib


def accept(status: int) -> None:
    """Raises KernelRefused unless ``status`` is EB_OK."""
    if status != 0:
        raise KernelRefused(library().eb_status_name(status).decode())


def kernel_lines() -> Iterator[Kernel]:
    """The lines of bconv2d.kernels, as compiled."""
    index = 0
    while line := library().eb_bconv2d_kernel_at(index):
        yield line.contents
        index += 1


class Line(Protocol):
    """What the tables of all operations say of a kernel."""

    name: bytes
    cpu_features: int


def runnable(kernel: Line) -> bool:
    """Whether this processor has what the kernel needs."""
    return not kernel.cpu_features & ~library().eb_cpu_features()


def runnable_or_skipped(name: str, kernels: Iterable[Line]) -> str:
    """The name of one of the kernels, in a test that is skipped where this processor lacks what it needs."""
    kernel = next(kernel for kernel in kernels if kernel.name.decode() == name)
    if not runnable(kernel):
        pytest.skip(f"this processor lacks features {kernel.cpu_features:#x} of {name}")
    return name


def garbage(nbytes: int, offset: int = 0) -> NDArray[np.uint8]:
    """Garbage at ``offset`` from a multiple of the kernels' alignment."""
    raw = np.full(nbytes + 2 * ALIGNMENT, 0xA5, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT + offset
    return raw[start : start + nbytes]


def pointer(array: NDArray[np.generic] | None) -> ctypes.c_void_p:
    return ctypes.c_void_p(None if array is None else array.ctypes.data)


@dataclass(frozen=True)
class Convolution:
    """A planned and prepared convolution."""

    plan: Plan
    persistent: NDArray[np.uint8]

    @property
    def output_shape(self) -> tuple[int, int, int, int]:
        op = self.plan.op
        packed = op.output_type == TYPES["int32"]
        channels = packed_channels(op.channels_out) if packed else op.channels_out
        return (op.window.batches, op.window.output_height, op.window.output_width, channels)

    def blocked(self, tile_pixels: int, tile_blocks: int) -> Convolution:
        """The same, cut in another way. Raises KernelRefused."""
        plan = Plan.from_buffer_copy(self.plan)
        accept(library().eb_bconv2d_plan_block(ctypes.byref(plan), Blocking(tile_pixels, tile_blocks)))
        return Convolution(plan, self.persistent)

    def run(
        self,
        x: NDArray[np.int32],
        tile_bounds: Sequence[int] | None = None,
        residual: NDArray[np.generic] | None = None,
        in_place: bool = False,
    ) -> NDArray[np.generic]:
        """``tile_bounds``: where the ranges of tiles begin and end; they are run from the last to the first.
        ``residual``: what is added; the output then takes its place if ``in_place``.

        Input and output are aligned to their elements' size, and to no more.
        """
        dtype = np.dtype(next(name for name, value in TYPES.items() if value == self.plan.op.output_type))
        y = garbage(int(np.prod(self.output_shape)) * dtype.itemsize, offset=dtype.itemsize)
        y = y.view(dtype).reshape(self.output_shape)
        moved = garbage(x.nbytes, offset=x.itemsize).view(x.dtype).reshape(x.shape)
        moved[...] = x
        scratch = garbage(self.plan.scratch_bytes)
        if residual is not None and in_place:
            y[...] = residual
            residual = y
        channels = self.output_shape[-1]
        added = residual is not None and steps_of(
            Step(STEP_KINDS["add"], operand=residual.ctypes.data, stride=channels, rows=1)
        )
        bounds = tile_bounds or (0, self.plan.tiles)
        for begin, end in reversed(list(pairwise(bounds))):
            library().eb_bconv2d_run(
                ctypes.byref(self.plan),
                pointer(self.persistent),
                pointer(moved),
                ctypes.byref(added) if added else None,
                pointer(y),
                begin,
                end,
                pointer(scratch),
            )
        return y


def plan_convolution(op: Bconv2d, kernel: str | Schedule | None = None, cpu_features: int | None = None) -> Plan:
    """``kernel``: the line to force, or a whole schedule. Raises KernelRefused."""
    plan = Plan()
    features = library().eb_cpu_features() if cpu_features is None else cpu_features
    if isinstance(kernel, Schedule):
        given = (ctypes.byref(op), ctypes.byref(kernel), features, ctypes.byref(plan))
        accept(library().eb_bconv2d_plan_schedule(*given))
        return plan
    name = None if kernel is None else kernel.encode()
    accept(library().eb_bconv2d_plan_make(ctypes.byref(op), name, features, ctypes.byref(plan)))
    return plan


def prepare_convolution(
    op: Bconv2d,
    filters: NDArray[np.int32],
    multiplier: NDArray[np.float32] | None,
    bias: NDArray[np.float32] | None,
    threshold: NDArray[np.int32] | None,
    kernel: str | Schedule | None = None,
) -> Convolution:
    """Raises KernelRefused."""
    plan = plan_convolution(op, kernel)
    persistent = garbage(plan.persistent_bytes)
    constants = (pointer(multiplier), pointer(bias), pointer(threshold))
    library().eb_bconv2d_prepare(ctypes.byref(plan), pointer(filters), *constants, pointer(persistent))
    return Convolution(plan, persistent)


class Constants(ctypes.Structure):
    """eb_bconv2d_constants."""

    _fields_ = tuple((name, ctypes.c_void_p) for name in ("filter", "multiplier", "bias", "threshold"))


def reference_convolution(
    op: Bconv2d,
    constants: Sequence[NDArray[np.generic]],
    x: NDArray[np.int32],
    residual: NDArray[np.generic] | None,
    like: NDArray[np.generic],
) -> NDArray[np.generic]:
    """By bconv2d_reference.c. ``constants``: filters, multiplier, bias, threshold; ``like``: of the output's shape and
    type."""
    resolved = plan_convolution(op).op
    y = np.full(like.nbytes, 0xA5, np.uint8).view(like.dtype).reshape(like.shape)
    given = Constants(*(pointer(array).value for array in constants))
    library().eb_bconv2d_reference(
        ctypes.byref(resolved), ctypes.byref(given), pointer(x), pointer(residual), pointer(y)
    )
    return y


def quantize(x: NDArray[np.generic], zero_point: int = 0, splits: Sequence[int] = ()) -> NDArray[np.int32]:
    """float32, int8 or bool [..., C] -> packed. Raises KernelRefused."""
    rows = int(np.prod(x.shape[:-1]))
    op = Rows(TYPES[x.dtype.name], rows, x.shape[-1], 0.0, zero_point)
    accept(library().eb_quantize_check(ctypes.byref(op)))
    y = np.full((*x.shape[:-1], packed_channels(x.shape[-1])), 0x55555555, np.int32)
    for begin, end in pairwise((0, *splits, rows)):
        library().eb_quantize_run(ctypes.byref(op), pointer(x), pointer(y), begin, end)
    return y


def dequantize(
    words: NDArray[np.int32], channels: int, dtype: str, scale: float = 0.0, zero_point: int = 0
) -> NDArray[np.generic]:
    """Packed -> float32, int8 or bool [..., channels]. Raises KernelRefused."""
    rows = int(np.prod(words.shape[:-1]))
    op = Rows(TYPES[dtype], rows, channels, scale, zero_point)
    accept(library().eb_dequantize_check(ctypes.byref(op)))
    y = np.zeros((*words.shape[:-1], channels), dtype)
    library().eb_dequantize_run(ctypes.byref(op), pointer(words), pointer(y), 0, rows)
    return y


def bmaxpool2d(op: Bmaxpool2d, x: NDArray[np.int32], splits: Sequence[int] = ()) -> NDArray[np.int32]:
    """Raises KernelRefused."""
    tiles = ctypes.c_int32()
    accept(library().eb_bmaxpool2d_check(ctypes.byref(op), ctypes.byref(tiles)))
    y = np.full((x.shape[0], op.window.output_height, op.window.output_width, x.shape[3]), 0x55555555, np.int32)
    for begin, end in pairwise((0, *(s for s in splits if s <= tiles.value), tiles.value)):
        library().eb_bmaxpool2d_run(ctypes.byref(op), pointer(x), pointer(y), begin, end)
    return y
