"""Tells what would silently be slow or wrong, before and after conversion. The rules are in the two tables."""

from __future__ import annotations

from collections import Counter
from typing import Any

from edgebnn.graph.ops.binary import LceBconv2dOptions
from edgebnn.graph.types import DType, Graph

from .findings import Finding
from .graph_rules import GRAPH_RULES
from .keras_rules import KERAS_RULES
from .keras_view import KerasLayer, view
from .w1a8_rules import unpackable

__all__ = ["Finding", "lint_conversion", "lint_graph", "lint_int8", "lint_keras"]

_Geometry = tuple[int, ...]


def lint_keras(model: Any, to: str = "lce") -> tuple[Finding, ...]:
    """What is wrong with a Keras model that is to be converted.

    Args:
        model: the Keras model.
        to: "lce", "int8", "w1a8" or "float".

    Returns:
        The findings, layer by layer.
    """
    layers = view(model)
    return tuple(
        Finding(rule.level, rule.id, layer.name, message, rule.remedy)
        for layer in layers.values()
        for rule in KERAS_RULES
        if to in rule.targets and (message := rule.check(layers, layer)) is not None
    )


def lint_graph(graph: Graph) -> tuple[Finding, ...]:
    """Findings on a converted file."""
    return unpackable(graph) + tuple(
        Finding(rule.level, rule.id, graph.op_name(index), message, rule.remedy)
        for index in range(len(graph.ops))
        for rule in GRAPH_RULES
        if (message := rule.check(graph, index)) is not None
    )


def lint_conversion(model: Any, graph: Graph) -> tuple[Finding, ...]:
    """Binary convolutions of a Keras model that are no binary convolution in its LCE file.

    The file keeps a layer's name only in the name of its packed input, cut at 50 characters and shared by layers with
    the same input. So filter shapes and strides decide how many are missing, and names which.

    Args:
        model: the Keras model.
        graph: of its file.

    Returns:
        A finding for each layer that is missing.
    """
    layers = [layer for layer in view(model).values() if layer.binary_conv]
    kept = Counter(_file_geometry(graph, index) for index, op in enumerate(graph.ops) if op.kind == "LceBconv2d")
    packed = [graph.tensors[op.inputs[0]].name for op in graph.ops if op.kind == "LceBconv2d"]
    named_first = sorted(layers, key=lambda layer: not any(f"/{layer.name}/" in f"/{name}" for name in packed))
    missing = []
    for layer in named_first:
        geometry = _layer_geometry(layer)
        if kept[geometry]:
            kept[geometry] -= 1
        else:
            missing.append(layer)
    return tuple(
        Finding(
            "error",
            "binary-layer-lost",
            layer.name,
            "is binary in the Keras model but not in the file, where it runs in float",
            "see the findings on the Keras model; use QuantConv2D with ste_sign or approx_sign",
        )
        for layer in missing
    )


_INT8_NEEDS_NOT = ("QUANTIZE", "DEQUANTIZE", "FILL")


def lint_int8(model: Any, graph: Graph) -> tuple[Finding, ...]:
    """Layers of a Keras model that run in float in its int8 file, by the names that the ops of the file bear.

    Args:
        model: the Keras model.
        graph: of its file.

    Returns:
        A finding for each such layer.
    """
    names = sorted((layer.name for layer in model.submodules if hasattr(layer, "inbound_nodes")), key=len, reverse=True)
    found: dict[str, list[str]] = {}
    for index, op in enumerate(graph.ops):
        floats = [i for i in op.outputs if graph.tensors[i].dtype == DType.FLOAT32]
        if not floats or op.kind in _INT8_NEEDS_NOT:
            continue
        parts = f"/{graph.op_name(index)}".replace(";", "/;/")
        places = {name: parts.find(f"/{name}/") for name in names if f"/{name}/" in parts}
        layer = min(places, key=lambda name: places[name], default=graph.op_name(index))
        kinds = found.setdefault(layer, [])
        kinds += [op.kind] if op.kind not in kinds else []
    return tuple(
        Finding(
            "warning",
            "stays-float",
            layer,
            f"runs in float in the int8 file ({', '.join(kinds)})",
            "use a layer that TensorFlow Lite has in int8 in its place, or let it be float",
        )
        for layer, kinds in found.items()
    )


def _file_geometry(graph: Graph, index: int) -> _Geometry:
    options = graph.ops[index].options
    assert isinstance(options, LceBconv2dOptions)
    outputs, height, width, _ = graph.tensors[graph.ops[index].inputs[1]].shape
    return (outputs, height, width, options.channels_in, options.stride_height, options.stride_width)


def _layer_geometry(layer: KerasLayer) -> _Geometry:
    return (layer.option("filters"), *layer.kernel_size, layer.input_channels or 0, *layer.option("strides"))
