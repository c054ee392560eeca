"""What a converted network takes with fewer channels, from shapes alone: nothing is cut, trained or converted.

The file's multiply-accumulate ops are the layers of the pruning's plan, which knows how many channels each has for
other widths; between them the channels are followed through the file. What is so counted is bytes of constants, bytes
of the arena and multiply-accumulates; the network that a search accepts is converted, and both compared.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from edgebnn.arithmetic.packing import packed_channels
from edgebnn.graph.ops.binary import LceBconv2dOptions
from edgebnn.graph.ops.w1a8 import EdgebnnConv2dW1A8Options, EdgebnnDenseW1A8Options
from edgebnn.graph.types import ABSENT, DType, Graph, Op, Shape, Tensor
from edgebnn.pruning.channels import surgery
from edgebnn.pruning.channels.coupling import Plan
from edgebnn.pruning.channels.layers import LayerShape

if TYPE_CHECKING:
    from edgebnn._tensorflow import keras

_COUNTING = (LceBconv2dOptions, EdgebnnConv2dW1A8Options, EdgebnnDenseW1A8Options)
_PACKED_OUTPUTS = ("LceQuantize", "LceBconv2d", "LceBMaxPool2d")


@dataclass(frozen=True)
class _Kernel:
    """An op that multiplies and accumulates: (height, width) of its filter, input and output channels."""

    size: tuple[int, int]
    channels_in: int
    channels_out: int
    depthwise: bool = False


def as_if_trained(model: keras.Model) -> keras.Model:
    """A copy of a model in which no two biases, batch norms or slopes are alike.

    A file holds equal constants once. An untrained network's are equal in many layers, which the first steps of
    training put an end to: what is counted of its file would be too little.

    Args:
        model: any that can be pruned.

    Returns:
        The copy, for nothing but to be converted and counted. Kernels keep their values, which may be of two kinds, and
        single numbers theirs, which may be ranges.
    """
    copy, rng = surgery.cut(model, {}), np.random.default_rng(0)
    averages = [
        (layer.moving_mean, layer.moving_variance)
        for layer in copy._flatten_layers()
        if type(layer).__name__ == "BatchNormalization" and layer.trainable
    ]
    for variable in (*copy.trainable_variables, *(variable for pair in averages for variable in pair)):
        value = variable.numpy()
        if value.ndim and value.size == value.shape[-1] > 1:
            variable.assign(
                value * rng.uniform(0.5, 1.5, value.shape) + (value == 0) * rng.uniform(0.05, 0.1, value.shape)
            )
    return copy


class NarrowerFile:
    """A converted network, asked about with other widths.

    Args:
        graph: the file, converted from the network that ``plan`` was made of.
        plan: which channels go together there.
    """

    def __init__(self, graph: Graph, plan: Plan) -> None:
        self._graph = graph
        self._plan = plan
        self._layers = _matched(graph, plan.layers())

    def at(self, widths: Mapping[str, int]) -> Graph:
        """The graph with the shapes that it has with ``widths`` (channels by group); constants hold no values.

        Raises:
            InputError: as :meth:`Plan.layers` does.
        """
        layers = self._plan.layers(widths)
        tensors = list(self._graph.tensors)
        channels = {index: _channels(self._graph, index) for index in self._graph.inputs}
        made: dict[tuple[int, Shape], int] = {}
        ops = []
        for position, op in enumerate(self._graph.ops):
            layer = layers[self._layers[position]] if position in self._layers else None
            shapes = _narrower_constants(self._graph, op, layer, channels)
            ops.append(_with_channels(_with_constants(op, shapes, tensors, made), layer))
            for index in op.outputs:
                count = _output_channels(self._graph, op, index, layer, channels)
                channels[index] = count
                packed = op.kind in _PACKED_OUTPUTS and tensors[index].dtype is DType.INT32
                shape = tensors[index].shape
                last = packed_channels(count) if packed else count
                tensors[index] = replace(tensors[index], shape=(*shape[:-1], last) if shape else shape)
        return replace(self._graph, tensors=tuple(tensors), ops=tuple(ops))


def _kernel(graph: Graph, op: Op) -> _Kernel | None:
    if op.kind not in _KERNELS:
        return None
    shapes = [() if index == ABSENT else graph.tensors[index].shape for index in op.inputs]
    return _KERNELS[op.kind](op, shapes)


def _conv(op: Op, shapes: Sequence[Shape]) -> _Kernel:
    outputs, height, width, _ = shapes[1]
    return _Kernel((height, width), shapes[0][-1], outputs)


def _depthwise(op: Op, shapes: Sequence[Shape]) -> _Kernel:
    _, height, width, outputs = shapes[1]
    return _Kernel((height, width), shapes[0][-1], outputs, depthwise=True)


def _dense(op: Op, shapes: Sequence[Shape]) -> _Kernel:
    return _Kernel((1, 1), shapes[1][1], shapes[1][0])


def _binary_conv(op: Op, shapes: Sequence[Shape]) -> _Kernel:
    assert isinstance(op.options, LceBconv2dOptions)
    outputs, height, width, _ = shapes[1]
    return _Kernel((height, width), op.options.channels_in, outputs)


def _w1a8_conv(op: Op, shapes: Sequence[Shape]) -> _Kernel:
    assert isinstance(op.options, EdgebnnConv2dW1A8Options)
    _, height, width, _ = shapes[1]
    return _Kernel((height, width), op.options.channels_in, shapes[2][0], bool(op.options.depthwise))


def _w1a8_dense(op: Op, shapes: Sequence[Shape]) -> _Kernel:
    assert isinstance(op.options, EdgebnnDenseW1A8Options)
    return _Kernel((1, 1), op.options.channels_in, shapes[2][0])


_KERNELS = {
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _dense,
    "LceBconv2d": _binary_conv,
    "EdgebnnConv2dW1A8": _w1a8_conv,
    "EdgebnnDenseW1A8": _w1a8_dense,
}


def _matched(graph: Graph, layers: Sequence[LayerShape]) -> dict[int, int]:
    """The index in ``layers`` of what each multiply-accumulate op is, by shape, then by name, then in order."""
    left = dict(enumerate(layers))
    found: dict[int, int] = {}
    for position, op in enumerate(graph.ops):
        kernel = _kernel(graph, op)
        if kernel is None:
            continue
        alike = [index for index, layer in left.items() if _is(kernel, layer)]
        if alike:
            words = graph.op_name(position).replace(";", "/").split("/")
            named = [index for index in alike if layers[index].name.split("/")[-1].split("#")[0] in words]
            found[position] = (named or alike)[0]
            del left[found[position]]
    return found


def _is(kernel: _Kernel, layer: LayerShape) -> bool:
    return kernel == _Kernel(layer.kernel, layer.in_channels, layer.out_channels, layer.groups == layer.in_channels > 1)


def _with_constants(
    op: Op, shapes: Mapping[int, Shape], tensors: list[Tensor], made: dict[tuple[int, Shape], int]
) -> Op:
    """The op with constants of other shapes, which come to the end of ``tensors``: one that ops share, since their
    values are equal, may get several. ``made`` are those that are there. Their values cost no memory and mean nothing.
    """
    places = {}
    for index, shape in shapes.items():
        if (index, shape) not in made:
            made[index, shape] = len(tensors)
            zeros = np.broadcast_to(np.zeros((), tensors[index].dtype.numpy), shape)
            tensors.append(replace(tensors[index], shape=shape, data=zeros))
        places[index] = made[index, shape]
    return replace(op, inputs=tuple(places.get(index, index) for index in op.inputs))


def _with_channels(op: Op, layer: LayerShape | None) -> Op:
    options = op.options
    if layer is not None and isinstance(options, _COUNTING):
        return replace(op, options=replace(options, channels_in=layer.in_channels))
    return op


def _channels(graph: Graph, index: int) -> int:
    shape = graph.tensors[index].shape
    return shape[-1] if shape else 1


def _narrower_constants(
    graph: Graph, op: Op, layer: LayerShape | None, channels: Mapping[int, int]
) -> dict[int, Shape]:
    """New shapes of the op's constants."""
    constants = {i: graph.tensors[i].shape for i in op.inputs if i != ABSENT and graph.tensors[i].is_constant}
    found: dict[int, Shape] = {}
    if layer is not None:
        filter_index, kernel = op.inputs[1], _kernel(graph, op)
        assert kernel is not None
        for index, shape in constants.items():
            if index == filter_index:
                found[index] = _filter(op, shape, layer)
            elif shape[-1:] == (kernel.channels_out,):
                found[index] = (*shape[:-1], layer.out_channels)
        return found
    for output in op.outputs:
        before, after = _channels(graph, output), _output_channels(graph, op, output, layer, channels)
        for index, shape in constants.items():
            if shape and shape[-1] == before > 1 and graph.tensors[index].dtype not in (DType.INT32, DType.INT64):
                found[index] = (*shape[:-1], after)
    return found


def _filter(op: Op, shape: Shape, layer: LayerShape) -> Shape:
    depth = layer.in_channels // layer.groups
    if op.kind == "DEPTHWISE_CONV_2D":
        return (*shape[:-1], layer.out_channels)
    if op.kind == "EdgebnnConv2dW1A8" and shape[0] == 1 != layer.out_channels and depth == 1:
        return (*shape[:-1], packed_channels(layer.out_channels))
    packed = op.kind in ("LceBconv2d", "EdgebnnConv2dW1A8", "EdgebnnDenseW1A8")
    return (layer.out_channels, *shape[1:-1], packed_channels(depth) if packed else depth)


def _output_channels(graph: Graph, op: Op, output: int, layer: LayerShape | None, channels: Mapping[int, int]) -> int:
    """How long the last axis of an output becomes."""
    before = _channels(graph, output)
    if layer is not None:
        return layer.out_channels
    if graph.tensors[output].dtype in (DType.INT32, DType.INT64) and op.kind not in _PACKED_OUTPUTS:
        return before  # a shape, not a feature map
    inputs = [index for index in op.inputs if index in channels]
    if not inputs:
        return before
    if op.kind in _PACKED_OUTPUTS:
        return channels[inputs[0]]
    if op.kind == "CONCATENATION" and before == sum(_channels(graph, index) for index in inputs):
        return sum(channels[index] for index in inputs)
    for index in inputs:
        if _channels(graph, index) == before:
            return channels[index]
    return _rearranged(op, before, _channels(graph, inputs[0]), channels[inputs[0]])


def _rearranged(op: Op, before: int, old: int, new: int) -> int:
    """Where an op makes ``before`` channels of ``old`` ones that are now ``new``."""
    if op.kind == "PAD" or op.kind == "PADV2":
        return before - old + new
    if op.kind == "RESHAPE" and before % old == 0:
        return before // old * new
    if op.kind in ("RESHAPE", "SPLIT") and old % before == 0:
        return math.ceil(new / (old // before))
    return before
