"""Makes dense layers of signs binary: a rewrite of the graph that gives LCE's ops work its converter leaves in float.

LCE has no binary dense op, and its converter emits LceDequantize and a float FULLY_CONNECTED with weights +-m, m by
output channel. That is a binary convolution of one pixel, or, where a whole feature map was flattened, one whose filter
covers it: y = activation(m * dot(signs) + bias), which LceBconv2d computes from 1-bit weights. The file stays one that
LCE's interpreter runs. Outputs differ from the float layer's by its rounding: m multiplies once, not every product.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgebnn.arithmetic.packing import WORD_BITS, pack, packed_channels
from edgebnn.graph.opdef import OpView, op_view
from edgebnn.graph.ops.binary import LceBconv2dOptions, LceQuantizeOptions
from edgebnn.graph.ops.dense import FullyConnectedOptions
from edgebnn.graph.ops.enums import Activation, Padding, WeightsFormat
from edgebnn.graph.ops.shape_ops import ReshapeOptions
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import ABSENT, Array, DType, Graph, Op, Shape, Tensor

from .rewriting import without_dead_ops, without_unused

_ACTIVATIONS = {
    Activation.RELU: "RELU",
    Activation.RELU6: "RELU6",
    Activation.RELU_N1_TO_1: "RELU_N1_TO_1",
}


@dataclass(frozen=True)
class _Dense:
    """A dense layer of signs: its weights' signs [O, I], True for -m, and m [O].

    Its input is ``vector`` packed, [N, words], or ``image`` of signs flattened, [N, H, W, C]; the other is None.
    """

    vector: int | None
    image: int | None
    minus: NDArray[np.bool_]
    magnitude: NDArray[np.float32]


def to_binary_dense(graph: Graph) -> Graph:
    """``graph`` with every FULLY_CONNECTED on signs whose weights are +-m, m by output channel, as an LceBconv2d."""
    rewriting = _Rewriting(graph)
    for index in range(len(graph.ops)):
        dense = _recognize(graph, index)
        if dense is None:
            rewriting.ops.append(graph.ops[index])
        else:
            rewriting.replace(op_view(graph, index), dense)
    changed = replace(graph, tensors=tuple(rewriting.tensors), ops=tuple(rewriting.ops))
    return without_unused(without_dead_ops(changed)) if len(rewriting.tensors) > len(graph.tensors) else graph


def _recognize(graph: Graph, index: int) -> _Dense | None:
    view = op_view(graph, index)
    opts = view.op.options
    if not isinstance(opts, FullyConnectedOptions) or opts.weights_format != WeightsFormat.DEFAULT:
        return None
    weights, bias = view.inputs[1], (*view.inputs, None)[2]
    if weights is None or weights.data is None or weights.data.size == 0 or weights.dtype != DType.FLOAT32:
        return None
    if (bias is not None and bias.data is None) or view.outputs[0].dtype != DType.FLOAT32:
        return None
    x = view.op.inputs[0]
    vector, image = _source(graph, x, "LceDequantize"), _source(graph, x, "RESHAPE")
    if image is not None and _source(graph, image, "LceDequantize") is None:
        image = None
    if len(graph.tensors[x].shape) != 2 or len(view.outputs[0].shape) != 2 or (vector, image) == (None, None):
        return None
    if image is not None and not _flattens(graph.tensors[image], graph.tensors[x]):
        return None
    magnitude = np.abs(weights.data[:, :1])
    if not (np.abs(weights.data) == magnitude).all() or not np.isfinite(magnitude).all():
        return None
    return _Dense(vector, image, weights.data < 0, np.ascontiguousarray(magnitude[:, 0]))


def _flattens(image: Tensor, vector: Tensor) -> bool:
    """Whether the packed words of the pixels of ``image``, one after the other, are those of ``vector``."""
    if len(image.shape) != 4 or image.shape[0] != vector.shape[0] or image.dtype == DType.BOOL:
        return False
    _, height, width, channels = image.shape
    return height * width * channels == vector.shape[1] and (height * width == 1 or channels % WORD_BITS == 0)


def _source(graph: Graph, tensor: int, kind: str) -> int | None:
    """The first input of the op of ``kind`` that makes ``tensor``."""
    return next((op.inputs[0] for op in graph.ops if op.kind == kind and tensor in op.outputs), None)


class _Rewriting:
    """The tensors and ops of the graph as they grow. ``pixels``: dense result -> the same as [N, 1, 1, O]."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.tensors = list(graph.tensors)
        self.ops: list[Op] = []
        self.pixels: dict[int, int] = {}

    def replace(self, view: OpView, dense: _Dense) -> None:
        x, channels_in = self._packed_image(view.op.inputs[0], dense)
        channels_out = len(dense.magnitude)
        _, height, width, _ = self.tensors[x].shape
        output = view.op.outputs[0]
        name = self.tensors[output].name
        bias = (*view.inputs, None)[2]
        zeros = np.zeros(channels_out, np.float32)
        operands = (
            x,
            self._constant(f"{name}/signs", pack(dense.minus.reshape(channels_out, height, width, channels_in))),
            self._constant(f"{name}/multiplier", dense.magnitude),
            self._constant(f"{name}/bias", zeros if bias is None or bias.data is None else bias.data.reshape(-1)),
            ABSENT,
        )
        options = LceBconv2dOptions(channels_in=channels_in, padding=Padding.VALID)
        y = self._computed(f"{name}/pixel", output, (1, 1, channels_out), DType.FLOAT32)
        self.ops.append(Op("LceBconv2d", operands, (y,), options))
        assert isinstance(view.op.options, FullyConnectedOptions)
        activation = _ACTIVATIONS.get(view.op.options.fused_activation_function)
        if activation is not None:
            # LceBconv2d's own comes before the multiplier.
            linear, y = y, self._computed(f"{name}/activated", output, (1, 1, channels_out), DType.FLOAT32)
            self.ops.append(Op(activation, (linear,), (y,), NoOptions()))
        self.pixels[output] = y
        self._reshape(y, output, (-1, channels_out))

    def _packed_image(self, x: int, dense: _Dense) -> tuple[int, int]:
        """The layer's input as packed pixels, and their channels: the feature map that was flattened, or the pixel that
        a dense layer before has made, if there is one, else the packed words with two dimensions more."""
        image = dense.image
        if dense.vector is not None:
            real = _source(self.graph, dense.vector, "LceQuantize")
            image = None if real is None else self.pixels.get(real, _source(self.graph, real, "RESHAPE"))
        if image is not None and _flattens(self.tensors[image], self.tensors[x]):
            return self._quantized(image), self.tensors[image].shape[3]
        assert dense.vector is not None
        words = self.tensors[dense.vector].shape[1]
        packed = self._computed(f"{self.tensors[dense.vector].name}/pixel", dense.vector, (1, 1, words), DType.INT32)
        self._reshape(dense.vector, packed, (-1, 1, 1, words))
        return packed, dense.minus.shape[1]

    def _quantized(self, image: int) -> int:
        signs = _source(self.graph, image, "LceDequantize")
        if signs is not None:
            return signs
        tensor = self.tensors[image]
        shape = (*tensor.shape[1:3], packed_channels(tensor.shape[3]))
        packed = self._computed(f"{tensor.name}/signs", image, shape, DType.INT32)
        self.ops.append(Op("LceQuantize", (image,), (packed,), LceQuantizeOptions()))
        return packed

    def _reshape(self, x: int, y: int, shape: Shape) -> None:
        sizes = self._constant(f"{self.tensors[y].name}/shape", np.asarray(shape, np.int32))
        self.ops.append(Op("RESHAPE", (x, sizes), (y,), ReshapeOptions(shape)))

    def _constant(self, name: str, data: Array) -> int:
        data = np.ascontiguousarray(data)
        self.tensors.append(Tensor(name, data.shape, DType(data.dtype.name), None, data))
        return len(self.tensors) - 1

    def _computed(self, name: str, like: int, shape: Shape, dtype: DType) -> int:
        """A tensor of the batches of ``like``, open if they are."""
        first = self.tensors[like]
        signature = None if first.shape_signature is None else (first.shape_signature[0], *shape)
        self.tensors.append(Tensor(name, (first.shape[0], *shape), dtype, shape_signature=signature))
        return len(self.tensors) - 1
