"""Which int8 layers have 1-bit weights, told by the file alone, and why others that seem to have cannot be packed.

All weights of an output channel are -m or +m, m its magnitude, whoever trained them and whatever the scales: a channel
of one sign only is fine, and so is one of zeros (m = 0). Inspected are CONV_2D, DEPTHWISE_CONV_2D and
FULLY_CONNECTED; 1-D convolutions are CONV_2D of height 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebnn.arithmetic.w1a8 import accumulator_range, overflowing_channels, shifted_first
from edgebnn.graph.opdef import OpView, op_view
from edgebnn.graph.ops.conv import Conv2DOptions, DepthwiseConv2DOptions, channel_factors
from edgebnn.graph.ops.dense import FullyConnectedOptions
from edgebnn.graph.ops.enums import WeightsFormat
from edgebnn.graph.types import Array, DType, Graph, Tensor

from .findings import Finding

_NEARLY = 0.9
"""A layer with so many of its weights at their channel's median magnitude, or next to it, was meant to be binary."""

_NEXT_TO = 2  # steps by which a trainer's rounding may move a weight

_FEWEST = 2  # weights of a channel; of one alone nothing can be told

_MOST = 127  # the largest magnitude of which both signs are int8


@dataclass(frozen=True)
class Binary:
    """Two-valued weights of a layer: ``minus`` [O, ..., n], True for -m, and ``magnitude`` m [O]."""

    minus: NDArray[np.bool_]
    magnitude: NDArray[np.int8]


def recognize(graph: Graph, index: int) -> Binary | Finding | None:
    """The weights of the op at ``index``, if it is an int8 layer with 1-bit weights that can be packed exactly.

    A finding says why not, where they are two-valued or nearly so; None: there is nothing to say.
    """
    view = op_view(graph, index)
    if not _has_8_bit_weights(view):
        return None
    centred = _centred(view)
    if centred.size < _FEWEST * len(centred):
        return None
    binary = two_valued(centred)
    if binary is None:
        return _almost(view, centred)
    if not binary.magnitude.any():
        return None
    return _unfit(view) or _overflow(view, binary) or binary


def is_depthwise(view: OpView) -> bool:
    return isinstance(view.op.options, DepthwiseConv2DOptions)


def two_valued(weights: NDArray[np.signedinteger[Any]]) -> Binary | None:
    """``weights`` [O, ...] less their zero point as signs and magnitudes, or None unless each channel has one magnitude
    up to 127."""
    if weights.size == 0:
        return None
    sizes = _sizes(weights)
    magnitude = sizes[:, 0]
    if magnitude.max() > _MOST or not (sizes == magnitude[:, None]).all():
        return None
    return Binary(weights < 0, magnitude.astype(np.int8))


def _sizes(weights: NDArray[np.signedinteger[Any]]) -> NDArray[np.int16]:
    return np.abs(weights.astype(np.int16)).reshape(weights.shape[0], -1)


def _has_8_bit_weights(view: OpView) -> bool:
    if not isinstance(view.op.options, Conv2DOptions | DepthwiseConv2DOptions | FullyConnectedOptions):
        return False
    if isinstance(view.op.options, FullyConnectedOptions) and view.op.options.weights_format != WeightsFormat.DEFAULT:
        return False
    weights = view.inputs[1] if len(view.inputs) > 1 else None
    if weights is None or weights.data is None or weights.elements == 0:
        return False
    return weights.dtype in (DType.INT8, DType.UINT8)


def _weights(view: OpView) -> Tensor:
    weights = view.inputs[1]
    assert weights is not None
    return weights


def _bias(view: OpView) -> Tensor | None:
    return (*view.inputs, None)[2]


def _centred(view: OpView) -> NDArray[np.int16]:
    """The weights [O, ...] less their zero points: of depthwise layers the channels are last in the file."""
    tensor = _weights(view)
    assert tensor.data is not None
    data: Array = tensor.data
    weights = np.moveaxis(data[0], -1, 0)[..., None] if is_depthwise(view) else data
    zero_points = (0,) if tensor.quantization is None else tensor.quantization.zero_point
    shape = (-1, *[1] * (weights.ndim - 1))
    return np.asarray(weights.astype(np.int16) - np.asarray(zero_points, np.int16).reshape(shape))


# -- why not --


def _warning(view: OpView, rule: str, message: str, remedy: str) -> Finding:
    return Finding("warning", rule, view.name, f"{message}; it stays as it is", remedy)


_BINARIZE = "binarize the weights exactly, with one scale a channel and zero point 0"


def _almost(view: OpView, weights: NDArray[np.int16]) -> Finding | None:
    """A warning for weights that are not -m and +m, but of two other values, or nearly."""
    sizes = _sizes(weights)
    flat = weights.reshape(len(weights), -1)
    low, high = flat.min(axis=1, keepdims=True), flat.max(axis=1, keepdims=True)
    if sizes.shape[1] > _FEWEST and ((flat == low) | (flat == high)).all():
        channel = int(np.argmax((low != -high) & (low != high)))
        pair = f"{low[channel, 0]} and {high[channel, 0]}"
        message = (
            f"its weights are two-valued, but not of opposite values (channel {channel}: {pair} from the zero point)"
        )
        return _warning(view, "w1a8-not-opposite", message, _BINARIZE)
    middle = sizes.shape[1] // 2
    magnitude = np.partition(sizes, middle, axis=1)[:, middle, None]
    near = (np.abs(sizes - magnitude) <= np.minimum(_NEXT_TO, magnitude // 8)) & (magnitude > 0)
    filled = sizes.any(axis=1)
    if not filled.any() or near[filled].mean() < _NEARLY:
        return None
    mismatches = sizes != magnitude
    if not mismatches.any():
        return _warning(view, "w1a8-almost-binary", f"its weights are {magnitude.max()} from their zero point, "
                        f"which is more than the {_MOST} that can be packed", _BINARIZE)  # fmt: skip
    channels = np.flatnonzero(mismatches.any(axis=1))
    values = np.unique(flat[channels[0]])
    message = (
        f"its weights are almost, but not exactly, two-valued: {mismatches.sum()} of {mismatches.size} weights stand "
        "apart, in "
        f"{channels.size} of {len(sizes)} channels (channel {channels[0]} has {values.size} values, "
        f"{values[0]} to {values[-1]})"
    )
    return _warning(view, "w1a8-almost-binary", message, _BINARIZE)


_FULL = "quantize everything to int8 (full integer quantization, with representative data)"


def _unfit(view: OpView) -> Finding | None:
    """Why a layer with two-valued weights is not an int8 layer as TFLite runs them."""
    x, weights, bias = view.inputs[0], _weights(view), _bias(view)
    ends = (x, view.outputs[0])
    if x is None or any(t is None or t.dtype != DType.INT8 for t in ends):
        found = "nothing" if x is None else f"{x.dtype.value} to {view.outputs[0].dtype.value}"
        return _warning(view, "w1a8-activations", f"its weights are two-valued, but it maps {found}, not int8", _FULL)
    if weights.quantization is None or not all(t is not None and _per_tensor(t) for t in ends):
        message = "its weights are two-valued, but its scales are not all there, or several for one input or output"
        return _warning(view, "w1a8-scales", message, _FULL)
    dense = isinstance(view.op.options, FullyConnectedOptions)
    if any(weights.quantization.zero_point) and not (dense and weights.quantization.per_tensor):
        message = "its weights are two-valued about a zero point that TFLite does not heed here"
        return _warning(view, "w1a8-zero-point", message, "quantize the weights symmetrically, with zero point 0")
    if bias is not None and (bias.dtype != DType.INT32 or bias.data is None):
        found = bias.dtype.value if bias.data is not None else "computed"
        message = f"its weights are two-valued, but its bias is {found}"
        return _warning(view, "w1a8-bias", message, "give it a constant int32 bias")
    return None


def _per_tensor(tensor: Tensor) -> bool:
    return tensor.quantization is not None and tensor.quantization.per_tensor


def _overflow(view: OpView, binary: Binary) -> Finding | None:
    x, weights, bias = view.inputs[0], _weights(view), _bias(view)
    assert x is not None
    assert x.quantization is not None
    minus = binary.minus.reshape(len(binary.minus), -1)
    zero_point = x.quantization.zero_point[0]
    low, high = accumulator_range(binary.magnitude, zero_point, minus, None if bias is None else bias.data)
    factors = np.broadcast_to(np.asarray(channel_factors(view, x, weights)), binary.magnitude.shape)
    dense = isinstance(view.op.options, FullyConnectedOptions)
    over = overflowing_channels(low, high, factors if dense else shifted_first(factors))
    if not over.size:
        return None
    channel = int(over[0])
    message = (
        f"the sums of {over.size} channels can overflow 32 bits (channel {channel}: {low[channel]} to {high[channel]}, "
        f"times {factors[channel]:.3g})"
    )
    return _warning(view, "w1a8-overflow", message, "use fewer inputs, a smaller bias, or a larger output scale")
