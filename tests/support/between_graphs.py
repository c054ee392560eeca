"""Graphs of what stands between binary convolutions, drawn at random: batch normalizations (some scales negative or 0),
chains of element-wise ops, additions with an activation, scales of a sample, concatenations and padded additions of
channels, pooling; sums that are needed again later, or outside; ops of the interpreter in between."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from hypothesis import strategies as st

from edgebnn.arithmetic.packing import pack
from edgebnn.graph.ops.binary import LceBconv2dOptions, LceQuantizeOptions
from edgebnn.graph.ops.conv import Conv2DOptions
from edgebnn.graph.ops.dense import FullyConnectedOptions
from edgebnn.graph.ops.elementwise import AddOptions, MulOptions
from edgebnn.graph.ops.enums import Activation, Padding
from edgebnn.graph.ops.pool import Pool2DOptions
from edgebnn.graph.ops.shape_ops import ConcatenationOptions
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import Array, DType, Graph, Tensor

from .graphs import Step, chain, constant, per_channel, per_tensor, tensor, with_some_kept

SIZE = (6, 5)
_ACTIVATIONS = (Activation.NONE, Activation.NONE, Activation.NONE, Activation.RELU, Activation.RELU6)


class _Builder:
    """Adds steps to a graph whose tensors so far are ``values``, the image first."""

    def __init__(self, channels: int, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.values = [tensor("image", (1, *SIZE, channels))]
        self.steps: list[Step] = []

    def pick(self, choice: int, fits: Callable[[Tensor], bool] = lambda _: True) -> Tensor:
        """The last tensor but ``choice`` of those that fit; the last one of all if none does."""
        fitting = [t for t in self.values if fits(t)] or self.values[-1:]
        return fitting[-1 - choice % len(fitting)]

    def put(self, kind: str, options: object, inputs: Sequence[Tensor | None], shape: tuple[int, ...]) -> Tensor:
        y = tensor(f"{kind} {len(self.steps)}", shape)
        self.steps.append((kind, options, tuple(inputs), (y,), 1))  # type: ignore[arg-type]
        return y

    def row(self, channels: int, values: Array) -> Tensor:
        return constant(f"row {len(self.steps)}", np.resize(values, channels).astype(np.float32))

    def activation(self) -> Activation:
        return _ACTIVATIONS[self.rng.integers(len(_ACTIVATIONS))]

    def scaled(self, x: Tensor, activation: Activation = Activation.NONE) -> Tensor:
        by = self.rng.choice([-1.5, 0.75, 1.25, 0.0, 3.1], x.shape[-1], p=[0.2, 0.3, 0.3, 0.05, 0.15])
        return self.put("MUL", MulOptions(activation), (x, self.row(x.shape[-1], by)), x.shape)

    def shifted(self, x: Tensor, activation: Activation = Activation.NONE) -> Tensor:
        by = self.rng.normal(0, 0.5, x.shape[-1])
        return self.put("ADD", AddOptions(activation), (x, self.row(x.shape[-1], by)), x.shape)

    # Each adds one value.

    def convolution(self, a: int, b: int) -> Tensor:
        x, rng, name = self.pick(a), self.rng, f"conv {len(self.steps)}"
        c, out = x.shape[-1], (x.shape[-1], 8, 33)[b % 3]
        if b & 4:
            x = self.shifted(self.scaled(x))
        bits, y = tensor(f"{name}/bits", (), DType.INT32), tensor(name, (*x.shape[:-1], out))
        relu = rng.random() < 0.2
        options = LceBconv2dOptions(
            channels_in=c,
            fused_activation_function=Activation.RELU if relu else Activation.NONE,
            pad_values=int(relu or rng.random() < 0.5),
        )
        constants = (
            constant(f"{name}/w", pack(rng.random((out, 3, 3, c)) < 0.5)),
            constant(f"{name}/m", rng.normal(0, (9 * c) ** -0.5, out).astype(np.float32)),
            constant(f"{name}/b", rng.normal(size=out).astype(np.float32)),
            None,
        )
        self.steps.append(("LceQuantize", LceQuantizeOptions(), (x,), (bits,), 1))
        self.steps.append(("LceBconv2d", options, (bits, *constants), (y,), 1))
        return y

    def norm(self, a: int, b: int) -> Tensor:
        return self.shifted(self.scaled(self.pick(a)), self.activation())

    def prelu(self, a: int, b: int) -> Tensor:
        x = self.pick(a)
        slopes = self.rng.normal(size=(1, 1, x.shape[-1])).astype(np.float32)
        alpha = constant(f"alpha {len(self.steps)}", np.abs(slopes) if b & 2 else slopes)  # which keeps their order
        return self.put("PRELU", NoOptions(), (x, alpha), x.shape)

    def relu(self, a: int, b: int) -> Tensor:
        x = self.pick(a)
        return self.put(("RELU", "RELU6", "RELU_N1_TO_1")[b % 3], NoOptions(), (x,), x.shape)

    def add(self, a: int, b: int) -> Tensor:
        x = self.pick(a)
        y = self.pick(b, lambda t: t.shape == x.shape)
        if y.shape != x.shape:
            return self.shifted(x)
        return self.put("ADD", AddOptions(self.activation()), (x, y), x.shape)

    def gate(self, a: int, b: int) -> Tensor:
        """Times its own mean over the image."""
        x = self.pick(a)
        height, width, channels = x.shape[1:]
        pool = Pool2DOptions(Padding.VALID, width, height, width, height)
        mean = self.put("AVERAGE_POOL_2D", pool, (self.norm(a, b) if b & 1 else x,), (1, 1, 1, channels))
        return self.put("MUL", MulOptions(), (x, mean) if b & 2 else (mean, x), x.shape)

    def learned_gate(self, x: Tensor, source: Tensor) -> Tensor:
        """Times what two dense layers make of the mean of ``source`` over the image."""
        height, width, channels = source.shape[1:]
        y = self.put("AVERAGE_POOL_2D", Pool2DOptions(Padding.VALID, width, height, width, height), (source,), ())
        for number, (outputs, activation) in enumerate([(5, Activation.RELU), (channels, Activation.NONE)]):
            inputs = channels if number == 0 else 5
            weights = constant(f"dense {number}", self.rng.normal(size=(outputs, inputs)).astype(np.float32))
            bias = constant(f"bias {number}", self.rng.normal(size=outputs).astype(np.float32)) if number == 0 else None
            y = self.put("FULLY_CONNECTED", FullyConnectedOptions(activation), (y, weights, bias), ())
        return self.put("MUL", MulOptions(), (x, self.put("LOGISTIC", NoOptions(), (y,), ())), x.shape)

    def concat(self, a: int, b: int) -> Tensor:
        x = self.pick(a)
        parts = [x, self.pick(b, lambda t: t.shape[:-1] == x.shape[:-1])][:: 1 if b & 1 else -1]
        shape = (*x.shape[:-1], sum(part.shape[-1] for part in parts))
        return self.put("CONCATENATION", ConcatenationOptions(axis=-1 if b & 1 else 3), parts, shape)

    def add_padded(self, a: int, b: int) -> Tensor:
        part = self.pick(a)
        whole = self.pick(b, lambda t: t.shape[:-1] == part.shape[:-1] and t.shape[-1] > part.shape[-1])
        more = whole.shape[-1] - part.shape[-1]
        if more <= 0 or whole.shape[:-1] != part.shape[:-1]:
            return self.shifted(part)
        before = (more, 0, more // 2)[b % 3]
        sizes = constant(f"sizes {len(self.steps)}", np.array([[0, 0]] * 3 + [[before, more - before]], np.int32))
        padded = self.put("PAD", NoOptions(), (part, sizes), whole.shape)
        return self.put("ADD", AddOptions(), (whole, padded)[:: 1 if b & 4 else -1], whole.shape)

    def pool(self, a: int, b: int) -> Tensor:
        """Of a batch normalization or PRELU, of windows that stay within the image or do not."""
        x = (self.prelu if a == 3 else self.norm)(a, b) if b & 1 else self.pick(a)
        height, width, channels = x.shape[1:]
        same = bool(b & 2) or min(height, width) < 2
        kind = "MAX_POOL_2D" if b & 4 else "AVERAGE_POOL_2D"
        size = ((height + 1) // 2, (width + 1) // 2) if same else (height // 2, width // 2)
        options = Pool2DOptions(Padding.SAME if same else Padding.VALID, 2, 2, 2, 2, self.activation())
        return self.put(kind, options, (x,), (1, *size, channels))

    def other(self, a: int, b: int) -> Tensor:
        x = self.pick(a)
        return self.put("ABS", NoOptions(), (x,), x.shape)


_MOVES: Mapping[str, Callable[[_Builder, int, int], Tensor]] = MappingProxyType(
    {
        "conv": _Builder.convolution,
        "norm": _Builder.norm,
        "prelu": _Builder.prelu,
        "relu": _Builder.relu,
        "add": _Builder.add,
        "gate": _Builder.gate,
        "concat": _Builder.concat,
        "add padded": _Builder.add_padded,
        "pool": _Builder.pool,
        "abs": _Builder.other,
    }
)


@dataclass(frozen=True)
class Between:
    """``moves``: kind and two numbers that choose inputs and forms. ``kept``: the share of tensors inside that are
    outputs too."""

    channels: int
    moves: tuple[tuple[str, int, int], ...]
    seed: int
    kept: float = 0.1

    def graph(self) -> Graph:
        """For one sample. All floats that no op reads, and some others, are outputs."""
        builder = _Builder(self.channels, self.seed)
        for kind, a, b in self.moves:
            builder.values.append(_MOVES[kind](builder, a, b))
        graph = chain(builder.steps)
        floats = {i for op in graph.ops for i in op.outputs if graph.tensors[i].dtype == DType.FLOAT32}
        return with_some_kept(graph, floats, builder.rng, self.kept)


def gated_block(seed: int) -> Graph:
    """As in RealToBinaryNet: a convolution's output by a learned scale of what was in front, PReLU, a residual."""
    builder = _Builder(16, seed)
    normed = builder.shifted(builder.scaled(builder.values[0]))
    builder.values.append(normed)
    y = builder.convolution(0, 0)
    builder.values.append(builder.learned_gate(y, normed))
    builder.values.append(builder.prelu(0, 0))
    image = builder.values[0]
    builder.put("ADD", AddOptions(), (builder.values[-1], image), image.shape)
    return chain(builder.steps)


def with_constant_map(kind: str, seed: int) -> Graph:
    """ADD or MUL of a convolution's output and a constant map for one sample, which another convolution reads."""
    builder = _Builder(16, seed)
    y = builder.convolution(0, 0)
    by = constant("map", builder.rng.normal(size=y.shape).astype(np.float32))
    builder.values.append(builder.put(kind, AddOptions() if kind == "ADD" else MulOptions(), (y, by), y.shape))
    builder.convolution(0, 0)
    return chain(builder.steps)


def int8_blocks(channels: int, blocks: int, seed: int) -> Graph:
    """Residual blocks of int8, each with ranges of its own; some sums have an activation, some are outputs too."""
    rng = np.random.default_rng(seed)

    def ranged(name: str, shape: tuple[int, ...]) -> Tensor:
        return tensor(
            name, shape, DType.INT8, per_tensor(float(np.exp(rng.normal(-3, 0.5))), int(rng.integers(-40, 40)))
        )

    steps = list[Step]()
    x = ranged("image", (1, *SIZE, channels))
    for block in range(blocks):
        bits, y = tensor(f"bits {block}", (), DType.INT32), ranged(f"y {block}", ())
        constants = (
            constant(f"w {block}", pack(rng.random((channels, 3, 3, channels)) < 0.5)),
            constant(f"m {block}", rng.normal(0, (9 * channels) ** -0.5, channels).astype(np.float32)),
            constant(f"b {block}", rng.normal(size=channels).astype(np.float32)),
            None,
        )
        total = ranged(f"sum {block}", ())
        options = AddOptions(Activation.RELU if rng.random() < 0.3 else Activation.NONE)
        steps += [
            ("LceQuantize", LceQuantizeOptions(), (x,), (bits,), 1),
            ("LceBconv2d", LceBconv2dOptions(channels_in=channels, pad_values=1), (bits, *constants), (y,), 1),
            ("ADD", options, (x, y) if rng.random() < 0.5 else (y, x), (total,), 1),
        ]
        x = total
    graph = chain(steps)
    sums = {i for op in graph.ops if op.kind == "ADD" for i in op.outputs}
    return with_some_kept(graph, sums, rng, 0.2)


def int8_shortcut(channels: int, strides: tuple[int, int], padding: Padding, seed: int) -> Graph:
    """A residual block behind a sum of int8: the convolution halves the image, and so does the shortcut, by average
    pooling and a 1x1 convolution to twice the channels; a last binary convolution reads the sum."""
    rng, steps = np.random.default_rng(seed), list[Step]()

    def ranged(name: str, scale: float, shape: tuple[int, ...] = ()) -> Tensor:
        spread = float(np.exp(rng.normal(np.log(scale), 0.3)))
        return tensor(name, shape, DType.INT8, per_tensor(spread, int(rng.integers(-20, 20))))

    def convolved(x: Tensor, inputs: int, outputs: int, stride: tuple[int, int]) -> Tensor:
        name = f"conv {len(steps)}"
        bits, y = tensor(f"{name}/bits", (), DType.INT32), ranged(name, 0.05)
        constants = (
            constant(f"{name}/w", pack(rng.random((outputs, 3, 3, inputs)) < 0.5)),
            constant(f"{name}/m", rng.normal(0, (9 * inputs) ** -0.5, outputs).astype(np.float32)),
            constant(f"{name}/b", rng.normal(size=outputs).astype(np.float32)),
            None,
        )
        options = LceBconv2dOptions(channels_in=inputs, pad_values=1, stride_height=stride[0], stride_width=stride[1])
        steps.append(("LceQuantize", LceQuantizeOptions(), (x,), (bits,), 1))
        steps.append(("LceBconv2d", options, (bits, *constants), (y,), 1))
        return y

    def added(a: Tensor, b: Tensor) -> Tensor:
        total = ranged(f"sum {len(steps)}", 0.08)
        steps.append(("ADD", AddOptions(), (a, b), (total,), 1))
        return total

    height, width = (12, 10)
    x = ranged("image", 0.05, (1, height, width, channels))
    x = added(x, convolved(x, channels, channels, (1, 1)))
    y = convolved(x, channels, 2 * channels, strides)
    pooled, shortcut = tensor("pooled", (), DType.INT8, x.quantization), ranged("shortcut", 0.05)
    steps.append(("AVERAGE_POOL_2D", Pool2DOptions(padding, strides[1], strides[0], 2, 2), (x,), (pooled,), 1))
    scales = [float(s) for s in rng.uniform(0.002, 0.01, 2 * channels).astype(np.float32)]
    weights = rng.integers(-127, 128, (2 * channels, 1, 1, channels)).astype(np.int8)
    bias_scales = [float(np.float32(x.quantization.scale[0]) * np.float32(s)) for s in scales]  # type: ignore[union-attr]
    bias = rng.integers(-500, 500, 2 * channels).astype(np.int32)
    constants = (
        constant("shortcut/w", weights, per_channel(scales, 0)),
        constant("shortcut/b", bias, per_channel(bias_scales, 0)),
    )
    steps.append(("CONV_2D", Conv2DOptions(stride_w=1, stride_h=1), (pooled, *constants), (shortcut,), 1))
    x = added(shortcut, y)
    convolved(x, 2 * channels, 8, (1, 1))
    return chain(steps)


def image(case: Between, graph: Graph, batches: int = 1) -> Array:
    (source,) = graph.inputs
    shape = (batches, *graph.tensors[source].shape[1:])
    return np.random.default_rng(case.seed + 1).normal(size=shape).astype(np.float32)


_KINDS = [*_MOVES, *["conv"] * 6, *["concat", "add padded", "norm"] * 2]
_MOVE = st.tuples(st.sampled_from(_KINDS), st.integers(0, 3), st.integers(0, 7))


def betweens() -> st.SearchStrategy[Between]:
    return st.builds(
        Between, st.integers(1, 40), st.lists(_MOVE, min_size=1, max_size=12).map(tuple), st.integers(0, 2**32)
    )


DENSE = Between(32, (("conv", 0, 4), ("concat", 1, 0), *(("conv", 0, 5), ("concat", 1, 0)) * 3, ("pool", 0, 5)), 1)
"""A dense block: each convolution reads what all before it gave."""

MELIUS = Between(
    16,
    (
        ("conv", 0, 4),
        ("concat", 1, 0),
        *(("conv", 0, 5), ("add padded", 0, 0), ("conv", 0, 5), ("concat", 1, 0)) * 2,
        ("conv", 0, 5),
    ),
    2,
)
"""A dense block whose every second convolution is added to the channels of the one before."""

GATED = Between(33, (*(("conv", 0, 4), ("gate", 0, 3), ("prelu", 0, 0), ("add", 0, 3)) * 3, ("pool", 0, 3)), 3)
"""Convolutions scaled by a value of each sample, with PReLU and a residual."""
