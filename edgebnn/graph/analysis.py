"""Everything ``edgebnn analyze`` tells of a model without running it."""

from __future__ import annotations

from dataclasses import dataclass

from . import counts
from .liveness import arena_lower_bound_bytes, peak_arena_bytes
from .opdef import Macs
from .shapes import require_sizes
from .types import Graph


@dataclass(frozen=True)
class OpAnalysis:
    """One op: multiply-accumulates by precision, bytes of its constants and of what it computes."""

    index: int
    op: str
    name: str
    macs: Macs
    weight_bytes: int
    output_bytes: int


@dataclass(frozen=True)
class Totals:
    """The whole model. A constant that several ops share counts once; the arena is that of :mod:`.liveness`."""

    macs: Macs
    weight_bytes: int
    file_bytes: int
    peak_arena_bytes: int
    arena_lower_bound_bytes: int


@dataclass(frozen=True)
class Analysis:
    """Per op and in all; ``dataclasses.asdict`` gives the fields that ``edgebnn analyze --json`` promises."""

    ops: tuple[OpAnalysis, ...]
    totals: Totals


def analyze(graph: Graph, file_bytes: int) -> Analysis:
    """Counts a model without running it.

    Args:
        graph: the model.
        file_bytes: size of its file.

    Returns:
        Its costs for its shapes, by op and in all.

    Raises:
        InputError: the file leaves the size of an input open.
    """
    require_sizes(graph, graph.name)
    ops = tuple(
        OpAnalysis(
            index=index,
            op=op.kind,
            name=graph.op_name(index),
            macs=counts.op_macs(graph, index),
            weight_bytes=counts.op_weight_bytes(graph, index),
            output_bytes=counts.op_output_bytes(graph, index),
        )
        for index, op in enumerate(graph.ops)
    )
    return Analysis(
        ops=ops,
        totals=Totals(
            macs=counts.macs(graph),
            weight_bytes=counts.weight_bytes(graph),
            file_bytes=file_bytes,
            peak_arena_bytes=peak_arena_bytes(graph),
            arena_lower_bound_bytes=arena_lower_bound_bytes(graph),
        ),
    )
