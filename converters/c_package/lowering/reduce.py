"""Reductions over axes: float32, plain integers, truth values; of int8 those that pick values, SUM and REDUCE_PROD."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from edgebnn.arithmetic.fixed_point import to_int16
from edgebnn.arithmetic.multiply_shift import steps_of_function
from edgebnn.converters.c_package.program import Step, Struct, Value
from edgebnn.graph.opdef import OpView
from edgebnn.graph.ops.reduce import arg_axis, product_multiplier, reduced_axes, sum_to_int8
from edgebnn.graph.ops.view import bad_input, input_tensor, scale_and_zero_point
from edgebnn.graph.types import DType
from edgebnn.kernels.cores import Core

from .broadcasting import broadcast, merged, steps

_NAMES = {"SUM": "sum", "MEAN": "sum", "REDUCE_MAX": "max", "REDUCE_MIN": "min", "REDUCE_PROD": "prod"}


def _walks(op: OpView) -> tuple[dict[str, Value], int]:
    """The axes that are kept and those that are reduced, and how many elements the latter have."""
    x, axes = input_tensor(op, 0), reduced_axes(op)
    step = steps(x.shape, len(x.shape))
    kept = merged([(x.shape[a], step[a], 0) for a in range(len(x.shape)) if a not in axes])
    reduced = merged([(x.shape[a], step[a], 0) for a in axes])
    count = int(np.prod([x.shape[a] for a in axes], dtype=np.int64))
    return {"kept": broadcast(kept), "reduced": broadcast(reduced)}, count


def _step(function: str, source: str, layer: Struct) -> Step:
    return Step(function=function, header="core/reduce.h", sources=(f"core/{source}.c",), layer=layer, inputs=(0,))


def _float(op: OpView, core: Core) -> Step:
    fields, count = _walks(op)
    name, largest = _NAMES[op.op.kind], float(np.finfo(np.float32).max)
    far = np.inf if count else largest  # of no numbers: the finite one at the other end
    fields["initial"] = {"sum": 0.0, "prod": 1.0, "max": -far, "min": far}[name]
    fields["count"] = float(count) if op.op.kind == "MEAN" else 1.0
    return _step(f"eb_reduce_{name}_float", "reduce_float", Struct("eb_reduce_float_layer", fields))


def _integer(op: OpView, core: Core) -> Step:
    fields, _ = _walks(op)
    name, dtype = _NAMES[op.op.kind], input_tensor(op, 0).dtype
    limits = np.iinfo(dtype.numpy)
    fields["initial"] = {"sum": 0, "prod": 1, "max": int(limits.min), "min": int(limits.max)}[name]
    layer = Struct("eb_reduce_integer_layer", fields)
    return _step(f"eb_reduce_{name}_{dtype.value}", f"reduce_{dtype.value}", layer)


def _truth(op: OpView, core: Core) -> Step:
    """The greatest or least of the bytes 0 and 1."""
    fields, _ = _walks(op)
    name, fields["initial"] = ("max", 0) if op.op.kind == "REDUCE_ANY" else ("min", 1)
    return _step(f"eb_reduce_{name}_uint8", "reduce_uint8", Struct("eb_reduce_integer_layer", fields))


def _sum_int8(op: OpView, core: Core) -> Step:
    """Whatever the scales are, the output is a function of the sum that never falls."""
    fields, count = _walks(op)

    def output(sums: NDArray[np.int64]) -> NDArray[np.int8]:
        return sum_to_int8(op, sums, count)

    found = steps_of_function(output, -128 * count, 127 * count)
    thresholds = np.full(255, np.iinfo(np.int32).max, np.int32)
    for first, value in zip(found.first[::-1], found.values[::-1], strict=True):
        thresholds[: value + 128] = first
    fields |= {"initial": 0, "thresholds": thresholds}
    return _step("eb_reduce_sum_int8", "reduce_sum_int8", Struct("eb_reduce_sum_int8_layer", fields))


def _prod_int8(op: OpView, core: Core) -> Step:
    fields, count = _walks(op)
    try:
        multiplier = product_multiplier(op, count)
    except OverflowError as error:
        raise bad_input(op, f"has no C kernel: {error}") from None
    fields |= {
        "initial": int(np.iinfo(np.int64).min),  # EB_REDUCE_NO_FACTOR
        "multiplier": to_int16(multiplier),
        "shift": 15 - multiplier.shift,
        "input_zero_point": scale_and_zero_point(op, input_tensor(op, 0))[1],
        "output_zero_point": scale_and_zero_point(op, op.outputs[0])[1],
    }
    return _step("eb_reduce_prod_int8", "reduce_prod_int8", Struct("eb_reduce_prod_int8_layer", fields))


def _arg(op: OpView, core: Core) -> Step:
    x, axis = input_tensor(op, 0), arg_axis(op)
    if x.shape[axis] == 0:
        raise bad_input(op, "looks for a place among no elements")
    name = "float" if x.dtype == DType.FLOAT32 else x.dtype.value
    fields: dict[str, Value] = {
        "outer": int(np.prod(x.shape[:axis], dtype=np.int64)),
        "entries": x.shape[axis],
        "inner": int(np.prod(x.shape[axis + 1 :], dtype=np.int64)),
        "smallest": int(op.op.kind == "ARG_MIN"),
        "wide": int(op.outputs[0].dtype == DType.INT64),
    }
    return Step(
        function=f"eb_arg_{name}",
        header="core/arg.h",
        sources=("core/arg.c",),
        layer=Struct("eb_arg_layer", fields),
        inputs=(0,),
    )


_PICKED = ("REDUCE_MAX", "REDUCE_MIN")
OPS: Mapping[tuple[str, DType], Callable[[OpView, Core], Step]] = MappingProxyType(
    {
        **{(kind, DType.FLOAT32): _float for kind in _NAMES},
        **{(kind, t): _integer for kind in ("SUM", "REDUCE_PROD", *_PICKED) for t in (DType.INT32, DType.INT64)},
        **{(kind, DType.INT8): _integer for kind in _PICKED},
        ("SUM", DType.INT8): _sum_int8,
        ("REDUCE_PROD", DType.INT8): _prod_int8,
        **{(kind, DType.BOOL): _truth for kind in ("REDUCE_ANY", "REDUCE_ALL")},
        **{(kind, t): _arg for kind in ("ARG_MAX", "ARG_MIN") for t in (DType.INT32, DType.INT64)},
    }
)
