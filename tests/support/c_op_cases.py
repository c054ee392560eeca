"""Cases of every op of the IR and every pair of element types that it has, for the kernels of C packages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from edgebnn.graph.ops import OPS
from edgebnn.graph.ops.enums import TensorType
from edgebnn.graph.ops.quantize import CastOptions
from edgebnn.graph.ops.shape_ops import ShapeOptions
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import Array, DType, Quantization
from tests.support.graphs import constant, one_op, per_tensor, tensor
from tests.support.op_cases.base import Case, Draw, any_shape, generator
from tests.support.op_cases.tables import COMMON, FLOAT_ONLY, OF_SEVERAL_TYPES

Pair = tuple[DType, DType]

EXTREMES = {
    DType.FLOAT32: (0.0, -0.0, 1.0, -1.0, 0.5, 2.5, -2.5, 1e-40, 3e38, -3e38, np.inf, -np.inf, np.nan),
    DType.FLOAT16: (0.0, 1.0, -2.5, 65504.0, np.inf),
}


def extreme(dtype: DType, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Values over the whole range of a type, its ends and special values among them."""
    if dtype == DType.BOOL:
        return rng.integers(0, 2, shape).astype(np.bool_)
    if dtype in EXTREMES:
        return rng.choice(np.asarray(EXTREMES[dtype], dtype.numpy), shape)
    limits = np.iinfo(dtype.numpy)
    anywhere = rng.integers(limits.min, limits.max, shape, dtype.numpy, endpoint=True)
    ends = rng.choice(np.asarray([limits.min, limits.max, 0, 1], dtype.numpy), shape)
    return np.where(rng.random(shape) < 0.2, ends, anywhere).astype(dtype.numpy)


def _cast(pair: Pair) -> st.SearchStrategy[Case]:
    """Floats beyond the output's range too."""

    @st.composite
    def strategy(draw: Draw) -> Case:
        source, target = pair
        options = CastOptions(TensorType[source.name], TensorType[target.name])
        x = tensor("x", draw(any_shape()), source)
        data = extreme(source, x.shape, generator(draw))
        if source == DType.FLOAT32:
            data = np.where(generator(draw).random(x.shape) < 0.7, data, generator(draw).normal(0, 300, x.shape))
        return Case(one_op("CAST", options, [x], [tensor("y", (), target)]), (data.astype(source.numpy),))

    return strategy()


def _shape(pair: Pair) -> st.SearchStrategy[Case]:
    @st.composite
    def strategy(draw: Draw) -> Case:
        x = tensor("x", draw(any_shape()), pair[0])
        graph = one_op("SHAPE", ShapeOptions(TensorType[pair[1].name]), [x], [tensor("y", (), pair[1])])
        return Case(graph, (np.zeros(x.shape, pair[0].numpy),))

    return strategy()


def _fill(pair: Pair) -> st.SearchStrategy[Case]:
    @st.composite
    def strategy(draw: Draw) -> Case:
        x, shape = tensor("x", (), pair[1]), constant("shape", np.asarray(draw(any_shape()), pair[0].numpy))
        graph = one_op("FILL", NoOptions(), [shape, x], [tensor("y", (), pair[1])])
        return Case(graph, (extreme(pair[1], (), generator(draw)),))

    return strategy()


def _of_pair(kind: str, pair: Pair) -> st.SearchStrategy[Case]:
    """Of ops whose strategy draws the types: those of one pair."""

    def fits(case: Case) -> bool:
        op = case.graph.ops[0]
        return (case.graph.tensors[op.inputs[0]].dtype, case.graph.tensors[op.outputs[0]].dtype) == pair

    return OF_SEVERAL_TYPES[kind].filter(fits)


_OWN: Mapping[str, Callable[[Pair], st.SearchStrategy[Case]]] = {"CAST": _cast, "SHAPE": _shape, "FILL": _fill}
_MOVED = ("SPLIT", "SELECT", "SELECT_V2", "TRANSPOSE_CONV")
"""Ops whose first input is not what they compute with."""
_SCALED = {DType.UINT8: per_tensor(0.5, 130)}


def cases(kind: str, pair: Pair) -> st.SearchStrategy[Case]:
    """Random cases of an op that is no custom one, for the types of its first input and its output."""
    if kind in _OWN:
        return _OWN[kind](pair)
    if kind in OF_SEVERAL_TYPES:
        return _of_pair(kind, pair)
    dtype = pair[1] if kind in _MOVED else pair[0]
    strategy = {**COMMON, **FLOAT_ONLY}[kind](dtype)
    return strategy.map(lambda case: _adapted(case, pair, dtype))


def _adapted(case: Case, pair: Pair, dtype: DType) -> Case:
    """With the output's type, scales where the reference wants them, and values over the whole range of integers."""
    graph = case.graph
    outputs = {i for op in graph.ops for i in op.outputs}

    def quantization(found: Quantization | None, kind: DType) -> Quantization | None:
        return _SCALED.get(kind) if found is None else found

    tensors = tuple(
        replace(t, dtype=pair[1] if i in outputs else t.dtype, quantization=quantization(t.quantization, t.dtype))
        for i, t in enumerate(graph.tensors)
    )
    inputs = case.inputs
    if dtype not in (DType.FLOAT32, DType.INT8) and graph.ops[0].kind not in ("DIV", "FLOOR_DIV"):
        rng = np.random.default_rng(len(inputs))
        inputs = tuple(extreme(DType(x.dtype.name), x.shape, rng) if x.dtype == dtype.numpy else x for x in inputs)
    return Case(replace(graph, tensors=tensors), inputs)


def every_pair() -> list[tuple[str, Pair]]:
    """All ops of the IR but the custom ones, with their pairs of types."""
    return [(kind, pair) for kind, entry in OPS.items() if not entry.custom for pair in entry.types]
