"""Graphs made by hand for tests, and the comparison of graphs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from edgebnn.graph.opdef import op_view
from edgebnn.graph.ops import OPS
from edgebnn.graph.types import ABSENT, Array, DType, Graph, Op, Options, Quantization, Shape, Tensor


def per_tensor(scale: float, zero_point: int) -> Quantization:
    """Quantization of a whole tensor; the scale is rounded to float32, as files store it."""
    return Quantization((float(np.float32(scale)),), (zero_point,))


def per_channel(scales: Sequence[float], axis: int) -> Quantization:
    """Symmetric quantization of weights along ``axis``."""
    return Quantization(tuple(float(np.float32(s)) for s in scales), (0,) * len(scales), axis)


def tensor(name: str, shape: Shape, dtype: DType = DType.FLOAT32, quantization: Quantization | None = None) -> Tensor:
    """A tensor that the graph computes or is given."""
    return Tensor(name, shape, dtype, quantization)


def constant(name: str, data: Array, quantization: Quantization | None = None) -> Tensor:
    """A tensor stored in the file."""
    return Tensor(name, data.shape, DType(data.dtype.name), quantization, data)


def one_op(
    kind: str, options: Options, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor], version: int = 1
) -> Graph:
    """A graph of one op. Inputs without data are the graph's inputs; None is an absent optional input.

    The outputs' shapes are inferred, whatever they are given as, except that LceDequantize takes its number of
    channels from the shape given.
    """
    return chain([(kind, options, inputs, outputs, version)])


Step = tuple[str, Options, Sequence[Tensor | None], Sequence[Tensor], int]


def chain(steps: Sequence[Step]) -> Graph:
    """A graph of several ops (arguments of :func:`one_op` each); tensors of one name are one tensor.

    The inputs are the tensors without data that no op computes; the outputs those that no op reads.
    """
    tensors: dict[str, Tensor] = {}
    ops: list[Op] = []
    for kind, options, inputs, outputs, version in steps:
        for t in (*inputs, *outputs):
            if t is not None:
                tensors.setdefault(t.name, t)
        index = {name: i for i, name in enumerate(tensors)}
        ops.append(
            Op(
                kind,
                tuple(ABSENT if t is None else index[t.name] for t in inputs),
                tuple(index[t.name] for t in outputs),
                options,
                version,
            )
        )
        partial = Graph("test", tuple(tensors.values()), tuple(ops), (), ())
        for t, shape in zip(outputs, OPS[kind].infer(op_view(partial, len(ops) - 1)), strict=True):
            tensors[t.name] = replace(tensors[t.name], shape=shape)
    everything = tuple(tensors.values())
    computed = {i for op in ops for i in op.outputs}
    read = {i for op in ops for i in op.inputs}
    return Graph(
        "test",
        everything,
        tuple(ops),
        tuple(i for i, t in enumerate(everything) if t.data is None and i not in computed),
        tuple(i for i in sorted(computed) if i not in read),
    )


def differences(one: Graph, other: Graph) -> list[str]:
    """What differs between two graphs, in words; empty when they are equal, data included."""
    found = [
        f"{field}: {getattr(one, field)!r} != {getattr(other, field)!r}"
        for field in ("name", "ops", "inputs", "outputs", "description", "signatures", "metadata")
        if getattr(one, field) != getattr(other, field)
    ]
    if len(one.tensors) != len(other.tensors):
        return [*found, f"{len(one.tensors)} tensors != {len(other.tensors)}"]
    pairs = enumerate(zip(one.tensors, other.tensors, strict=True))
    return found + [f"tensor {index}: {a!r} != {b!r}" for index, (a, b) in pairs if not _same_tensor(a, b)]


def _same_tensor(one: Tensor, other: Tensor) -> bool:
    if one.data is None or other.data is None:
        same_data = one.data is other.data
    else:
        same_data = one.data.dtype == other.data.dtype and np.array_equal(
            one.data.reshape(-1).view(np.uint8), other.data.reshape(-1).view(np.uint8)
        )
    return same_data and vars(replace(one, data=None)) == vars(replace(other, data=None))


def with_some_kept(graph: Graph, indices: Iterable[int], rng: np.random.Generator, share: float) -> Graph:
    """``graph`` with about that share of the tensors as outputs too."""
    kept = {i for i in sorted(indices) if rng.random() < share}
    return replace(graph, outputs=tuple(sorted(kept | set(graph.outputs))))
