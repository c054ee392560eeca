"""Changes of type and logic: ops whose types are their own."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from edgebnn.graph.ops.enums import TensorType
from edgebnn.graph.ops.quantize import CastOptions
from edgebnn.graph.ops.shape_ops import (
    ShapeOptions,
)
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import DType, Quantization, Tensor
from tests.support.graphs import constant, per_channel, per_tensor, tensor
from tests.support.op_cases.base import (
    Case,
    Draw,
    any_shape,
    case,
    generator,
    power,
    values,
)
from tests.support.op_cases.elementwise import broadcastable


@st.composite
def quantize(draw: Draw) -> Case:
    source = draw(st.sampled_from([DType.FLOAT32, DType.INT8, DType.UINT8]))
    target = draw(st.sampled_from([DType.INT8, DType.UINT8]))

    def quantization(dtype: DType) -> Quantization | None:
        zero_point = draw(st.integers(-128, 127)) + (128 if dtype == DType.UINT8 else 0)
        return None if dtype == DType.FLOAT32 else per_tensor(draw(power(-6, 1)), zero_point)

    x = tensor("x", draw(any_shape()), source, quantization(source))
    y = tensor("y", (), target, quantization(target))
    data = values(generator(draw), x.shape, source)
    if source == DType.FLOAT32:
        data = np.where(generator(draw).random(x.shape) < 0.3, y.quantization.scale[0] * (np.round(data) + 0.5), data)
    return case(draw, "QUANTIZE", NoOptions(), [x], y, [data.astype(source.numpy)])


@st.composite
def dequantize(draw: Draw) -> Case:
    source = draw(st.sampled_from([DType.INT8, DType.UINT8, DType.INT16, DType.FLOAT16]))
    shape, rng = draw(any_shape()), generator(draw)
    if source == DType.FLOAT16:
        data = constant("x", rng.normal(size=shape).astype(np.float16))
        return case(draw, "DEQUANTIZE", NoOptions(), [data], tensor("y", ()), [])
    zero_point = {DType.INT8: 0, DType.UINT8: 128, DType.INT16: None}[source]
    quantization = per_tensor(
        draw(power(-8, 1)), 0 if zero_point is None else zero_point + draw(st.integers(-128, 127))
    )
    x = tensor("x", shape, source, quantization)
    if source == DType.INT8 and draw(st.booleans()):
        axis = draw(st.integers(0, len(shape) - 1))
        x = tensor("x", shape, source, per_channel([draw(power(-8, 1)) for _ in range(shape[axis])], axis))
    return case(draw, "DEQUANTIZE", NoOptions(), [x], tensor("y", ()), [values(rng, shape, source)])


@st.composite
def cast(draw: Draw) -> Case:
    types = [DType.FLOAT32, DType.INT8, DType.UINT8, DType.INT16, DType.INT32, DType.INT64, DType.BOOL]
    source, target = draw(st.sampled_from(types)), draw(st.sampled_from(types))
    x = tensor("x", draw(any_shape()), source)
    data = values(generator(draw), x.shape, source)
    if source == DType.FLOAT32 and target == DType.UINT8:
        data = np.abs(data)
    options = CastOptions(TensorType[source.name], TensorType[target.name])
    return case(draw, "CAST", options, [x], tensor("y", (), target), [data])


@st.composite
def shape_of(draw: Draw) -> Case:
    dtype = draw(st.sampled_from([DType.INT32, DType.INT64]))
    x = tensor("x", draw(any_shape()), draw(st.sampled_from([DType.FLOAT32, DType.INT8])))
    return case(draw, "SHAPE", ShapeOptions(TensorType[dtype.name]), [x], tensor("y", (), dtype))


@st.composite
def fill(draw: Draw) -> Case:
    dtype = draw(st.sampled_from([DType.FLOAT32, DType.INT32, DType.BOOL]))
    shape = constant("shape", np.asarray(draw(any_shape()), draw(st.sampled_from([np.int32, np.int64]))))
    return case(draw, "FILL", NoOptions(), [shape, tensor("x", (), dtype)], tensor("y", (), dtype))


@st.composite
def zeros_like(draw: Draw) -> Case:
    dtype = draw(st.sampled_from([DType.FLOAT32, DType.INT32, DType.INT64]))
    return case(draw, "ZEROS_LIKE", NoOptions(), [tensor("x", draw(any_shape()), dtype)], tensor("y", (), dtype))


def logical(kind: str) -> st.SearchStrategy[Case]:
    @st.composite
    def strategy(draw: Draw) -> Case:
        operand_shapes = draw(broadcastable())[: 1 if kind == "LOGICAL_NOT" else 2]
        inputs: list[Tensor | None] = [tensor(f"x{i}", s, DType.BOOL) for i, s in enumerate(operand_shapes)]
        return case(draw, kind, NoOptions(), inputs, tensor("y", (), DType.BOOL))

    return strategy()
