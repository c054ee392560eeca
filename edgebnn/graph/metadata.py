"""What a model says of itself: what its image input takes, what its outputs are called, who made it.

It is kept in TFLite's own metadata format (:mod:`.metadata_format`), so that MediaPipe and others read it: the size,
color space and normalization of the image input, the labels as a file zipped behind the model. The format knows no
BGR: the color space is then "unknown" there, and a custom entry, which others pass over, says the order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from edgebnn.errors import InputError, ModelFormatError, one_line

from . import attachment, metadata_format
from .metadata_format import Record
from .types import Graph, Shape

ChannelOrder = Literal["rgb", "bgr", "grey"]

PIXEL_MAX = 255.0

_COLOR_SPACES: dict[int, ChannelOrder] = {1: "rgb", 2: "grey"}
_UNKNOWN_SPACE = 0
_AXIS_LABELS = 2
"""The type of an associated file: one label a line, for each place along the tensor's last axis."""
_LABELS_FILE = "labels.txt"
_ORDER_ENTRY = "edgebnn.channel_order"
_PARSER, _PARSER_OF_CUSTOM = "1.0.0", "1.5.0"
"""The first version of the schema that has all that is written here, without and with a custom entry."""
_CHANNELS = {"rgb": 3, "bgr": 3, "grey": 1}


@dataclass(frozen=True)
class ImageFormat:
    """What an image input takes: for each pixel value 0 to 255, ``(value - mean) / std``.

    ``mean`` and ``std`` have one number, or one a channel in the order of ``channel_order``; they are empty where the
    model does not say its range. ``channel_order``: None where it does not say that. ``input``: which input of the
    model it is. ``size``: height and width, where they are fixed.
    """

    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    channel_order: ChannelOrder | None = None
    input: int = 0
    size: tuple[int, int] | None = None

    @classmethod
    def of_range(cls, low: float, high: float, channel_order: ChannelOrder | None = None) -> ImageFormat:
        """Pixels 0 to 255 are taken as ``low`` to ``high``. Raises InputError unless ``low`` is below ``high``."""
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise InputError(f"an image's range goes from a lower to a higher number, not from {low:g} to {high:g}")
        std = PIXEL_MAX / (high - low)
        return cls((0.0 - low * std,), (std,), channel_order)

    @property
    def range(self) -> tuple[float, float] | None:
        """The least and the greatest value that a pixel can have, None where the model does not say it."""
        pairs = list(zip(*_same_length(self.mean, self.std), strict=True))
        if not pairs:
            return None
        return min((0.0 - mean) / std for mean, std in pairs), max((PIXEL_MAX - mean) / std for mean, std in pairs)


@dataclass(frozen=True)
class Metadata:
    """What is known of a model beyond its graph; nothing of it is needed to run it.

    ``image``: what its image input takes. ``labels``: names for the values along the last axis of the output
    ``labelled_output``. The texts are empty where nothing is said; ``license`` and ``author`` are those of the model.
    """

    name: str = ""
    description: str = ""
    version: str = ""
    author: str = ""
    license: str = ""
    image: ImageFormat | None = None
    labels: tuple[str, ...] = ()
    labelled_output: int = 0

    def over(self, other: Metadata) -> Metadata:
        """This, completed by ``other`` where it says nothing."""
        said = {name: value for name, value in vars(self).items() if value not in ("", None, ())}
        if not self.labels:
            said.pop("labelled_output", None)
        return replace(other, **said)


def parse(entries: Sequence[tuple[str, bytes]], behind: bytes, name: str) -> Metadata | None:
    """The metadata of a file.

    Args:
        entries: its named metadata buffers.
        behind: the bytes behind its flatbuffer.
        name: what errors call it.

    Returns:
        None where it has none.

    Raises:
        ModelFormatError: they are corrupt.
    """

    def fail(why: str) -> ModelFormatError:
        return ModelFormatError(one_line(f"{name}: its metadata cannot be read ({why})"))

    content = dict(entries).get(metadata_format.ENTRY)
    if content is None:
        return None
    record = metadata_format.decode(content, fail)
    graph = (record.get("subgraph_metadata") or [{}])[0]
    texts = {key: record.get(key, "") for key in ("name", "description", "version", "author", "license")}
    position, file = _labels_file(graph)
    labels: tuple[str, ...] = ()
    if file is not None:
        try:
            found = attachment.read_files(behind, {file})
        except ModelFormatError as error:
            raise fail(str(error)) from None
        if file not in found:
            raise fail(f"its file of labels, {file}, is not there")
        try:
            labels = lines(found[file])
        except ValueError as error:
            raise fail(f"{file} {error}") from None
    return Metadata(**texts, image=_image(graph, fail), labels=labels, labelled_output=position)


def lines(content: bytes) -> tuple[str, ...]:
    """The labels in a file, one a line. Raises ValueError saying what is wrong with it."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("is not text in UTF-8") from None
    found = tuple(line.strip() for line in text.rstrip().split("\n"))
    return found if any(found) else ()


def recorded(graph: Graph, facts: Metadata) -> Graph:
    """``graph`` with ``facts`` in its metadata; what it says already and ``facts`` do not touch stays.

    Raises:
        InputError: the facts do not fit the graph.
        ModelFormatError: the metadata that is there cannot be read.
    """

    def fail(why: str) -> ModelFormatError:
        return ModelFormatError(one_line(f"{graph.name}: its metadata cannot be read ({why})"))

    known = dict(graph.metadata).get(metadata_format.ENTRY)
    record: Record = {} if known is None else metadata_format.decode(known, fail)
    record |= {
        key: value for key in ("name", "description", "version", "author", "license") if (value := vars(facts)[key])
    }
    graphs = record["subgraph_metadata"] = [dict(one) for one in record.get("subgraph_metadata") or [{}]]
    first = graphs[0]
    ins = first["input_tensor_metadata"] = _tensors(first.get("input_tensor_metadata"), graph, graph.inputs)
    outs = first["output_tensor_metadata"] = _tensors(first.get("output_tensor_metadata"), graph, graph.outputs)
    if facts.image is not None:
        position = _image_input(graph)
        _record_image(facts.image, ins[position], graph.tensors[graph.inputs[position]].shape)
        custom = [one for one in first.get("custom_metadata", []) if one.get("name") != _ORDER_ENTRY]
        if facts.image.channel_order == "bgr":
            custom.append({"name": _ORDER_ENTRY, "data": b"bgr"})
        first["custom_metadata"] = custom
    behind = graph.attachment
    if facts.labels:
        file = _record_labels(facts.labels, outs, graph)
        behind = attachment.with_files(behind, {file: "".join(f"{label}\n" for label in facts.labels).encode()})
    least = _PARSER_OF_CUSTOM if first.get("custom_metadata") else _PARSER
    record["min_parser_version"] = max(record.get("min_parser_version", ""), least)
    kept = tuple(entry for entry in graph.metadata if entry[0] != metadata_format.ENTRY)
    entry = (metadata_format.ENTRY, metadata_format.encode(record))
    return replace(graph, metadata=(*kept, entry), attachment=behind)


# -- reading --


def _labels_file(graph: Record) -> tuple[int, str | None]:
    for position, tensor in enumerate(graph.get("output_tensor_metadata", [])):
        for file in tensor.get("associated_files", []):
            if file.get("type") == _AXIS_LABELS and file.get("name"):
                return position, file["name"]
    return 0, None


def _image(graph: Record, fail: Any) -> ImageFormat | None:
    for position, tensor in enumerate(graph.get("input_tensor_metadata", [])):
        kind, properties = tensor.get("content", {}).get("content_properties", ("", {}))
        if kind != "ImageProperties":
            continue
        units = [unit.get("options", ("", {})) for unit in tensor.get("process_units", [])]
        scales = [options for kind, options in units if kind == "NormalizationOptions"]
        mean, std = (tuple(scales[0].get(key, ())) for key in ("mean", "std")) if scales else ((), ())
        if len(mean) != len(std) or 0.0 in std or not all(map(math.isfinite, (*mean, *std))):
            raise fail("its normalization makes no sense")
        order = _COLOR_SPACES.get(properties.get("color_space", _UNKNOWN_SPACE))
        custom = {one.get("name"): one.get("data") for one in graph.get("custom_metadata", [])}
        if order is None and custom.get(_ORDER_ENTRY) == b"bgr":
            order = "bgr"
        size = properties.get("default_size", {})
        height, width = size.get("height", 0), size.get("width", 0)
        return ImageFormat(mean, std, order, position, (height, width) if height and width else None)
    return None


# -- writing --


def _tensors(known: Sequence[Record] | None, graph: Graph, indices: Shape) -> list[Record]:
    """One record for each tensor, those that are known among them."""
    found = [dict(one) for one in known or ()]
    if len(found) != len(indices):
        found = [{"name": graph.tensors[index].name} for index in indices]
    return found


def _image_input(graph: Graph) -> int:
    shapes = [graph.tensors[index].shape for index in graph.inputs]
    found = [position for position, shape in enumerate(shapes) if len(shape) == 4 and shape[3] in (1, 3)]
    if len(found) != 1:
        listed = ", ".join(str(list(shape)) for shape in shapes)
        raise InputError(f"an image format is for models with one input [N, H, W, 1 or 3]; the inputs are {listed}")
    return found[0]


def _record_image(image: ImageFormat, tensor: Record, shape: Shape) -> None:
    _, height, width, channels = shape
    order = image.channel_order or ("grey" if channels == 1 else "rgb")
    if _CHANNELS[order] != channels:
        raise InputError(
            f"channel order {order} has {_CHANNELS[order]} channels; the input {list(shape)} has {channels}"
        )
    spaces = {space: number for number, space in _COLOR_SPACES.items()}
    properties = {
        "color_space": spaces.get(order, _UNKNOWN_SPACE),
        "default_size": {"height": height, "width": width},
    }
    tensor["content"] = {"content_properties": ("ImageProperties", properties)}
    if not image.mean and not image.std:
        return
    mean, std = _same_length(image.mean, image.std)
    if len(mean) not in (1, channels):
        raise InputError(f"mean and std have {len(mean)} numbers; give one, or {channels} for the input {list(shape)}")
    if not all(map(math.isfinite, (*mean, *std))) or min(std) <= 0:
        raise InputError("mean and std must be numbers, and std above 0")
    others = [one for one in tensor.get("process_units", []) if one.get("options", ("",))[0] != "NormalizationOptions"]
    scale = {"mean": list(mean), "std": list(std)}
    tensor["process_units"] = [{"options": ("NormalizationOptions", scale)}, *others]
    pairs = list(zip(mean, std, strict=True))
    tensor["stats"] = {"max": [(PIXEL_MAX - m) / s for m, s in pairs], "min": [(0.0 - m) / s for m, s in pairs]}


def _same_length(mean: Sequence[float], std: Sequence[float]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """One of them may have one number for all channels."""
    count = max(len(mean), len(std))
    if len(mean) not in (1, count) or len(std) not in (1, count):
        raise InputError(f"mean has {len(mean)} numbers and std {len(std)}; give one of each, or one a channel")
    return tuple(mean) * (count // len(mean)) if mean else (), tuple(std) * (count // len(std)) if std else ()


def _record_labels(labels: Sequence[str], outputs: list[Record], graph: Graph) -> str:
    shapes = [graph.tensors[index].shape for index in graph.outputs]
    fitting = [position for position, shape in enumerate(shapes) if shape and shape[-1] == len(labels)]
    if not fitting:
        listed = ", ".join(str(list(shape)) for shape in shapes)
        raise InputError(f"{len(labels)} labels fit no output: the outputs are {listed}")
    if any("\n" in label or label != label.strip() for label in labels):
        raise InputError("a label is one line, without blanks around it")
    tensor = outputs[fitting[0]]
    old = [file for file in tensor.get("associated_files", []) if file.get("type") != _AXIS_LABELS]
    tensor.setdefault("content", {"content_properties": ("FeatureProperties", {})})
    label_file = {"name": _LABELS_FILE, "description": "Names of the classes.", "type": _AXIS_LABELS}
    tensor["associated_files"] = [*old, label_file]
    return _LABELS_FILE
