"""What lint says of layers with 1-bit weights and 8-bit feature maps: where they pay, and what keeps layers from it."""

from __future__ import annotations

from edgebnn.graph.execute import definition
from edgebnn.graph.opdef import OpView, op_view
from edgebnn.graph.ops.conv import Conv2DOptions
from edgebnn.graph.ops.w1a8 import EdgebnnConv2dW1A8Options, EdgebnnDenseW1A8Options
from edgebnn.graph.types import Graph
from edgebnn.runtime.w1a8_costs import MARGIN, Cost, Work, read_costs, speedup

from .findings import Finding
from .two_valued import is_depthwise, recognize
from .w1a8 import packable


def binary_weights_in_int8(graph: Graph, index: int) -> str | None:
    """Weights of two values per channel take 8 bits each here, and 1 bit in a w1a8 file with the same outputs; which is
    faster depends on the layer and on the processor."""
    if not packable(graph, index):
        return None
    kind = graph.ops[index].kind
    return f"its weights are binary but stored and run as {kind} in int8; packed it is {_gain(op_view(graph, index))}"


def slower_than_int8(graph: Graph, index: int) -> str | None:
    """Tables of sums are made of every input, and pay if enough outputs look them up: 64 channels or more, and 1x1
    convolutions hardly ever."""
    view = op_view(graph, index)
    if not isinstance(view.op.options, EdgebnnConv2dW1A8Options | EdgebnnDenseW1A8Options):
        return None
    work = _work(view)
    if work is not None and speedup(_measured(), work) >= 1:
        return None
    return f"with 1-bit weights it is {_gain(view)}"


def unpackable(graph: Graph) -> tuple[Finding, ...]:
    """Layers whose weights are two-valued, or nearly, and that cannot be packed: why."""
    found = (recognize(graph, index) for index in range(len(graph.ops)))
    return tuple(finding for finding in found if isinstance(finding, Finding))


def _measured() -> Cost:
    """The costs of the best kernel on the processor that was measured first."""
    return next(cost for cost in read_costs() if cost.source == "measured")


def _gain(view: OpView) -> str:
    work, measured = _work(view), _measured()
    if work is None:
        return "smaller, but depthwise layers are not faster for it"
    text = f"smaller, and about {speedup(measured, work):.1f} times as fast ({measured.name}; by measured costs)"
    others = (cost for cost in read_costs() if cost != measured)
    pays = sorted({f"{cost.name} ({cost.source})" for cost in others if speedup(cost, work) > MARGIN})
    return f"{text}; faster too with {', '.join(pays)}" if pays else text


def _work(view: OpView) -> Work | None:
    """None for depthwise layers."""
    x, options, output = view.inputs[0], view.op.options, view.outputs[0]
    assert x is not None
    if is_depthwise(view) or (isinstance(options, EdgebnnConv2dW1A8Options) and options.depthwise):
        return None
    groups = 1
    if isinstance(options, EdgebnnConv2dW1A8Options):
        groups = options.groups
    if isinstance(options, Conv2DOptions):
        weights = view.inputs[1]
        assert weights is not None
        groups = x.shape[3] // weights.shape[3]
    channels, terms = output.shape[-1], definition(view).macs(view).total // output.elements
    return Work(x.elements, terms, output.elements // channels, channels, groups)
