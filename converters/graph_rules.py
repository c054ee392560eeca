"""What lint looks for in a converted file: one function a rule, and the table of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgebnn.arithmetic.packing import WORD_BITS
from edgebnn.graph.ops.binary import LceBconv2dOptions
from edgebnn.graph.ops.enums import Padding
from edgebnn.graph.types import DType, Graph

from .findings import Rule

_CHANNEL_AXIS = {"CONV_2D": 0, "FULLY_CONNECTED": 0, "DEPTHWISE_CONV_2D": -1, "TRANSPOSE_CONV": 0}
_ACTIVATIONS = ("RELU", "RELU6", "RELU_N1_TO_1", "PRELU", "LEAKY_RELU", "TANH", "LOGISTIC", "HARD_SWISH", "ELU")
_SAMPLE = 2  # weights of a channel below which "all of one magnitude" says nothing


def binary_weights_in_float(graph: Graph, index: int) -> str | None:
    """Weights of two values per channel were binary in training, but this op multiplies them in float."""
    op = graph.ops[index]
    if op.kind not in _CHANNEL_AXIS:
        return None
    weights = graph.tensors[op.inputs[1]]
    if weights.data is None or weights.dtype != DType.FLOAT32:
        return None
    rows = np.abs(np.moveaxis(weights.data, _CHANNEL_AXIS[op.kind], 0)).reshape(
        weights.shape[_CHANNEL_AXIS[op.kind]], -1
    )
    if rows.shape[1] < _SAMPLE or not (rows.all() and (rows == rows[:, :1]).all()):
        return None
    return f"its weights are binary but it runs as {op.kind} in float"


def dequantized_signs(graph: Graph, index: int) -> str | None:
    """Signs that are packed and unpacked again feed an op that has no binary form."""
    if graph.ops[index].kind != "LceDequantize":
        return None
    users = [graph.ops[i].kind for i in _users(graph, graph.ops[index].outputs[0])]
    return f"signs are unpacked for {users[0]}, which has no binary form here" if users else None


def sign_op(graph: Graph, index: int) -> str | None:
    """A SIGN op is a binarization that no binary op takes up."""
    return "signs are computed, and multiplied, as full numbers" if graph.ops[index].kind == "SIGN" else None


def float_between_int8(graph: Graph, index: int) -> str | None:
    """A float value that is quantized in the middle of the graph was computed in float: slow on small devices."""
    op = graph.ops[index]
    if op.kind != "QUANTIZE" or graph.tensors[op.inputs[0]].dtype != DType.FLOAT32:
        return None
    makers = [graph.ops[i].kind for i in range(index) if op.inputs[0] in graph.ops[i].outputs]
    if not makers or not any(user.kind == "DEQUANTIZE" for user in graph.ops[:index]):
        return None
    return f"{makers[0]} runs in float between int8 layers"


def same_zero_padding(graph: Graph, index: int) -> str | None:
    """Zero is no sign: the borders of this convolution are corrected in float."""
    options = graph.ops[index].options
    if not isinstance(options, LceBconv2dOptions) or options.padding != Padding.SAME or options.pad_values:
        return None
    if max(graph.tensors[graph.ops[index].inputs[1]].shape[1:3]) == 1:
        return None
    exact = graph.tensors[graph.ops[index].outputs[0]].dtype == DType.FLOAT32
    refused = "" if exact else ", and LCE's own interpreter refuses it without float output"
    return f"SAME padding with zeros costs a correction of the borders{refused}"


def channels(graph: Graph, index: int) -> str | None:
    """32 channels share a word: the last word of a pixel is computed whole however few of its channels exist."""
    options = graph.ops[index].options
    if not isinstance(options, LceBconv2dOptions) or options.channels_in % WORD_BITS == 0:
        return None
    return f"{options.channels_in} input channels cost as much as {-(-options.channels_in // WORD_BITS) * WORD_BITS}"


def not_packed(graph: Graph, index: int) -> str | None:
    """Between two binary convolutions results can stay packed, unless something in between needs them in full."""
    op = graph.ops[index]
    if op.kind != "LceQuantize" or len(list(_users(graph, op.inputs[0]))) > 1 or op.inputs[0] in graph.outputs:
        return None
    makers = [maker for maker in graph.ops if op.inputs[0] in maker.outputs and maker.kind == "LceBconv2d"]
    kind = graph.tensors[op.inputs[0]].dtype.value
    return (
        f"results of the binary convolution before it are written as {kind} only to be packed again" if makers else None
    )


def activation_not_fused(graph: Graph, index: int) -> str | None:
    """An activation of its own after a binary convolution reads and writes every value once more."""
    op = graph.ops[index]
    makers = [maker.kind for maker in graph.ops if op.inputs and op.inputs[0] in maker.outputs]
    return (
        f"{op.kind} is not fused with the binary convolution before it"
        if (op.kind in _ACTIVATIONS and "LceBconv2d" in makers)
        else None
    )


def _users(graph: Graph, tensor: int) -> Iterator[int]:
    """Indices of the ops that are given ``tensor``."""
    return (index for index, op in enumerate(graph.ops) if tensor in op.inputs)


_SIGNS = "let a QuantConv2D with signs for inputs and weights take its place"

GRAPH_RULES: tuple[Rule[Graph, int], ...] = (
    Rule("binary-weights-in-float", "warning", binary_weights_in_float, f"{_SIGNS}, or convert to int8"),
    Rule("dequantized-signs", "warning", dequantized_signs, _SIGNS),
    Rule("sign-op", "warning", sign_op, "convert to lce, with one of Larq's signs as quantizer"),
    Rule(
        "float-between-int8", "warning", float_between_int8, "replace the op, or give it quantized inputs in training"
    ),
    Rule("same-zero-padding", "warning", same_zero_padding, "use pad_values=1.0 in training"),
    Rule("channels-off-32", "warning", channels, "use a multiple of 32"),
    Rule("not-packed", "info", not_packed, "pad with one, and let nothing else use the result"),
    Rule(
        "activation-not-fused", "warning", activation_not_fused, "pad with one; use ReLU, ReLU6 or hard tanh, or none"
    ),
)
