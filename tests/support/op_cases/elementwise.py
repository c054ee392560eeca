"""Elementwise ops, activations, comparisons and selection."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st

from edgebnn.graph.ops.activation import GeluOptions, L2NormOptions, LeakyReluOptions, SoftmaxOptions
from edgebnn.graph.ops.enums import Activation
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import Array, DType, Options, Quantization, Shape, Tensor
from tests.support.graphs import constant, per_tensor, tensor
from tests.support.op_cases.base import (
    ACTIVATIONS,
    Case,
    Cases,
    Draw,
    any_shape,
    case,
    generator,
    optional_quantization,
    power,
    shapes,
    values,
)


@st.composite
def broadcastable(draw: Draw) -> tuple[Shape, Shape]:
    """Two shapes of one rank in which some axes are 1, or of ranks that differ."""
    shape = draw(any_shape())
    other = tuple(d if draw(st.booleans()) else 1 for d in shape)
    if draw(st.booleans()):
        other = other[draw(st.integers(0, len(shape) - 1)) :]
    return (shape, other) if draw(st.booleans()) else (other, shape)


def elementwise(kind: str, options: Callable[[Activation], Options], scale: tuple[float, float] | None = None) -> Cases:
    """``scale``: range of the output's scale (log2); None where all quantizations must be equal."""

    @st.composite
    def strategy(draw: Draw, dtype: DType) -> Case:
        a_shape, b_shape = draw(broadcastable())
        a = optional_quantization(draw, dtype, -6, 1)
        b = optional_quantization(draw, dtype, -6, 1) if scale else a
        output = optional_quantization(draw, dtype, *scale) if scale else a
        y = tensor("y", (), dtype, output)
        return case(
            draw, kind, options(draw(ACTIVATIONS)), [tensor("a", a_shape, dtype, a), tensor("b", b_shape, dtype, b)], y
        )

    return strategy


def division(kind: str, options: Options) -> Cases:
    @st.composite
    def strategy(draw: Draw, dtype: DType) -> Case:
        a_shape, b_shape = draw(broadcastable())
        rng = generator(draw)
        data = [values(rng, a_shape, dtype), np.asarray(rng.choice([-3, -2, 2, 5], b_shape), dtype.numpy)]
        operands: list[Tensor | None] = [tensor("a", a_shape, dtype), tensor("b", b_shape, dtype)]
        return case(draw, kind, options, operands, tensor("y", (), dtype), data)

    return strategy


@st.composite
def power_of(draw: Draw, dtype: DType) -> Case:
    a_shape, b_shape = draw(broadcastable())
    rng = generator(draw)
    data = [np.abs(values(rng, a_shape, dtype)), values(rng, b_shape, dtype) / 4]
    operands: list[Tensor | None] = [tensor("a", a_shape, dtype), tensor("b", b_shape, dtype)]
    return case(draw, "POW", NoOptions(), operands, tensor("y", (), dtype), data)


def unary(
    kind: str,
    options: Options | None = None,
    transform: Callable[[Array], Array] | None = None,
    output: Quantization | None = None,
    scale: tuple[float, float] = (-7, 0),
) -> Cases:
    """``output``: the quantization that the op prescribes. ``transform`` keeps float inputs in the op's domain."""

    @st.composite
    def strategy(draw: Draw, dtype: DType) -> Case:
        shape = (2, 8, 16) if dtype == DType.INT8 else draw(any_shape(1, 3))  # all values of int8
        x = tensor("x", (1, *shape), dtype, optional_quantization(draw, dtype))
        fitting = output or optional_quantization(draw, dtype, *scale)
        y = tensor("y", (), dtype, fitting if dtype == DType.INT8 else None)
        if dtype == DType.INT8:
            data = np.arange(-128, 128).astype(np.int8).reshape(1, *shape)
        else:
            data = values(generator(draw), (1, *shape), dtype)
            data = transform(data) if transform is not None else data
        return case(draw, kind, options or NoOptions(), [x], y, [data])

    return strategy


@st.composite
def hard_swish(draw: Draw, dtype: DType) -> Case:
    x = tensor("x", draw(any_shape()), dtype, optional_quantization(draw, dtype, -8, 2))
    output = None
    if x.quantization:
        output = per_tensor(x.quantization.scale[0] * draw(power(-6.9, 2)), draw(st.integers(-128, 127)))
    return case(draw, "HARD_SWISH", NoOptions(), [x], tensor("y", (), dtype, output))


@st.composite
def leaky_relu(draw: Draw, dtype: DType) -> Case:
    alpha = float(np.float32(draw(st.floats(0.001953125, 1.5, width=32))))
    return draw(unary("LEAKY_RELU", LeakyReluOptions(alpha))(dtype))


@st.composite
def prelu(draw: Draw, dtype: DType) -> Case:
    shape = draw(shapes(4))
    slopes_shape = draw(st.sampled_from([shape[1:], (1, 1, shape[3])]))
    rng = generator(draw)
    slopes = constant("slopes", values(rng, slopes_shape, dtype), optional_quantization(draw, dtype, -10, -4))
    x = tensor("x", shape, dtype, optional_quantization(draw, dtype))
    y = tensor("y", (), dtype, optional_quantization(draw, dtype))
    return case(draw, "PRELU", NoOptions(), [x, slopes], y)


@st.composite
def softmax(draw: Draw, dtype: DType) -> Case:
    x = tensor(
        "x", draw(any_shape(1, 4).map(lambda s: (*s[:-1], s[-1] * 7))), dtype, optional_quantization(draw, dtype)
    )
    output = per_tensor(1 / 256, -128) if dtype == DType.INT8 else None
    beta = draw(st.sampled_from([1.0, 1.0, 0.5, 3.0]))
    return case(draw, "SOFTMAX", SoftmaxOptions(beta), [x], tensor("y", (), dtype, output))


@st.composite
def gelu(draw: Draw, dtype: DType) -> Case:
    approximate = draw(st.booleans())
    found: Case = draw(unary("GELU", GeluOptions(approximate))(dtype))
    return found


@st.composite
def l2_normalization(draw: Draw, dtype: DType) -> Case:
    x = tensor("x", draw(any_shape(1, 4)), dtype, optional_quantization(draw, dtype))
    output = per_tensor(1 / 128, 0) if dtype == DType.INT8 else None
    return case(draw, "L2_NORMALIZATION", L2NormOptions(), [x], tensor("y", (), dtype, output))


@st.composite
def rsqrt(draw: Draw, dtype: DType) -> Case:
    shape, rng = draw(any_shape()), generator(draw)
    x = tensor("x", shape, dtype, optional_quantization(draw, dtype))
    y = tensor("y", (), dtype, optional_quantization(draw, dtype, -6, 2))
    if x.quantization is None:
        data = values(rng, shape, dtype) ** 2 + np.float32(0.01)
    else:
        data = rng.integers(x.quantization.zero_point[0], 128, shape).astype(np.int8)
    return case(draw, "RSQRT", NoOptions(), [x], y, [data])


def comparison(kind: str) -> Cases:
    @st.composite
    def strategy(draw: Draw, dtype: DType) -> Case:
        a_shape, b_shape = draw(broadcastable())
        a = tensor("a", a_shape, dtype, optional_quantization(draw, dtype, -8, -1))
        b = tensor("b", b_shape, dtype, optional_quantization(draw, dtype, -8, -1))
        rng = generator(draw)
        data = [values(rng, t.shape, dtype) for t in (a, b)]
        if dtype == DType.FLOAT32:
            data = [np.round(d) for d in data]
        return case(draw, kind, NoOptions(), [a, b], tensor("y", (), DType.BOOL), data)

    return strategy


def selection(kind: str) -> Cases:
    @st.composite
    def strategy(draw: Draw, dtype: DType) -> Case:
        shape = draw(any_shape())
        condition = shape if kind == "SELECT" else tuple(d if draw(st.booleans()) else 1 for d in shape)
        quantization = optional_quantization(draw, dtype)
        a, b = tensor("a", shape, dtype, quantization), tensor("b", shape, dtype, quantization)
        inputs: list[Tensor | None] = [tensor("condition", condition, DType.BOOL), a, b]
        return case(draw, kind, NoOptions(), inputs, tensor("y", (), dtype, quantization))

    return strategy


def no_activation(options: Callable[[], Options]) -> Callable[[Activation], Options]:
    return lambda _: options()


def positive(x: Array) -> Array:
    return np.abs(x) + np.float32(0.01)
