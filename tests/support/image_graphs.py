"""Small float graphs on images of 4x4 pixels, built op by op."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgebnn.graph.ops.binary import LceQuantizeOptions
from edgebnn.graph.ops.elementwise import AddOptions, MulOptions
from edgebnn.graph.ops.enums import Activation
from edgebnn.graph.ops.shape_ops import ConcatenationOptions
from edgebnn.graph.types import Array, DType, Graph, Op, Options, Tensor

CHANNELS = 32


class Building:
    """A float graph on images of 4x4 pixels, op by op."""

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self.ops: list[Op] = []
        self.inputs: list[int] = []

    def tensor(self, channels: int, data: Array | None = None, dtype: DType = DType.FLOAT32) -> int:
        shape = (1, 4, 4, channels) if data is None else data.shape
        dtype = dtype if data is None else DType(data.dtype.name)
        self.tensors.append(Tensor(f"t{len(self.tensors)}", shape, dtype, None, data))
        return len(self.tensors) - 1

    def image(self, channels: int = CHANNELS) -> int:
        self.inputs.append(self.tensor(channels))
        return self.inputs[-1]

    def op(self, kind: str, inputs: tuple[int, ...], options: Options, result: int) -> int:
        self.ops.append(Op(kind, inputs, (result,), options))
        return result

    def norm(self, x: int, weights: Any, bias: Any, activation: Activation = Activation.NONE) -> int:
        channels = self.tensors[x].shape[-1]
        weights, bias = (self.tensor(0, np.asarray(v, np.float32)) for v in (weights, bias))
        x = self.op("MUL", (x, weights), MulOptions(), self.tensor(channels))
        return self.op("ADD", (x, bias), AddOptions(activation), self.tensor(channels))

    def join(self, *parts: int) -> int:
        channels = sum(self.tensors[i].shape[-1] for i in parts)
        return self.op("CONCATENATION", parts, ConcatenationOptions(-1), self.tensor(channels))

    def signs(self, x: int) -> int:
        words = self.tensors[x].shape[-1] // 32
        return self.op("LceQuantize", (x,), LceQuantizeOptions(), self.tensor(words, None, DType.INT32))

    def graph(self, *outputs: int) -> Graph:
        return Graph("built", tuple(self.tensors), tuple(self.ops), tuple(self.inputs), outputs)


def normal(scale: float = 1.0, seed: int = 0, channels: int = CHANNELS) -> Array:
    return np.random.default_rng(seed).normal(0, scale, (1, 4, 4, channels)).astype(np.float32)
