"""Dense layers with 1-bit weights and int8 activations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from edgebnn.arithmetic.multiply_shift import MultiplyShift
from edgebnn.arithmetic.packing import unpack
from edgebnn.arithmetic.w1a8 import accumulator_range, folded_bias
from edgebnn.converters.c_package.program import Step, Struct, Value
from edgebnn.graph.opdef import OpView
from edgebnn.graph.ops.view import input_tensor, options, value
from edgebnn.graph.ops.w1a8 import EdgebnnDenseW1A8Options
from edgebnn.graph.types import Array
from edgebnn.kernels.cores import Core

from .dense_int8 import Dense, int8_layer, proven
from .w1a8_outputs import Channels, channels_of, constant_inputs
from .w1a8_packing import bytes_by_shift


@dataclass(frozen=True)
class _Dense:
    """``lines``: the outputs of each channel's accumulators in integers."""

    rows: int
    depth: int
    words: Array
    outputs: Channels
    lines: tuple[MultiplyShift, ...]

    def step(self, function: str, source: str, words: Array, constants: NDArray[np.int64], scratch_bytes: int) -> Step:
        """``constants``: [O] of the kernel's accumulators."""
        outputs = self.outputs
        rows = [
            (m, c, line.multiplier, line.offset & 0xFFFFFFFF, line.offset >> 32, line.shift)
            for m, c, line in zip(outputs.magnitude, constants, self.lines, strict=True)
        ]
        fields: dict[str, Value] = {
            "rows": self.rows,
            "depth": self.depth,
            "outputs": outputs.count,
            "low": outputs.bounds[0],
            "high": outputs.bounds[1],
            "weights": words,
            "constants": np.array(rows, np.int64).astype(np.int32),
        }
        return Step(
            function=function,
            header="core/dense_w1a8.h",
            sources=(source,),
            layer=Struct("eb_dense_w1a8_layer", fields),
            inputs=(0,),
            scratch_bytes=scratch_bytes,
        )


def _dense_bytes(dense: _Dense) -> Step:
    words = bytes_by_shift(dense.outputs.minus).view(np.int32)
    row_bytes = -(-dense.depth // 32) * 32
    return dense.step("eb_dense_w1a8_bytes", "cortex_m/dense_w1a8.c", words, dense.outputs.constants, row_bytes)


def _dense_plain(dense: _Dense) -> Step:
    outputs = dense.outputs
    constants = folded_bias(outputs.bias, outputs.magnitude, outputs.zero_points[0], outputs.minus)
    return dense.step("eb_dense_w1a8", "core/dense_w1a8.c", dense.words, constants, 0)


@dataclass(frozen=True)
class DenseVariant:
    """A kernel of dense layers: a C file and a line of :data:`DENSE`."""

    name: str
    runs_on: Callable[[Core], bool]
    make: Callable[[_Dense], Step]


DENSE = (
    DenseVariant("bytes", lambda core: bool(core.cpu), _dense_bytes),
    DenseVariant("plain", lambda core: True, _dense_plain),
)
"""Best first."""


def dense_w1a8(op: OpView, core: Core) -> Step:
    """The step of a dense layer.

    One whose outputs are no lines of its accumulators, such as those that wrap, takes the kernel of int8 weights that
    multiplies in double.
    """
    opts, values = options(op, EdgebnnDenseW1A8Options), constant_inputs(op)
    words, depth = value(op, values, 1), opts.channels_in
    outputs = channels_of(op, unpack(words, depth), values, opts.fused_activation_function)
    rows = input_tensor(op, 0).elements // depth
    zero_point, scales = outputs.zero_points[1], np.array(outputs.factors)
    sums = accumulator_range(outputs.magnitude, outputs.zero_points[0], outputs.minus, outputs.bias)
    lines = proven(sums, scales, zero_point, *outputs.bounds)
    if lines is not None:
        chosen = next(variant for variant in DENSE if variant.runs_on(core))
        return chosen.make(_Dense(rows, depth, words, outputs, lines))
    magnitude = outputs.magnitude.astype(np.int8)[:, None]
    bias = folded_bias(outputs.bias, outputs.magnitude, outputs.zero_points[0], outputs.minus)
    weights = np.where(outputs.minus, -magnitude, magnitude)
    return Step(
        function="eb_dense_int8_double",
        header="core/dense_int8.h",
        sources=("core/dense_int8_double.c",),
        layer=int8_layer(Dense(rows, weights, 0, bias, scales, None, zero_point, *outputs.bounds)),
        inputs=(0,),
    )


OPS: Mapping[str, Callable[[OpView, Core], Step]] = MappingProxyType({"EdgebnnDenseW1A8": dense_w1a8})
