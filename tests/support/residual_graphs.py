"""Graphs of residual connections around binary convolutions, drawn at random: an addition with what came before, of two
convolutions, of one with itself; sums that are needed again later, or outside; ops of the interpreter in between."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from edgebnn.arithmetic.packing import pack
from edgebnn.graph.ops.binary import LceBconv2dOptions, LceQuantizeOptions
from edgebnn.graph.ops.elementwise import AddOptions
from edgebnn.graph.ops.enums import Activation
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import DType, Graph, Tensor

from .graphs import Step, chain, constant, tensor, with_some_kept

SIZE = (6, 5)


@dataclass(frozen=True)
class Residual:
    """``steps``: kind and two numbers that choose the inputs among the tensors so far, the image among them."""

    channels: int
    steps: tuple[tuple[str, int, int], ...]
    seed: int

    def graph(self) -> Graph:
        """For one sample; every tensor has the image's shape. All that no op reads, and some others, are outputs."""
        rng = np.random.default_rng(self.seed)
        tensors, steps = [tensor("image", (1, *SIZE, self.channels))], list[Step]()
        for index, (kind, first, second) in enumerate(self.steps):
            a, b = (tensors[-1 - choice % len(tensors)] for choice in (first, second))
            y = tensor(f"{kind} {index}", ())
            match kind:
                case "conv":
                    steps += self._convolution(rng, a, y)
                case "add" | "add, relu":
                    activation = Activation.NONE if kind == "add" else Activation.RELU
                    steps.append(("ADD", AddOptions(activation), (a, b), (y,), 1))
                case _:
                    steps.append(("ABS", NoOptions(), (a,), (y,), 1))
            tensors.append(y)
        graph = chain(steps)
        floats = {i for op in graph.ops for i in op.outputs if graph.tensors[i].dtype == DType.FLOAT32}
        return with_some_kept(graph, floats, rng, 0.15)

    def _convolution(self, rng: np.random.Generator, x: Tensor, y: Tensor) -> list[Step]:
        c, bits = self.channels, tensor(f"{y.name}/bits", (), DType.INT32)
        relu = rng.random() < 0.3
        options = LceBconv2dOptions(
            channels_in=c,
            fused_activation_function=Activation.RELU if relu else Activation.NONE,
            pad_values=int(relu or rng.random() < 0.5),
        )
        constants = (
            constant(f"{y.name}/w", pack(rng.random((c, 3, 3, c)) < 0.5)),
            constant(f"{y.name}/m", rng.normal(0, (9 * c) ** -0.5, c).astype(np.float32)),
            constant(f"{y.name}/b", rng.normal(size=c).astype(np.float32)),
            None,
        )
        return [
            ("LceQuantize", LceQuantizeOptions(), (x,), (bits,), 1),
            ("LceBconv2d", options, (bits, *constants), (y,), 1),
        ]


_CHOICE = st.integers(0, 3)  # how far back
_STEP = st.tuples(st.sampled_from(["conv", "conv", "conv", "add", "add", "add", "add, relu", "abs"]), _CHOICE, _CHOICE)


def residuals() -> st.SearchStrategy[Residual]:
    return st.builds(
        Residual,
        st.integers(1, 70),
        st.lists(_STEP, min_size=1, max_size=12).map(tuple),
        st.integers(0, 2**32),
    )
