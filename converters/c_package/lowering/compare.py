"""Comparisons, and selection by their results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from edgebnn.arithmetic.fixed_point import quantize_multiplier
from edgebnn.converters.c_package import leads
from edgebnn.converters.c_package.program import Step, Struct, Value
from edgebnn.graph.opdef import OpView
from edgebnn.graph.ops.view import input_tensor, scale_and_zero_point
from edgebnn.graph.types import DType
from edgebnn.kernels.cores import Core

from .arithmetic import operand_shape
from .broadcasting import merged, steps

_ACCEPTED = {
    "LESS": 0b0001,
    "LESS_EQUAL": 0b0011,
    "EQUAL": 0b0010,
    "NOT_EQUAL": 0b1101,
    "GREATER": 0b0100,
    "GREATER_EQUAL": 0b0110,
}
"""Bits of ``eb_compare_layer.accepted``: less, equal, greater, neither."""


def _leads(op: OpView) -> Mapping[int, int]:
    """An element of the output is written when those of the inputs have been read, of inputs that do not repeat any."""
    output = op.outputs[0]
    return {
        i: leads.elementwise(t.bytes, output.bytes)
        for i, t in enumerate(op.inputs)
        if t is not None and t.elements == output.elements
    }


def _compare(op: OpView, core: Core) -> Step:
    dtype = input_tensor(op, 0).dtype
    fields: dict[str, Value] = {"shape": operand_shape(op), "accepted": _ACCEPTED[op.op.kind]}
    if dtype == DType.INT8:
        for index, name in enumerate(("first", "second")):
            scale, zero_point = scale_and_zero_point(op, input_tensor(op, index))
            multiplier = quantize_multiplier(float(scale))
            fields |= {
                f"{name}_zero_point": zero_point,
                f"{name}_multiplier": multiplier.value,
                f"{name}_shift": multiplier.shift,
            }
    name = "float" if dtype == DType.FLOAT32 else dtype.value
    return Step(
        function=f"eb_compare_{name}",
        header="core/compare.h",
        sources=(f"core/compare_{name}.c",),
        layer=Struct("eb_compare_layer", fields),
        inputs=(0, 1),
        leads=_leads(op),
    )


def _select(op: OpView, core: Core) -> Step:
    shape = op.outputs[0].shape
    condition = input_tensor(op, 0).shape
    if op.op.kind == "SELECT" and condition != shape and condition:  # it picks whole entries of the first axis
        condition = (condition[0], *[1] * (len(shape) - 1))
    of_each = [condition, input_tensor(op, 1).shape, input_tensor(op, 2).shape]
    axes = merged([*zip(shape, *(steps(s, len(shape)) for s in of_each), strict=True)])
    table = np.asarray(axes, np.int32)
    nothing = np.zeros_like(table[:, :1])
    walks = {"picked": table[:, :3], "instead": np.concatenate([table[:, :1], table[:, 3:], nothing], axis=1)}
    fields: dict[str, Value] = {
        name: Struct("eb_broadcast", {"axes": len(axes), "axis": walk}) for name, walk in walks.items()
    }
    return Step(
        function="eb_select",
        header="core/select.h",
        sources=("core/select.c",),
        layer=Struct("eb_select_layer", {**fields, "element": op.outputs[0].dtype.bytes}),
        inputs=(0, 1, 2),
        leads=_leads(op),
    )


OPS: Mapping[str, Callable[[OpView, Core], Step]] = MappingProxyType(
    {**dict.fromkeys(_ACCEPTED, _compare), "SELECT": _select, "SELECT_V2": _select}
)
