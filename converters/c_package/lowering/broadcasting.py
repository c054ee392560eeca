"""Which elements of two operands meet, as the kernels walk through them (core/broadcast.h)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edgebnn.converters.c_package.program import Struct, Value
from edgebnn.graph.opdef import OpView
from edgebnn.graph.ops.dense import BatchMatMulOptions, operand_shapes
from edgebnn.graph.ops.view import options
from edgebnn.graph.types import Shape

Axis = tuple[int, ...]
"""Size, the step of the first operand in elements, that of the second, and so on."""


def steps(shape: Shape, rank: int) -> list[int]:
    """Elements from one index to the next along each of ``rank`` axes of what it broadcasts to: 0 where it repeats."""
    padded = (1,) * (rank - len(shape)) + shape
    found, step = [], 1
    for size in reversed(padded):
        found.append(0 if size == 1 else step)
        step *= size
    return found[::-1]


def merged(axes: Sequence[Axis]) -> list[Axis]:
    """The same elements in the same order by fewer axes: none of size 1, neighbours joined."""
    found: list[Axis] = []
    for size, *step in axes:
        if size == 0:
            return [(0,) * (1 + len(step))]
        if size == 1:
            continue
        if found and all(outer == size * inner for outer, inner in zip(found[-1][1:], step, strict=True)):
            size *= found.pop()[0]
        found.append((size, *step))
    return found or [(1, *(0 for _ in axes[0][1:]))] if axes else [(1, 0, 0)]


def broadcast(axes: Sequence[Axis]) -> Struct:
    """An ``eb_broadcast`` of axes as they are."""
    return Struct("eb_broadcast", {"axes": len(axes), "axis": np.array(axes, np.int32)})


def axes_of(first: Shape, second: Shape, output: Shape) -> list[Axis]:
    """Those of two operands and what they broadcast to, merged."""
    rank = len(output)
    return merged(list(zip(output, steps(first, rank), steps(second, rank), strict=True)))


def matrices(op: OpView) -> dict[str, Value]:
    """How a kernel of BATCH_MATMUL walks: over pairs of matrices, and with which steps in elements within each."""
    opts = options(op, BatchMatMulOptions)
    first, second = operand_shapes(op)
    rows, depth, columns = first[-2], first[-1], second[-1]
    # Leading axes step over whole matrices; the innermost axis stands for one pair of them.
    batches = axes_of(first[:-2], second[:-2], op.outputs[0].shape[:-2])
    axes = [(size, s1 * rows * depth, s2 * depth * columns) for size, s1, s2 in batches]
    return {
        "batches": broadcast([*axes, (1, 0, 0)]),
        "rows": rows,
        "depth": depth,
        "columns": columns,
        "first_row": 1 if opts.adj_x else depth,
        "first_depth": rows if opts.adj_x else 1,
        "second_depth": 1 if opts.adj_y else columns,
        "second_column": depth if opts.adj_y else 1,
    }


def in_place(op: OpView) -> Mapping[int, int]:
    """Leads of kernels that read both operands at an element before they write it: those of the output's size."""
    output = op.outputs[0]
    return {
        position: 0
        for position, tensor in enumerate(op.inputs[:2])
        if tensor is not None and tensor.bytes == output.bytes
    }
