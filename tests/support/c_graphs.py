"""Small graphs for the tests of generated packages."""

from __future__ import annotations

import numpy as np

from edgebnn.graph.ops import OPS
from edgebnn.graph.types import DType, Graph, Op, Quantization, Tensor


def int8_tensor(name: str, shape: tuple[int, ...] = (1, 4, 5), scale: float = 0.05, zero: int = 3) -> Tensor:
    """A tensor quantized as a whole."""
    return Tensor(name, shape, DType.INT8, Quantization((float(np.float32(scale)),), (zero,)))


def plain_op(kind: str, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> Op:
    """An op with the options that its entry has by default."""
    return Op(kind, inputs, outputs, OPS[kind].options())


def small_graph() -> Graph:
    """A sigmoid and its ReLU, flattened: a name that C must escape, an output that is another's bytes."""
    tensors = (
        int8_tensor("image"),
        int8_tensor('a "quoted" */ \\ ?? name\n', scale=1 / 256, zero=-128),
        int8_tensor("relu", scale=1 / 256, zero=-128),
        int8_tensor("flat", (20,), 1 / 256, -128),
    )
    ops = (plain_op("LOGISTIC", (0,), (1,)), plain_op("RELU", (1,), (2,)), plain_op("RESHAPE", (2,), (3,)))
    return Graph("small", tensors, ops, (0,), (3,))
