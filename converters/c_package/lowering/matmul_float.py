"""Matrix products of float32: FULLY_CONNECTED and BATCH_MATMUL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from edgebnn.converters.c_package.program import Step, Struct, Value
from edgebnn.graph.opdef import OpView
from edgebnn.graph.ops.conv import check_operands
from edgebnn.graph.ops.dense import FullyConnectedOptions
from edgebnn.graph.ops.enums import Activation, WeightsFormat
from edgebnn.graph.ops.view import input_tensor, optional_input, options, unsupported
from edgebnn.graph.types import DType
from edgebnn.kernels.cores import Core

from .broadcasting import broadcast, matrices
from .clamping import open_range
from .windows_float import constant_bias


def _dense(op: OpView, core: Core) -> Step:
    opts = options(op, FullyConnectedOptions)
    if opts.weights_format != WeightsFormat.DEFAULT:
        raise unsupported(op, f"weights in {opts.weights_format.name} format", "row-major weights")
    x, weights = input_tensor(op, 0), input_tensor(op, 1)
    check_operands(op, weights, optional_input(op, 2))
    columns, depth = weights.shape
    low, high = open_range(op, opts.fused_activation_function)
    fields: dict[str, Value] = {
        "batches": broadcast([(1, 0, 0)]),
        "rows": x.elements // depth,
        "depth": depth,
        "columns": columns,
        "first_row": depth,
        "first_depth": 1,
        "second_depth": 1,
        "second_column": depth,
        "bias": constant_bias(op, 2),
        "low": low,
        "high": high,
    }
    return _step(fields)


def _step(fields: Mapping[str, Value]) -> Step:
    return Step(
        function="eb_matmul_float",
        header="core/matmul_float.h",
        sources=("core/matmul_float.c",),
        layer=Struct("eb_matmul_float_layer", fields),
        inputs=(0, 1),
    )


def _matmul(op: OpView, core: Core) -> Step:
    if input_tensor(op, 1).dtype != DType.FLOAT32:
        raise unsupported(op, f"float32 times {input_tensor(op, 1).dtype.value}", "two float32 or two int8 operands")
    low, high = open_range(op, Activation.NONE)
    fields: dict[str, Value] = {
        **matrices(op),
        "bias": None,
        "low": low,
        "high": high,
    }
    return _step(fields)


OPS: Mapping[tuple[str, DType], Callable[[OpView, Core], Step]] = MappingProxyType(
    {("FULLY_CONNECTED", DType.FLOAT32): _dense, ("BATCH_MATMUL", DType.FLOAT32): _matmul}
)
