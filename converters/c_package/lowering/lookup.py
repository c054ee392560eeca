"""Ops that map each byte by itself: whatever they compute, a table of 256 entries made by the op's own semantics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from edgebnn.converters.c_package.program import Step, Struct
from edgebnn.errors import UnsupportedOpError
from edgebnn.graph.execute import run_op
from edgebnn.graph.opdef import OpView
from edgebnn.graph.ops.view import scale_and_zero_point
from edgebnn.kernels.cores import Core

_KINDS = (
    *("RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "LEAKY_RELU", "ELU", "GELU", "HARD_SWISH", "LOGISTIC", "TANH"),
    *("ABS", "EXP", "LOG", "RSQRT", "LOGICAL_NOT"),
)


def lookup(op: OpView, core: Core) -> Step:
    """The step of an op of one input, both sides of which are bytes.

    Raises:
        UnsupportedOpError: they are not.
    """
    x, y = op.inputs[0], op.outputs[0]
    assert x is not None
    if x.dtype.bytes != 1 or y.dtype.bytes != 1:
        raise UnsupportedOpError(
            f"layer {op.name!r}: {op.op.kind} from {x.dtype.value} to {y.dtype.value} has no C kernel; supported: int8"
        )
    every = np.arange(256, dtype=np.uint8).view(x.dtype.numpy) if x.dtype.value != "bool" else np.arange(256) > 0
    all_inputs = replace(op, inputs=(replace(x, shape=(256,)),), outputs=(replace(y, shape=(256,)),))
    if op.op.kind == "RSQRT":  # the reference refuses the root of a negative number; here it is that of 0
        every = np.maximum(every, np.int8(scale_and_zero_point(op, x)[1]))
    (table,) = run_op(all_inputs, (every,))
    return Step(
        function="eb_lookup",
        header="core/lookup.h",
        sources=("core/lookup.c",),
        layer=Struct("eb_lookup_layer", {"elements": x.elements, "table": table.view(np.uint8)}),
        inputs=(0,),
        leads={0: 0},
    )


OPS: Mapping[str, Callable[[OpView, Core], Step]] = dict.fromkeys(_KINDS, lookup)
