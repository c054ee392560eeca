"""Binary convolutions for property tests: cases drawn by Hypothesis, run by the C kernels and by the reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgebnn.arithmetic.packing import pack
from edgebnn.graph.execute import run
from edgebnn.graph.opdef import op_view
from edgebnn.graph.ops import OPS
from edgebnn.graph.ops.binary import LceBconv2dOptions
from edgebnn.graph.ops.enums import Activation, Padding
from edgebnn.graph.types import ABSENT, Array, DType, Graph, Op, Quantization, Tensor

from . import ckernels

INT32 = np.iinfo(np.int32)


@dataclass(frozen=True)
class ConvCase:
    """One LceBconv2d. ``channels_in`` and ``channels_out`` are of a group; sizes are (height, width)."""

    batches: int
    size: tuple[int, int]
    filter: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: Padding
    pad_value: int
    groups: int
    channels_in: int
    channels_out: int
    activation: Activation
    output: str
    seed: int

    @property
    def products(self) -> int:
        return self.filter[0] * self.filter[1] * self.channels_in

    @property
    def pads_with_zeros(self) -> bool:
        return self.padding == Padding.SAME and self.pad_value == 0

    def quantization(self) -> Quantization:
        """Of the output, where it is int8: some values saturate."""
        rng = np.random.default_rng(self.seed + 1)
        scale = float(np.float32(rng.uniform(0.2, 3) * np.sqrt(self.products) / 100))
        return Quantization((scale,), (int(rng.integers(-128, 128)),))

    def operands(self) -> Operands:
        rng = np.random.default_rng(self.seed)
        outputs = self.groups * self.channels_out
        x = rng.random((self.batches, *self.size, self.groups * self.channels_in)) < 0.5
        filters = rng.random((outputs, *self.filter, self.channels_in)) < rng.random((outputs, 1, 1, 1))
        multiplier = rng.normal(size=outputs).astype(np.float32)
        bias = (rng.normal(size=outputs) * self.products / 4).astype(np.float32)
        multiplier[rng.random(outputs) < 0.1] = 0
        threshold = rng.integers(-2, self.products + 3, outputs).astype(np.int32)
        threshold[rng.random(outputs) < 0.1] = rng.choice([INT32.min, INT32.max])
        return Operands(pack(x), pack(filters), multiplier, bias, threshold)


@dataclass(frozen=True, eq=False)
class Operands:
    x: NDArray[np.int32]
    filters: NDArray[np.int32]
    multiplier: NDArray[np.float32]
    bias: NDArray[np.float32]
    threshold: NDArray[np.int32]


_PAIR = st.integers(1, 3)


@st.composite
def conv_cases(draw: st.DrawFn) -> ConvCase:
    """Every option; sizes small enough for many cases, also filters that reach beyond the whole image."""
    pads, pad_value = draw(st.sampled_from([(Padding.VALID, 1), (Padding.SAME, 1), (Padding.SAME, 0)]))
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    dilation = draw(st.tuples(_PAIR, _PAIR))
    least = [(k - 1) * d + 1 if pads == Padding.VALID else 1 for k, d in zip(kernel, dilation, strict=True)]
    groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
    channels_in = draw(st.integers(1, 130)) if groups == 1 else 32 * draw(st.integers(1, 2))
    output = draw(st.sampled_from(["float32", "int8", "int32"]))
    if output == "int32" and (pads, pad_value) == (Padding.SAME, 0):
        channels_in += channels_in % 2  # odd ones are refused
    return ConvCase(
        batches=draw(st.integers(1, 3)),
        size=(least[0] + draw(st.integers(0, 8)), least[1] + draw(st.integers(0, 8))),
        filter=kernel,
        stride=draw(st.tuples(_PAIR, _PAIR)),
        dilation=dilation,
        padding=pads,
        pad_value=pad_value,
        groups=groups,
        channels_in=channels_in,
        channels_out=draw(st.integers(1, 70)),
        activation=draw(st.sampled_from([Activation.NONE, Activation.RELU, Activation.RELU_N1_TO_1, Activation.RELU6])),
        output=output,
        seed=draw(st.integers(0, 2**32)),
    )


def c_operation(case: ConvCase) -> ckernels.Bconv2d:
    window = ckernels.Window(case.batches, *case.size, *case.filter, *case.stride, *case.dilation, int(case.padding))
    quantization = case.quantization()
    return ckernels.Bconv2d(
        window,
        case.groups * case.channels_in,
        case.groups * case.channels_out,
        case.groups,
        case.pad_value,
        int(case.activation),
        ckernels.TYPES[case.output],
        quantization.scale[0],
        quantization.zero_point[0],
    )


def c_convolution(
    case: ConvCase, operands: Operands, kernel: str | ckernels.Schedule | None = None
) -> ckernels.Convolution:
    constants = (operands.multiplier, operands.bias, operands.threshold)
    return ckernels.prepare_convolution(c_operation(case), operands.filters, *constants, kernel=kernel)


def conv_graph(case: ConvCase, operands: Operands) -> Graph:
    """The convolution alone, as a model for ``case.batches`` samples: packed input, packed, int8 or float output."""
    options = LceBconv2dOptions(
        channels_in=case.groups * case.channels_in,
        dilation_height_factor=case.dilation[0],
        dilation_width_factor=case.dilation[1],
        fused_activation_function=case.activation,
        pad_values=case.pad_value,
        padding=case.padding,
        stride_height=case.stride[0],
        stride_width=case.stride[1],
    )
    packed = case.output == "int32"
    constants = (operands.filters, operands.multiplier, operands.bias, operands.threshold)
    tensors = (
        Tensor("x", (case.batches, *operands.x.shape[1:]), DType.INT32),
        *(
            Tensor(name, data.shape, DType(data.dtype.name), data=data)
            for name, data in zip(("filter", "multiplier", "bias", "threshold"), constants, strict=True)
        ),
        Tensor("y", (), DType(case.output), case.quantization() if case.output == "int8" else None),
    )
    inputs = (0, 1, ABSENT, ABSENT, 4) if packed else (0, 1, 2, 3, ABSENT)
    if packed and case.pads_with_zeros:
        inputs = (0, 1, 2, 3, 4)  # LCE does not use the multiplier then, but reads it
    graph = Graph("conv", tensors, (Op("LceBconv2d", inputs, (5,), options),), (0,), (5,))
    (shape,) = OPS["LceBconv2d"].infer(op_view(graph, 0))
    return replace(graph, tensors=(*tensors[:-1], replace(tensors[-1], shape=shape)))


def reference(case: ConvCase, operands: Operands) -> Array:
    """By edgebnn.graph.ops."""
    return run(conv_graph(case, operands), [operands.x])[0]


def residual_like(y: Array, seed: int) -> NDArray[np.float32]:
    """Something to add to ``y``, of its magnitude."""
    return np.random.default_rng(seed).normal(0, 1 + np.abs(y).max(), y.shape).astype(np.float32)


def bit_equal(one: Array, other: Array) -> bool:
    """The same bits, but for the sign of zero."""
    return one.dtype == other.dtype and one.shape == other.shape and np.array_equal(one, other)


def splits(tiles: int, points: Sequence[float]) -> tuple[int, ...]:
    """Bounds of ranges of [0, tiles), from fractions."""
    return (0, *sorted({round(p * tiles) for p in points} - {0, tiles}), tiles)
