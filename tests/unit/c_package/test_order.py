"""The order of ops: every op after what it reads, less memory than in the file where that can be had, and soon."""

from __future__ import annotations

import time

from edgebnn.converters.c_package.order import reorder
from edgebnn.graph.types import Graph, Tensor
from tests.support.c_graphs import int8_tensor, plain_op


def branches(count: int, size: int) -> Graph:
    """From one input ``count`` branches, each large and then small, which the file runs side by side; all are added."""
    tensors: list[Tensor] = [int8_tensor("x", (1, 4, size))]
    ops = []
    for i in range(count):
        tensors += [int8_tensor(f"large{i}", (1, 4, size)), int8_tensor(f"small{i}", (1, 4, 1))]
        ops.append(plain_op("RELU", (0,), (2 * i + 1,)))
    ops += [plain_op("SLICE", (2 * i + 1,), (2 * i + 2,)) for i in range(count)]
    total = 2
    for i in range(1, count):
        tensors.append(int8_tensor(f"sum{i}", (1, 4, 1)))
        ops.append(plain_op("ADD", (total, 2 * i + 2), (len(tensors) - 1,)))
        total = len(tensors) - 1
    return Graph("branches", tuple(tensors), tuple(ops), (0,), (total,))


def peak(graph: Graph) -> int:
    """The most bytes live at once where no op works in place."""
    last = {t: i for i, op in enumerate(graph.ops) for t in op.inputs}
    first = {t: i for i, op in enumerate(graph.ops) for t in op.outputs}
    return max(
        sum(graph.tensors[t].bytes for t in first if first[t] <= i <= last.get(t, len(graph.ops)))
        for i in range(len(graph.ops))
    )


def test_branches_run_one_by_one() -> None:
    graph = branches(4, 100)
    found = reorder(graph)
    done = {0}
    for op in found.ops:
        assert set(op.inputs) <= done
        done |= set(op.outputs)
    assert sorted(op.outputs for op in found.ops) == sorted(op.outputs for op in graph.ops)
    assert peak(graph) > 4 * 400
    assert peak(found) < 2 * 400


def test_wide_networks_take_seconds() -> None:
    """Of 60 branches, any of which could come next; it takes half a second on an idle machine."""
    began = time.process_time()
    reorder(branches(60, 10))
    assert time.process_time() - began < 20
