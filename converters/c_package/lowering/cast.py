"""CAST: changes of type between plain numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from edgebnn.converters.c_package import leads
from edgebnn.converters.c_package.program import Alias, Lowered, Step, Struct, Value
from edgebnn.graph.opdef import OpView
from edgebnn.graph.ops.view import input_tensor
from edgebnn.graph.types import DType
from edgebnn.kernels.cores import Core


def _cast(op: OpView, core: Core) -> Lowered:
    x, y = input_tensor(op, 0), op.outputs[0]
    if x.dtype == y.dtype:
        return Alias()
    name = "to_float" if y.dtype == DType.FLOAT32 else "from_float" if x.dtype == DType.FLOAT32 else "integer"
    fields: dict[str, Value] = {
        "elements": x.elements,
        "from": x.dtype.bytes,
        "to": y.dtype.bytes,
        "is_unsigned": int(x.dtype in (DType.UINT8, DType.BOOL)),
        "is_bool": int(y.dtype == DType.BOOL),
    }
    return Step(
        function=f"eb_cast_{name}",
        header="core/cast.h",
        sources=(f"core/cast_{name}.c",),
        layer=Struct("eb_cast_layer", fields),
        inputs=(0,),
        leads={0: leads.elementwise(x.bytes, y.bytes)},
    )


OPS: Mapping[str, Callable[[OpView, Core], Lowered]] = MappingProxyType({"CAST": _cast})
