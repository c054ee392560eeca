"""What each step of the demo hands on, as plain values that are recorded, and how two computations of it compare."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgebnn.graph import counts
from edgebnn.graph.liveness import peak_arena_bytes
from edgebnn.graph.types import Array, Graph, Shape
from edgebnn.reports import format
from edgebnn.reports.data import AGREEMENT, Agreement, BaselineTiming, Epoch, Finding, Size, Sizes, Timing


@dataclass(frozen=True)
class Trained:
    """The outcome of the training; the model itself is in a file."""

    parameters: int
    epochs: tuple[Epoch, ...]


@dataclass(frozen=True)
class Converted:
    """What lint found; ``subjects`` names what it looked at: the Keras model, and the file made of it."""

    subjects: tuple[str, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Answers:
    """Accuracies of the deployed model and of Keras on all test images, and how their outputs compare."""

    deployed: float
    keras: float
    agreement: Agreement


@dataclass(frozen=True)
class Compared:
    """How the deployed model's outputs compare with the reference executor's."""

    reference: Agreement


@dataclass(frozen=True)
class Timed:
    """The profile of one inference, and the deployed file timed in turn with others."""

    timing: Timing
    baselines: tuple[BaselineTiming, ...]


def accuracy(outputs: Array, labels: Array) -> float:
    """The share of rows of ``outputs`` [N, classes] whose largest entry is at the label [N]."""
    return float(np.mean(np.argmax(outputs, axis=1) == labels))


def agreement(reference: str, ours: Array, theirs: Array, note: str = "") -> Agreement:
    """How ``ours`` [N, classes] compare with ``theirs``, row by row."""
    gaps = np.abs(ours.astype(np.float64) - theirs.astype(np.float64)).max(axis=1)
    output_range = float(theirs.max()) - float(theirs.min())
    return Agreement(
        reference=reference,
        samples=len(ours),
        same_class=int(np.count_nonzero(np.argmax(ours, axis=1) == np.argmax(theirs, axis=1))),
        bit_equal=int(np.count_nonzero(np.all(ours == theirs, axis=1))),
        mismatches=int(np.count_nonzero(gaps > AGREEMENT * output_range)),
        max_abs_diff=float(gaps.max()),
        output_range=output_range,
        note=note,
    )


def compare_sizes(deployed: Graph, deployed_bytes: int, in_float: Graph, float_bytes: int) -> Sizes:
    """The sizes of both files, and of every layer of the float file that multiplies beside its deployed form."""
    unpaired = _multiplying(deployed)
    layers = []
    for index, work in _multiplying(in_float):
        partner = next((other for other in unpaired if other[1] == work), None)
        if partner is None:
            continue
        unpaired.remove(partner)
        layers.append(
            Size(
                layer=_label(in_float, index),
                float_bytes=counts.op_weight_bytes(in_float, index),
                deployed_bytes=counts.op_weight_bytes(deployed, partner[0]),
            )
        )
    return Sizes(float_bytes, deployed_bytes, tuple(layers), peak_arena_bytes(deployed))


def _multiplying(graph: Graph) -> list[tuple[int, tuple[int, Shape]]]:
    """The ops with multiply-accumulates: index, and their number with the shape of the output."""
    found = []
    for index, op in enumerate(graph.ops):
        total = counts.op_macs(graph, index).total
        if total:
            found.append((index, (total, graph.tensors[op.outputs[0]].shape)))
    return found


def _label(graph: Graph, index: int) -> str:
    """The Keras layer that an op came from, or the op's kind where its name does not tell."""
    name = graph.op_name(index)
    layer = format.layer(name)
    return layer if layer != name else graph.ops[index].kind
