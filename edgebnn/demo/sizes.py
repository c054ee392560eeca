"""Bytes by layer of two files of one architecture: the layers are paired by what they compute."""

from __future__ import annotations

from edgebnn.graph import counts
from edgebnn.graph.liveness import peak_arena_bytes
from edgebnn.graph.types import Graph, Shape
from edgebnn.reports import format
from edgebnn.reports.data import Size, Sizes


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
