"""SOFTMAX of int8 tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from edgebnn.arithmetic.fixed_functions import DIFFERENCE_BITS, SUM_BITS, exp_of_negative
from edgebnn.arithmetic.fixed_point import doubling_high_mul
from edgebnn.converters.c_package.program import Step, Struct
from edgebnn.graph.opdef import OpView
from edgebnn.graph.ops.activation import softmax_multiplier
from edgebnn.graph.ops.view import input_tensor, unsupported
from edgebnn.graph.types import DType
from edgebnn.kernels.cores import Core

_MOST_CLASSES = 2**SUM_BITS * 2 - 1
"""Whose exponentials' sum fits in 32 bits: each is at most 1."""


def softmax(op: OpView, core: Core) -> Step:
    """The step of a SOFTMAX. Raises UnsupportedOpError for rows that are longer than sums have bits for."""
    x = input_tensor(op, 0)
    depth = x.shape[-1]
    if depth > _MOST_CLASSES:
        raise unsupported(op, f"{depth} values a row", f"at most {_MOST_CLASSES}")
    multiplier = softmax_multiplier(op)
    limit = math.floor((2**DIFFERENCE_BITS - 1) * 2.0 ** (31 - DIFFERENCE_BITS - multiplier.shift))
    differences = np.arange(min(limit, 255) + 1, dtype=np.int64)
    exponentials = exp_of_negative(doubling_high_mul(-differences << multiplier.shift, multiplier.value))
    return Step(
        function="eb_softmax_int8",
        header="core/softmax_int8.h",
        sources=("core/softmax_int8.c",),
        layer=Struct(
            "eb_softmax_int8_layer",
            {
                "rows": x.elements // max(depth, 1),
                "depth": depth,
                "differences": len(differences),
                "exponentials": exponentials.astype(np.int32),
            },
        ),
        inputs=(0,),
        leads={0: 0},
    )


OPS: Mapping[tuple[str, DType], Callable[[OpView, Core], Step]] = MappingProxyType({("SOFTMAX", DType.INT8): softmax})
