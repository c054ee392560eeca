"""What LiteRT's own kernels take for granted of a model, and end the process upon where it does not hold.

Found by damaging model files and loading them; to be called after :mod:`edgebnn.graph.consistency`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgebnn.errors import ModelFormatError, one_line
from edgebnn.graph.consistency import Bytes, integers, layer_name, text
from edgebnn.graph.opdef import Limits
from edgebnn.graph.ops import OPS
from edgebnn.graph.schema import schema
from edgebnn.graph.types import ABSENT

_OPS = schema.BuiltinOperator
_TYPES = schema.TensorType
_NAMES = {value: name for name, value in vars(_OPS).items() if isinstance(value, int)}

_OUTSIDE = {
    "CONV_3D": Limits(required=2),
    "CONV_3D_TRANSPOSE": Limits(required=3),
    "SVDF": Limits(required=4),
    "LSTM": Limits(required=1),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": Limits(required=1),
    "BIDIRECTIONAL_SEQUENCE_LSTM": Limits(required=1),
    "BIDIRECTIONAL_SEQUENCE_RNN": Limits(required=1),
    "IF": Limits(required=1),
    "WHILE": Limits(required=0),
    "CALL": Limits(required=0),
    "CUSTOM": Limits(required=0),
}
"""Limits of ops that the IR does not have. Its own ops' entries hold theirs."""

_MAX_RATIO = {_TYPES.INT8: 2.0**19, _TYPES.UINT8: 2.0**19, _TYPES.INT16: 2.0**14}
"""Of an addition's input scale to its output scale: fixed-point multipliers are below 1 after shifts of 20 and 15."""

_SMALLEST, _LARGEST = 2.0**-100, 2.0**100
"""Of scales that are multiplied and divided: products and quotients of others leave float32."""

_SQUARE_HEADROOM = 2.0**14
_SOFTMAX_STEP = 2.0**-26
"""Softmax's input scale times beta, at least: the resolution of its fixed-point numbers."""


def check(data: Bytes, source: str) -> None:
    """Raises ModelFormatError, naming file and layer, for a model that LiteRT cannot be trusted with."""
    model = schema.Model.GetRootAs(data)
    for index in range(model.SubgraphsLength()):
        graph = model.Subgraphs(index)
        for number in range(graph.OperatorsLength()):
            op = graph.Operators(number)
            code = model.OperatorCodes(op.OpcodeIndex())
            # Codes above 127 do not fit the schema's older field.
            why = _refusal(graph, op, max(code.BuiltinCode(), code.DeprecatedBuiltinCode()))
            if why:
                layer = layer_name(graph, op, number)
                raise ModelFormatError(one_line(f"{source}: not a valid model: layer '{layer}' {why}"))


def _limits_of(kind: int) -> Limits:
    name = _NAMES.get(kind, "")
    return OPS[name].limits if name in OPS else _OUTSIDE.get(name, Limits())


def _refusal(graph: Any, op: Any, kind: int) -> str:
    limits = _limits_of(kind)
    inputs, outputs = integers(op.InputsAsNumpy()), integers(op.OutputsAsNumpy())
    required = len(inputs) if limits.required is None else limits.required
    if len(inputs) < required or (not inputs and _NAMES.get(kind) in OPS):
        return f"has {len(inputs)} inputs, too few for {_NAMES.get(kind)}"
    if ABSENT in inputs[:required] or (ABSENT in outputs and kind != _OPS.CUSTOM):
        return f"lacks an input or output (inputs {inputs}, outputs {outputs})"
    if limits.axes and len(integers(graph.Tensors(inputs[0]).ShapeAsNumpy())) < limits.axes:
        return f"is given one number, and {_NAMES.get(kind)} works along an axis"
    eight_bit = (_TYPES.INT8, _TYPES.UINT8)
    given = [graph.Tensors(index) for index in inputs if index != ABSENT and graph.Tensors(index).Type() in eight_bit]
    if limits.compares and any(not _scales(tensor).size or (_scales(tensor) >= 1).any() for tensor in given):
        return "compares tensors whose scale is 1 or more, or without one, which LiteRT cannot"
    if not limits.scaled:
        return ""
    tensors = [graph.Tensors(index) for index in (*inputs, *outputs) if index != ABSENT]
    if limits.plain_int16 and all(t.Type() == _TYPES.INT16 and not _scales(t).size for t in tensors):
        return ""
    for tensor in tensors:
        scales = _scales(tensor)
        if tensor.Type() in _MAX_RATIO and not (scales.size and (scales > 0).all()):
            return f"computes with tensor '{text(tensor.Name())}', which has no scale"
    if limits.adds and outputs and graph.Tensors(outputs[0]).Type() in _MAX_RATIO:
        output = graph.Tensors(outputs[0])
        scale = _scales(output).min() * _MAX_RATIO[output.Type()]
        if any((_scales(graph.Tensors(index)) >= scale).any() for index in inputs):
            return f"has the scale {_scales(output).min():.3g} in its output, too far from its inputs'"
    given += [graph.Tensors(index) for index in outputs if index != ABSENT and graph.Tensors(index).Type() in eight_bit]
    return _unrepresentable(graph, op, kind, [*inputs, *outputs]) if given else ""


def _unrepresentable(graph: Any, op: Any, kind: int, indices: list[int]) -> str:
    """Why a factor made of the op's scales is none that LiteRT's fixed-point arithmetic has; empty if all are."""
    quantized = [_scales(graph.Tensors(index)) for index in indices if index != ABSENT]
    scales = [float(scale) for scale in np.concatenate(quantized)]
    for scale in scales:
        if _limits_of(kind).bounded and not _SMALLEST <= scale <= _LARGEST:
            return f"has the scale {scale:.3g}, which no kernel computes with"
    if kind == _OPS.SQUARED_DIFFERENCE and (2 * max(scales[:-1])) ** 2 >= _SQUARE_HEADROOM * scales[-1]:
        return f"has the scale {scales[-1]:.3g} in its output, too far from its inputs' squares"
    if kind == _OPS.SOFTMAX and scales[0] * _beta(op) <= _SOFTMAX_STEP:
        return f"has the scale {scales[0]:.3g} in its input, which is below its resolution"
    return ""


def _beta(op: Any) -> float:
    table = op.BuiltinOptions()
    if table is None:
        return 0.0
    options = schema.SoftmaxOptions()
    options.Init(table.Bytes, table.Pos)
    return float(options.Beta())


def _scales(tensor: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    quantization = tensor.Quantization()
    scales = 0 if quantization is None else quantization.ScaleAsNumpy()
    return scales if isinstance(scales, np.ndarray) else np.zeros(0, np.float32)
