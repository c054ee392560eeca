"""Order and names of a Keras model's inputs and outputs, and how a converted file gets them.

TFLite's converters sort arguments and results by name and call tensors ``serving_default_x:0`` and
``StatefulPartitionedCall:1``. So a model is saved with arguments and results keyed by their position (:func:`key`),
and the file's subgraph, signature and tensors get Keras' order and names back (:func:`named`).
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgebnn.errors import EdgebnnError
from edgebnn.graph.ops.shape_ops import ReshapeOptions
from edgebnn.graph.types import DType, Graph, Op, Shape, Signature, Tensor

SIGNATURE = "serving_default"


@dataclass(frozen=True)
class KerasInput:
    """One input of a Keras model: ``shape`` is without the batch, ``dtype`` as NumPy calls it; ``batch`` is the only
    number of samples that it takes, None where it takes any."""

    name: str
    shape: Shape
    dtype: str
    batch: int | None = None


def key(position: int) -> str:
    """What the argument or result at ``position`` is called during conversion: sorted, these keep the order."""
    return f"port_{position:06}"


def names(structure: Any, own: Sequence[str]) -> tuple[str, ...]:
    """The names by which a user knows the leaves of nested dicts, lists and tuples, in Keras' order.

    Args:
        structure: the leaves as the model takes or gives them; dicts count by sorted keys, as Keras has it.
        own: a name for each leaf, as of its layer.

    Returns:
        A leaf's key where it stands in a dict, else its own name; the keys on the way to it where that is not unique,
        and numbered where that is not either.
    """
    paths = list(_paths(structure))
    short = [path[-1] if path and isinstance(path[-1], str) else name for path, name in zip(paths, own, strict=True)]
    count = Counter(short)
    found = [
        "/".join([*(part for part in path[:-1] if isinstance(part, str)), name]) if count[name] > 1 else name
        for path, name in zip(paths, short, strict=True)
    ]
    unique: list[str] = []
    for name in found:
        numbered = (f"{name}_{number}" for number in itertools.count(1))
        free = (other for other in numbered if other not in found and other not in unique)
        unique.append(next(free) if name in unique else name)
    return tuple(unique)


def _paths(structure: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Keys (strings) and positions (integers) on the way to each leaf."""
    if isinstance(structure, Mapping):
        for name in sorted(structure):
            yield from _paths(structure[name], (*path, str(name)))
    elif isinstance(structure, list | tuple):
        for position, part in enumerate(structure):
            yield from _paths(part, (*path, position))
    else:
        yield path


def named(graph: Graph, inputs: Sequence[str], outputs: Sequence[str]) -> Graph:
    """``graph`` with the inputs and outputs that its signature keys by position in that order, called by these names.

    A tensor has one name: an output that is an input too, or another output, becomes a copy of its own.

    Raises:
        EdgebnnError: the converter has dropped an input or output.
    """
    found = [signature for signature in graph.signatures if signature.key == SIGNATURE]
    if len(found) != 1:
        raise EdgebnnError("the converter has left no signature in the file")
    taken = [_tensor(dict(found[0].inputs), position, name) for position, name in enumerate(inputs)]
    given = [_tensor(dict(found[0].outputs), position, name) for position, name in enumerate(outputs)]
    return with_ports(graph, dict(zip(inputs, taken, strict=True)), tuple(zip(outputs, given, strict=True)))


def renamed(graph: Graph, like: Graph) -> Graph:
    """``graph``, a rewritten form of ``like``, with the names of its inputs and outputs: TFLite's quantizer merges
    outputs that are equal, and then names."""
    (signature,) = like.signatures
    inputs = dict(zip((name for name, _ in signature.inputs), graph.inputs, strict=True))
    return with_ports(graph, inputs, tuple(zip((name for name, _ in signature.outputs), graph.outputs, strict=True)))


def with_ports(graph: Graph, inputs: Mapping[str, int], outputs: Sequence[tuple[str, int]]) -> Graph:
    """``graph`` with these tensors as inputs and outputs, each named so in the subgraph and the only signature."""
    tensors, ops, used, given = list(graph.tensors), list(graph.ops), {*inputs.values()}, []
    for name, index in outputs:
        own = _copy(index, tensors, ops) if index in used else index
        used.add(own)
        given.append((name, own))
    for name, index in (*inputs.items(), *given):
        tensors[index] = replace(tensors[index], name=name)
    return replace(
        graph,
        tensors=tuple(tensors),
        ops=tuple(ops),
        inputs=tuple(inputs.values()),
        outputs=tuple(index for _, index in given),
        signatures=(Signature(SIGNATURE, tuple(inputs.items()), tuple(given)),),
    )


def _tensor(indices: dict[str, int], position: int, name: str) -> int:
    if key(position) not in indices:
        raise EdgebnnError(f"the converter has dropped '{name}'; take it out of the model if nothing depends on it")
    return indices[key(position)]


def _copy(index: int, tensors: list[Tensor], ops: list[Op]) -> int:
    """The index of a new tensor with the values of the one at ``index``."""
    tensor = tensors[index]
    shape = np.array((-1, *tensor.shape[1:]) if tensor.shape else (), np.int32)
    tensors.append(Tensor(f"{tensor.name}/shape", shape.shape, DType.INT32, None, shape))
    tensors.append(replace(tensor, data=None))
    new = len(tensors) - 1
    ops.append(Op("RESHAPE", (index, new - 1), (new,), ReshapeOptions(new_shape=tuple(int(d) for d in shape))))
    return new
