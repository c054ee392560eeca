"""What a stand-alone program knows of its network for those who start it by hand, as C macros (``by_hand.h``)."""

from __future__ import annotations

import json

import numpy as np

from edgebnn.converters.c_package.c_text import real, string
from edgebnn.errors import InputError, ModelFormatError
from edgebnn.graph import metadata
from edgebnn.graph.metadata import ImageFormat, Metadata
from edgebnn.graph.types import Graph
from edgebnn.runtime.images import check_format
from edgebnn.runtime.port import Port, graph_inputs, graph_outputs

_RECORD = "record it: edgebnn convert MODEL --image-range LOW HIGH"
_ORDER = {"rgb": (0, 1, 2), "bgr": (2, 1, 0), "grey": (0, 0, 0)}


def lines(graph: Graph) -> tuple[str, ...]:
    """The macros.

    Args:
        graph: the network; what its file says of pictures and labels is taken from there.
    """
    facts, unread = _facts(graph)
    image = None if facts is None else facts.image
    inputs = graph_inputs(graph, image)
    outputs = graph_outputs(graph)
    labels = () if facts is None else facts.labels
    return (
        f"#define NETWORK_INPUT_COUNT {len(inputs)}",
        f"#define NETWORK_OUTPUT_COUNT {len(outputs)}",
        f"#define NETWORK_INPUT_PORTS {', '.join(_port(graph, port) for port in inputs)}",
        f"#define NETWORK_OUTPUT_PORTS {', '.join(_port(graph, port) for port in outputs)}",
        f"#define NETWORK_LABEL_COUNT {len(labels)}",
        f"#define NETWORK_LABELS {', '.join(f'{{{string(one)}, {string(json.dumps(one))}}}' for one in labels)}",
        f"#define NETWORK_IMAGE {_image(inputs, outputs, facts, unread)}",
    )


def _facts(graph: Graph) -> tuple[Metadata | None, str]:
    """What the file says; else why that cannot be read."""
    try:
        return metadata.parse(graph.metadata, graph.attachment, "the model"), ""
    except ModelFormatError as error:
        return None, str(error)


def _port(graph: Graph, port: Port) -> str:
    bounds = port.limits or port.pixels
    fields = {
        "name": string(port.name),
        "json": string(json.dumps(port.name)),
        "kind": f"'{port.dtype.kind}'",
        "size": port.dtype.itemsize,
        "rank": len(port.shape),
        "dims": f"{{{', '.join(map(str, port.shape)) or '0'}}}",
        "bytes": f"{graph.tensors[port.index].bytes}u",
        "counted": int(port.samples),
        "quantized": int(port.scale is not None),
        "scale": real(1.0 if port.scale is None else port.scale),
        "zero_point": port.zero_point,
    }
    if bounds is not None:
        fields |= {"bounded": 1, "cut": int(port.limits is not None), "low": real(bounds[0]), "high": real(bounds[1])}
    if port.pixels is not None:
        fields |= {"has_pixels": 1, "pixel_low": real(port.pixels[0]), "pixel_high": real(port.pixels[1])}
    return _struct(fields)


def _image(inputs: tuple[Port, ...], outputs: tuple[Port, ...], facts: Metadata | None, unread: str) -> str:
    image = None if facts is None else facts.image
    why = unread or _why_not(inputs, outputs, facts)
    if why or image is None or facts is None:
        return _struct({"why": string(why)})
    _, height, width, channels = inputs[0].shape
    order = image.channel_order or ("grey" if channels == 1 else "rgb")
    fields: dict[str, object] = {
        **{"height": height, "width": width, "channels": channels, "grey": int(order == "grey")},
        "order": f"{{{', '.join(map(str, _ORDER[order]))}}}",
        "output": facts.labelled_output,
    }
    if image.mean:
        mean, std = (np.broadcast_to(np.array(one, np.float32), channels) for one in (image.mean, image.std))
        fields |= {"scaled": 1, "mean": f"{{{', '.join(map(real, mean))}}}", "std": f"{{{', '.join(map(real, std))}}}"}
    return _struct(fields)


def _why_not(inputs: tuple[Port, ...], outputs: tuple[Port, ...], facts: Metadata | None) -> str:
    """Why the network classifies no pictures; empty if it does. As :class:`edgebnn.runtime.model.Model` says it."""
    image: ImageFormat | None = None if facts is None else facts.image
    if image is None or facts is None:
        return f"the model does not say what images it takes; {_RECORD}"
    if len(inputs) != 1:
        return f"the model has {len(inputs)} inputs; only models of one image are classifiers"
    try:
        check_format(inputs, image, "the model")
    except InputError as error:
        return str(error)
    if inputs[0].shape[0] != 1:
        return f"the model takes {inputs[0].shape[0]} images at a time; give them as one array"
    if not image.mean and inputs[0].dtype != np.uint8:
        return (
            "the model does not say what range its pixels take; record it: edgebnn convert MODEL --image-range LOW HIGH"
        )
    which, labels = facts.labelled_output, facts.labels
    shape = outputs[which].shape if which < len(outputs) else ()
    if len(shape) < 2 or int(np.prod(shape)) != shape[-1] or (labels and len(labels) != shape[-1]):
        return (
            f"the model's output {list(shape[1:])} is no score for {f'each of {len(labels)} ' if labels else ''}classes"
        )
    return ""


def _struct(fields: dict[str, object]) -> str:
    return "{" + ", ".join(f".{name} = {value}" for name, value in fields.items()) + "}"
