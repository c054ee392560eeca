"""What a layer asks of a machine: the bounds of its loops and how many bits its operands have.

The loops are named as the Eyeriss papers name them: N samples, M output channels, C input channels, E x F positions of
the output, R x S taps of the filter; G groups stand beside them. Operands are weights, inputs and outputs, the latter
as partial sums until their last multiply-accumulate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeAlias

from edgebnn.arithmetic.packing import WORD_BITS, packed_channels
from edgebnn.errors import InputError
from edgebnn.graph.opdef import Loops, Macs, op_view
from edgebnn.graph.ops import OPS
from edgebnn.graph.shapes import require_sizes
from edgebnn.graph.types import DType, Graph, Tensor

DIMS = ("G", "N", "M", "C", "E", "F", "R", "S")
G, N, M, C, E, F, R, S = range(8)
Operand: TypeAlias = str
WEIGHTS, INPUTS, OUTPUTS = OPERANDS = ("weights", "inputs", "outputs")
RELEVANT: Mapping[Operand, frozenset[int]] = MappingProxyType(
    {
        WEIGHTS: frozenset((G, M, C, R, S)),
        INPUTS: frozenset((G, N, C, E, F, R, S)),
        OUTPUTS: frozenset((G, N, M, E, F)),
    }
)
"""The loops that move to other elements of an operand; while any other turns, the same are used again."""
PRECISIONS = ("binary", "w1a8", "int8", "float")

_BITS = {"w1a8": (1, 8, 32), "int8": (8, 8, 32), "float": (32, 32, 32)}  # weights, inputs, partial sums


@dataclass(frozen=True)
class Workload:
    """One layer.

    Attributes:
        name: of the layer.
        bounds: of the loops, in the order of :data:`DIMS`. Binary layers count input channels in packed words.
        precision: of weights and inputs, one of :data:`PRECISIONS`.
        bits: of one element of weights, inputs and outputs; fractions where elements are packed, the rest of the last
            word included.
        sum_bits: of one partial sum.
        lanes: multiply-accumulates that one turn of the innermost loop stands for.
        macs: multiply-accumulates in all.
        stride, dilation: along (height, width).
        before: rows and columns of padding in front of the input.
        in_size: (height, width) of the input without padding.
        zeros: share of zeros among inputs and outputs, for machines that compress them.
        op: the index of its op in the model.
    """

    name: str
    bounds: tuple[int, int, int, int, int, int, int, int]
    precision: str
    bits: Mapping[Operand, float]
    sum_bits: int
    lanes: int
    macs: int
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    before: tuple[int, int] = (0, 0)
    in_size: tuple[int, int] = (1, 1)
    zeros: tuple[float, float] = (0.0, 0.0)
    op: int = 0

    @property
    def iterations(self) -> int:
        """Turns of the innermost loop."""
        return math.prod(self.bounds)

    @property
    def shape(self) -> tuple[object, ...]:
        """What layers that cost the same have in common."""
        space = (
            self.stride,
            self.dilation,
            self.before,
            self.in_size,
        )  # how much of the input is padding is part of it
        return (self.bounds, self.precision, tuple(self.bits.items()), space, self.zeros)

    def stored_in(self, word_bits: int | None) -> Workload:
        """The layer on a machine whose numbers all have ``word_bits``: only 1-bit operands stay packed, in such words.

        Args:
            word_bits: bits of every number; None where memories hold what the file holds.
        """
        if word_bits is None:
            return self
        bits = {operand: float(word_bits) for operand in OPERANDS}
        bounds, lanes = list(self.bounds), self.lanes
        if self.precision == "binary":
            bounds[C], lanes = -(-bounds[C] * WORD_BITS // word_bits), word_bits
        elif self.precision == "w1a8":
            bits[WEIGHTS] = self.bits[WEIGHTS]
        if self.bits[OUTPUTS] <= 2:
            bits[OUTPUTS] = self.bits[OUTPUTS]
        changed = replace(self, bits=MappingProxyType(bits), sum_bits=word_bits, lanes=lanes)
        return replace(changed, bounds=tuple(bounds))  # type: ignore[arg-type]


def workload(loops: Loops, name: str, output_bits: float = 32) -> Workload:
    """The layer of a loop nest.

    Args:
        loops: of the op.
        name: of the layer.
        output_bits: of one element of its output.
    """
    precision = next((name for name in PRECISIONS if getattr(loops.macs, name)), PRECISIONS[-1])
    channels, lanes = loops.in_channels, 1
    weight_bits: float
    if precision == "binary":
        channels, lanes = packed_channels(channels), WORD_BITS
        weight_bits = input_bits = WORD_BITS
        sum_bits = 32
    else:
        weight_bits, input_bits, sum_bits = _BITS[precision]
    if precision == "w1a8" and channels > 1:  # the words of a filter end with each tap; depthwise ones hold channels
        weight_bits = packed_channels(channels) * WORD_BITS / channels
    return Workload(
        name=name,
        bounds=(loops.groups, loops.batch, loops.out_channels, channels, *loops.out_size, *loops.filter_size),
        precision=precision,
        bits=MappingProxyType({WEIGHTS: weight_bits, INPUTS: float(input_bits), OUTPUTS: float(output_bits)}),
        sum_bits=sum_bits,
        lanes=lanes,
        macs=loops.macs.total,
        stride=loops.stride,
        dilation=loops.dilation,
        before=loops.before,
        in_size=loops.in_size,
    )


@dataclass(frozen=True)
class Unplanned:
    """An op that multiplies and accumulates, but not as a nest of these loops."""

    name: str
    op: str
    macs: int


def workloads(graph: Graph, batch: int = 1) -> tuple[tuple[Workload, ...], tuple[Unplanned, ...]]:
    """The layers of a model that multiply and accumulate, in order.

    Args:
        graph: the model.
        batch: samples, in place of each of those that the file is made for.

    Returns:
        The layers, and the ops that are not loop nests of this kind.

    Raises:
        InputError: the file leaves the size of an input open, or nothing in it multiplies and accumulates.
    """
    require_sizes(graph, graph.name)
    layers: list[Workload] = []
    left: list[Unplanned] = []
    for index, op in enumerate(graph.ops):
        view = op_view(graph, index)
        loops, macs = OPS[op.kind].loops(view), OPS[op.kind].macs(view)
        if loops is None:
            if macs.total:
                left.append(Unplanned(view.name, op.kind, macs.total * batch))
            continue
        filter_is_constant = view.inputs[1] is not None and view.inputs[1].is_constant
        if filter_is_constant:
            loops = replace(loops, batch=loops.batch * batch)
        else:  # each sample has a filter of its own
            loops = replace(loops, groups=loops.groups * batch)
        loops = replace(loops, macs=sum((loops.macs for _ in range(batch)), Macs()))
        output_bits = _output_bits(view.outputs[0], loops.groups * loops.out_channels)
        layers.append(replace(workload(loops, view.name, output_bits), op=index))
    if not layers:
        raise InputError(f"{graph.name}: no layer of it multiplies and accumulates: there is nothing to plan")
    return tuple(layers), tuple(left)


def _output_bits(output: Tensor, channels: int) -> float:
    """Of one element; where channels are packed, with the unused bits of the last word."""
    if output.dtype == DType.INT32:
        return packed_channels(channels) * WORD_BITS / channels
    return 8.0 * output.dtype.bytes
