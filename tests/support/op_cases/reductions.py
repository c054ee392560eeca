"""Pooling and reductions over axes."""

from __future__ import annotations

from hypothesis import strategies as st

from edgebnn.graph.ops.enums import Padding
from edgebnn.graph.ops.pool import Pool2DOptions
from edgebnn.graph.ops.reduce import ReducerOptions
from edgebnn.graph.types import DType, Options
from tests.support.graphs import per_tensor, tensor
from tests.support.op_cases.base import (
    ACTIVATIONS,
    PADDINGS,
    Case,
    Cases,
    Draw,
    any_shape,
    case,
    int32,
    optional_quantization,
    power,
    shapes,
)


def pool(kind: str) -> Cases:
    @st.composite
    def strategy(draw: Draw, dtype: DType) -> Case:
        shape, padding, filter_size = draw(shapes(4, 9)), draw(PADDINGS), draw(shapes(2, 4))
        if padding == Padding.VALID:
            shape = (shape[0], max(shape[1], filter_size[0]), max(shape[2], filter_size[1]), shape[3])
        quantization = optional_quantization(draw, dtype)
        options = Pool2DOptions(
            padding,
            stride_h=draw(st.integers(1, 3)),
            stride_w=draw(st.integers(1, 3)),
            filter_height=filter_size[0],
            filter_width=filter_size[1],
            fused_activation_function=draw(ACTIVATIONS),
        )
        x, y = tensor("x", shape, dtype, quantization), tensor("y", (), dtype, quantization)
        return case(draw, kind, options, [x], y)

    return strategy


def reduction(kind: str, factor: tuple[float, float] | None = None) -> Cases:
    """``factor``: range of output scale / input scale (log2); None where both quantizations must be equal."""

    @st.composite
    def strategy(draw: Draw, dtype: DType) -> Case:
        shape = draw(any_shape())
        axes = draw(st.lists(st.integers(-len(shape), len(shape) - 1), min_size=1, max_size=len(shape)))
        quantization = optional_quantization(draw, dtype, -6, 0)
        output = quantization
        if quantization and factor:
            output = per_tensor(quantization.scale[0] * draw(power(*factor)), draw(st.integers(-128, 127)))
        options = ReducerOptions(keep_dims=draw(st.booleans()))
        x, y = tensor("x", shape, dtype, quantization), tensor("y", (), dtype, output)
        return case(draw, kind, options, [x, int32("axes", axes)], y)

    return strategy


def arg(kind: str, options: Options) -> Cases:
    @st.composite
    def strategy(draw: Draw, dtype: DType) -> Case:
        shape = draw(any_shape())
        x = tensor("x", shape, dtype, optional_quantization(draw, dtype))
        axis = int32("axis", [draw(st.integers(0, len(shape) - 1))])
        return case(draw, kind, options, [x, axis], tensor("y", (), DType.INT32))

    return strategy
