"""Arithmetic of two operands that broadcast: float32 and plain integers, and the int8 ops beside ADD, SUB and MUL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from edgebnn.arithmetic.fixed_point import quantize_multiplier
from edgebnn.converters.c_package.program import Step, Struct, Value
from edgebnn.graph.opdef import OpView
from edgebnn.graph.ops.elementwise import SQUARED_DIFFERENCE_HEADROOM, binary_activation
from edgebnn.graph.ops.fused import integer_bounds, real_bounds
from edgebnn.graph.ops.view import input_tensor, scale_and_zero_point, unsupported
from edgebnn.graph.types import DType
from edgebnn.kernels.cores import Core

from .broadcasting import axes_of, broadcast, in_place
from .clamping import open_range

_FLOAT = {
    **dict.fromkeys(("ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM"), "binary_float"),
    **{"SQUARED_DIFFERENCE": "binary_float", "PRELU": "binary_float"},
    **{"FLOOR_DIV": "floor_div_float", "POW": "pow_float"},
}
"""C files of float kernels by kind."""
_INTEGER = {
    DType.INT8: ("MAXIMUM", "MINIMUM"),
    DType.INT16: ("ADD", "MUL"),
    DType.INT32: ("ADD", "SUB", "MUL", "DIV", "FLOOR_DIV", "MAXIMUM", "MINIMUM"),
    DType.INT64: ("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM"),
}
_LOGICAL = {"LOGICAL_AND": "minimum", "LOGICAL_OR": "maximum"}


def operand_shape(op: OpView) -> Struct:
    """The ``eb_broadcast`` of two operands of one type.

    Raises:
        UnsupportedOpError: their types differ.
    """
    first, second = input_tensor(op, 0), input_tensor(op, 1)
    if first.dtype != second.dtype:
        raise unsupported(op, f"operands of {first.dtype.value} and {second.dtype.value}", "two operands of one type")
    return broadcast(axes_of(first.shape, second.shape, op.outputs[0].shape))


def _step(op: OpView, function: str, header: str, source: str, layer: Struct) -> Step:
    return Step(
        function=function,
        header=f"core/{header}.h",
        sources=(f"core/{source}.c",),
        layer=layer,
        inputs=(0, 1),
        leads=in_place(op),
    )


def _float(op: OpView, core: Core) -> Step:
    low, high = open_range(op, binary_activation(op))
    fields: dict[str, Value] = {"shape": operand_shape(op), "low": low, "high": high}
    source, layer = _FLOAT[op.op.kind], Struct("eb_binary_float_layer", fields)
    return _step(op, f"eb_{op.op.kind.lower()}_float", "binary_float", source, layer)


def _integer(op: OpView, core: Core) -> Step:
    dtype = op.outputs[0].dtype
    if dtype == DType.INT16 and any(t is not None and t.quantization for t in (*op.inputs, *op.outputs)):
        raise unsupported(op, "quantized int16 operands", "int16 without scales")
    limits = np.iinfo(dtype.numpy)
    low, high = real_bounds(op, binary_activation(op))
    fields: dict[str, Value] = {
        "shape": operand_shape(op),
        "low": limits.min if low is None else int(low),
        "high": limits.max if high is None else int(high),
    }
    name = dtype.value
    layer = Struct("eb_binary_integer_layer", fields)
    return _step(op, f"eb_{op.op.kind.lower()}_{name}", "binary_integer", f"binary_{name}", layer)


def _logical(op: OpView, core: Core) -> Step:
    fields: dict[str, Value] = {"shape": operand_shape(op), "low": 0, "high": 1}
    layer = Struct("eb_binary_integer_layer", fields)
    return _step(op, f"eb_{_LOGICAL[op.op.kind]}_uint8", "binary_integer", "binary_int8", layer)


def _squared_difference_int8(op: OpView, core: Core) -> Step:
    quantizations = [scale_and_zero_point(op, input_tensor(op, i)) for i in (0, 1)]
    twice = 2 * max(float(scale) for scale, _ in quantizations)
    fields: dict[str, Value] = {"shape": operand_shape(op)}
    for name, (scale, zero_point) in zip(("first", "second"), quantizations, strict=True):
        fields[f"{name}_zero_point"] = zero_point
        fields[f"{name}_multiplier"], fields[f"{name}_shift"] = quantize_multiplier(float(scale) / twice)
    output_scale, zero_point = scale_and_zero_point(op, op.outputs[0])
    factor = (twice * twice) / (2 ** (2 * SQUARED_DIFFERENCE_HEADROOM) * float(output_scale))
    fields["multiplier"], fields["shift"] = quantize_multiplier(factor)
    low, high = integer_bounds(op, binary_activation(op))
    fields |= {"zero_point": zero_point, "low": low, "high": high}
    layer = Struct("eb_squared_difference_int8_layer", fields)
    return _step(op, "eb_squared_difference_int8", "squared_difference_int8", "squared_difference_int8", layer)


def _prelu_int8(op: OpView, core: Core) -> Step:
    scale, zero_point = scale_and_zero_point(op, input_tensor(op, 0))
    slopes_scale, slopes_zero_point = scale_and_zero_point(op, input_tensor(op, 1))
    output_scale, output_zero_point = scale_and_zero_point(op, op.outputs[0])
    positive = quantize_multiplier(float(scale / output_scale))
    negative = quantize_multiplier(float(scale * slopes_scale / output_scale))
    fields: dict[str, Value] = {
        "shape": operand_shape(op),
        "input_zero_point": zero_point,
        "slopes_zero_point": slopes_zero_point,
        "output_zero_point": output_zero_point,
        "multiplier": positive.value,
        "shift": positive.shift,
        "slope_multiplier": negative.value,
        "slope_shift": negative.shift,
    }
    return _step(op, "eb_prelu_int8", "prelu_int8", "prelu_int8", Struct("eb_prelu_int8_layer", fields))


OPS: Mapping[tuple[str, DType], Callable[[OpView, Core], Step]] = MappingProxyType(
    {
        **{(kind, DType.FLOAT32): _float for kind in _FLOAT},
        **{(kind, dtype): _integer for dtype, kinds in _INTEGER.items() for kind in kinds},
        **{(kind, DType.BOOL): _logical for kind in _LOGICAL},
        ("SQUARED_DIFFERENCE", DType.INT8): _squared_difference_int8,
        ("PRELU", DType.INT8): _prelu_int8,
    }
)
