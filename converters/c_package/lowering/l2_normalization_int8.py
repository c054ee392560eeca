"""L2_NORMALIZATION of int8 rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from edgebnn.converters.c_package.program import Step, Struct, Value
from edgebnn.graph.opdef import OpView
from edgebnn.graph.ops.activation import UNIT_SCALE, L2NormOptions
from edgebnn.graph.ops.enums import Activation
from edgebnn.graph.ops.view import input_tensor, options, scale_and_zero_point, unsupported
from edgebnn.graph.types import DType
from edgebnn.kernels.cores import Core


def _l2_normalization(op: OpView, core: Core) -> Step:
    activation = options(op, L2NormOptions).fused_activation_function
    if activation != Activation.NONE:
        raise unsupported(op, f"fused activation {activation.name}", "none")
    scale, zero_point = scale_and_zero_point(op, op.outputs[0])
    if scale != np.float32(UNIT_SCALE) or zero_point != 0:
        raise unsupported(op, f"output scale {scale} and zero point {zero_point}", "1/128 and 0")
    x = input_tensor(op, 0)
    fields: dict[str, Value] = {
        "rows": x.elements // max(x.shape[-1], 1),
        "depth": x.shape[-1],
        "zero_point": scale_and_zero_point(op, x)[1],
    }
    return Step(
        function="eb_l2_normalization_int8",
        header="core/l2_normalization_int8.h",
        sources=("core/l2_normalization_int8.c",),
        layer=Struct("eb_l2_normalization_int8_layer", fields),
        inputs=(0,),
        leads={0: 0},
    )


OPS: Mapping[tuple[str, DType], Callable[[OpView, Core], Step]] = MappingProxyType(
    {("L2_NORMALIZATION", DType.INT8): _l2_normalization}
)
