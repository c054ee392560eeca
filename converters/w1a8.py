"""Packs two-valued int8 weights to 1 bit: a rewrite of the graph after which every output is what it was, bit for bit.

CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED with such weights (:mod:`.two_valued`) become EdgebnnConv2dW1A8 and
EdgebnnDenseW1A8 (docs/w1a8_format.md). A file that is to stay standard is only inspected: the delegate recognises the
same layers, and packs their weights in memory.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgebnn.arithmetic.packing import pack
from edgebnn.graph.execute import definition
from edgebnn.graph.opdef import OpView, op_view
from edgebnn.graph.ops.conv import Conv2DOptions, DepthwiseConv2DOptions
from edgebnn.graph.ops.dense import FullyConnectedOptions
from edgebnn.graph.ops.w1a8 import EdgebnnConv2dW1A8Options, EdgebnnDenseW1A8Options
from edgebnn.graph.types import ABSENT, Array, DType, Graph, Op, Options, Quantization, Tensor

from .findings import Finding
from .rewriting import without_unused
from .two_valued import Binary, is_depthwise, recognize

_SCALE_BYTES, _ZERO_POINT_BYTES = 4, 8  # of a weight quantization, as files store it

_FOLDED = ("EXPAND_DIMS", "QUANTIZE", "RESHAPE", "SQUEEZE", "TRANSPOSE")
"""Ops that converters leave between constant weights and the layer."""


def to_w1a8(graph: Graph) -> tuple[Graph, tuple[Finding, ...]]:
    """``graph`` with every layer packed that can be exactly and gets smaller by it, and why others that seem binary
    cannot; a warning too if there are none.
    """
    graph = fold_constants(graph)
    tensors, ops, findings = list(graph.tensors), list(graph.ops), []
    for index in range(len(graph.ops)):
        found = recognize(graph, index)
        if found is None:
            continue
        view = op_view(graph, index)
        finding = found if isinstance(found, Finding) else _not_smaller(view, found)
        if finding is not None:
            findings.append(finding)
        elif isinstance(found, Binary):
            ops[index] = _packed(view, found, tensors)
    if not any(isinstance(op.options, EdgebnnConv2dW1A8Options | EdgebnnDenseW1A8Options) for op in ops):
        findings.append(_NOTHING)
    return without_unused(replace(graph, tensors=tuple(tensors), ops=tuple(ops))), tuple(findings)


def inspect(graph: Graph) -> tuple[Finding, ...]:
    """What the delegate recognises in a standard file, and why it does not recognise others that seem binary."""
    found = [recognize(graph, index) for index in range(len(graph.ops))]
    layers = [graph.op_name(index) for index, layer in enumerate(found) if isinstance(layer, Binary)]
    findings = [finding for finding in found if isinstance(finding, Finding)]
    if not layers:
        return (*findings, _NOTHING)
    message = (
        f"{len(layers)} layers have two-valued weights (the first is {layers[0]!r}): the file is standard int8, and "
        "edgebnn runs them with 1-bit weights where that pays"
    )
    return (*findings, Finding("info", "w1a8-portable", "", message, 'nothing; pack_int8="all" has all of them packed'))


_NOTHING = Finding(
    "warning",
    "w1a8-nothing-packed",
    "",
    "no layer has int8 weights of two values that can be packed",
    'train with kernel_quantizer="ste_sign" and no input quantizer, or convert to int8',
)


def packable(graph: Graph, index: int) -> bool:
    """Whether :func:`to_w1a8` packs the op at ``index``."""
    found = recognize(graph, index)
    return isinstance(found, Binary) and _not_smaller(op_view(graph, index), found) is None


def fold_constants(graph: Graph) -> Graph:
    """``graph`` with constants in place of what reshapes, transposes and quantizes constants."""
    tensors, kept = list(graph.tensors), []
    for index, op in enumerate(graph.ops):
        view = op_view(graph, index, tensors)
        constant = all(t is None or t.data is not None for t in view.inputs)
        if op.kind not in _FOLDED or not constant or set(op.outputs) & set(graph.outputs):
            kept.append(op)
            continue
        values = definition(view).run(view, tuple(None if t is None else t.data for t in view.inputs))
        for output, data in zip(op.outputs, values, strict=True):
            tensors[output] = replace(tensors[output], data=np.ascontiguousarray(data))
    return without_unused(replace(graph, tensors=tuple(tensors), ops=tuple(kept)))


def _not_smaller(view: OpView, binary: Binary) -> Finding | None:
    before, after = _int8_bytes(view), _packed_filter(view, binary).nbytes + binary.magnitude.size * (_SCALE_BYTES + 1)
    if after < before:
        return None
    message = f"its weights are two-valued, but packed they take {after} bytes, not {before}; it stays int8"
    return Finding("info", "w1a8-not-smaller", view.name, message, "nothing; 32 input channels fill a word")


def _int8_bytes(view: OpView) -> int:
    weights, quantization = _weights(view)
    return weights.bytes + len(quantization.scale) * (_SCALE_BYTES + _ZERO_POINT_BYTES)


def _weights(view: OpView) -> tuple[Tensor, Quantization]:
    weights = view.inputs[1]
    assert weights is not None
    assert weights.quantization is not None
    return weights, weights.quantization


def _packed_filter(view: OpView, binary: Binary) -> NDArray[np.int32]:
    return pack(np.moveaxis(binary.minus[..., 0], 0, -1)[None] if is_depthwise(view) else binary.minus)


def _packed(view: OpView, binary: Binary, tensors: list[Tensor]) -> Op:
    """The op for ``view``; its constants are added to ``tensors``."""
    weights, quantization = _weights(view)
    scales = np.asarray(quantization.scale, np.float32)
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
    opts, x, (weights, _) = view.op.options, view.inputs[0], _weights(view)
    assert x is not None
    if isinstance(opts, FullyConnectedOptions):
        return "EdgebnnDenseW1A8", EdgebnnDenseW1A8Options(
            channels_in=weights.shape[1],
            keep_num_dims=int(opts.keep_num_dims),
            fused_activation_function=opts.fused_activation_function,
        )
    assert isinstance(opts, Conv2DOptions | DepthwiseConv2DOptions)
    depthwise = is_depthwise(view)
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
