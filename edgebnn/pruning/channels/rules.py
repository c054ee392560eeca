"""What every layer type does with channels. A new layer type is one entry of :data:`RULES`.

Types are looked up exactly: a subclass may compute anything, so it has to be listed itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from edgebnn._tensorflow import keras, lq
from edgebnn.errors import InputError
from edgebnn.pruning.channels.functions import follow
from edgebnn.pruning.channels.identity import Ids, concatenated
from edgebnn.pruning.channels.layers import LayerShape
from edgebnn.pruning.channels.quantizers import elementwise_activation, elementwise_quantizer, precision
from edgebnn.pruning.channels.tracing import (
    DEPTHWISE,
    INPUT,
    NORMALIZATION,
    OUTPUT,
    SLOPES,
    Call,
    NotUnderstood,
    Rule,
    Shape,
)


def _size(call: Call, shape: Shape) -> tuple[int, int]:
    """(height, width) of a feature map [N, H, W, C]; a sequence [N, L, C] is one high, a vector 1x1."""
    inner = shape[1:-1]
    known = [side for side in inner if side is not None]
    if len(known) < len(inner):
        raise InputError(f"{call.path}: has no fixed input size, which costs depend on: build the model with one")
    if len(known) > 2:
        raise NotUnderstood(f"{len(known)} spatial dimensions")
    return (known[0], known[1]) if len(known) == 2 else (1, known[0] if known else 1)


def _pair(values: Any) -> tuple[int, int]:
    numbers = tuple(int(value) for value in values)
    return (numbers[0], numbers[1]) if len(numbers) == 2 else (1, numbers[0])


@dataclass(frozen=True)
class _Part:
    """A multiply-accumulate layer, or one of the two that a separable one is made of, named by a ``suffix``."""

    kind: str
    kernel_quantizer: Any
    groups: int = 1
    suffix: str = ""


def _note_shape(call: Call, part: _Part, inputs: Ids, outputs: Ids) -> None:
    """Note the multiply-accumulate layer that this call is, or a part of it."""
    layer, times = call.layer, call.site.calls
    pointwise = part.kind == "dense" or part.suffix == "/pointwise"
    input_size, output_size = _size(call, call.input_shapes[0]), _size(call, call.output_shape)
    pad = 0.0 if pointwise else float(np.asarray(getattr(layer, "pad_values", 0.0)))
    input_quantizer = None if part.suffix == "/pointwise" else getattr(layer, "input_quantizer", None)
    call.mac(
        LayerShape(
            name=call.path + part.suffix + (f"#{times}" if times > 1 else ""),
            kind=part.kind,
            precision=precision(input_quantizer, part.kernel_quantizer),
            in_channels=len(inputs),
            out_channels=len(outputs),
            kernel=(1, 1) if pointwise else _pair(layer.kernel_size),
            strides=(1, 1) if pointwise else _pair(layer.strides),
            dilation=(1, 1) if pointwise else _pair(layer.dilation_rate),
            padding="valid" if pointwise else layer.padding,
            pad_values=pad,
            groups=part.groups,
            input_size=output_size if pointwise else input_size,
            output_size=output_size,
        ),
        inputs,
        outputs,
        depthwise=part.groups == len(inputs) > 1,
    )


def _finish(call: Call, outputs: Ids) -> Ids:
    """Bias and built-in activation of a layer that multiplies and accumulates."""
    call.weight("bias", 0, outputs, OUTPUT)
    if not elementwise_activation(call.layer.activation):
        call.freeze(outputs, "its activation may mix channels")
    if not elementwise_quantizer(getattr(call.layer, "input_quantizer", None)):
        call.freeze(call.inputs[0], "its input quantizer may mix channels")
    return outputs


def _require_plain_padding(call: Call) -> None:
    if call.layer.padding not in ("same", "valid"):
        raise NotUnderstood(f"{call.layer.padding} padding")


def _conv(call: Call) -> Ids:
    layer, inputs = call.layer, call.inputs[0]
    _require_plain_padding(call)
    groups, axis = int(layer.groups), len(layer.kernel_size)
    if groups == len(inputs) > 1:  # as many groups as channels: depthwise by another name, and groups go with channels
        outputs = np.repeat(inputs, layer.filters // groups)
        call.size("groups", inputs)
        role = DEPTHWISE
    else:
        outputs, role = call.outputs(int(layer.filters)), OUTPUT
        # every group has equally many inputs and outputs, so they go together from all groups
        in_rows, out_rows = inputs.reshape(groups, -1), outputs.reshape(groups, -1)
        for in_row, out_row in zip(in_rows[1:], out_rows[1:], strict=True):
            call.unite(in_rows[0], in_row)
            call.unite(out_rows[0], out_row)
        call.weight("kernel", axis, in_rows[0], INPUT)
    call.weight("kernel", axis + 1, outputs, role)
    call.size("filters", outputs)
    _note_shape(call, _Part("conv2d", getattr(layer, "kernel_quantizer", None), groups), inputs, outputs)
    return _finish(call, outputs)


def _depthwise_conv(call: Call) -> Ids:
    layer, inputs = call.layer, call.inputs[0]
    _require_plain_padding(call)
    outputs = np.repeat(inputs, int(layer.depth_multiplier))
    call.weight("depthwise_kernel", 2, inputs, DEPTHWISE)
    quantizer = getattr(layer, "depthwise_quantizer", None)
    _note_shape(call, _Part("depthwise_conv2d", quantizer, len(inputs)), inputs, outputs)
    return _finish(call, outputs)


def _separable_conv(call: Call) -> Ids:
    layer, inputs = call.layer, call.inputs[0]
    _require_plain_padding(call)
    axis = len(layer.kernel_size)
    between = np.repeat(inputs, int(layer.depth_multiplier))
    outputs = call.outputs(int(layer.filters))
    call.weight("depthwise_kernel", axis, inputs, DEPTHWISE)
    call.weight("pointwise_kernel", axis, between, INPUT)
    call.weight("pointwise_kernel", axis + 1, outputs, OUTPUT)
    call.size("filters", outputs)
    quantizers = [getattr(layer, f"{part}_quantizer", None) for part in ("depthwise", "pointwise")]
    _note_shape(call, _Part("depthwise_conv2d", quantizers[0], len(inputs), "/depthwise"), inputs, between)
    _note_shape(call, _Part("conv2d", quantizers[1], suffix="/pointwise"), between, outputs)
    return _finish(call, outputs)


def _dense(call: Call) -> Ids:
    inputs = call.inputs[0]
    outputs = call.outputs(int(call.layer.units))
    call.weight("kernel", 0, inputs, INPUT)
    call.weight("kernel", 1, outputs, OUTPUT)
    call.size("units", outputs)
    _note_shape(call, _Part("dense", getattr(call.layer, "kernel_quantizer", None)), inputs, outputs)
    return _finish(call, outputs)


def _batch_norm(call: Call) -> Ids:
    rank = len(call.input_shapes[0])
    if list(call.layer.axis) != [rank - 1]:
        raise NotUnderstood("it normalizes another axis than the last")
    for attribute in ("gamma", "beta", "moving_mean", "moving_variance"):
        call.weight(attribute, 0, call.inputs[0], NORMALIZATION)
    return call.inputs[0]


def _prelu(call: Call) -> Ids:
    axis = len(call.layer.alpha.shape) - 1
    if call.layer.shared_axes and axis + 1 in call.layer.shared_axes:
        return call.inputs[0]
    call.weight("alpha", axis, call.inputs[0], SLOPES)
    return call.inputs[0]


def _same(call: Call) -> Ids:
    return call.inputs[0]


def _activation(call: Call) -> list[Ids]:
    """What is not known by name is followed as functions of Lambda layers are."""
    return [call.inputs[0]] if elementwise_activation(call.layer.activation) else follow(call)


def _elementwise(call: Call) -> Ids:
    """Equal channels meet; an axis of length one meets all channels of the other and must stay."""
    widest = max(call.inputs, key=len)
    if any(len(shape) != len(call.input_shapes[0]) for shape in call.input_shapes):
        raise NotUnderstood("its inputs differ in rank")
    for ids in call.inputs:
        if len(ids) == len(widest):
            call.unite(widest, ids)
        elif len(ids) == 1:
            call.freeze(ids, "it is broadcast over channels")
        else:
            raise NotUnderstood("its inputs differ in channels")
    return widest


def _concatenate(call: Call) -> Ids:
    rank = len(call.output_shape)
    return concatenated(call.inputs) if call.layer.axis in (-1, rank - 1) else _elementwise(call)


def _positions(call: Call, shape: Shape) -> int:
    sides = [side for side in shape[1:-1] if side is not None]
    if len(sides) < len(shape) - 2:
        raise NotUnderstood("its input size is not fixed")
    return math.prod(sides)


def _flatten(call: Call) -> Ids:
    return np.tile(call.inputs[0], _positions(call, call.input_shapes[0]))


def _reshape(call: Call) -> Ids:
    """Channels that come to lie at the same place of the new last axis go together."""
    width = call.output_shape[-1]
    if len(call.output_shape) < 2 or width is None:
        raise NotUnderstood("it leaves no channels")
    flat = np.tile(call.inputs[0], _positions(call, call.input_shapes[0]))
    rows = flat.reshape(-1, width)
    for row in rows[1:] if width != len(call.inputs[0]) else ():
        call.unite(rows[0], row)
    outputs: Ids = rows[0]
    call.size("target_shape", outputs, last=True)
    return outputs


def _permute(call: Call) -> Ids:
    if call.layer.dims[-1] != len(call.layer.dims):
        raise NotUnderstood("it moves channels to another axis")
    return call.inputs[0]


_K = keras.layers
_SAME: tuple[type, ...] = (
    *(_K.ReLU, _K.LeakyReLU, _K.ELU, _K.ThresholdedReLU),
    *(_K.Dropout, _K.SpatialDropout1D, _K.SpatialDropout2D, _K.GaussianDropout, _K.GaussianNoise),
    *(_K.ActivityRegularization, _K.RepeatVector, _K.Identity),
    *(lq.quantizers.SteSign, lq.quantizers.ApproxSign, lq.quantizers.SwishSign, lq.quantizers.SteHeaviside),
    *(_K.MaxPooling1D, _K.MaxPooling2D, _K.AveragePooling1D, _K.AveragePooling2D),
    *(_K.GlobalMaxPooling1D, _K.GlobalMaxPooling2D, _K.GlobalAveragePooling1D, _K.GlobalAveragePooling2D),
    *(_K.ZeroPadding1D, _K.ZeroPadding2D, _K.Cropping1D, _K.Cropping2D, _K.UpSampling1D, _K.UpSampling2D),
)
_MEETING: tuple[type, ...] = (_K.Add, _K.Subtract, _K.Multiply, _K.Average, _K.Maximum, _K.Minimum)

RULES: Mapping[type, Rule] = MappingProxyType(
    {
        _K.Conv1D: _conv,
        _K.Conv2D: _conv,
        _K.DepthwiseConv2D: _depthwise_conv,
        _K.SeparableConv2D: _separable_conv,
        _K.Dense: _dense,
        lq.layers.QuantConv1D: _conv,
        lq.layers.QuantConv2D: _conv,
        lq.layers.QuantDepthwiseConv2D: _depthwise_conv,
        lq.layers.QuantSeparableConv2D: _separable_conv,
        lq.layers.QuantDense: _dense,
        _K.BatchNormalization: _batch_norm,
        _K.PReLU: _prelu,
        _K.Activation: _activation,
        _K.Concatenate: _concatenate,
        _K.Flatten: _flatten,
        _K.Reshape: _reshape,
        _K.Permute: _permute,
        _K.Lambda: follow,
        keras.src.layers.core.tf_op_layer.TFOpLambda: follow,
        **dict.fromkeys(_SAME, _same),
        **dict.fromkeys(_MEETING, _elementwise),
    }
)
