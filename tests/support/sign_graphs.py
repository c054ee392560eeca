"""Graphs of int8 in front of signs, drawn at random: batch normalizations as converters write them (depthwise layers of
single pixels, some factors negative or 0, some activations that saturate), of tensors, of parts of a concatenation, and
behind it; some of what they give is needed besides, by other ops or outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from hypothesis import strategies as st

from edgebnn.arithmetic.packing import pack
from edgebnn.graph.ops.binary import LceBconv2dOptions, LceQuantizeOptions
from edgebnn.graph.ops.conv import DepthwiseConv2DOptions
from edgebnn.graph.ops.elementwise import AddOptions
from edgebnn.graph.ops.enums import Activation, Padding
from edgebnn.graph.ops.shape_ops import ConcatenationOptions
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import DType, Graph, Quantization, Tensor

from .graphs import Step, chain, constant, per_channel, per_tensor, tensor, with_some_kept

SIZE = (6, 5)
_ACTIVATIONS = (*[Activation.NONE] * 4, Activation.RELU, Activation.RELU6, Activation.RELU_N1_TO_1)


class _Builder:
    """Adds steps to a graph whose tensors of int8 so far are ``values``, the image first."""

    def __init__(self, channels: int, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.steps: list[Step] = []
        self.values = [tensor("image", (1, *SIZE, channels), DType.INT8, self.ranged())]

    def ranged(self) -> Quantization:
        return per_tensor(float(np.exp(self.rng.normal(-3, 0.5))), int(self.rng.integers(-128, 128)))

    def pick(self, choice: int, size: tuple[int, ...] | None = None) -> Tensor:
        """The last value but ``choice``, of those of a size."""
        fitting = [value for value in self.values if size is None or value.shape[:-1] == size]
        return fitting[-1 - choice % len(fitting)]

    def put(
        self,
        kind: str,
        options: object,
        inputs: Sequence[Tensor | None],
        shape: tuple[int, ...],
        quantization: Quantization | None,
    ) -> Tensor:
        y = tensor(f"{kind} {len(self.steps)}", shape, DType.INT8, quantization)
        self.steps.append((kind, options, tuple(inputs), (y,), 1))  # type: ignore[arg-type]
        return y

    def norm_of(self, x: Tensor, quantization: Quantization, multiplier: int = 1, stride: int = 1) -> Tensor:
        """With more outputs than inputs, or a stride, it is none."""
        rng, channels, name = self.rng, multiplier * x.shape[-1], f"norm {len(self.steps)}"
        assert x.quantization is not None
        scales = [float(s) for s in np.exp(rng.normal(-5, 1, channels)).astype(np.float32)]
        weights = rng.integers(-127, 128, (1, 1, 1, channels)) * (rng.random(channels) > 0.1)
        bias_scales = [x.quantization.scale[0] * s for s in scales]
        constants = (
            constant(f"{name}/w", weights.astype(np.int8), per_channel(scales, 3)),
            constant(f"{name}/b", rng.integers(-9000, 9000, channels).astype(np.int32), per_channel(bias_scales, 0)),
        )
        activation = _ACTIVATIONS[rng.integers(len(_ACTIVATIONS))]
        options = DepthwiseConv2DOptions(
            padding=Padding.SAME if rng.random() < 0.5 else Padding.VALID,
            stride_h=stride,
            stride_w=stride,
            depth_multiplier=multiplier,
            fused_activation_function=activation,
        )
        shape = (1, *(-(-size // stride) for size in x.shape[1:3]), channels)
        biased = rng.random() < 0.8
        return self.put("DEPTHWISE_CONV_2D", options, (x, *constants[: 1 + biased]), shape, quantization)

    # Each adds one value.

    def norm(self, a: int, b: int) -> Tensor:
        return self.norm_of(self.pick(a), self.ranged(), 2 if b == 6 else 1, 2 if b == 7 else 1)

    def concat(self, a: int, b: int) -> Tensor:
        """Of normalized values, one of which may be there twice."""
        quantization = self.ranged()
        size, count = self.pick(a).shape[:-1], b if b > 7 else 1 + b % 4
        parts = [self.norm_of(self.pick(a + i, size), quantization) for i in range(count)]
        parts += [parts[0]] if b & 4 or len(parts) == 1 else []
        shape = (*parts[0].shape[:-1], sum(part.shape[-1] for part in parts))
        return self.put("CONCATENATION", ConcatenationOptions(axis=-1 if b & 1 else 3), parts, shape, quantization)

    def convolution(self, a: int, b: int) -> Tensor:
        return self.convolution_of(self.pick(a), (8, 33, 64)[b % 3], self.ranged())

    def dense(self, a: int, b: int) -> Tensor:
        """A value beside what a convolution makes of it, normalized or not."""
        x = self.pick(a)
        normed = self.norm_of(x, self.ranged()) if b & 4 else x
        parts = [x, self.convolution_of(normed, (8, 33, 64)[b % 3], x.quantization)]
        shape = (*x.shape[:-1], sum(part.shape[-1] for part in parts))
        return self.put("CONCATENATION", ConcatenationOptions(axis=3), parts, shape, x.quantization)

    def relu(self, a: int, b: int) -> Tensor:
        """The interpreter's."""
        x = self.pick(a)
        return self.put("RELU", NoOptions(), (x,), x.shape, x.quantization)

    def convolution_of(self, x: Tensor, outputs: int, quantization: Quantization | None) -> Tensor:
        rng, name, channels = self.rng, f"conv {len(self.steps)}", x.shape[-1]
        bits = tensor(f"{name}/bits", (), DType.INT32)
        constants = (
            constant(f"{name}/w", pack(rng.random((outputs, 3, 3, channels)) < 0.5)),
            constant(f"{name}/m", rng.normal(0, (9 * channels) ** -0.5, outputs).astype(np.float32)),
            constant(f"{name}/b", rng.normal(size=outputs).astype(np.float32)),
            None,
        )
        self.steps.append(("LceQuantize", LceQuantizeOptions(), (x,), (bits,), 1))
        options = LceBconv2dOptions(channels_in=channels, pad_values=1)
        return self.put("LceBconv2d", options, (bits, *constants), (*x.shape[:-1], outputs), quantization)

    def twice(self, a: int, b: int) -> Tensor:
        x = self.pick(a)
        return self.put("ADD", AddOptions(), (x, x), x.shape, self.ranged())


_MOVES: Mapping[str, Callable[[_Builder, int, int], Tensor]] = MappingProxyType(
    {
        "norm": _Builder.norm,
        "concat": _Builder.concat,
        "conv": _Builder.convolution,
        "dense": _Builder.dense,
        "relu": _Builder.relu,
        "twice": _Builder.twice,
    }
)


@dataclass(frozen=True)
class Signs:
    """``moves``: kind and two numbers that choose inputs and forms. ``kept``: the share of tensors inside that are
    outputs too."""

    channels: int
    moves: tuple[tuple[str, int, int], ...]
    seed: int
    kept: float = 0.1

    def graph(self) -> Graph:
        """For one sample. All that no op reads, and some others, are outputs."""
        builder = _Builder(self.channels, self.seed)
        for kind, a, b in self.moves:
            builder.values.append(_MOVES[kind](builder, a, b))
        graph = chain(builder.steps)
        values = {i for op in graph.ops for i in op.outputs if graph.tensors[i].dtype == DType.INT8}
        return with_some_kept(graph, values, builder.rng, self.kept)


_MOVE = st.tuples(st.sampled_from([*_MOVES, *["conv", "concat", "dense"] * 2]), st.integers(0, 3), st.integers(0, 7))


def sign_graphs() -> st.SearchStrategy[Signs]:
    """A convolution at the end reads what is there then."""
    return st.builds(
        lambda channels, moves, seed: Signs(channels, (*moves, ("conv", 0, 0)), seed),
        st.integers(1, 70),
        st.lists(_MOVE, min_size=1, max_size=8).map(tuple),
        st.integers(0, 2**32),
    )


BLOCK = Signs(
    64, tuple(move for i in range(3) for move in (("concat", 0, 2 + i), ("norm", 0, 0), ("conv", 0, 2))), 1, 0
)
"""Convolutions of all that came before, normalized part by part, and once more as one."""

ODD = Signs(
    33, (("conv", 0, 1), ("concat", 0, 1), ("conv", 0, 1), ("concat", 0, 2), ("norm", 0, 0), ("conv", 0, 0)), 2, 0
)
"""Of parts that end within a word."""

DENSE = Signs(32, (*[("dense", 0, 5)] * 3, ("relu", 0, 0)), 3, 0)
"""A dense block of one scale: each convolution reads what all before it gave, normalized, and so does an op of the
interpreter's at the end, as it is."""

APART = Signs(32, (("conv", 0, 0), ("relu", 0, 0), ("concat", 0, 1), ("conv", 0, 0)), 4, 0)
"""An op of the interpreter's in front of one part, while the others are there before."""
