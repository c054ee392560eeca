"""Matrix products of int8 tensors: FULLY_CONNECTED and BATCH_MATMUL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from edgebnn.arithmetic.fixed_point import INT32_MAX, INT32_MIN
from edgebnn.arithmetic.multiply_shift import MultiplyShift, prove, steps_of_function
from edgebnn.arithmetic.rounding import round_half_away
from edgebnn.converters.c_package.program import Step, Struct
from edgebnn.graph.opdef import OpView
from edgebnn.graph.ops.conv import channel_factors, check_operands
from edgebnn.graph.ops.dense import FullyConnectedOptions, product_factor
from edgebnn.graph.ops.enums import Activation, WeightsFormat
from edgebnn.graph.ops.fused import integer_bounds
from edgebnn.graph.ops.view import input_tensor, optional_input, options, scale_and_zero_point, unsupported
from edgebnn.graph.types import DType
from edgebnn.kernels.cores import Core

from .broadcasting import matrices
from .int8 import constant_data, optional_bias, rescaling, sum_range, zero_point_of


@dataclass(frozen=True)
class Dense:
    """A layer as its kernels need it.

    weights: [outputs, depth], with their zero point.
    bias:    [outputs] with the zero points' part.
    scales:  what sums are multiplied by in double, one an output.
    proven:  the same in integers, of each output; None where some output has no such form.
    """

    rows: int
    weights: NDArray[np.int8]
    weights_zero_point: int
    bias: NDArray[np.int64]
    scales: NDArray[np.float64]
    proven: tuple[MultiplyShift, ...] | None
    zero_point: int
    low: int
    high: int


def dense_layer(op: OpView) -> Dense:
    """Raises UnsupportedOpError if weights or bias are computed, or weights in another format."""
    opts = options(op, FullyConnectedOptions)
    if opts.weights_format != WeightsFormat.DEFAULT:
        raise unsupported(op, f"weights in {opts.weights_format.name} format", "row-major weights")
    x, weights = input_tensor(op, 0), input_tensor(op, 1)
    check_operands(op, weights, optional_input(op, 2))
    w = constant_data(op, 1)
    quantization = weights.quantization
    weights_zero_point = quantization.zero_point[0] if quantization is not None and quantization.per_tensor else 0
    centred = w.astype(np.int64) - weights_zero_point
    input_zero_point, zero_point = zero_point_of(op, x), zero_point_of(op, op.outputs[0])
    low, high = integer_bounds(op, opts.fused_activation_function)
    bias = optional_bias(op, 2, w.shape[0])
    scales = np.broadcast_to(np.array(channel_factors(op, x, weights)), (w.shape[0],))
    return Dense(
        rows=x.elements // w.shape[1],
        weights=w,
        weights_zero_point=weights_zero_point,
        bias=bias - input_zero_point * centred.sum(axis=1),
        scales=scales,
        proven=proven(sum_range(centred, bias, input_zero_point), scales, zero_point, low, high),
        zero_point=zero_point,
        low=low,
        high=high,
    )


def proven(
    sums: tuple[NDArray[np.int64], NDArray[np.int64]], scales: NDArray[np.float64], zero_point: int, low: int, high: int
) -> tuple[MultiplyShift, ...] | None:
    """For each channel the line that is equal for all of its sums; None if there is none for some, or its sums wrap.

    Args:
        sums: the least and the greatest of each channel.
        scales: what they are multiplied by in double.
        zero_point: of the output.
        low, high: what it is clamped to.
    """
    found = []
    for least, greatest, scale in zip(*sums, scales, strict=True):

        def output(x: NDArray[np.int64], scale: float = scale) -> NDArray[np.int64]:
            steps = round_half_away(x.astype(np.float64) * scale)
            return np.clip(np.clip(steps, -(2**20), 2**20).astype(np.int64) + zero_point, low, high)

        if least < INT32_MIN or greatest > INT32_MAX:  # the sum wraps
            return None
        line = prove(steps_of_function(output, int(least), int(greatest)), low, high, bits=64)
        if line is None:
            return None
        found.append(line)
    return tuple(found)


def int8_layer(made: Dense) -> Struct:
    """The layer's constants for all variants."""
    outputs, depth = made.weights.shape
    constants = np.zeros((outputs, 5), np.int64)
    constants[:, 0] = made.bias
    factors = None
    if made.proven is None:
        factors = np.ascontiguousarray(made.scales, "<f8").view("<i4").reshape(outputs, 2)
    else:
        for row, line in zip(constants, made.proven, strict=True):
            row[1:] = line.multiplier, line.offset & 0xFFFFFFFF, line.offset >> 32, line.shift
    return Struct(
        "eb_dense_int8_layer",
        {
            "rows": made.rows,
            "depth": depth,
            "outputs": outputs,
            "weights_zero_point": made.weights_zero_point,
            "output_zero_point": made.zero_point,
            "low": made.low,
            "high": made.high,
            "weights": made.weights,
            "constants": constants.astype(np.int32),
            "factors": factors,
        },
    )


@dataclass(frozen=True)
class _Kernel:
    """A variant: whether it is for this core and layer, and its C."""

    applies: Callable[[Core, Dense], bool]
    function: str
    source: str


_KERNELS = (
    _Kernel(
        lambda core, made: core.dsp and made.proven is not None and made.weights_zero_point == 0,
        "eb_dense_int8_dsp",
        "cortex_m/dense_int8_dsp.c",
    ),
    _Kernel(lambda core, made: made.proven is not None, "eb_dense_int8", "core/dense_int8.c"),
    _Kernel(lambda core, made: True, "eb_dense_int8_double", "core/dense_int8_double.c"),
)


def dense(op: OpView, core: Core) -> Step:
    """The step of a FULLY_CONNECTED."""
    made = dense_layer(op)
    kernel = next(kernel for kernel in _KERNELS if kernel.applies(core, made))
    return Step(
        function=kernel.function,
        header="core/dense_int8.h",
        sources=(kernel.source,),
        layer=int8_layer(made),
        inputs=(0,),
    )


def batch_matmul(op: OpView, core: Core) -> Step:
    """The step of a BATCH_MATMUL."""
    a, b = input_tensor(op, 0), input_tensor(op, 1)
    scales = rescaling(op, [product_factor(op)], 1, Activation.NONE)
    return Step(
        function="eb_batch_matmul_int8",
        header="core/batch_matmul_int8.h",
        sources=("core/batch_matmul_int8.c",),
        layer=Struct(
            "eb_batch_matmul_int8_layer",
            {
                **matrices(op),
                "first_zero_point": scale_and_zero_point(op, a)[1],
                "second_zero_point": scale_and_zero_point(op, b)[1],
                "multiplier": int(scales.multiplier[0]),
                "shift": int(scales.shift[0]),
                "zero_point": scales.zero_point,
            },
        ),
        inputs=(0, 1),
    )


OPS: Mapping[tuple[str, DType], Callable[[OpView, Core], Step]] = MappingProxyType(
    {("FULLY_CONNECTED", DType.INT8): dense, ("BATCH_MATMUL", DType.INT8): batch_matmul}
)
