"""Which layers of a model the Linux kernels compute, and what these have to know of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from edgebnn.kernels.spaces import LayerShape

from .opdef import Loops, OpView, op_view
from .ops import OPS
from .types import Graph

_OPERATIONS: Mapping[str, str] = MappingProxyType(
    {"LceBconv2d": "bconv2d", "EdgebnnConv2dW1A8": "w1a8", "EdgebnnDenseW1A8": "w1a8"}
)


@dataclass(frozen=True)
class Layer:
    """A layer that takes a schedule: the op's index in the file, and its name."""

    op: int
    name: str
    shape: LayerShape


def layers(graph: Graph) -> tuple[Layer, ...]:
    """Those of ``graph``, whose sizes are known, that take a schedule. Raises InputError where operands do not fit."""
    found = []
    for index, op in enumerate(graph.ops):
        operation = _OPERATIONS.get(op.kind)
        if operation is None:
            continue
        view = op_view(graph, index)
        loops = OPS[op.kind].loops(view)
        if loops is not None:
            found.append(Layer(index, view.name, _shape(operation, loops, view)))
    return tuple(found)


def _shape(operation: str, loops: Loops, view: OpView) -> LayerShape:
    """Dense layers are one column of as many pixels as there are rows."""
    dense = view.op.kind == "EdgebnnDenseW1A8"
    options = view.op.options
    ends = (
        (size - 1) * stride + (taps - 1) * dilation + 1 - before
        for size, stride, taps, dilation, before in zip(
            loops.out_size, loops.stride, loops.filter_size, loops.dilation, loops.before, strict=True
        )
    )
    padded = any(loops.before) or any(end > size for end, size in zip(ends, loops.in_size, strict=True))
    depthwise = bool(getattr(options, "depthwise", 0))
    return LayerShape(
        operation=operation,
        batch=1 if dense else loops.batch,
        in_size=(loops.batch, 1) if dense else loops.in_size,
        out_size=(loops.batch, 1) if dense else loops.out_size,
        filter_size=loops.filter_size,
        stride=loops.stride,
        dilation=loops.dilation,
        in_channels=loops.in_channels * loops.groups,
        out_channels=loops.out_channels * loops.groups,
        groups=1 if depthwise else loops.groups,
        output_type=view.outputs[0].dtype.value,
        depthwise=depthwise,
        padded=padded,
        pads_with_zeros=padded and operation == "bconv2d" and getattr(options, "pad_values", 1) == 0,
    )
