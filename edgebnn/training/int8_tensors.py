"""Which tensors of a network are int8 tensors of its file, and which of them have one range.

What an op of the file makes is an int8 tensor; what is computed inside of one is not: a convolution, its batch norm and
its ReLU are one op. Ops that move or choose values keep the scale of what they are given, so that all tensors
that such ops connect share one range. Layers that only act in training are not there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from edgebnn._tensorflow import keras, lq, tf
from edgebnn.training.expansion import symbol_of


class Role(Enum):
    """What a layer is in the file."""

    VANISHING = auto()  # nothing: it acts in training alone
    CONVOLVING = auto()  # an op with 8-bit weights, of which a batch norm and a ReLU behind it become a part
    NORMALIZING = auto()  # a scale and an offset for each channel
    ARITHMETIC = auto()  # an op of which a ReLU behind it becomes a part
    RELU = auto()
    BOUNDED = auto()  # a ReLU of any upper bound: the range of its result cuts off what is above
    MOVING = auto()  # an op whose results are values that it is given, so have their scale
    AVERAGING = auto()  # an op whose results are new values on the scale of what it is given; takes in a ReLU
    RESIZING = auto()  # the same, without
    FIXED = auto()  # an op whose result has a scale that TFLite prescribes
    OTHER = auto()  # an op whose result has a range of its own


_ROLES: Mapping[type, Role] = {
    **dict.fromkeys(
        (
            keras.layers.Dropout,
            keras.layers.SpatialDropout1D,
            keras.layers.SpatialDropout2D,
            keras.layers.SpatialDropout3D,
            keras.layers.GaussianNoise,
            keras.layers.GaussianDropout,
            keras.layers.AlphaDropout,
            keras.layers.ActivityRegularization,
            keras.layers.RandomFlip,
            keras.layers.RandomRotation,
            keras.layers.RandomZoom,
            keras.layers.RandomTranslation,
            keras.layers.RandomContrast,
            keras.layers.RandomBrightness,
            keras.layers.RandomHeight,
            keras.layers.RandomWidth,
        ),
        Role.VANISHING,
    ),
    **dict.fromkeys(
        (
            keras.layers.Conv1D,
            keras.layers.Conv2D,
            keras.layers.Conv2DTranspose,
            keras.layers.DepthwiseConv1D,
            keras.layers.DepthwiseConv2D,
            keras.layers.Dense,
            lq.layers.QuantConv1D,
            lq.layers.QuantConv2D,
            lq.layers.QuantDepthwiseConv2D,
            lq.layers.QuantDense,
        ),
        Role.CONVOLVING,
    ),
    **dict.fromkeys((keras.layers.Add, keras.layers.Subtract, keras.layers.Multiply), Role.ARITHMETIC),
    **dict.fromkeys(
        (
            keras.layers.Flatten,
            keras.layers.Reshape,
            keras.layers.Permute,
            keras.layers.RepeatVector,
            keras.layers.ZeroPadding1D,
            keras.layers.ZeroPadding2D,
            keras.layers.Cropping1D,
            keras.layers.Cropping2D,
            keras.layers.MaxPooling1D,
            keras.layers.MaxPooling2D,
            keras.layers.GlobalMaxPooling1D,
            keras.layers.GlobalMaxPooling2D,
            keras.layers.UpSampling1D,
            keras.layers.Concatenate,
            keras.layers.Maximum,
            keras.layers.Minimum,
        ),
        Role.MOVING,
    ),
    **dict.fromkeys((keras.layers.AveragePooling1D, keras.layers.AveragePooling2D), Role.AVERAGING),
    **dict.fromkeys((keras.layers.UpSampling2D, keras.layers.Resizing), Role.RESIZING),
}

_FUNCTIONS: Mapping[str, Role] = {
    **dict.fromkeys(("identity", "stop_gradient"), Role.VANISHING),
    **dict.fromkeys(
        (
            *("math.add", "math.subtract", "math.multiply"),
            *(f"__operators__.{name}" for name in ("add", "radd", "sub", "rsub", "mul", "rmul")),
        ),
        Role.ARITHMETIC,
    ),
    **dict.fromkeys(
        (
            *("__operators__.getitem", "slice", "strided_slice", "split", "unstack", "gather", "reverse", "where"),
            *("reshape", "transpose", "squeeze", "expand_dims", "broadcast_to", "tile", "repeat", "pad"),
            *("concat", "stack", "math.maximum", "math.minimum", "math.reduce_max", "math.reduce_min"),
            *("nn.max_pool", "nn.max_pool2d", "nn.depth_to_space", "nn.space_to_depth", "space_to_batch"),
            *("image.flip_left_right", "image.flip_up_down", "image.crop_to_bounding_box", "roll"),
        ),
        Role.MOVING,
    ),
    **dict.fromkeys(("nn.avg_pool", "nn.avg_pool2d"), Role.AVERAGING),
    **dict.fromkeys(("image.resize",), Role.RESIZING),
    **dict.fromkeys(("nn.relu", "nn.relu6"), Role.RELU),
}

_FUSED = ("relu", "relu6", "hard_tanh")

_UNIT, _SIGNED = (0.0, 255 / 256), (-1.0, 127 / 128)
_PRESCRIBED: Mapping[str, tuple[float, float]] = {
    **dict.fromkeys(("sigmoid", "softmax", "math.sigmoid", "nn.sigmoid", "nn.softmax", "Softmax"), _UNIT),
    **dict.fromkeys(("tanh", "math.tanh", "nn.tanh", "math.l2_normalize", "nn.l2_normalize"), _SIGNED),
}
"""Ranges of results whose scale TFLite prescribes: 1/256 from 0, or 1/128 around it."""


def role(layer: Any) -> Role:
    """What ``layer`` is in the file; of a class that is not known, an op with a range of its own."""
    symbol = symbol_of(layer)
    if prescribed(layer) is not None:
        return Role.FIXED
    if symbol:
        return _FUNCTIONS.get(symbol, Role.OTHER)
    if type(layer) is keras.layers.Activation:
        word = _word(layer)
        return Role.VANISHING if word == "linear" else Role.RELU if word in _FUSED else Role.OTHER
    if type(layer) is keras.layers.ReLU:
        if layer.negative_slope or layer.threshold:
            return Role.OTHER
        return Role.RELU if layer.max_value in (None, 6) else Role.BOUNDED
    if type(layer) is keras.layers.BatchNormalization:
        return Role.NORMALIZING if list(layer.axis) == [layer.input_spec.ndim - 1] else Role.OTHER
    return _ROLES.get(type(layer), Role.OTHER)


def prescribed(layer: Any) -> tuple[float, float] | None:
    """The range of the layer's result, where TFLite prescribes it."""
    symbol = symbol_of(layer)
    if type(layer) is keras.layers.Softmax:
        return _UNIT
    return _PRESCRIBED.get(symbol or (_word(layer) if type(layer) is keras.layers.Activation else ""))


def _word(layer: Any) -> str:
    return str(getattr(layer.activation, "__name__", ""))


@dataclass(frozen=True)
class Range:
    """One range of ``members`` tensors; ``fixed``: its bounds, where they are not to be learnt. ``name``: that of the
    first layer whose result has it."""

    name: str
    members: int
    fixed: tuple[float, float] | None


@dataclass(frozen=True)
class Int8Tensors:
    """The tensors of a model that are rounded.

    Attributes:
        ranges: all there are.
        places: for the id of a rounded tensor, the number of its range and its own among the members of that.
        fused: for the name of a dense layer, that of the batch norm which becomes a part of it.
    """

    ranges: tuple[Range, ...]
    places: Mapping[int, tuple[int, int]]
    fused: Mapping[str, str]


@dataclass(frozen=True)
class _Call:
    """A layer at one place. Tensors go by their ids, looked at through layers that vanish; floats only."""

    layer: Any
    role: Role
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def int8_tensors(model: Any) -> Int8Tensors:
    """What is rounded in ``model``, a graph of layers as :func:`.expansion.expanded` makes it."""
    calls = list(_calls(model))
    users: dict[int, list[_Call]] = {}
    for call in calls:
        for tensor in set(call.inputs):
            users.setdefault(tensor, []).append(call)
    joined = _joined(calls)
    makers: list[tuple[_Call | None, int]] = [(None, id(tensor)) for tensor in model.inputs]
    makers += [
        (call, tensor) for call in calls if call.role not in (Role.VANISHING, Role.MOVING) for tensor in call.outputs
    ]
    sizes = Counter(joined.get(tensor, tensor) for _, tensor in makers)
    together: dict[int, list[tuple[_Call | None, int]]] = {}
    inner: dict[int, _Call] = {}
    for maker, tensor in makers:
        behind = users.get(tensor, [])
        follower = behind[0] if len(behind) == 1 else None
        if maker is not None and follower is not None and _takes_in(maker, follower):
            bounded = follower.role is Role.BOUNDED
            if not bounded or sizes[joined.get(follower.outputs[0], follower.outputs[0])] == 1:
                inner[tensor] = follower
                continue
        together.setdefault(joined.get(tensor, tensor), []).append((maker, tensor))
    ranges: list[Range] = []
    places: dict[int, tuple[int, int]] = {}
    for members in together.values():
        places |= {tensor: (len(ranges), number) for number, (_, tensor) in enumerate(members)}
        name = next((maker.layer.name for maker, _ in members if maker is not None), "input")
        ranges.append(Range(name, len(members), _fixed([maker for maker, _ in members])))
    fused = {
        call.layer.name: inner[call.outputs[0]].layer.name
        for call in calls
        if call.role is Role.CONVOLVING and call.outputs[0] in inner
        if inner[call.outputs[0]].role is Role.NORMALIZING
    }
    return Int8Tensors(tuple(ranges), places, fused)


def _takes_in(call: _Call, behind: _Call) -> bool:
    """Whether the op that ``call`` is does the work of ``behind`` too."""
    if behind.role is Role.NORMALIZING:
        return call.role is Role.CONVOLVING
    heads = (Role.CONVOLVING, Role.NORMALIZING, Role.ARITHMETIC, Role.AVERAGING)
    return call.role in heads and behind.role in (Role.RELU, Role.BOUNDED)


def _fixed(makers: Sequence[_Call | None]) -> tuple[float, float] | None:
    """The bounds that TFLite prescribes for all results of ``makers``, if for all the same."""
    bounds = {None if call is None else prescribed(call.layer) for call in makers}
    return bounds.pop() if len(bounds) == 1 else None


def _calls(model: Any) -> Iterator[_Call]:
    seen: dict[int, int] = {}

    def through(tensor: Any) -> int:
        return seen.get(id(tensor), id(tensor))

    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if node.is_input:
                continue
            inputs = [through(tensor) for tensor in node.keras_inputs if tensor.dtype == tf.float32]
            outputs = [tensor for tensor in tf.nest.flatten(node.outputs) if tensor.dtype == tf.float32]
            kind = role(node.layer)
            if kind is Role.VANISHING and len(inputs) == len(outputs) == 1:
                seen[id(outputs[0])] = inputs[0]
                continue
            yield _Call(node.layer, kind, tuple(inputs), tuple(map(id, outputs)))
    for tensor in model.outputs:  # read by the world
        yield _Call(None, Role.OTHER, (through(tensor),), ())


def _joined(calls: Sequence[_Call]) -> dict[int, int]:
    """For each tensor that an op of one scale connects with others, one of them that stands for all."""
    roots: dict[int, int] = {}

    def root(tensor: int) -> int:
        while roots.setdefault(tensor, tensor) != tensor:
            tensor = roots[tensor]
        return tensor

    for call in calls:
        if call.role in (Role.MOVING, Role.AVERAGING, Role.RESIZING):
            for tensor in (*call.inputs[1:], *call.outputs):
                if call.inputs:
                    roots[root(tensor)] = root(call.inputs[0])
    return {tensor: root(tensor) for tensor in list(roots)}
