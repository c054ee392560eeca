"""What lint says of layers with 1-bit weights and 8-bit feature maps: where they pay, and what keeps layers from it."""

from __future__ import annotations

from edgebnn.graph.execute import definition
from edgebnn.graph.opdef import OpView, op_view
from edgebnn.graph.ops.conv import Conv2DOptions
from edgebnn.graph.ops.w1a8 import EdgebnnConv2dW1A8Options, EdgebnnDenseW1A8Options
from edgebnn.graph.types import Graph
from edgebnn.runtime.w1a8_costs import MARGIN, Cost, Work, chosen, read_costs, speedup

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
    """What is done once for every input or output, besides multiplying, weighs most where there are few products: in
    1x1 convolutions of few channels."""
    view = op_view(graph, index)
    if not isinstance(view.op.options, EdgebnnConv2dW1A8Options | EdgebnnDenseW1A8Options):
        return None
    work = _work(view)
    if work is not None and speedup(_usual(work), work) >= 1:
        return None
    return f"with 1-bit weights it is {_gain(view)}"


def unpackable(graph: Graph) -> tuple[Finding, ...]:
    """Layers whose weights are two-valued, or nearly, and that cannot be packed: why."""
    found = (recognize(graph, index) for index in range(len(graph.ops)))
    return tuple(finding for finding in found if isinstance(finding, Finding))


def _usual(work: Work) -> Cost:
    """Of the kernel that a processor with AVX-512 VNNI chooses."""
    costs = (cost for cost in read_costs() if cost.int8 == "VNNI" and cost.kernel.startswith("avx512"))
    return chosen(costs, work)


def _gain(view: OpView) -> str:
    work = _work(view)
    if work is None:
        return "smaller, but depthwise layers are not faster for it"
    usual = _usual(work)
    text = f"smaller, and about {speedup(usual, work):.1f} times as fast ({usual.name}; by {usual.source} costs)"
    others = (cost for cost in read_costs() if cost != usual)
    pays = sorted({f"{cost.name} ({cost.source})" for cost in others if speedup(cost, work) > MARGIN})
    too = " too" if speedup(usual, work) >= 1 else ""
    return f"{text}; faster{too} with {', '.join(pays)}" if pays else text


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
