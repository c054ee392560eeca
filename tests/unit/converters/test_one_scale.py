"""Ops that copy integers are given what they read in the scale of what they write."""

from __future__ import annotations

import numpy as np

from edgebnn.converters.one_scale import mismatched, requantized
from edgebnn.graph.execute import run
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import DType
from tests.support.graphs import constant, one_op, per_tensor, tensor

WRITTEN = per_tensor(0.05, 3)


def test_only_inputs_of_another_scale_are_requantized() -> None:
    condition = tensor("c", (1, 4), DType.BOOL)
    a, b = (tensor(name, (1, 4), DType.INT8, q) for name, q in (("a", per_tensor(0.1, -7)), ("b", WRITTEN)))
    graph = one_op("SELECT_V2", NoOptions(), [condition, a, b], [tensor("y", (), DType.INT8, WRITTEN)])
    changed = requantized(graph)
    assert [op.kind for op in changed.ops] == ["QUANTIZE", "SELECT_V2"]
    assert not any(mismatched(op, changed.tensors) for op in changed.ops)
    assert requantized(changed) is changed
    values = [np.asarray([[True, False, True, False]]), *(np.asarray([[1, 2, 3, 4]], np.int8),) * 2]
    (result,) = run(changed, values)  # 0.1 * (1 + 7) = 0.05 * (19 - 3)
    np.testing.assert_array_equal(result, [[19, 2, 23, 4]])


def test_floats_are_left_alone() -> None:
    axes = constant("axes", np.asarray([1], np.int32))
    graph = one_op("REVERSE_V2", NoOptions(), [tensor("x", (1, 4)), axes], [tensor("y", ())])
    assert requantized(graph) is graph
