"""What one op is: the single entry under which everything edgebnn knows of it stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .types import ABSENT, Array, DType, Graph, Op, Options, Shape, Tensor


@dataclass(frozen=True)
class OpView:
    """An op with its tensors resolved: what an op's functions are given. Absent inputs are None."""

    name: str
    op: Op
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]


def op_view(graph: Graph, index: int, tensors: Sequence[Tensor] | None = None) -> OpView:
    """The op at ``index`` of ``graph`` with its tensors; ``tensors`` stand in for the graph's where they are given."""
    op = graph.ops[index]
    tensors = graph.tensors if tensors is None else tensors
    return OpView(
        name=graph.op_name(index),
        op=op,
        inputs=tuple(None if i == ABSENT else tensors[i] for i in op.inputs),
        outputs=tuple(tensors[i] for i in op.outputs),
    )


@dataclass(frozen=True)
class Macs:
    """Multiply-accumulates by precision of weights and activations."""

    binary: int = 0
    w1a8: int = 0
    int8: int = 0
    float: int = 0

    def __add__(self, other: Macs) -> Macs:
        return Macs(
            self.binary + other.binary, self.w1a8 + other.w1a8, self.int8 + other.int8, self.float + other.float
        )

    @property
    def total(self) -> int:
        return self.binary + self.w1a8 + self.int8 + self.float


@dataclass(frozen=True)
class Loops:
    """The loop nest of an op that multiplies and accumulates: the bounds of its loops, and how they walk its input.

    A dense layer is a convolution of one position; a product of two feature maps has the second in place of weights,
    one for each of ``groups``.

    groups:       independent nests beside each other; ``out_channels`` and ``in_channels`` are those of one.
    batch:        samples (dense layers: rows).
    out_size:     positions of the output (height, width); ``filter_size``, ``stride``, ``dilation``: likewise.
    in_size:      (height, width) of the input without padding; ``before``: rows and columns of padding in front of it.
    macs:         the loops' iterations, as multiply-accumulates of their precision.
    """

    groups: int
    batch: int
    out_channels: int
    in_channels: int
    macs: Macs
    out_size: tuple[int, int] = (1, 1)
    filter_size: tuple[int, int] = (1, 1)
    in_size: tuple[int, int] = (1, 1)
    before: tuple[int, int] = (0, 0)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)


def no_macs(view: OpView) -> Macs:
    """For ops that multiply and accumulate nothing."""
    return Macs()


COUNTED = -1
"""In place of an axis: a value that was computed from the number of samples, such as what SHAPE gives."""

Axes = tuple[int | None, ...]
"""For each input or output of an op the axis along which the samples lie, None where all samples share one value,
or :data:`COUNTED`."""


def unknown_axes(view: OpView, axes: Axes) -> Axes | None:
    """For ops of which it is not known whether samples stay apart: they are run one at a time."""
    return None


def no_loops(view: OpView) -> Loops | None:
    """For ops that multiply and accumulate nothing, or not as a convolution does."""
    return None


@dataclass(frozen=True)
class Limits:
    """What LiteRT's kernel of an op takes for granted, and ends the process upon where it does not hold.

    required:    how many inputs come before the first that may be absent; None: all must be there, at least one.
    scaled:      it divides by the scales of 8 and 16 bit tensors, which must have them.
    plain_int16: but takes int16 without scales too, as plain integers.
    adds:        it adds in fixed point, so that no input's scale may be too far above the output's.
    compares:    its operands' scales become fixed-point factors as they are.
    bounded:     it multiplies and divides scales in float32, which they must not leave.
    axes:        its first input has so many at least.
    """

    required: int | None = None
    scaled: bool = False
    plain_int16: bool = False
    adds: bool = False
    compares: bool = False
    bounded: bool = False
    axes: int = 0


@dataclass(frozen=True)
class OpDef:
    """One op: its IR definition, its NumPy semantics, and what LiteRT's kernel of it takes for granted.

    kind:      the IR name. A TFLite builtin's name ("CONV_2D"), or a custom op's custom_code ("LceBconv2d").
    options:   dataclass of its options; field names are TFLite's in snake case (custom ops: the flexbuffer's keys).
    infer:     (view) -> output shapes from input shapes and options; raises InputError naming the layer.
    run:       (view, input values) -> output values; absent inputs are None. Integer arithmetic is exact.
    macs:      (view) -> Macs.
    loops:     (view) -> the loop nest that those come from, None where the op is not one.
    schema:    the TFLite options table ("Conv2DOptions"); None for builtins without options and custom ops.
    custom:    True for custom ops.
    types:     the supported pairs of element types of the first input and the first output.
    same_scale: whether quantized inputs must have the outputs' quantization, as values are only moved or chosen.
    no_reference: the types of the first input for which LiteRT's reference kernels lack the op, or compute it otherwise
               (see :mod:`edgebnn.runtime.exact`).
    limits:    what LiteRT's kernel takes for granted.
    batch:     (view, axes of the inputs) -> axes of the outputs, where each sample of the outputs follows from the same
               sample of the inputs alone, in a way that depends neither on its place nor on the number of samples;
               None where that does not hold or is not known. Asked for two samples or more, one input or more of which
               lies along an axis or is counted; shapes need not be compared, :mod:`edgebnn.graph.batches` does.
    """

    kind: str
    options: type[Options]
    infer: Callable[[OpView], tuple[Shape, ...]]
    run: Callable[[OpView, tuple[Array | None, ...]], tuple[Array, ...]]
    macs: Callable[[OpView], Macs] = field(default=no_macs)
    loops: Callable[[OpView], Loops | None] = field(default=no_loops)
    schema: str | None = None
    custom: bool = False
    types: tuple[tuple[DType, DType], ...] = ()
    same_scale: bool = False
    limits: Limits = Limits()
    no_reference: tuple[DType, ...] = ()
    batch: Callable[[OpView, Axes], Axes | None] = field(default=unknown_axes)

    def of_one_scale(self, op: Op, tensors: Sequence[Tensor]) -> tuple[int, ...]:
        """Indices of the tensors of ``op`` that must have one quantization, outputs first; empty if they may differ."""
        if not self.same_scale or not op.outputs:
            return ()
        dtype = tensors[op.outputs[0]].dtype
        return (*op.outputs, *(i for i in op.inputs if i != ABSENT and tensors[i].dtype == dtype))
