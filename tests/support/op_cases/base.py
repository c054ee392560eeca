"""Random single-op graphs with inputs: what the strategies share.

Scales are chosen so that results use the output's range, overflow it at times, and often fall near a half, where
roundings differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, floor
from typing import Any

import numpy as np
from hypothesis import strategies as st

from edgebnn.graph.ops.enums import Activation, Padding
from edgebnn.graph.types import Array, DType, Graph, Options, Quantization, Shape, Tensor
from tests.support.graphs import constant, one_op, per_tensor


@dataclass(frozen=True)
class Case:
    """A graph of one op and inputs for it."""

    graph: Graph
    inputs: tuple[Array, ...]


Draw = Callable[[st.SearchStrategy[Any]], Any]
Cases = Callable[[DType], st.SearchStrategy[Case]]

VERSIONS = {"BROADCAST_TO": 2}
"""Op versions that LiteRT demands, where it is not 1."""

ACTIVATIONS = st.sampled_from([Activation.NONE, Activation.RELU, Activation.RELU_N1_TO_1, Activation.RELU6])
PADDINGS = st.sampled_from(Padding)


def power(low: float, high: float) -> st.SearchStrategy[float]:
    """float32 numbers from 2**low to 2**high, evenly on the logarithmic scale; many powers of two, so ties occur."""
    exponents = st.floats(low, high) | st.integers(ceil(low), floor(high))
    return exponents.map(lambda exponent: float(np.float32(2.0**exponent)))


@st.composite
def quantizations(draw: Draw, low: float = -8, high: float = 1) -> Quantization:
    return per_tensor(draw(power(low, high)), draw(st.integers(-128, 127)))


def optional_quantization(draw: Draw, dtype: DType, low: float = -8, high: float = 1) -> Quantization | None:
    return draw(quantizations(low, high)) if dtype == DType.INT8 else None


def values(rng: np.random.Generator, shape: Shape, dtype: DType) -> Array:
    """Values over the whole range of int8, a few units wide for float32 and other integers."""
    if dtype == DType.FLOAT32:
        return rng.normal(scale=3, size=shape).astype(np.float32)
    if dtype == DType.BOOL:
        return rng.integers(0, 2, shape).astype(np.bool_)
    if dtype in (DType.INT8, DType.UINT8):
        limits = np.iinfo(dtype.numpy)
        return rng.integers(limits.min, limits.max + 1, shape).astype(dtype.numpy)
    return rng.integers(-9, 10, shape).astype(dtype.numpy)


def generator(draw: Draw) -> np.random.Generator:
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1)))


def shapes(rank: int, most: int = 6) -> st.SearchStrategy[Shape]:
    return st.tuples(*[st.integers(1, most)] * rank)


def any_shape(smallest_rank: int = 1, largest_rank: int = 4) -> st.SearchStrategy[Shape]:
    return st.integers(smallest_rank, largest_rank).flatmap(shapes)


def case(
    draw: Draw,
    kind: str,
    options: Options,
    inputs: list[Tensor | None],
    output: Tensor | list[Tensor],
    data: list[Array] | None = None,
) -> Case:
    """The op on ``inputs``; those without data get random values unless ``data`` gives them."""
    outputs = output if isinstance(output, list) else [output]
    graph = one_op(kind, options, inputs, outputs, VERSIONS.get(kind, 1))
    if data is None:
        rng = generator(draw)
        tensors = [graph.tensors[i] for i in graph.inputs]
        data = [values(rng, t.shape, t.dtype) for t in tensors]
    return Case(graph, tuple(data))


def int32(name: str, numbers: Any) -> Tensor:
    return constant(name, np.asarray(numbers, np.int32))
