"""Packs two-valued int8 weights to 1 bit: a rewrite of the graph after which every output is what it was, bit for bit.

Looks at the weights, not at who trained them: CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED in which all weights of an
output channel are -m or +m become EdgebnnConv2dW1A8 and EdgebnnDenseW1A8 (docs/w1a8_format.md). One-dimensional
convolutions are CONV_2D of height 1 and need nothing of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgebnn.arithmetic.packing import pack
from edgebnn.arithmetic.w1a8 import overflowing_channels
from edgebnn.graph.opdef import OpView, op_view
from edgebnn.graph.ops.conv import Conv2DOptions, DepthwiseConv2DOptions, channel_factors
from edgebnn.graph.ops.dense import FullyConnectedOptions
from edgebnn.graph.ops.enums import WeightsFormat
from edgebnn.graph.ops.w1a8 import EdgebnnConv2dW1A8Options, EdgebnnDenseW1A8Options
from edgebnn.graph.types import ABSENT, Array, DType, Graph, Op, Options, Tensor

from .findings import Finding

_NEARLY = 0.9
"""A layer with so many of its weights at their channel's median magnitude, or next to it, was meant to be binary."""

_NEXT_TO = 2  # steps by which a trainer's rounding may move a weight

_SCALE_BYTES, _ZERO_POINT_BYTES = 4, 8  # of a weight quantization, as files store it


@dataclass(frozen=True)
class Binary:
    """Two-valued weights of a layer: ``minus`` [O, ..., n], True for -m, and ``magnitude`` m [O]."""

    minus: NDArray[np.bool_]
    magnitude: NDArray[np.int8]

    @property
    def count(self) -> int:
        """Weights of a channel."""
        return int(self.minus[0].size)


def to_w1a8(graph: Graph) -> tuple[Graph, tuple[Finding, ...]]:
    """``graph`` with every layer packed that can be exactly and gets smaller by it, and why others that seem binary
    cannot; a warning too if there are none.
    """
    tensors, ops, findings = list(graph.tensors), list(graph.ops), []
    for index in range(len(graph.ops)):
        view = op_view(graph, index)
        if not _is_int8_layer(view):
            continue
        binary = two_valued(_by_channel(view))
        finding = _almost(view) if binary is None else _hindrance(view, binary)
        if finding is not None:
            findings.append(finding)
        elif binary is not None:
            ops[index] = _packed(view, binary, tensors)
    if not any(isinstance(op.options, EdgebnnConv2dW1A8Options | EdgebnnDenseW1A8Options) for op in ops):
        findings.append(
            Finding(
                "warning", "w1a8-nothing-packed", "", "no layer has int8 weights of two values that can be packed",
                'train with kernel_quantizer="ste_sign" and no input quantizer, or convert to int8',
            )
        )  # fmt: skip
    return without_unused(replace(graph, tensors=tuple(tensors), ops=tuple(ops))), tuple(findings)


def packable(graph: Graph, index: int) -> bool:
    """Whether :func:`to_w1a8` packs the op at ``index``."""
    view = op_view(graph, index)
    if not _is_int8_layer(view):
        return False
    binary = two_valued(_by_channel(view))
    return binary is not None and _hindrance(view, binary) is None


# -- recognising --


def two_valued(weights: NDArray[np.int8]) -> Binary | None:
    """int8 ``weights`` [O, ...] as signs and magnitudes, or None unless each channel has one magnitude of 1 to 127."""
    if weights.size == 0:
        return None
    sizes = np.abs(weights.astype(np.int16)).reshape(weights.shape[0], -1)
    magnitude = sizes[:, 0]
    if not (sizes == magnitude[:, None]).all() or magnitude.min() < 1 or magnitude.max() > 127:
        return None
    return Binary(weights < 0, magnitude.astype(np.int8))


def _is_int8_layer(view: OpView) -> bool:
    """Whether it is a layer as int8 converters write them: constant symmetric weights, everything quantized."""
    if not isinstance(view.op.options, Conv2DOptions | DepthwiseConv2DOptions | FullyConnectedOptions):
        return False
    x, weights, bias = (*view.inputs, None)[:3]
    if x is None or weights is None or weights.data is None or weights.quantization is None:
        return False
    if isinstance(view.op.options, FullyConnectedOptions) and view.op.options.weights_format != WeightsFormat.DEFAULT:
        return False
    int8 = all(tensor.dtype == DType.INT8 for tensor in (x, weights, view.outputs[0]))
    ends = all(t.quantization is not None and t.quantization.per_tensor for t in (x, view.outputs[0]))
    plain_bias = bias is None or (bias.dtype == DType.INT32 and bias.data is not None)
    return int8 and ends and plain_bias and not any(weights.quantization.zero_point)


def _by_channel(view: OpView) -> NDArray[np.int8]:
    """The weights [O, ...]: of depthwise layers the channels are last in the file."""
    weights = _data(view.inputs[1])
    return np.moveaxis(weights[0], -1, 0)[..., None] if _depthwise(view) else weights


def _depthwise(view: OpView) -> bool:
    return isinstance(view.op.options, DepthwiseConv2DOptions)


def _data(tensor: Tensor | None) -> Array:
    assert tensor is not None
    assert tensor.data is not None
    return tensor.data


def _almost(view: OpView) -> Finding | None:
    """A warning for weights that are not two-valued, but nearly."""
    weights = _by_channel(view)
    if weights.size == 0 or weights[0].size < 2:
        return None
    sizes = np.abs(weights.astype(np.int16)).reshape(weights.shape[0], -1)
    middle = sizes.shape[1] // 2
    magnitude = np.partition(sizes, middle, axis=1)[:, middle, None]
    near = (np.abs(sizes - magnitude) <= np.minimum(_NEXT_TO, magnitude // 8)) & (magnitude > 0)
    filled = sizes.any(axis=1)
    if not filled.any() or near[filled].mean() < _NEARLY:
        return None
    empty = np.flatnonzero(~filled)
    mixed = np.flatnonzero((sizes != sizes[:, :1]).any(axis=1))
    if mixed.size:
        channel = int(mixed[0])
        values = np.unique(weights[channel])
        what = f"{mixed.size} of {len(sizes)} channels (channel {channel} has {values.size} values)"
        message = f"its weights are almost, but not exactly, two-valued: {what}; it stays int8"
    elif empty.size:
        what = f"{empty.size} of {len(sizes)} channels have no weight but 0 (the first is {int(empty[0])})"
        message = f"its weights are two-valued, but {what}; it stays int8"
    else:
        message = "its weights reach -128, of which no plus is an int8 value; it stays int8"
    remedy = "binarize the weights exactly, with one scale a channel, and take out channels that are 0"
    return Finding("warning", "w1a8-almost-binary", view.name, message, remedy)


def _hindrance(view: OpView, binary: Binary) -> Finding | None:
    """Why two-valued weights are better left int8."""
    x, weights, bias = (*view.inputs, None)[:3]
    assert x is not None
    assert x.quantization is not None
    assert weights is not None
    over = overflowing_channels(
        binary.magnitude,
        binary.count,
        x.quantization.zero_point[0],
        None if bias is None else bias.data,
        np.broadcast_to(np.asarray(channel_factors(view, x, weights)), binary.magnitude.shape),
    )
    if over.size:
        message = f"the sums of {over.size} channels (the first is {over[0]}) can overflow 32 bits; it stays int8"
        remedy = "use fewer inputs, or a smaller bias"
        return Finding("warning", "w1a8-overflow", view.name, message, remedy)
    before, after = _int8_bytes(view), _packed_filter(view, binary).nbytes + binary.magnitude.size * (_SCALE_BYTES + 1)
    if after < before:
        return None
    message = f"its weights are two-valued, but packed they take {after} bytes, not {before}; it stays int8"
    return Finding("info", "w1a8-not-smaller", view.name, message, "nothing; 32 input channels fill a word")


def _int8_bytes(view: OpView) -> int:
    weights = view.inputs[1]
    assert weights is not None
    assert weights.quantization is not None
    return weights.bytes + len(weights.quantization.scale) * (_SCALE_BYTES + _ZERO_POINT_BYTES)


# -- packing --


def _packed_filter(view: OpView, binary: Binary) -> NDArray[np.int32]:
    return pack(np.moveaxis(binary.minus[..., 0], 0, -1)[None] if _depthwise(view) else binary.minus)


def _packed(view: OpView, binary: Binary, tensors: list[Tensor]) -> Op:
    """The op for ``view``; its constants are added to ``tensors``."""
    weights = view.inputs[1]
    assert weights is not None
    assert weights.quantization is not None
    scales = np.asarray(weights.quantization.scale, np.float32)
    constants: dict[str, Array] = {
        "signs": _packed_filter(view, binary),
        "scale": np.ascontiguousarray(np.broadcast_to(scales, binary.magnitude.shape)),
        "magnitude": binary.magnitude,
    }
    first = len(tensors)
    for suffix, data in constants.items():
        tensors.append(Tensor(f"{weights.name}/{suffix}", data.shape, DType(data.dtype.name), None, data))
    kind, options = _options(view)
    bias = (*view.op.inputs, ABSENT)[2]
    return Op(kind, (view.op.inputs[0], first, first + 1, first + 2, bias), view.op.outputs, options)


def _options(view: OpView) -> tuple[str, Options]:
    opts, x, weights = view.op.options, view.inputs[0], view.inputs[1]
    assert x is not None
    assert weights is not None
    if isinstance(opts, FullyConnectedOptions):
        return "EdgebnnDenseW1A8", EdgebnnDenseW1A8Options(
            channels_in=weights.shape[1],
            keep_num_dims=int(opts.keep_num_dims),
            fused_activation_function=opts.fused_activation_function,
        )
    assert isinstance(opts, Conv2DOptions | DepthwiseConv2DOptions)
    depthwise = _depthwise(view)
    return "EdgebnnConv2dW1A8", EdgebnnConv2dW1A8Options(
        channels_in=x.shape[3],
        groups=1 if depthwise else x.shape[3] // weights.shape[3],
        depthwise=int(depthwise),
        padding=opts.padding,
        stride_height=opts.stride_h,
        stride_width=opts.stride_w,
        dilation_height_factor=opts.dilation_h_factor,
        dilation_width_factor=opts.dilation_w_factor,
        fused_activation_function=opts.fused_activation_function,
    )


def without_unused(graph: Graph) -> Graph:
    """``graph`` without the tensors that nothing refers to any more; the others keep their order."""
    named = {index for s in graph.signatures for _, index in (*s.inputs, *s.outputs)}
    used = {i for op in graph.ops for i in (*op.inputs, *op.outputs)} | {*graph.inputs, *graph.outputs} | named
    kept = sorted(used - {ABSENT})
    new = {old: position for position, old in enumerate(kept)} | {ABSENT: ABSENT}

    def moved(indices: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(new[i] for i in indices)

    def renamed(arguments: tuple[tuple[str, int], ...]) -> tuple[tuple[str, int], ...]:
        return tuple((name, new[i]) for name, i in arguments)

    return replace(
        graph,
        tensors=tuple(graph.tensors[i] for i in kept),
        ops=tuple(replace(op, inputs=moved(op.inputs), outputs=moved(op.outputs)) for op in graph.ops),
        inputs=moved(graph.inputs),
        outputs=moved(graph.outputs),
        signatures=tuple(replace(s, inputs=renamed(s.inputs), outputs=renamed(s.outputs)) for s in graph.signatures),
    )
