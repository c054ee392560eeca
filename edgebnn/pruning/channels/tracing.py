"""Walks a Keras graph and notes which channels every axis of every weight holds.

What a layer does to channels is said in :mod:`.rules`; this module knows the graph: nodes, layers called
more than once, and models inside models.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from edgebnn._tensorflow import keras, tf
from edgebnn.errors import InputError
from edgebnn.pruning.channels.identity import Channels, Ids
from edgebnn.pruning.channels.layers import LayerShape

Shape: TypeAlias = tuple[int | None, ...]
Names: TypeAlias = tuple[str, ...]
"""Where a layer is: the names of the models it lies in, then its own (any of which may hold a slash)."""

OUTPUT, INPUT = "output channels", "input channels"
NORMALIZATION, DEPTHWISE, SLOPES, SHAPE = "normalization", "depthwise", "slopes", "shape"


class NotUnderstood(Exception):
    """A rule cannot say what its layer does with channels, which therefore must all stay."""


@dataclass(frozen=True)
class WeightAxis:
    """``layer.<attribute>`` holds along ``axis`` the channels ``ids``, in the ``role`` of this layer's."""

    attribute: str
    axis: int
    ids: Ids
    role: str


@dataclass(frozen=True)
class Size:
    """``config[key]``, or its last entry, is the number of channels ``ids``."""

    key: str
    ids: Ids
    last: bool


@dataclass(frozen=True)
class Mac:
    """A multiply-accumulate layer as it is, and the channels that its sizes count."""

    shape: LayerShape
    inputs: Ids
    outputs: Ids
    depthwise: bool


@dataclass
class Site:
    """What is noted about one layer, over all its calls; ``path`` is its names with slashes between them."""

    path: str
    layer: keras.layers.Layer
    calls: int = 0
    outputs: Ids | None = None
    axes: list[WeightAxis] = field(default_factory=list)
    sizes: list[Size] = field(default_factory=list)


@dataclass
class Trace:
    """Everything noted about a model; ``uncounted`` names layers whose multiply-accumulates no rule counts."""

    channels: Channels = field(default_factory=Channels)
    sites: dict[Names, Site] = field(default_factory=dict)
    macs: list[Mac] = field(default_factory=list)
    uncounted: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Call:
    """One call of a layer, as a rule sees it. What a second call notes is united with what the first one noted.

    ``node`` is the call itself, in Keras' graph.
    """

    node: Any
    inputs: tuple[Ids, ...]
    input_shapes: tuple[Shape, ...]
    output_shape: Shape
    trace: Trace
    site: Site

    @property
    def layer(self) -> keras.layers.Layer:
        return self.site.layer

    @property
    def path(self) -> str:
        """Of the layer, see :class:`Site`."""
        return self.site.path

    def outputs(self, count: int) -> Ids:
        """The channels this layer produces: the same ones in each of its calls."""
        if self.site.outputs is None:
            self.site.outputs = self.trace.channels.new(count, self.path)
        return self.site.outputs

    def unite(self, a: Ids, b: Ids) -> None:
        self.trace.channels.unite(a, b)

    def freeze(self, ids: Ids, reason: str) -> None:
        self.trace.channels.freeze(ids, f"{self.path}: {reason}")

    def weight(self, attribute: str, axis: int, ids: Ids, role: str) -> None:
        """Note what a weight's axis holds."""
        if getattr(self.layer, attribute, None) is None:
            return
        for known in self.site.axes:
            if (known.attribute, known.axis) == (attribute, axis):
                return self.unite(known.ids, ids)
        self.site.axes.append(WeightAxis(attribute, axis, ids, role))

    def size(self, key: str, ids: Ids, *, last: bool = False) -> None:
        """Note that an entry of the layer's configuration counts channels."""
        for known in self.site.sizes:
            if known.key == key:
                return self.unite(known.ids, ids)
        self.site.sizes.append(Size(key, ids, last))

    def mac(self, shape: LayerShape, inputs: Ids, outputs: Ids, *, depthwise: bool = False) -> None:
        self.trace.macs.append(Mac(shape, inputs, outputs, depthwise))


Rule: TypeAlias = Callable[[Call], "Ids | list[Ids]"]
"""What a layer type does with channels: returns those of its output, or a list of those of each of its outputs, or
raises :class:`NotUnderstood`."""


def trace(model: keras.Model, rules: Mapping[type, Rule]) -> Trace:
    """Follow the channels through ``model``.

    Raises :class:`InputError` for a model that is no graph of layers, or whose channel counts are not fixed.
    """
    found = Trace()
    _require_graph(model, model.name)
    inputs = []
    for tensor in model.inputs:
        ids = found.channels.new(_width(tuple(tensor.shape)), tensor._keras_history.layer.name)
        found.channels.freeze(ids, "the network's input")
        inputs.append(ids)
    for ids in _walk(model, (), inputs, found, rules):
        found.channels.freeze(ids, "the network's output")
    return found


def _require_graph(model: keras.Model, path: str) -> None:
    if not getattr(model, "_is_graph_network", False):
        raise InputError(f"{path}: is no graph of Keras layers with known inputs: build it with the functional API")


def _walk(
    model: keras.Model, prefix: Names, inputs: Sequence[Ids], found: Trace, rules: Mapping[type, Rule]
) -> list[Ids]:
    values: dict[int, Ids] = {}
    for tensor, ids in zip(model.inputs, inputs, strict=True):
        values[id(tensor)] = ids
        shape = tuple(tensor.shape)
        site = _called(tensor._keras_history.layer, prefix, found)
        Call(None, (ids,), (shape,), shape, found, site).size("batch_input_shape", ids, last=True)
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if node.is_input:
                continue
            arrays = tuple(values[id(tensor)] for tensor in node.keras_inputs)
            results = _node(node, prefix, arrays, found, rules)
            values.update((id(tensor), ids) for tensor, ids in zip(tf.nest.flatten(node.outputs), results, strict=True))
    return [values[id(tensor)] for tensor in model.outputs]


def _node(node: Any, prefix: Names, inputs: tuple[Ids, ...], found: Trace, rules: Mapping[type, Rule]) -> list[Ids]:
    layer = node.layer
    if isinstance(layer, keras.Model):
        names = (*prefix, layer.name)
        _require_graph(layer, "/".join(names))
        if len(inputs) != len(layer.inputs):
            raise InputError(f"{'/'.join(names)}: a model inside the model, called in a way not understood")
        return _walk(layer, names, inputs, found, rules)
    input_shapes = tuple(tuple(tensor.shape) for tensor in node.keras_inputs)
    output_shapes = [tuple(tensor.shape) for tensor in tf.nest.flatten(node.outputs)]
    call = Call(node, inputs, input_shapes, output_shapes[0], found, _called(layer, prefix, found))
    try:
        rule = rules.get(type(layer))
        if rule is None:
            raise NotUnderstood(f"no rule for layers of type {type(layer).__name__}")
        if getattr(layer, "data_format", "channels_last") != "channels_last":
            raise NotUnderstood("channels come first")
        results = rule(call)
        outputs = results if isinstance(results, list) else [results]
        if [len(ids) for ids in outputs] != [_width(shape) for shape in output_shapes]:
            raise NotUnderstood("its rule does not know all of its outputs")
        _require_all_noted(call)
        return outputs
    except NotUnderstood as reason:
        return _all_stay(call, str(reason), output_shapes)


def _require_all_noted(call: Call) -> None:
    """A weight that the rule has not noted would keep the old shape."""
    noted = [getattr(call.layer, axis.attribute) for axis in call.site.axes]
    for weight in call.layer.weights:
        if len(weight.shape) and not any(weight is known for known in noted):
            raise NotUnderstood(f"it has a weight that its rule does not know ({weight.name})")


def _called(layer: keras.layers.Layer, prefix: Names, found: Trace) -> Site:
    """What is noted about a layer, which is called once more."""
    names = (*prefix, layer.name)
    path = "/".join(names)
    site = found.sites.get(names)
    if site is None:
        if any(other.path == path for other in found.sites.values()):
            raise InputError(f"{path}: two layers have this name, one of them within a model: rename one")
        site = found.sites[names] = Site(path, layer)
    site.calls += 1
    return site


def _all_stay(call: Call, reason: str, output_shapes: list[Shape]) -> list[Ids]:
    """Freeze whatever the layer touches."""
    touched = [*call.inputs, *(axis.ids for axis in call.site.axes), *(size.ids for size in call.site.sizes)]
    for ids in touched:
        call.freeze(ids, reason)
    if call.layer.trainable_weights and call.path not in call.trace.uncounted:
        call.trace.uncounted.append(call.path)
    outputs = [call.trace.channels.new(_width(shape), call.path) for shape in output_shapes]
    for ids in outputs:
        call.freeze(ids, reason)
    return outputs


def _width(shape: Sequence[Any]) -> int:
    return int(shape[-1]) if len(shape) > 1 and shape[-1] is not None else 0
