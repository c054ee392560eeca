"""Shape inference of what no converter writes: an answer or an error that names the layer, never anything else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebnn.errors import EdgebnnError
from edgebnn.graph.opdef import op_view
from edgebnn.graph.ops import OPS
from edgebnn.graph.types import DType, Graph, Shape
from tests.support.op_cases.tables import COMMON, FLOAT_ONLY

SHAPES = st.lists(st.integers(0, 5), max_size=6).map(tuple)
NUMBERS = st.lists(st.integers(-(2**31), 2**31 - 1) | st.integers(-4, 9), max_size=6)


def infer(graph: Graph) -> tuple[Shape, ...] | str:
    try:
        return OPS[graph.ops[0].kind].infer(op_view(graph, 0))
    except EdgebnnError as error:
        return str(error)


def check(graph: Graph) -> None:
    answer = infer(graph)
    if isinstance(answer, str):
        assert "layer 'y" in answer
        assert "\n" not in answer
    else:
        assert all(isinstance(d, int) and d >= 0 for shape in answer for d in shape)


@pytest.mark.parametrize("kind", {**COMMON, **FLOAT_ONLY})
@given(data=st.data())
def test_inference_answers_or_refuses(kind: str, data: st.DataObject) -> None:
    case = data.draw({**COMMON, **FLOAT_ONLY}[kind](DType.FLOAT32))
    tensors = list(case.graph.tensors)
    for position in range(len(tensors)):
        if data.draw(st.booleans()):
            tensor = tensors[position]
            if tensor.data is not None and tensor.dtype == DType.INT32:
                numbers = np.asarray(data.draw(NUMBERS), np.int32)
                tensors[position] = replace(tensor, shape=numbers.shape, data=numbers)
            else:
                shape = data.draw(SHAPES)
                tensors[position] = replace(
                    tensor, shape=shape, data=tensor.data if tensor.data is None else np.zeros(shape)
                )
    check(replace(case.graph, tensors=tuple(tensors)))


@pytest.mark.parametrize("kind", {**COMMON, **FLOAT_ONLY})
@given(data=st.data())
def test_absent_inputs_are_refused(kind: str, data: st.DataObject) -> None:
    graph = data.draw({**COMMON, **FLOAT_ONLY}[kind](DType.FLOAT32)).graph
    (op,) = graph.ops
    count = data.draw(st.integers(0, len(op.inputs) - 1))
    check(replace(graph, ops=(replace(op, inputs=op.inputs[:count]),)))
    check(replace(graph, ops=(replace(op, inputs=(-1,) * len(op.inputs)),)))
