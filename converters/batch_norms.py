"""Batch norms that no convolution has taken in, each as one op that int8 computes well, above concatenations.

What multiplies and adds by channel would round twice in int8, with constants of 8 bits that share one scale. A
depthwise convolution of 1x1 is the same function, with a scale for the weight of each channel and a bias of 32 bits.

Behind a concatenation it may as well be applied to each branch, and has to be where branches differ in range: in the
one scale of the concatenation little would be left of the narrow ones.

Where nothing but signs is taken of its results, it is a threshold, and its channels may be multiplied by any positive
number: each is, by a power of two, so that one step of what it reads makes half a unit to a unit. A PReLU in front of
a threshold that rises in every channel moves the threshold, no more: what it reads has its steps below zero too, of
which small slopes leave int8 few.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgebnn.graph.ops.conv import DepthwiseConv2DOptions
from edgebnn.graph.ops.elementwise import AddOptions, MulOptions, SubOptions
from edgebnn.graph.ops.enums import Activation, Padding
from edgebnn.graph.types import Array, DType, Graph, Op, Tensor

from .branches import concatenates_channels
from .ranges import COARSER, STEPS, Range, sign_only, width
from .rewriting import without_dead_ops
from .sign_sources import positive_slopes

_BEYOND = 1e4
"""In units, of which int8 makes 255 at most: a threshold as far away as that is never crossed."""

_UNITS: Range = (-32.0, 31.75)
"""Of int8 in steps of 1/4 unit; what is beyond has its sign."""

_Floats = NDArray[np.float32]


@dataclass(frozen=True)
class _Norm:
    """``result = activation(source * weights + bias)``, by channel; ``ops`` are the positions of what computes it."""

    source: int
    result: int
    weights: _Floats
    bias: _Floats
    activation: Activation
    ops: tuple[int, ...]


@dataclass(frozen=True)
class Normed:
    """A float graph without such batch norms.

    Attributes:
        graph: the very one that was given if there are none.
        thresholds: results in units, of which only signs are taken, with the range that they are to have.
    """

    graph: Graph
    thresholds: Mapping[int, Range]


def as_depthwise(graph: Graph, ranges: Mapping[int, Range]) -> Normed:
    """``graph`` with depthwise convolutions for its batch norms.

    Args:
        graph: a float graph of batch size 1.
        ranges: of its float tensors that are given or computed, as measured.
    """
    signs = sign_only(graph)
    rewriting, found = _Rewriting(graph, ranges), _norms(graph)
    moved = [_in_front_of_slopes(norm, graph, found) if norm.result in signs else norm for norm in found]
    norms = [norm for norm in moved if rewriting.gains(norm, norm.result in signs)]
    if not norms:
        return Normed(graph, {})
    last = {norm.ops[-1]: norm for norm in norms}
    replaced = {position for norm in norms for position in norm.ops}
    for position, op in enumerate(graph.ops):
        if position in last:
            norm = last[position]
            rewriting.apply(norm, norm.result in signs)
        elif position not in replaced:
            rewriting.ops.append(op)
    normed = replace(graph, tensors=tuple(rewriting.tensors), ops=tuple(rewriting.ops))
    return Normed(without_dead_ops(normed), dict.fromkeys(rewriting.thresholds, _UNITS))


def _norms(graph: Graph) -> list[_Norm]:
    readers: dict[int, list[int]] = {}
    for position, op in enumerate(graph.ops):
        for index in op.inputs:
            readers.setdefault(index, []).append(position)
    found, taken = [], set[int]()
    for position, op in enumerate(graph.ops):
        operands = None if position in taken else _by_channel(graph, op)
        if operands is None:
            continue
        source, constant = operands
        norm = _Norm(source, op.outputs[0], *_line(op, constant), op.options.fused_activation_function, (position,))  # type: ignore[attr-defined]
        following = readers.get(norm.result, [])
        if op.kind == "MUL" and norm.activation == Activation.NONE and len(following) == 1:
            added = graph.ops[following[0]]
            second = _by_channel(graph, added) if added.kind != "MUL" and norm.result not in graph.outputs else None
            if second is not None:
                norm = replace(
                    norm,
                    result=added.outputs[0],
                    bias=_line(added, second[1])[1],
                    activation=added.options.fused_activation_function,  # type: ignore[attr-defined]
                    ops=(position, following[0]),
                )
                taken.add(following[0])
        found.append(norm)
    return found


def _in_front_of_slopes(threshold: _Norm, graph: Graph, norms: Sequence[_Norm]) -> _Norm:
    """The same signs taken of what PReLUs read that ``threshold`` lies behind, other batch norms in between or not."""
    earlier = {norm.result: norm for norm in norms if norm.activation == Activation.NONE}
    makers = {i: op for op in graph.ops for i in op.outputs}
    moved = passed = threshold
    while threshold.activation == Activation.NONE:
        norm, maker = earlier.get(moved.source), makers.get(moved.source)
        if norm is not None:
            bias = moved.bias + moved.weights * norm.bias
            moved = replace(moved, source=norm.source, weights=moved.weights * norm.weights, bias=bias)
        elif maker is not None and (slopes := positive_slopes(maker, graph.tensors)) is not None:
            below = moved.bias * moved.weights > 0  # where the threshold lies below zero
            bias = np.where(below, moved.bias / slopes.ravel(), moved.bias)
            moved = passed = replace(moved, source=maker.inputs[0], bias=bias)
        else:
            break
    return passed


def _by_channel(graph: Graph, op: Op) -> tuple[int, _Floats] | None:
    """What ``op`` reads, and its constant of a value for each channel, if it is that kind of op."""
    if op.kind not in ("MUL", "ADD", "SUB") or not isinstance(op.options, MulOptions | AddOptions | SubOptions):
        return None
    source, constant = op.inputs
    if graph.tensors[source].is_constant and op.kind != "SUB":
        source, constant = constant, source
    tensor, data = graph.tensors[source], graph.tensors[constant].data
    channels = tensor.shape[-1] if len(tensor.shape) == 4 else 0
    if data is None or tensor.is_constant or tensor.dtype != DType.FLOAT32 or channels < 2:
        return None
    by_channel = data.size == channels and data.shape[-1:] == (channels,)
    return (source, data.ravel()) if by_channel else None


def _line(op: Op, constant: _Floats) -> tuple[_Floats, _Floats]:
    """Weights and bias of ``op``."""
    if op.kind == "MUL":
        return constant, np.zeros_like(constant)
    return np.ones_like(constant), constant if op.kind == "ADD" else -constant


class _Rewriting:
    """The tensors and ops of a graph while it is rewritten."""

    def __init__(self, graph: Graph, ranges: Mapping[int, Range]) -> None:
        self.tensors, self.ops = list(graph.tensors), list[Op]()
        self.thresholds = set[int]()
        self._ranges = ranges
        self._makers = {i: op for op in graph.ops for i in op.outputs}

    def gains(self, norm: _Norm, for_signs: bool) -> bool:
        """Not where an addition alone rounds once, and its constants are added to values in one scale."""
        return for_signs or bool((norm.weights != 1).any()) or bool(self._branches(norm.source))

    def apply(self, norm: _Norm, for_signs: bool) -> None:
        """Adds the ops that compute the result of ``norm``."""
        pieces = self._pieces(norm.source, 0)
        if len(pieces) == 1:
            self._depthwise(norm, norm.source, norm.result, slice(None), for_signs)
            return
        parts = []
        for source, start in pieces:
            part = self._add(replace(self.tensors[source], name=self.tensors[norm.result].name))
            self._depthwise(norm, source, part, slice(start, start + self.tensors[source].shape[-1]), for_signs)
            parts.append(part)
        self.ops.append(replace(self._makers[norm.source], inputs=tuple(parts), outputs=(norm.result,)))

    def _pieces(self, source: int, start: int) -> list[tuple[int, int]]:
        """What to apply a batch norm to in place of ``source``, and the first channel of each."""
        branches, found = self._branches(source), []
        for branch in branches:
            found += self._pieces(branch, start)
            start += self.tensors[branch].shape[-1]
        return found if branches else [(source, start)]

    def _depthwise(self, norm: _Norm, source: int, result: int, channels: slice, for_signs: bool) -> None:
        weights, bias = norm.weights[channels], norm.bias[channels]
        if for_signs and norm.activation == Activation.NONE:
            self.thresholds.add(result)
            weights, bias = _in_units(weights, bias, width(self._ranges[source]))
        name = self.tensors[norm.result].name
        constants = (
            self._add(Tensor(f"{name}/weights", (1, 1, 1, len(weights)), DType.FLOAT32, None, _shaped(weights))),
            self._add(Tensor(f"{name}/bias", (len(bias),), DType.FLOAT32, None, bias)),
        )
        options = DepthwiseConv2DOptions(Padding.VALID, 1, 1, 1, norm.activation)
        self.ops.append(Op("DEPTHWISE_CONV_2D", (source, *constants), (result,), options))

    def _branches(self, source: int) -> tuple[int, ...]:
        """What ``source`` concatenates by channel, if some of it would lose precision in one scale."""
        joined = self._joined(source)
        apart = [width(self._ranges[i]) for i in self._leaves(source)] if joined else []
        return joined if apart and max(apart) > COARSER * min(apart) else ()

    def _joined(self, index: int) -> tuple[int, ...]:
        op = self._makers.get(index)
        joins = op is not None and concatenates_channels(op, self.tensors) and all(i in self._ranges for i in op.inputs)
        return op.inputs if op is not None and joins else ()

    def _leaves(self, index: int) -> Sequence[int]:
        joined = self._joined(index)
        return [leaf for i in joined for leaf in self._leaves(i)] if joined else [index]

    def _add(self, tensor: Tensor) -> int:
        self.tensors.append(tensor)
        return len(self.tensors) - 1


def _in_units(weights: _Floats, bias: _Floats, source_width: float) -> tuple[_Floats, _Floats]:
    """The same signs, and |weights| that make 1/2 to 1 of a step of int8 over ``source_width``."""
    step = source_width / STEPS
    dead = weights == 0  # their bias decides
    exponents = -np.frexp(np.abs(weights) * step)[1]
    with np.errstate(over="ignore"):
        scaled = np.ldexp(weights.astype(np.float64), exponents), np.ldexp(bias.astype(np.float64), exponents)
    scaled_weights = np.where(dead, 0.75 / step, scaled[0])
    scaled_bias = np.where(dead, np.where(bias < 0, -_BEYOND, _BEYOND), np.clip(scaled[1], -_BEYOND, _BEYOND))
    return scaled_weights.astype(np.float32), scaled_bias.astype(np.float32)


def _shaped(weights: _Floats) -> Array:
    return weights.reshape(1, 1, 1, -1)
