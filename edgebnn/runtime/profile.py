"""Where the time of an inference goes, op by op.

LiteRT's Python interpreter has no profiler, and XNNPACK's ops are one node to it. So our ops are timed inside the
delegate, and what lies between two of its partitions is one stretch of ops that XNNPACK or LiteRT's own kernels ran.
All times are of one clock (time.perf_counter_ns, which the delegate reads too), so the entries add up to the whole.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgebnn import machine

from .plugin import OpTime, Plugin

Kind = Literal["measured", "emulated", "simulated", "estimated"]
Unit = Literal["ms", "instructions", "cycles"]

_NS_PER_MS = 1e6
INTERPRETER = "INTERPRETER"
"""The ``op`` of the entry for time in which no op ran: the call itself, and the steps between two partitions."""


def is_counted(kind: Kind, unit: Unit) -> bool:
    """Whether figures are the same in every run: counts, and what is estimated from them.

    Args:
        kind: how they are found.
        unit: theirs.

    Returns:
        Whether a second run would tell nothing new.
    """
    return kind in ("simulated", "estimated") or unit != "ms"


@dataclass(frozen=True)
class OpProfile:
    """One op, or one stretch of ops that cannot be told apart.

    index: of the op in the file, of the first one for a stretch, -1 for the interpreter's own time.
    op: its kind, or those of the stretch with their numbers ("CONV_2D x2 + ADD"). name: the layer, the last one of a
    stretch. value: in the profile's unit. share: of the total, 0 to 1. kernel: what ran it, if that is known.
    members: indices of all ops of the stretch, or of one of ours and those that are done with it, whose kinds are
    then in ``fused``.
    """

    index: int
    op: str
    name: str
    value: float
    share: float
    kernel: str = ""
    members: tuple[int, ...] = ()
    fused: str = ""

    @property
    def label(self) -> str:
        """Everything that was done, in words."""
        return f"{self.op} + {self.fused}" if self.fused else self.op


@dataclass(frozen=True)
class Profile:
    """What one inference costs, by op.

    kind: what the figures are; those under an emulator are of no board. unit: "ms", "instructions" or "cycles".
    total: of the whole inference; of times, taken around it.
    """

    kind: Kind
    unit: Unit
    total: float
    ops: tuple[OpProfile, ...]

    def as_dict(self) -> dict[str, Any]:
        """The JSON object of ``edgebnn profile``, but for the target."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [f"{self.total:.3f} {self.unit} ({self.kind})"]
        lines += [f"{op.value:12.4f} {op.share:7.1%}  {op.label:30} {op.name}" for op in self.ops]
        return "\n".join(lines)


@dataclass(frozen=True)
class NodeInfo:
    """One op of the file as the interpreter lists it."""

    index: int
    op: str
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class _Segment:
    """A part of the time line: an op of ours (`ours`), or a stretch of others, empty where no op ran."""

    nodes: tuple[NodeInfo, ...]
    ours: OpTime | None = None


def measure(invoke: Callable[[], object], plugin: Plugin, nodes: Sequence[NodeInfo], repeats: int = 30) -> Profile:
    """Profiles an inference.

    Each value is the mean over those repeats whose total lies in the middle half, which drops the disturbed ones and
    still adds up.

    Args:
        invoke: the inference, of the interpreter that ``plugin`` serves.
        plugin: its delegate.
        nodes: the ops of the file.
        repeats: inferences timed.

    Returns:
        Milliseconds by op, or stretch of ops, and in all.
    """
    plugin.enable_profiling(True)
    try:
        for _ in range(max(2, repeats // 10)):
            invoke()
        runs = [_timed(invoke, plugin) for _ in range(repeats)]
    finally:
        plugin.enable_profiling(False)
    segments = _segments(runs[0][2], nodes)
    durations = np.array([_durations(begin, end, times) for begin, end, times in runs], dtype=np.float64) / _NS_PER_MS
    totals = np.array([end - begin for begin, end, _ in runs], dtype=np.float64) / _NS_PER_MS
    middle = middle_half(totals)
    return _profile(segments, durations[middle].mean(axis=0), float(totals[middle].mean()))


def _timed(invoke: Callable[[], object], plugin: Plugin) -> tuple[int, int, tuple[OpTime, ...]]:
    begin = time.perf_counter_ns()
    invoke()
    end = time.perf_counter_ns()
    return begin, end, plugin.op_times()


def middle_half(totals: NDArray[np.float64]) -> NDArray[np.intp]:
    """The repeats whose total lies in the middle half, by their index."""
    quarter = len(totals) // 4
    return np.argsort(totals)[quarter : len(totals) - quarter]


def _durations(begin: int, end: int, times: Sequence[OpTime]) -> list[int]:
    """Nanoseconds of each segment: in front of every op the time since the one before, and the rest at the end."""
    result = []
    for op in times:
        result += [op.begin_ns - begin, op.end_ns - op.begin_ns]
        begin = op.end_ns
    return [*result, end - begin]


def _segments(times: Sequence[OpTime], nodes: Sequence[NodeInfo]) -> list[_Segment]:
    stretches = _stretches(times, nodes)
    by_index = {node.index: node for node in nodes}
    result: list[_Segment] = []
    partition: int | None = None
    number = 0
    for op in times:
        number += op.partition != partition
        opens = op.partition != partition
        partition = op.partition
        result.append(_Segment(tuple(stretches.get(number - 1, ())) if opens else ()))
        result.append(_Segment(tuple(by_index[node] for node in (op.node, *op.joined)), op))
    return [*result, _Segment(tuple(stretches.get(number, ())))]


def _stretches(times: Sequence[OpTime], nodes: Sequence[NodeInfo]) -> dict[int, list[NodeInfo]]:
    """The ops that are not ours, by the number of our partitions that ran before them: LiteRT splits the graph so that
    every op runs as early as the partitions that it needs allow."""
    order = {partition: number for number, partition in enumerate(dict.fromkeys(op.partition for op in times), 1)}
    ours = {node: order[op.partition] for op in times for node in (op.node, *op.joined)}
    done: dict[int, int] = {}
    stretches: dict[int, list[NodeInfo]] = {}
    for node in nodes:
        before = ours.get(node.index, max((done.get(tensor, 0) for tensor in node.inputs), default=0))
        if node.index not in ours:
            stretches.setdefault(before, []).append(node)
        done.update((tensor, before) for tensor in node.outputs)
    return stretches


def _profile(segments: Sequence[_Segment], values: NDArray[np.float64], total: float) -> Profile:
    entries, idle = [], 0.0
    for segment, value in zip(segments, (float(v) for v in values), strict=True):
        if not segment.nodes:
            idle += value
            continue
        entries.append(
            OpProfile(
                index=segment.nodes[0].index,
                op=segment.ours.op if segment.ours else _kinds(segment.nodes),
                name=segment.nodes[0 if segment.ours else -1].name,
                value=value,
                share=value / total,
                kernel=segment.ours.kernel if segment.ours else "litert",
                members=tuple(node.index for node in segment.nodes),
                fused=_kinds(segment.nodes[1:]) if segment.ours else "",
            )
        )
    if idle > 0:
        entries.append(OpProfile(-1, INTERPRETER, "between the ops", idle, idle / total))
    return Profile(machine.timing_kind(), "ms", total, tuple(entries))


def _kinds(nodes: Iterable[NodeInfo]) -> str:
    counts: dict[str, int] = {}
    for node in nodes:
        counts[node.op] = counts.get(node.op, 0) + 1
    return " + ".join(f"{op} x{count}" if count > 1 else op for op, count in counts.items())
