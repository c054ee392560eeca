"""What goes over rows of floats (core/rows_block.h), by every kernel of its table, against NumPy, bit for bit."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgebnn.arithmetic.packing import pack, packed_channels
from edgebnn.graph.execute import run
from edgebnn.graph.ops.enums import Activation, Padding
from edgebnn.graph.ops.pool import Pool2DOptions
from edgebnn.graph.types import Array, DType, Graph, Tensor
from tests.differential.test_int8_sum import Int8Sum
from tests.support import ckernels
from tests.support.ckernels import STEP_KINDS, OutputSteps, Rows, Step, Window, pointer, steps_of
from tests.support.examples import examples
from tests.support.graphs import one_op, per_tensor, tensor

Floats = NDArray[np.float32]
_VOID = ctypes.c_void_p


class RowsKernel(ctypes.Structure):
    """eb_rows_kernel."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("cpu_features", ctypes.c_uint32),
        *(
            (name, ctypes.CFUNCTYPE(None, *arguments))
            for name, arguments in {
                "steps": (_VOID, _VOID, _VOID, ctypes.c_size_t, _VOID, ctypes.c_int64, ctypes.c_int64),
                "thresholds": (_VOID, _VOID, _VOID, ctypes.c_size_t, _VOID, ctypes.c_int64, ctypes.c_int64),
                "int8_thresholds": (_VOID, _VOID, _VOID, ctypes.c_int32, _VOID, ctypes.c_int64, ctypes.c_int64),
                "pool2d": (
                    *(_VOID, _VOID, _VOID, ctypes.c_size_t, _VOID, ctypes.c_size_t),
                    *(ctypes.c_int32, ctypes.c_int32),
                ),
                "dense": (_VOID, _VOID, _VOID, ctypes.c_int32, ctypes.c_int32),
            }.items()
        ),
    )


class Thresholds(ctypes.Structure):
    """eb_thresholds."""

    _fields_ = (("keep", _VOID), ("flip", _VOID), ("limit", _VOID))


class Int8Thresholds(ctypes.Structure):
    """eb_int8_thresholds."""

    _fields_ = (("limit", _VOID), ("turned", _VOID))


class SignPart(ctypes.Structure):
    """eb_sign_part."""

    _fields_ = (("input", _VOID), ("stride", ctypes.c_size_t), ("channels", ctypes.c_int32))


class Pool2d(ctypes.Structure):
    """eb_pool2d."""

    _fields_ = (
        ("window", Window),
        ("channels", ctypes.c_int32),
        ("averages", ctypes.c_int32),
        ("low", ctypes.c_float),
        ("high", ctypes.c_float),
        ("type", ctypes.c_int32),
        ("steps_last", ctypes.c_int32),
    )


class Dense(ctypes.Structure):
    """eb_dense_float."""

    _fields_ = (
        ("inputs", ctypes.c_int32),
        ("outputs", ctypes.c_int32),
        ("packed", _VOID),
        ("bias", _VOID),
        ("low", ctypes.c_float),
        ("high", ctypes.c_float),
    )


def _lines() -> Iterator[RowsKernel]:
    at = ckernels.library().eb_rows_kernel_at
    at.restype, at.argtypes = ctypes.POINTER(RowsKernel), [ctypes.c_size_t]
    index = 0
    while line := at(index):
        yield line.contents
        index += 1


KERNELS = {k.name.decode(): k for k in _lines() if not k.cpu_features & ~ckernels.library().eb_cpu_features()}
of_each_kernel = pytest.mark.parametrize("name", KERNELS)


def doing(kind: str, x: Floats, row: bool) -> Step:
    """A step with a value of x a channel, or one for each element."""
    return Step(STEP_KINDS[kind], operand=x.ctypes.data, stride=0 if row else x.shape[-1], rows=1)


def done(y: Floats, kind: str, x: Floats) -> Floats:
    match kind:
        case "mul":
            return y * x
        case "add":
            return y + x
        case "prelu":
            return np.where(y >= 0, y, y * x)
        case _:
            return np.where(y < -1, np.float32(-1), np.where(y > 2, np.float32(2), y))


def floats(rng: np.random.Generator, shape: Sequence[int]) -> Floats:
    x = rng.normal(size=tuple(shape)).astype(np.float32)
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 3e38], np.float32)
    return np.where(rng.random(x.shape) < 0.1, rng.choice(special, x.shape), x)


@of_each_kernel
@settings(max_examples=examples(50))
@given(
    st.integers(1, 5),
    st.integers(1, 300),
    st.lists(st.tuples(st.sampled_from(["mul", "add", "prelu", "clamp"]), st.booleans()), max_size=4),
    st.integers(0, 2**32),
    st.booleans(),
)
def test_steps(name: str, rows: int, channels: int, kinds: list[tuple[str, bool]], seed: int, in_place: bool) -> None:
    rng = np.random.default_rng(seed)
    wide = floats(rng, (rows, channels + 3))  # the rows are parts of longer ones
    x = wide[:, 2 : 2 + channels]
    operands = [floats(rng, (1 if row else rows, channels)) for _, row in kinds]
    steps = [
        Step(STEP_KINDS["clamp"], low=-1, high=2, rows=1) if kind == "clamp" else doing(kind, operand, row)
        for (kind, row), operand in zip(kinds, operands, strict=True)
    ]
    with np.errstate(all="ignore"):
        expected = reduce(lambda y, step: done(y, step[0][0], step[1]), zip(kinds, operands, strict=True), x)
    y = wide if in_place else np.full_like(wide, 7)
    given_steps = steps_of(*steps, output_stride=channels + 3)
    op = Rows(0, rows, channels)
    for begin, end in ((rows // 2, rows), (0, rows // 2)):
        KERNELS[name].steps(
            ctypes.addressof(op),
            ctypes.addressof(given_steps),
            wide.ctypes.data + 8,
            channels + 3,
            y.ctypes.data + 8,
            begin,
            end,
        )
    np.testing.assert_array_equal(y[:, 2 : 2 + channels], expected)


def thresholds(steps: OutputSteps, channels: int) -> tuple[Array, Array, Floats]:
    """Raises KernelRefused."""
    size = 32 * packed_channels(channels)
    keep, flip, limit = np.empty(size, np.uint32), np.empty(size, np.uint32), np.empty(size, np.float32)
    found = Thresholds(*(a.ctypes.data for a in (keep, flip, limit)))
    ckernels.accept(ckernels.library().eb_thresholds_find(ctypes.byref(steps), channels, ctypes.byref(found)))
    return keep, flip, limit


def signs(name: str, x: Floats, found: tuple[Array, Array, Floats]) -> NDArray[np.int32]:
    rows, channels = x.shape
    y = np.empty((rows, packed_channels(channels)), np.int32)
    op, given_thresholds = Rows(0, rows, channels), Thresholds(*(a.ctypes.data for a in found))
    KERNELS[name].thresholds(
        ctypes.addressof(op), ctypes.addressof(given_thresholds), x.ctypes.data, channels, y.ctypes.data, 0, rows
    )
    return y


def near(limit: Floats, channels: int) -> Floats:
    """The floats around each channel's threshold, of both signs."""
    with np.errstate(all="ignore"):
        around = [limit[:channels]]
        for toward in (-np.inf, np.inf):
            for _ in range(2):
                around.append(
                    np.nextafter(around[-1] if len(around) % 2 == 0 else limit[:channels], np.float32(toward))
                )
    return np.concatenate([np.stack(around), -np.stack(around)])


FACTORS = st.sampled_from([1.0, -1.0, 0.3, -2.7, 1e-30, -1e30, 1e-44, 0.0])
TERMS = st.sampled_from([0.0, -0.0, 0.1, -0.7, 1e-42, -3e38, 5.0])


@of_each_kernel
@settings(max_examples=examples(100))
@given(
    st.integers(1, 70),
    st.lists(FACTORS, min_size=1, max_size=70),
    st.lists(TERMS, min_size=1, max_size=70),
    st.lists(TERMS, min_size=1, max_size=70),
    st.sampled_from([("mul", "add"), ("mul",), ("add",), ("mul", "add", "add")]),
    st.integers(0, 2**32),
)
def test_signs_by_thresholds_are_those_of_the_steps(
    name: str,
    channels: int,
    factors: list[float],
    terms: list[float],
    more: list[float],
    kinds: tuple[str, ...],
    seed: int,
) -> None:
    rows = [np.resize(np.array(values, np.float32), channels) for values in (factors, terms, more)]
    operands = [rows[0]] if kinds == ("mul",) else rows[1:2] if kinds == ("add",) else rows[: len(kinds)]
    steps = steps_of(*(doing(kind, x, True) for kind, x in zip(kinds, operands, strict=True)))
    found = thresholds(steps, channels)
    x = np.concatenate([floats(np.random.default_rng(seed), (20, channels)), near(found[2], channels)])
    x = np.ascontiguousarray(x, np.float32)
    with np.errstate(all="ignore"):
        expected = reduce(lambda y, step: done(y, *step), zip(kinds, operands, strict=True), x) < 0
    np.testing.assert_array_equal(signs(name, x, found), pack(expected))


def test_what_has_no_threshold_is_refused() -> None:
    for kinds, constants in (
        (("mul",), (np.inf,)),
        (("add",), (np.nan,)),
        (("add", "mul", "add"), (1.0, 0.0, -1.0)),  # negative but where the first sum is beyond all numbers
    ):
        rows = [np.full(3, value, np.float32) for value in constants]
        steps = steps_of(*(doing(kind, x, True) for kind, x in zip(kinds, rows, strict=True)))
        with pytest.raises(ckernels.KernelRefused, match="EB_UNSUPPORTED"):
            thresholds(steps, 3)


def int8_threshold(negative: NDArray[np.bool_]) -> tuple[int, bool]:
    """Limit and direction for the signs of the 256 values. Raises KernelRefused."""
    limit, turned = ctypes.c_int8(), ctypes.c_int32()
    table = np.ascontiguousarray(negative, np.uint8)
    found = ckernels.library().eb_int8_threshold_find(pointer(table), ctypes.byref(limit), ctypes.byref(turned))
    ckernels.accept(found)
    return limit.value, bool(turned.value)


def int8_thresholds(parts: Sequence[NDArray[np.bool_]]) -> tuple[NDArray[np.int8], Array]:
    """Of whether each value of each channel becomes negative, ``[channels, 256]`` for each part."""
    words = [packed_channels(len(part)) for part in parts]
    limit, turned = np.full(32 * sum(words), -128, np.int8), np.zeros((sum(words), 32), np.bool_)
    begin = 0
    for part, count in zip(parts, words, strict=True):
        for channel, negative in enumerate(part, 32 * begin):
            limit[channel], turned[channel // 32, channel % 32] = int8_threshold(negative)
        begin += count
    return limit, np.packbits(turned, axis=1, bitorder="little").view(np.uint32)


@of_each_kernel
@settings(max_examples=examples(60))
@given(
    st.integers(1, 5),
    st.lists(st.one_of(st.integers(1, 100), st.sampled_from([32, 64, 96, 128])), min_size=1, max_size=5),
    st.integers(0, 2**32),
    st.sampled_from([0, 3]),
)
def test_signs_of_int8_parts(name: str, rows: int, channels: list[int], seed: int, more: int) -> None:
    """Of parts that end within a word, some of longer rows; some channels are all of one sign."""
    rng = np.random.default_rng(seed)
    inputs = [rng.integers(-128, 128, (rows, c + more)).astype(np.int8) for c in channels]
    tables = [(np.arange(256) < rng.integers(-20, 277, (c, 1))) ^ (rng.random((c, 1)) < 0.5) for c in channels]
    signs_of = [
        np.take_along_axis(table.T, x[:, : len(table)].astype(int) + 128, axis=0)
        for table, x in zip(tables, inputs, strict=True)
    ]
    expected = pack(np.concatenate(signs_of, axis=1))
    found = int8_thresholds(tables)
    parts = (SignPart * len(channels))(
        *(SignPart(x.ctypes.data, c + more, c) for x, c in zip(inputs, channels, strict=True))
    )
    op, given_thresholds = Rows(1, rows, sum(channels)), Int8Thresholds(*(a.ctypes.data for a in found))
    y = np.full_like(expected, 7)
    for begin, end in ((rows // 2, rows), (0, rows // 2)):
        KERNELS[name].int8_thresholds(
            ctypes.addressof(op),
            ctypes.addressof(given_thresholds),
            ctypes.addressof(parts),
            len(channels),
            y.ctypes.data,
            begin,
            end,
        )
    np.testing.assert_array_equal(y, expected)


def test_int8_signs_that_change_twice_are_refused() -> None:
    values = np.arange(256)
    with pytest.raises(ckernels.KernelRefused, match="EB_UNSUPPORTED"):
        int8_threshold((values > 100) & (values < 200))


@dataclass(frozen=True)
class Pooling:
    """Of ``shape`` by ``window``: height and width of the filter, vertical and horizontal stride."""

    shape: tuple[int, int, int, int]
    window: tuple[int, int, int, int]
    averages: bool
    same: bool
    activation: Activation

    @property
    def filter(self) -> tuple[int, int]:
        height, width = self.window[:2]
        return (height, width) if self.same else (min(height, self.shape[1]), min(width, self.shape[2]))

    def graph(self, x: Tensor, y: Tensor) -> Graph:
        (height, width), (down, right) = self.filter, self.window[2:]
        padding = Padding.SAME if self.same else Padding.VALID
        options = Pool2DOptions(padding, right, down, width, height, self.activation)
        return one_op("AVERAGE_POOL_2D" if self.averages else "MAX_POOL_2D", options, [x], [y])

    def run(
        self,
        name: str,
        x: Array,
        limits: tuple[float, float],
        steps: OutputSteps | None,
        expected: Array,
        last: bool = False,
    ) -> None:
        """By the kernel, into rows of five channels more, of which nothing is written. ``last``: steps come last."""
        channels, down, right = self.shape[-1], *self.window[2:]
        sizes = (*self.shape[:3], *self.filter, down, right, 1, 1, int(not self.same), 0, 0, 0, 0)
        kind = int(x.dtype == np.int8)
        op, tiles = Pool2d(Window(*sizes), channels, int(self.averages), *limits, kind, int(last)), ctypes.c_int32()
        ckernels.accept(ckernels.library().eb_pool2d_check(ctypes.byref(op), ctypes.byref(tiles)))
        y = np.full((*expected.shape[:-1], channels + 5), 7, x.dtype)
        for begin, end in ((tiles.value // 2, tiles.value), (0, tiles.value // 2)):
            KERNELS[name].pool2d(
                ctypes.addressof(op),
                None if steps is None else ctypes.addressof(steps),
                x.ctypes.data,
                channels,
                y.ctypes.data,
                channels + 5,
                begin,
                end,
            )
        np.testing.assert_array_equal(y[..., :channels], expected)
        assert (y[..., channels:] == 7).all()


POOLINGS = st.builds(
    Pooling,
    st.tuples(st.integers(1, 2), st.integers(1, 7), st.integers(1, 6), st.sampled_from([1, 8, 64, 65, 130])),
    st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3)),
    st.booleans(),
    st.booleans(),
    st.sampled_from([Activation.NONE, Activation.RELU, Activation.RELU6]),
)


@of_each_kernel
@settings(max_examples=examples(50))
@given(POOLINGS, st.booleans(), st.integers(0, 2**32))
def test_pooling(name: str, pooling: Pooling, keeps_order: bool, seed: int) -> None:
    shape = pooling.shape
    x = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    scale = np.random.default_rng(seed + 1).normal(size=shape[-1]).astype(np.float32)
    scale = np.abs(scale) if keeps_order else scale
    last = keeps_order and not pooling.averages
    (expected,) = run(pooling.graph(tensor("x", shape), tensor("y", ())), [x * scale])
    limits = {Activation.NONE: (-3.4e38, 3.4e38), Activation.RELU: (0, 3.4e38), Activation.RELU6: (0, 6)}
    pooling.run(name, x, limits[pooling.activation], steps_of(doing("mul", scale, True)), expected, last)


@of_each_kernel
@settings(max_examples=examples(50))
@given(POOLINGS, st.booleans(), st.integers(0, 2**32))
def test_the_greatest_of_values_that_are_no_numbers(name: str, pooling: Pooling, last: bool, seed: int) -> None:
    """A value that steps make no number of, as of infinity times 0, is passed over, whether they come first or last."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=pooling.shape).astype(np.float32)
    x = np.where(rng.random(x.shape) < 0.5, rng.choice([np.inf, -np.inf, np.nan], x.shape), x).astype(np.float32)
    scale = rng.choice([0.0, 0.5, 2.0], pooling.shape[-1]).astype(np.float32)
    shift = rng.normal(size=pooling.shape[-1]).astype(np.float32)
    with np.errstate(invalid="ignore"):
        stepped = x * scale + shift
    limit = float(np.finfo(np.float32).max)
    graph = replace(pooling, averages=False, activation=Activation.NONE)
    (most,) = run(
        graph.graph(tensor("x", x.shape), tensor("y", ())), [np.where(np.isnan(stepped), np.float32(-limit), stepped)]
    )
    steps = steps_of(doing("mul", scale, True), doing("add", shift, True))
    graph.run(name, x, (-limit, limit), steps, np.clip(most, -limit, limit), last)


@of_each_kernel
@settings(max_examples=examples(50))
@given(POOLINGS, st.integers(-128, 127), st.integers(0, 2**32))
def test_pooling_of_int8(name: str, pooling: Pooling, zero_point: int, seed: int) -> None:
    """Averages at halves among them: those of two and of four values are often."""
    x = np.random.default_rng(seed).integers(-128, 128, pooling.shape).astype(np.int8)
    quantization = per_tensor(0.125, zero_point)
    (expected,) = run(
        pooling.graph(tensor("x", x.shape, DType.INT8, quantization), tensor("y", (), DType.INT8, quantization)), [x]
    )
    low = -128 if pooling.activation == Activation.NONE else zero_point
    high = min(127, zero_point + 48) if pooling.activation == Activation.RELU6 else 127
    pooling.run(name, x, (low, high), None, expected)


@of_each_kernel
@settings(max_examples=examples(50))
@given(st.integers(1, 6), st.integers(1, 300), st.integers(0, 2**32), st.sampled_from([0, 3]), st.booleans())
def test_sums_of_int8(name: str, rows: int, channels: int, seed: int, more: int, in_place: bool) -> None:
    """Of rows that follow each other, and of parts of longer ones."""
    rng = np.random.default_rng(seed)
    a, b = rng.integers(-128, 128, (2, rows, channels + more)).astype(np.int8)
    factors = (int(factor) for factor in rng.integers(-(2**21), 2**21, 3))
    s = Int8Sum(*factors, int(rng.integers(17, 23)), *sorted(int(limit) for limit in rng.integers(-128, 128, 2)))
    sums = a.astype(np.int64) * s.first_factor + b.astype(np.int64) * s.second_factor + s.addend
    expected = np.clip(sums >> s.shift, s.low, s.high)[:, :channels]
    step = Step(STEP_KINDS["sum"], operand=b.ctypes.data, stride=channels + more, rows=1, sum=ctypes.addressof(s))
    y, given_steps = a if in_place else np.full_like(a, 7), steps_of(step, output_stride=channels + more)
    op = Rows(1, rows, channels)
    for begin, end in ((rows // 2, rows), (0, rows // 2)):
        KERNELS[name].steps(
            ctypes.addressof(op),
            ctypes.addressof(given_steps),
            a.ctypes.data,
            channels + more,
            y.ctypes.data,
            begin,
            end,
        )
    np.testing.assert_array_equal(y[:, :channels], expected)


@of_each_kernel
@settings(max_examples=examples(40))
@given(st.integers(1, 3), st.integers(1, 70), st.integers(1, 70), st.booleans(), st.integers(0, 2**32))
def test_dense_layers(name: str, rows: int, inputs: int, outputs: int, biased: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, weights, bias = (rng.normal(size=s).astype(np.float32) for s in ((rows, inputs), (outputs, inputs), outputs))
    expected = np.zeros((rows, outputs), np.float32)
    for k in range(inputs):
        expected += x[:, k, None] * weights[None, :, k]
    expected = np.clip(expected + bias if biased else expected, 0, 6)
    lib = ckernels.library()
    lib.eb_dense_float_packed.restype = ctypes.c_size_t
    packed = np.empty(lib.eb_dense_float_packed(inputs, outputs), np.float32)
    lib.eb_dense_float_pack(inputs, outputs, pointer(weights), pointer(packed))
    op = Dense(inputs, outputs, packed.ctypes.data, bias.ctypes.data if biased else None, 0, 6)
    y, tiles = np.empty((rows, outputs), np.float32), rows * -(-outputs // 32)
    for begin, end in ((tiles // 2, tiles), (0, tiles // 2)):
        KERNELS[name].dense(ctypes.addressof(op), x.ctypes.data, y.ctypes.data, begin, end)
    np.testing.assert_array_equal(y, expected)
