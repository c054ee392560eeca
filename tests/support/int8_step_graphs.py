"""Int8 graphs of element-wise ops around binary convolutions, drawn at random: PRELU with a slope a channel, MUL by a
value of each sample's channels, by constants and of whole tensors, ADD, with any quantizations; results that are needed
again later, or outside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from edgebnn.arithmetic.packing import pack
from edgebnn.graph.ops.binary import LceBconv2dOptions, LceQuantizeOptions
from edgebnn.graph.ops.elementwise import AddOptions, MulOptions
from edgebnn.graph.ops.enums import Activation, Padding
from edgebnn.graph.ops.pool import Pool2DOptions
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import DType, Graph, Tensor

from .graphs import Step, chain, constant, per_tensor, tensor, with_some_kept

SIZE = (6, 5)
POOL = Pool2DOptions(Padding.VALID, stride_w=1, stride_h=1, filter_width=SIZE[1], filter_height=SIZE[0])


@dataclass(frozen=True)
class Int8Steps:
    """``steps``: kind and two numbers that choose the inputs among the tensors so far, the image among them."""

    channels: int
    steps: tuple[tuple[str, int, int], ...]
    seed: int

    def graph(self) -> Graph:
        """For one sample; every tensor has the image's shape. All that no op reads, and some others, are outputs."""
        rng = np.random.default_rng(self.seed)
        image = tensor("image", (1, *SIZE, self.channels), DType.INT8, per_tensor(0.02, int(rng.integers(-128, 128))))
        tensors, steps = [image], list[Step]()
        for index, (kind, first, second) in enumerate(self.steps):
            a, b = (tensors[-1 - choice % len(tensors)] for choice in (first, second))
            steps += _step(rng, kind, a, b, f"{kind} {index}")
            tensors.append(steps[-1][3][0])
        graph = chain(steps)
        wanted = {
            i for i, t in enumerate(graph.tensors) if t.dtype == DType.INT8 and t.data is None and t.shape[1:3] == SIZE
        }
        return with_some_kept(graph, wanted - set(graph.inputs), rng, 0.1)


def _scale(x: Tensor) -> float:
    assert x.quantization is not None
    return x.quantization.scale[0]


def _step(rng: np.random.Generator, kind: str, a: Tensor, b: Tensor, name: str) -> list[Step]:
    """The last of them gives the tensor of this name."""
    point, wider, channels = int(rng.integers(-128, 128)), float(rng.uniform(0.3, 2)), a.shape[-1]

    def result(scale: float) -> Tensor:
        return tensor(name, a.shape, DType.INT8, per_tensor(scale * wider, point))

    def constants(shape: tuple[int, ...], scale: float) -> Tensor:
        quantization = per_tensor(scale, int(rng.integers(-128, 128)))
        return constant(f"{name}/by", rng.integers(-128, 128, shape).astype(np.int8), quantization)

    match kind:
        case "conv":
            return _convolution(rng, a, result(0.05))
        case "prelu":
            slopes = constants((1, 1, channels), float(rng.choice([4e-9, 0.002, 0.01])))
            return [("PRELU", NoOptions(), (a, slopes), (result(_scale(a)),), 1)]
        case "mul constant":
            by = constants(((), (1, 1, 1))[int(rng.integers(2))] + (channels,), 0.01)
            return [("MUL", MulOptions(), (a, by), (result(_scale(a)),), 1)]
        case "mul row" | "mul row, relu":
            activation = Activation.RELU if kind.endswith("relu") else Activation.NONE
            row = tensor(f"{name}/row", (), DType.INT8, b.quantization)
            operands = (a, row) if rng.random() < 0.5 else (row, a)
            return [
                ("AVERAGE_POOL_2D", POOL, (b,), (row,), 2),
                ("MUL", MulOptions(activation), operands, (result(60 * _scale(a) * _scale(b)),), 1),
            ]
        case "mul":
            return [("MUL", MulOptions(), (a, b), (result(60 * _scale(a) * _scale(b)),), 1)]
        case _:
            return [("ADD", AddOptions(), (a, b), (result(max(_scale(a), _scale(b))),), 1)]


def _convolution(rng: np.random.Generator, x: Tensor, y: Tensor) -> list[Step]:
    c, bits = x.shape[-1], tensor(f"{y.name}/bits", (), DType.INT32)
    constants = (
        constant(f"{y.name}/w", pack(rng.random((c, 3, 3, c)) < 0.5)),
        constant(f"{y.name}/m", rng.normal(0, (9 * c) ** -0.5, c).astype(np.float32)),
        constant(f"{y.name}/b", rng.normal(size=c).astype(np.float32)),
        None,
    )
    return [
        ("LceQuantize", LceQuantizeOptions(), (x,), (bits,), 1),
        ("LceBconv2d", LceBconv2dOptions(channels_in=c, pad_values=1), (bits, *constants), (y,), 1),
    ]


_CHOICE = st.integers(0, 3)  # how far back
_KINDS = [
    "conv",
    "conv",
    "conv",
    "prelu",
    "prelu",
    "mul row",
    "mul row",
    "mul row, relu",
    "mul constant",
    "mul",
    "add",
    "add",
]


def int8_steps() -> st.SearchStrategy[Int8Steps]:
    return st.builds(
        Int8Steps,
        st.sampled_from([1, 3, 8, 16, 17, 31, 32, 40, 64, 70, 96]),
        st.lists(st.tuples(st.sampled_from(_KINDS), _CHOICE, _CHOICE), min_size=1, max_size=10).map(tuple),
        st.integers(0, 2**32),
    )
