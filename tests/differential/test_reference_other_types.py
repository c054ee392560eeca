"""The reference executor agrees exactly with LiteRT where results are integers or truth values."""

from __future__ import annotations

from contextlib import nullcontext

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from hypothesis import given
from hypothesis import strategies as st

from edgebnn.graph.execute import run
from edgebnn.graph.ops import OPS
from edgebnn.graph.ops.elementwise import AddOptions
from edgebnn.graph.ops.enums import Activation
from edgebnn.graph.ops.reduce import ReducerOptions
from edgebnn.graph.types import DType
from tests.support.graphs import constant, one_op, per_tensor, tensor
from tests.support.op_cases.base import VERSIONS, Case
from tests.support.op_cases.tables import COMMON, FLOAT_ONLY, INTEGERS, OF_SEVERAL_TYPES
from tests.support.oracles import litert_run


def assert_equal(case: Case) -> None:
    for ours, theirs in zip(run(case.graph, case.inputs), litert_run(case.graph, case.inputs), strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("kind", OF_SEVERAL_TYPES)
@given(data=st.data())
def test_results_are_those_of_litert_exactly(kind: str, data: st.DataObject) -> None:
    assert_equal(data.draw(OF_SEVERAL_TYPES[kind]))


@pytest.mark.parametrize("kind", INTEGERS)
@given(data=st.data())
def test_int32_results_are_those_of_litert(kind: str, data: st.DataObject) -> None:
    assert_equal(data.draw(INTEGERS[kind](DType.INT32)))


@pytest.mark.parametrize("kind", ["ADD", "MUL"])
@given(data=st.data())
def test_int16_without_scales_is_plain_integers(kind: str, data: st.DataObject) -> None:
    found = data.draw(INTEGERS[kind](DType.INT16))
    assert_equal(Case(found.graph, tuple((values * 4000).astype(np.int16) for values in found.inputs)))


def test_int64_sums_are_clamped_without_losing_bits() -> None:
    """As doubles they would lose their lower ones."""
    x, y = tensor("x", (2,), DType.INT64), tensor("y", (), DType.INT64)
    graph = one_op("ADD", AddOptions(Activation.RELU), [x, constant("one", np.asarray([1], np.int64))], [y])
    assert_equal(Case(graph, (np.asarray([2**62 + 1, -(2**62)]),)))


@pytest.mark.parametrize("dtype", [DType.FLOAT32, DType.INT8, DType.INT32])
@pytest.mark.parametrize("kind", ["REDUCE_MAX", "REDUCE_MIN"])
def test_a_reduction_of_no_numbers_is_that_of_litert(kind: str, dtype: DType) -> None:
    quantization = per_tensor(0.5, 0) if dtype == DType.INT8 else None
    x, y = tensor("x", (2, 0, 3), dtype, quantization), tensor("y", (), dtype, quantization)
    graph = one_op(kind, ReducerOptions(keep_dims=True), [x, constant("axes", np.asarray([1], np.int32))], [y])
    assert_equal(Case(graph, (np.zeros((2, 0, 3), dtype.numpy),)))


def test_every_op_is_compared_with_an_oracle() -> None:
    compared = {*COMMON, *FLOAT_ONLY, *OF_SEVERAL_TYPES}
    assert {kind for kind, entry in OPS.items() if not entry.custom} == compared


@pytest.mark.parametrize("kind", [kind for kind, entry in OPS.items() if not entry.custom])
def test_which_ops_litert_has_reference_kernels_for_is_known(kind: str) -> None:
    """Whole files are refused that hold one without. That the others compute what the reference does, all tests here
    and in its neighbours show, which compare with the reference kernels."""
    entry = OPS[kind]
    lacks = set(entry.no_reference) == {source for source, _ in entry.types}
    refused = pytest.raises(ValueError, match="Didn't find op") if lacks else nullcontext()
    with refused:
        Interpreter(model_content=naming(kind), experimental_op_resolver_type=OpResolverType.BUILTIN_REF)


def naming(kind: str) -> bytes:
    """A file of one op: kernels are looked for before anything else of it is."""
    model, graph, tensor_, op, code = (
        schema.ModelT(),
        schema.SubGraphT(),
        schema.TensorT(),
        schema.OperatorT(),
        schema.OperatorCodeT(),
    )
    code.builtinCode = getattr(schema.BuiltinOperator, kind)
    code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), VERSIONS.get(kind, 1)
    tensor_.name, tensor_.shape = "x", [1]
    op.inputs, op.outputs, op.opcodeIndex = [0], [0], 0
    graph.tensors, graph.inputs, graph.outputs, graph.operators = [tensor_], [0], [0], [op]
    model.version, model.buffers, model.operatorCodes, model.subgraphs = 3, [schema.BufferT()], [code], [graph]
    builder = flatbuffers.Builder(256)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
