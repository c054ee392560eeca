"""The ranges of a float graph's tensors on samples, and which tensors must share one when they are int8."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from statistics import median

from edgebnn.graph.ops import OPS
from edgebnn.graph.types import Array, DType, Graph, Op
from edgebnn.runtime.interpreter import Interpreter

from .quiet import captured
from .write_tflite import to_bytes

Range = tuple[float, float]

STEPS = 255
"""Of int8, from the least value to the greatest."""

COARSER = 2.0
"""Times that a step may become wider for a neighbour: one bit of eight."""

_SMALLEST = 1e-4
"""Of a range, beside the median of all: of a result that is always zero, or of which rounding leaves something."""

_ONLY_ZEROS = 1e-3
"""The width of a range where there is no other one."""

_FINER = 256.0  # times, at most, than the widest in a group: multipliers of kernels have bounds

_AVERAGING = ("AVERAGE_POOL_2D", "RESIZE_BILINEAR")
"""Ops of one scale whose results have other signs if what they read saturates."""


def measured_ranges(graph: Graph, samples: Sequence[Array]) -> dict[int, Range]:
    """Least and greatest value of each float tensor that is given or computed, by index.

    Args:
        graph: a float graph.
        samples: for each input of the graph an array [samples, ...]; as many run at a time as the graph takes.

    Raises:
        EdgebnnError: the runtime cannot run the graph.
    """
    computed = [i for op in graph.ops for i in op.outputs if graph.tensors[i].dtype == DType.FLOAT32]
    with captured():  # LiteRT tells the first time which delegates it has
        probe = Interpreter(model_content=to_bytes(replace(graph, outputs=tuple(computed), signatures=())))
        probe.allocate_tensors()
    inputs, outputs = probe.get_input_details(), probe.get_output_details()
    ranges = {
        index: (float(values.min()), float(values.max()))
        for index, values in zip(graph.inputs, samples, strict=True)
        if graph.tensors[index].dtype == DType.FLOAT32
    }
    (batch,) = graph.tensors[graph.inputs[0]].shape[:1] or (1,)
    for start in range(0, len(samples[0]) - batch + 1, batch):
        for detail, values in zip(inputs, samples, strict=True):
            probe.set_tensor(detail["index"], values[start : start + batch].astype(detail["dtype"]))
        probe.invoke()
        for index, detail in zip(computed, outputs, strict=True):
            values = probe.get_tensor(detail["index"])
            low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
            known = ranges.get(index, (low, high))
            ranges[index] = min(low, known[0]), max(high, known[1])
    return _wide_enough(_as_chosen(graph, ranges))


def _wide_enough(ranges: Mapping[int, Range]) -> dict[int, Range]:
    """``ranges``, none so narrow that no factor leads to it: by what is usual in the graph, whatever its unit."""
    widths = [high - low for low, high in ranges.values() if high > low]
    least = _SMALLEST * median(widths) if widths else _ONLY_ZEROS
    return {i: (low, max(high, low + least)) for i, (low, high) in ranges.items()}


def _as_chosen(graph: Graph, ranges: dict[int, Range]) -> dict[int, Range]:
    """``ranges`` without what never leaves the ops that read a tensor, because all of them only move or choose values:
    a clipping reads values up to its bounds. What saturates at the bounds of a result is chosen, or not, as before."""
    readers: dict[int, list[Op]] = {i: [] for i in graph.outputs}
    for op in graph.ops:
        for index in op.inputs:
            readers.setdefault(index, []).append(op)
    for index in (i for op in reversed(graph.ops) for i in op.outputs if i in ranges):
        reading = readers.get(index, [])
        if index in graph.outputs or not reading or not all(_chooses(graph, op, index) for op in reading):
            continue
        results = [ranges[i] for op in reading for i in op.outputs]
        low, high = min(low for low, _ in results), max(high for _, high in results)
        ranges[index] = max(low, min(high, ranges[index][0])), min(high, max(low, ranges[index][1]))
    return ranges


def _chooses(graph: Graph, op: Op, index: int) -> bool:
    """Whether ``op`` moves or chooses values of a float tensor, and does nothing else with it."""
    return (
        keeps_signs(op)
        and index in bound_inputs(graph, op)
        and all(graph.tensors[i].dtype == DType.FLOAT32 for i in op.outputs)
    )


def shared_ranges(graph: Graph, ranges: Mapping[int, Range], signs: Collection[int] = ()) -> dict[int, Range]:
    """``ranges`` with one for all tensors that ops which only move or choose values bind together, and zero in each.

    Padding and ReLU need zero exact. Of tensors bound to one of ``signs`` nothing but signs are taken, so they have the
    finest scale among them: what saturates keeps its sign.
    """
    groups = Groups(graph, graph.ops)
    known = dict(ranges)
    for index, tensor in enumerate(graph.tensors):
        if tensor.data is not None and tensor.data.size and tensor.dtype == DType.FLOAT32:
            known[index] = float(tensor.data.min()), float(tensor.data.max())
    members: dict[int, list[Range]] = {}
    for index, given in known.items():
        members.setdefault(groups.of(index), []).append(given)
    finest = {groups.of(index) for index in signs}
    shared = {group: (_finest if group in finest else _widest)(given) for group, given in members.items()}
    return {index: shared[groups.of(index)] for index in ranges}


def width(*ranges: Range) -> float:
    """Of the range that covers ``ranges`` and zero."""
    low, high = _widest(ranges)
    return high - low


def _widest(ranges: Sequence[Range]) -> Range:
    """What reaches as far on both sides gets 127 steps on each: of signs and their sums none is rounded, so that what
    adds up to zero still does."""
    low, high = min(0.0, *(low for low, _ in ranges)), max(0.0, *(high for _, high in ranges))
    high = high if high > low else low + _ONLY_ZEROS
    return (low * 128 / 127 if low == -high else low), high


def _finest(ranges: Sequence[Range]) -> Range:
    """Symmetric, so that either sign has values left, in the steps of the narrowest of ``ranges``."""
    widths = [width(given) for given in ranges]
    step = max(min(widths), max(widths) / _FINER) / STEPS
    return -128 * step, 127 * step


def keeps_signs(op: Op) -> bool:
    """Whether signs of results are those of what ``op`` reads, also where that saturates."""
    return OPS[op.kind].same_scale and op.kind not in _AVERAGING


def bound_inputs(graph: Graph, op: Op) -> tuple[int, ...]:
    """Indices of the float inputs of ``op`` that have the scale of its results."""
    return tuple(i for i in OPS[op.kind].of_one_scale(op, graph.tensors) if i in op.inputs)


def signs_taken(graph: Graph) -> set[int]:
    """The tensors of which nothing but signs is taken, be it by way of ops that keep them."""
    taken, other = set[int](), set(graph.outputs)
    for op in reversed(graph.ops):
        keeps = keeps_signs(op) and taken.issuperset(op.outputs)
        (taken if keeps or op.kind == "LceQuantize" else other).update(op.inputs)
        taken -= other
    return taken


def sign_only(graph: Graph) -> set[int]:
    """The float results of which nothing but signs is taken, nor of what they share a scale with."""
    taken = signs_taken(graph)
    found = set[int]()
    for op in graph.ops:
        bound = [i for i in bound_inputs(graph, op) if not graph.tensors[i].is_constant]
        if taken.issuperset(op.outputs) and found.issuperset(bound):
            found.update(i for i in op.outputs if graph.tensors[i].dtype == DType.FLOAT32)
    return found


class Groups:
    """Tensors that ``ops`` give one quantization (a union-find)."""

    def __init__(self, graph: Graph, ops: Sequence[Op]) -> None:
        self._parents = list(range(len(graph.tensors)))
        for op in ops:
            bound = OPS[op.kind].of_one_scale(op, graph.tensors)
            for index in bound:
                self._parents[self.of(index)] = self.of(bound[0])

    def of(self, index: int) -> int:
        """The same number for all tensors of a group."""
        while self._parents[index] != index:
            self._parents[index] = index = self._parents[self._parents[index]]
        return index
