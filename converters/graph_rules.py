"""What lint looks for in a converted file: one function a rule, and the table of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgebnn.arithmetic.packing import WORD_BITS, packed_channels
from edgebnn.graph.ops.binary import LceBconv2dOptions
from edgebnn.graph.ops.enums import Padding
from edgebnn.graph.types import ABSENT, DType, Graph

from .findings import Rule
from .one_scale import mismatched
from .w1a8_rules import binary_weights_in_int8, slower_than_int8

_CHANNEL_AXIS = {"CONV_2D": 0, "FULLY_CONNECTED": 0, "DEPTHWISE_CONV_2D": -1, "TRANSPOSE_CONV": 0}
_ACTIVATIONS = ("RELU", "RELU6", "RELU_N1_TO_1", "PRELU", "LEAKY_RELU", "TANH", "LOGISTIC", "HARD_SWISH", "ELU")
_COLLAPSED = 1e-7  # a scale; TFLite's converter gives 2e-6 / 255 to what is always 0
_MASKING = 1e4  # a scale; activations of networks stay below 1e5 or so
_SAME_SCALE = 1e-3  # relative; converters compute in float32
_SAMPLE = 2  # weights of a channel below which "all of one magnitude" says nothing
_BLOCK, _HALF_BLOCK = 32, 16  # output channels that the vector kernels compute at once
_LARGE = 1 << 20  # bytes of weights that no cache of a small board keeps from one inference to the next
_BANDWIDTH = 10e9  # bytes a second that one core reads from memory, for estimates
_FEW_WORDS = 2  # of input channels: docs/performance.md has the measured ratios against int8


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


def constants_computed(graph: Graph, index: int) -> str | None:
    """What depends on constants alone belongs into the file, but for weights stored in fewer bits to be dequantized."""
    op = graph.ops[index]
    given = [graph.tensors[i] for i in op.inputs if i != ABSENT]
    if op.kind == "DEQUANTIZE" or not given or any(tensor.data is None for tensor in given):
        return None
    values = graph.tensors[op.outputs[0]].elements
    return f"{op.kind} computes the same {values:,} values at every inference, from constants alone"


def float_between_int8(graph: Graph, index: int) -> str | None:
    """A float value that is quantized in the middle of the graph was computed in float: slow on small devices."""
    op = graph.ops[index]
    if op.kind != "QUANTIZE" or graph.tensors[op.inputs[0]].dtype != DType.FLOAT32:
        return None
    makers = [graph.ops[i].kind for i in range(index) if op.inputs[0] in graph.ops[i].outputs]
    if not makers or not any(user.kind == "DEQUANTIZE" for user in graph.ops[:index]):
        return None
    return f"{makers[0]} runs in float between int8 layers"


def collapsed_range(graph: Graph, index: int) -> str | None:
    """An int8 range of no width: in calibration the result was always 0, so it is 0 in use too, whatever its inputs."""
    for tensor in (graph.tensors[i] for i in graph.ops[index].outputs):
        if tensor.dtype != DType.INT8 or tensor.quantization is None or not tensor.quantization.per_tensor:
            continue
        scale = tensor.quantization.scale[0]
        if scale < _COLLAPSED:
            return f"its int8 range has collapsed to {256 * scale:.1g}: it was 0 for every calibration sample"
    return None


def change_of_scale(graph: Graph, index: int) -> str | None:
    """An op that only moves or chooses values copies integers: its result has the scale of what it reads."""
    op = graph.ops[index]
    for source in mismatched(op, graph.tensors):
        return (
            f"{op.kind} copies integers, but '{graph.tensors[source].name}' has another scale than its result: its "
            "results are wrong"
        )
    return None


def range_of_a_mask(graph: Graph, index: int) -> str | None:
    """Masks add a large negative number, such as -1e9, to what is not to count: in 8 bits nothing else is left then."""
    for tensor in (graph.tensors[i] for i in graph.ops[index].outputs):
        if tensor.dtype != DType.INT8 or tensor.quantization is None or max(tensor.quantization.scale) < _MASKING:
            continue
        return (
            f"its steps of int8 are {max(tensor.quantization.scale):.1g} wide, as where a mask adds -1e9: values "
            "smaller than that are lost"
        )
    return None


def bias_scale(graph: Graph, index: int) -> str | None:
    """An int8 layer adds its bias to sums in steps of input times weight scale, whatever scale the bias was made with.

    TensorFlow Lite's converter, calibrating a model with fake quantization behind some of its layers only, makes the
    bias of the others with the calibrated range of their input, where the input itself keeps the trained one.
    """
    op = graph.ops[index]
    if op.kind in ("EdgebnnConv2dW1A8", "EdgebnnDenseW1A8"):
        weights, bias = graph.tensors[op.inputs[2]].data, op.inputs[4]
    elif op.kind in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED") and len(op.inputs) > 2:
        quantization = graph.tensors[op.inputs[1]].quantization
        weights, bias = None if quantization is None else np.array(quantization.scale), op.inputs[2]
    else:
        return None
    source, made = (
        graph.tensors[op.inputs[0]].quantization,
        None if bias == ABSENT else graph.tensors[bias].quantization,
    )
    if weights is None or source is None or made is None:
        return None
    ratio = np.array(made.scale) / (weights * source.scale[0])
    worst = float(ratio.flat[np.argmax(np.abs(ratio - 1))])
    if abs(worst - 1) < _SAME_SCALE:
        return None
    return f"its bias was quantized in steps {worst:.2f} times those in which it is added: its results are wrong"


def same_zero_padding(graph: Graph, index: int) -> str | None:
    """Zero is no sign: the borders of this convolution are corrected in float."""
    return _BORDERS if _pads_with_zeros(graph, index) and _float_result(graph, index) else None


def refused_by_lce(graph: Graph, index: int) -> str | None:
    """LCE's own kernels correct the borders in float only: its interpreter refuses such a file, which ours runs."""
    if not _pads_with_zeros(graph, index) or _float_result(graph, index):
        return None
    return f"{_BORDERS}, and LCE's own interpreter refuses it without float output (edgebnn runs it)"


_BORDERS = "SAME padding with zeros costs a correction of the borders"


def _pads_with_zeros(graph: Graph, index: int) -> bool:
    options = graph.ops[index].options
    if not isinstance(options, LceBconv2dOptions) or options.padding != Padding.SAME or options.pad_values:
        return False
    return max(graph.tensors[graph.ops[index].inputs[1]].shape[1:3]) > 1


def _float_result(graph: Graph, index: int) -> bool:
    return graph.tensors[graph.ops[index].outputs[0]].dtype == DType.FLOAT32


def few_channels(graph: Graph, index: int) -> str | None:
    """Below a word of channels, as in a first layer, most of a binary convolution's work is on bits that do not exist:
    it is hardly faster than in int8."""
    options = graph.ops[index].options
    if not isinstance(options, LceBconv2dOptions) or options.channels_in >= WORD_BITS:
        return None
    return f"{options.channels_in} input channels cost as much as {WORD_BITS}: binary does not pay here"


def channels(graph: Graph, index: int) -> str | None:
    """32 channels share a word: the last word of a pixel is computed whole however few of its channels exist."""
    options = graph.ops[index].options
    if not isinstance(options, LceBconv2dOptions) or options.channels_in % WORD_BITS == 0:
        return None
    if options.channels_in < WORD_BITS:
        return None  # few_channels says it
    return f"{options.channels_in} input channels cost as much as {_filled(options.channels_in, WORD_BITS)}"


def output_channels(graph: Graph, index: int) -> str | None:
    """Kernels with vectors compute 32 output channels of a group side by side, and up to 16 as 16."""
    op = graph.ops[index]
    if not isinstance(op.options, LceBconv2dOptions):
        return None
    outputs, _, _, words = graph.tensors[op.inputs[1]].shape
    groups = packed_channels(op.options.channels_in) // words
    each = outputs // groups
    computed = groups * (_HALF_BLOCK if each <= _HALF_BLOCK else _filled(each, _BLOCK))
    return None if outputs == computed else f"{outputs} output channels cost as much as {computed}"


def pointwise_float(graph: Graph, index: int) -> str | None:
    """A 1x1 convolution of few channels does little for each result but write it, and float is four times int8."""
    op = graph.ops[index]
    if not isinstance(op.options, LceBconv2dOptions) or graph.tensors[op.outputs[0]].dtype != DType.FLOAT32:
        return None
    outputs, height, width, words = graph.tensors[op.inputs[1]].shape
    channels_in = op.options.channels_in
    if height * width > 1 or words > _FEW_WORDS or outputs < channels_in:
        return None
    return f"1x1 from {channels_in} to {outputs} channels mostly writes its float results"


def _filled(channels: int, block: int) -> int:
    return -(-channels // block) * block


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


def float_weights_read(graph: Graph, index: int) -> str | None:
    """A dense layer of one row reads each weight for one product: it takes as long as memory takes to give them."""
    op = graph.ops[index]
    if op.kind != "FULLY_CONNECTED":
        return None
    weights, output = graph.tensors[op.inputs[1]], graph.tensors[op.outputs[0]]
    if weights.data is None or weights.dtype != DType.FLOAT32 or weights.data.nbytes < _LARGE:
        return None
    if output.elements != weights.shape[0]:
        return None
    saved = weights.data.nbytes * 3 // 4
    return (
        f"its {weights.data.nbytes / 1e6:.1f} MB of float weights are read for one row; with 8 bits a weight it would "
        f"be {saved / 1e6:.1f} MB less, and {saved / _BANDWIDTH * 1e3:.1f} ms where memory gives "
        f"{_BANDWIDTH / 1e9:.0f} GB/s (estimated)"
    )


def _users(graph: Graph, tensor: int) -> Iterator[int]:
    """Indices of the ops that are given ``tensor``."""
    return (index for index, op in enumerate(graph.ops) if tensor in op.inputs)


_SIGNS = "let a QuantConv2D with signs for inputs and weights take its place"

GRAPH_RULES: tuple[Rule[Graph, int], ...] = (
    Rule("binary-weights-in-float", "warning", binary_weights_in_float, f"{_SIGNS}, or convert to int8"),
    Rule("binary-weights-in-int8", "warning", binary_weights_in_int8, "convert the file or the model to w1a8"),
    Rule("w1a8-slower", "info", slower_than_int8, "keep it for its size; use 3x3 filters and 64 channels or more"),
    Rule(
        "float-weights-read",
        "info",
        float_weights_read,
        "convert with --calibration, to lce or int8, if the accuracy allows it; outputs are then rounded to 8 bits",
    ),
    Rule("dequantized-signs", "warning", dequantized_signs, _SIGNS),
    Rule("sign-op", "warning", sign_op, "convert to lce, with one of Larq's signs as quantizer"),
    Rule("constants-computed", "warning", constants_computed, "compute them before conversion; assign them as weights"),
    Rule(
        "float-between-int8", "warning", float_between_int8, "replace the op, or give it quantized inputs in training"
    ),
    Rule(
        "collapsed-range",
        "warning",
        collapsed_range,
        "calibrate with typical inputs; if it is 0 then too, the layer is dead: train again or take it out",
    ),
    Rule("change-of-scale", "error", change_of_scale, "convert the Keras model again, with edgebnn"),
    Rule(
        "range-of-a-mask",
        "error",
        range_of_a_mask,
        "mask with a number no larger than the others, such as -30 before a softmax, or convert to float",
    ),
    Rule("bias-scale", "error", bias_scale, "fake-quantize all results in training, or none (`edgebnn retrain` does)"),
    Rule("same-zero-padding", "warning", same_zero_padding, "use pad_values=1.0 in training"),
    Rule("refused-by-lce", "warning", refused_by_lce, "for LCE's interpreter use pad_values=1.0, or do without int8"),
    Rule(
        "few-channels", "warning", few_channels, "keep it int8 (the first layer always), or give it 32 channels or more"
    ),
    Rule("channels-off-32", "warning", channels, "use a multiple of 32"),
    Rule("output-channels-off-32", "info", output_channels, "use a multiple of 32, or 16"),
    Rule("pointwise-float", "info", pointwise_float, "convert to int8, or let its result be binarized"),
    Rule("not-packed", "info", not_packed, "pad with one, and let nothing else use the result"),
    Rule(
        "activation-not-fused", "warning", activation_not_fused, "pad with one; use ReLU, ReLU6 or hard tanh, or none"
    ),
)
