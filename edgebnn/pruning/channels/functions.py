"""What functions of TensorFlow do with channels: those called on Keras tensors, and those that a Lambda layer wraps.

Either is run once on symbolic tensors, and the channels are followed through the graph of plain ops that it makes. The
function itself stays as it is when channels go, so that every number written in it (a size to split into, a width to
pad to) holds the channels that it counts. A new op is one entry of :data:`_OPS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from edgebnn._tensorflow import tf
from edgebnn.errors import one_line
from edgebnn.pruning.channels.identity import Ids, concatenated
from edgebnn.pruning.channels.tracing import Call, NotUnderstood


@dataclass(frozen=True)
class _Operation:
    """One op of the function's graph: ``channels`` of those of its inputs that come from the layer's, else None."""

    op: Any
    channels: tuple[Ids | None, ...]
    call: Call

    @property
    def traced(self) -> tuple[Ids, ...]:
        return tuple(ids for ids in self.channels if ids is not None)

    def rank(self, index: int) -> int:
        rank = self.op.inputs[index].shape.rank
        if rank is None:
            raise NotUnderstood(f"{self.op.type}: of an array of unknown rank")
        return int(rank)

    def constant(self, index: int) -> Any:
        """The value of an input that is no channel, but says what the op does."""
        value = tf.get_static_value(self.op.inputs[index])
        if value is None:
            raise NotUnderstood(f"{self.op.type}: how it works is only known when it runs")
        return value

    def refuse(self, reason: str) -> NotUnderstood:
        return NotUnderstood(f"{self.op.type}: {reason}")


_OpRule: TypeAlias = Callable[[_Operation], Sequence[Ids]]


def follow(call: Call) -> list[Ids]:
    """The channels of each output of a layer that calls a function of TensorFlow.

    Raises:
        NotUnderstood: naming the op that does with channels what no rule says.
    """
    graph = _graph(call)
    arguments = graph.inputs[: len(call.inputs)]  # behind them: arrays that the function holds
    known = {id(tensor): ids for tensor, ids in zip(arguments, call.inputs, strict=True)}
    for op in graph.get_operations():
        channels = tuple(known.get(id(tensor)) for tensor in op.inputs)
        if all(ids is None for ids in channels):
            continue
        rule = _OPS.get(op.type)
        if rule is None:
            raise NotUnderstood(f"no rule for what {op.type} does with channels")
        results = rule(_Operation(op, channels, call))
        known.update((id(tensor), ids) for tensor, ids in zip(op.outputs, results, strict=True))
    found = [known.get(id(tensor)) for tensor in graph.outputs]
    if any(ids is None for ids in found):
        raise NotUnderstood("an output does not depend on its inputs")
    return [ids for ids in found if ids is not None]


def _graph(call: Call) -> Any:
    """The function's graph for inputs of the layer's shapes, its captured variables refused."""
    node = call.node
    given = {id(tensor): place for place, tensor in enumerate(node.keras_inputs)}

    def run(*tensors: Any) -> Any:
        def placed(value: Any) -> Any:
            return tensors[given[id(value)]] if id(value) in given else value

        arguments, options = tf.nest.map_structure(placed, (node.call_args, node.call_kwargs))
        return tf.nest.flatten(call.layer.call(*arguments, **options))

    specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in node.keras_inputs]
    try:
        graph = tf.function(run, autograph=False).get_concrete_function(*specs).graph
    except (TypeError, ValueError, tf.errors.OpError) as error:
        raise NotUnderstood(f"it cannot be followed ({one_line(str(error))})") from None
    if any(inner.dtype == tf.resource for _, inner in graph.captures):
        raise NotUnderstood("its function uses variables of its own")
    return graph


def _same(operation: _Operation) -> Sequence[Ids]:
    return [operation.traced[0]]


def _elementwise(operation: _Operation) -> Sequence[Ids]:
    """Equal channels meet; one channel meets all of the other and stays; a constant is one for all channels."""
    shapes = [tensor.shape for tensor in operation.op.inputs]
    for shape, ids in zip(shapes, operation.channels, strict=True):
        if ids is None and (shape.rank is None or (shape.rank > 0 and shape[-1] != 1)):
            raise operation.refuse("it takes a constant for each channel")
        if ids is not None and shape.rank != max(other.rank or 0 for other in shapes):
            raise operation.refuse("its inputs differ in rank")
    widest = max(operation.traced, key=len)
    for ids in operation.traced:
        if len(ids) == len(widest):
            operation.call.unite(widest, ids)
        elif len(ids) == 1:
            operation.call.freeze(ids, "it is broadcast over channels")
        else:
            raise operation.refuse("its inputs differ in channels")
    return [widest]


def _division(operation: _Operation) -> Sequence[Ids]:
    if operation.channels[1] is not None:
        raise operation.refuse("channels are divided by channels")  # 0 / 0, where a channel is masked, is not 0
    return _elementwise(operation)


def _split(operation: _Operation) -> Sequence[Ids]:
    """Into equal parts: the i-th channels of all parts go together, or not at all."""
    if operation.constant(0) % operation.rank(1) != operation.rank(1) - 1:
        return [operation.traced[0]] * len(operation.op.outputs)
    parts = operation.traced[0].reshape(len(operation.op.outputs), -1)
    for part in parts[1:]:
        operation.call.unite(parts[0], part)
    return list(parts)


def _split_into_sizes(operation: _Operation) -> Sequence[Ids]:
    if operation.constant(2) % operation.rank(0) != operation.rank(0) - 1:
        return [operation.traced[0]] * len(operation.op.outputs)
    operation.call.freeze(operation.traced[0], "its function splits channels into parts of fixed sizes")
    sizes = [int(tensor.shape[-1]) for tensor in operation.op.outputs]
    return np.split(operation.traced[0], np.cumsum(sizes)[:-1])


def _concatenation(operation: _Operation) -> Sequence[Ids]:
    parts, axis = operation.channels[:-1], len(operation.channels) - 1
    if any(ids is None for ids in parts):
        raise operation.refuse("a constant is joined to channels")
    if operation.constant(axis) % operation.rank(0) == operation.rank(0) - 1:
        return [concatenated(operation.traced)]
    for ids in operation.traced[1:]:
        operation.call.unite(operation.traced[0], ids)
    return [operation.traced[0]]


def _padding(operation: _Operation) -> Sequence[Ids]:
    """Zeros beside the channels are channels that are always there, and so stay."""
    before, after = (int(count) for count in operation.constant(1)[-1])
    if operation.op.type == "MirrorPad" and before + after:
        raise operation.refuse("it repeats channels")
    path, call = operation.call.path, operation.call
    zeros = [call.trace.channels.new(count, path) for count in (before, after)]
    for ids in zeros:
        call.freeze(ids, "its function pads with a fixed number of channels")
    return [concatenated([zeros[0], operation.traced[0], zeros[1]])]


def _reduction(operation: _Operation) -> Sequence[Ids]:
    """Over positions; over channels it would mix them."""
    rank = operation.rank(0)
    axes = [int(axis) % rank for axis in np.atleast_1d(operation.constant(1))]
    if 0 in axes or rank - 1 in axes:
        raise operation.refuse("it mixes channels or images")
    return [operation.traced[0]]


def _pooling(operation: _Operation) -> Sequence[Ids]:
    op = operation.op
    if op.get_attr("data_format") != b"NHWC" or op.get_attr("ksize")[-1] != 1:
        raise operation.refuse("it pools over channels")
    return _same(operation)


def _transposition(operation: _Operation) -> Sequence[Ids]:
    order = operation.constant(1).tolist()
    if order[-1] != len(order) - 1:
        raise operation.refuse("it moves channels to another axis")
    return [operation.traced[0]]


_ELEMENTWISE = (
    *("AddV2", "Add", "AddN", "Sub", "Mul", "Maximum", "Minimum", "ClipByValue", "SelectV2", "SquaredDifference"),
    *("Greater", "GreaterEqual", "Less", "LessEqual", "LogicalAnd", "LogicalOr", "LogicalNot"),
)
_SAME = (
    *("Identity", "StopGradient", "PreventGradient", "Cast", "IdentityN", "CheckNumerics", "Neg", "Abs", "Sign"),
    *("Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Sigmoid", "Tanh", "Softplus", "Softsign", "Exp", "Square", "Sqrt"),
    *("Round", "Rint", "Floor", "Ceil", "Erf", "FakeQuantWithMinMaxArgs", "FakeQuantWithMinMaxVars"),
    *("ResizeBilinear", "ResizeNearestNeighbor"),
)
_OPS: Mapping[str, _OpRule] = MappingProxyType(
    {
        **dict.fromkeys(_ELEMENTWISE, _elementwise),
        **dict.fromkeys(_SAME, _same),
        **dict.fromkeys(("RealDiv", "Div"), _division),
        **dict.fromkeys(("Mean", "Sum", "Max", "Min"), _reduction),
        **dict.fromkeys(("Pad", "PadV2", "MirrorPad"), _padding),
        **dict.fromkeys(("MaxPool", "AvgPool"), _pooling),
        "Split": _split,
        "SplitV": _split_into_sizes,
        "ConcatV2": _concatenation,
        "Transpose": _transposition,
    }
)
