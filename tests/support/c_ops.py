"""Random ops as C: many cases of one op in one network, so that a compiler is started once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from edgebnn.graph.types import ABSENT, Array, Graph, Op, Tensor
from tests.support.op_cases.base import Case


def drawn(strategy: st.SearchStrategy[Case], count: int) -> list[Case]:
    """Cases of a strategy, the same every time."""
    found: list[Case] = []

    @settings(max_examples=count, phases=[Phase.generate], derandomize=True, database=None, deadline=None)
    @given(strategy)
    def collect(case: Case) -> None:
        found.append(case)

    collect()
    return found[:count]


@dataclass(frozen=True)
class Joined:
    """Several one-op graphs as one graph, side by side."""

    graph: Graph
    inputs: tuple[Array, ...]


def joined(cases: Sequence[Case]) -> Joined:
    """The graphs of ``cases`` side by side, with all their inputs."""
    tensors: list[Tensor] = []
    ops: list[Op] = []
    inputs: list[int] = []
    outputs: list[int] = []
    for number, case in enumerate(cases):
        graph, first = case.graph, len(tensors)
        tensors += [replace(t, name=f"{t.name}_{number}") for t in graph.tensors]
        for op in graph.ops:
            moved = tuple(i if i == ABSENT else i + first for i in op.inputs)
            ops.append(replace(op, inputs=moved, outputs=tuple(i + first for i in op.outputs)))
        inputs += [i + first for i in graph.inputs]
        outputs += [i + first for i in graph.outputs]
    everything = Graph("joined", tuple(tensors), tuple(ops), tuple(inputs), tuple(outputs))
    return Joined(everything, tuple(x for case in cases for x in case.inputs))
