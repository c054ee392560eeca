"""QUANTIZE and DEQUANTIZE; between two quantizations of bytes a table does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from edgebnn.converters.c_package.program import Step, Struct
from edgebnn.graph.opdef import OpView
from edgebnn.graph.ops.view import bad_input, input_tensor, scale_and_zero_point, unsupported
from edgebnn.graph.types import DType
from edgebnn.kernels.cores import Core

from .lookup import lookup


def quantize(op: OpView, core: Core) -> Step:
    """The step of a QUANTIZE."""
    x, y = input_tensor(op, 0), op.outputs[0]
    if x.dtype != DType.FLOAT32:
        return lookup(op, core)
    scale, zero_point = scale_and_zero_point(op, y)
    return Step(
        function=f"eb_quantize_{y.dtype.value}",
        header="core/quantize.h",
        sources=("core/quantize.c",),
        layer=Struct("eb_quantize_layer", {"elements": x.elements, "scale": float(scale), "zero_point": zero_point}),
        inputs=(0,),
        leads={0: 0},
    )


_SOURCES = (DType.INT8, DType.UINT8, DType.INT16)


def dequantize(op: OpView, core: Core) -> Step:
    """The step of a DEQUANTIZE. Raises UnsupportedOpError for half precision."""
    x = input_tensor(op, 0)
    if x.dtype not in _SOURCES:
        raise unsupported(op, f"{x.dtype.value} input", ", ".join(t.value for t in _SOURCES))
    quantization = x.quantization
    if quantization is None:
        raise bad_input(op, f"needs a quantization of {x.name!r}")
    axis = 0 if quantization.per_tensor else quantization.axis
    channels = len(quantization.scale)
    inner = x.elements if channels == 1 else int(np.prod(x.shape[axis + 1 :], dtype=np.int64))
    return Step(
        function=f"eb_dequantize_{x.dtype.value}",
        header="core/quantize.h",
        sources=("core/quantize.c",),
        layer=Struct(
            "eb_dequantize_layer",
            {
                "outer": 1 if channels == 1 else int(np.prod(x.shape[:axis], dtype=np.int64)),
                "channels": channels,
                "inner": inner,
                "scales": np.array(quantization.scale, np.float32),
                "zero_points": np.broadcast_to(np.array(quantization.zero_point, np.int32), (channels,)),
            },
        ),
        inputs=(0,),
    )


OPS: Mapping[str, Callable[[OpView, Core], Step]] = MappingProxyType({"QUANTIZE": quantize, "DEQUANTIZE": dequantize})
