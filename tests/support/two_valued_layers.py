"""Int8 layers with weights of two values, or nearly."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebnn.graph.ops.conv import Conv2DOptions
from edgebnn.graph.ops.enums import Padding
from edgebnn.graph.types import DType, Graph, Quantization, Tensor

from .graphs import Step, chain, constant, per_channel, per_tensor, tensor

Q = per_tensor(0.02, 3)


def conv_step(
    name: str, x: Tensor, data: NDArray[np.int8], out: Quantization = Q, bias: int = 0
) -> tuple[Step, Tensor]:
    channels = data.shape[0]
    y = tensor(name, (*x.shape[:3], channels), DType.INT8, out)
    w = constant(f"{name}/w", data, per_channel([0.002] * channels, 0))
    b = constant(f"{name}/b", np.full(channels, bias, np.int32))
    return ("CONV_2D", Conv2DOptions(Padding.SAME, 1, 1), (x, w, b), (y,), 1), y


def one_conv(data: NDArray[np.int8], bias: int = 0) -> Graph:
    x = tensor("x", (1, 6, 6, data.shape[3]), DType.INT8, per_tensor(0.02, -100))
    return chain([conv_step("layer", x, data, bias=bias)[0]])


def plus_minus(shape: tuple[int, ...], value: int = 127, seed: int = 1) -> NDArray[np.int8]:
    return np.random.default_rng(seed).choice(np.array([-value, value], np.int8), shape)


def with_weights(graph: Graph, **changes: Any) -> Graph:
    """``graph`` with the weights of its first op changed."""
    w = graph.ops[0].inputs[1]
    changed = replace(graph.tensors[w], **changes)
    return replace(graph, tensors=tuple(changed if i == w else t for i, t in enumerate(graph.tensors)))
