from __future__ import annotations

import numpy as np
import pytest

from edgebnn.converters.read_tflite import read
from edgebnn.graph import counts
from edgebnn.graph.opdef import Macs
from edgebnn.graph.ops.conv import Conv2DOptions
from edgebnn.graph.ops.dense import FullyConnectedOptions
from edgebnn.graph.ops.enums import Padding
from edgebnn.graph.ops.pool import Pool2DOptions
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.shapes import resize
from edgebnn.graph.types import Array, DType, Graph, Shape
from tests.support.graphs import Step, chain, constant, one_op, per_tensor, tensor
from tests.support.topologies import lce_bytes

# Kernel, stride, padding; torchvision's AlexNet, as NetAdapt's figures are stated for.
_CONVOLUTIONS = ((11, 4, 2), (5, 1, 2), (3, 1, 1), (3, 1, 1), (3, 1, 1))
_POOLED_AFTER = (0, 1, 4)


def _weights(shape: Shape) -> Array:
    """Zeros that take no memory."""
    return np.broadcast_to(np.zeros((), np.float32), shape)


def _alexnet(widths: tuple[int, ...]) -> Graph:
    steps: list[Step] = []
    x, channels = tensor("image", (1, 224, 224, 3)), 3
    for layer, ((kernel, stride, pad), width) in enumerate(zip(_CONVOLUTIONS, widths, strict=False)):
        amounts = constant(f"pads{layer}", np.array([[0, 0], [pad, pad], [pad, pad], [0, 0]], np.int32))
        padded, y = tensor(f"padded{layer}", ()), tensor(f"conv{layer}", ())
        filters = constant(f"filters{layer}", _weights((width, kernel, kernel, channels)))
        steps.append(("PAD", NoOptions(), (x, amounts), (padded,), 1))
        bias = constant(f"bias{layer}", _weights((width,)))
        steps.append(("CONV_2D", Conv2DOptions(Padding.VALID, stride, stride), (padded, filters, bias), (y,), 1))
        x, channels = y, width
        if layer in _POOLED_AFTER:
            x = tensor(f"pool{layer}", ())
            steps.append(("MAX_POOL_2D", Pool2DOptions(Padding.VALID, 2, 2, 3, 3), (y,), (x,), 1))
    features = 6 * 6 * channels
    for layer, width in enumerate(widths[5:], start=5):
        filters, y = constant(f"filters{layer}", _weights((width, features))), tensor(f"dense{layer}", ())
        steps.append(("FULLY_CONNECTED", FullyConnectedOptions(), (x, filters, None), (y,), 1))
        x, features = y, width
    return chain(steps)


@pytest.mark.parametrize(
    ("widths", "macs", "weights"),
    [
        ((64, 192, 384, 256, 256, 4096, 4096, 10), 710_133_440, 57_035_456),
        ((48, 160, 336, 184, 224, 1952, 4096, 10), 454_945_680, 25_397_904),
    ],
)
def test_alexnet_has_the_published_multiply_accumulates_and_weights(
    widths: tuple[int, ...], macs: int, weights: int
) -> None:
    graph = _alexnet(widths)
    assert counts.macs(graph).float == counts.macs(graph).total == macs
    assert counts.weights(graph) == weights


def test_alexnets_layers_have_the_published_multiply_accumulates() -> None:
    graph = _alexnet((64, 192, 384, 256, 256, 4096, 4096, 10))
    per_layer = [counts.op_macs(graph, i).float for i, op in enumerate(graph.ops) if counts.op_macs(graph, i).total]
    assert per_layer == [
        70_276_800, 223_948_800, 112_140_288, 149_520_384, 99_680_256, 37_748_736, 16_777_216, 40_960
    ]  # fmt: skip


def test_binary_layers_count_real_channels_not_those_of_their_words() -> None:
    graph = read(lce_bytes("uneven"))
    first, second = (i for i, op in enumerate(graph.ops) if op.kind == "LceBconv2d")
    assert counts.op_weights(graph, first) == 40 * 5 * 3 * 20
    assert counts.op_macs(graph, first).binary == 13 * 7 * 40 * 5 * 3 * 20
    assert counts.op_weights(graph, second) == 24 * 3 * 3 * 40
    assert counts.macs(graph).binary == 13 * 7 * (40 * 5 * 3 * 20 + 24 * 3 * 3 * 40)


def test_groups_divide_the_work() -> None:
    graph = read(lce_bytes("grouped"))
    first = next(i for i, op in enumerate(graph.ops) if op.kind == "LceBconv2d")
    assert counts.op_macs(graph, first).binary == 13 * 13 * 128 * 3 * 3 * 32


def test_bytes_of_a_binary_layer_are_packed_filters_and_what_its_output_needs() -> None:
    graph = read(lce_bytes("packed_chain"))
    index = next(i for i, op in enumerate(graph.ops) if op.kind == "LceBconv2d")
    assert counts.op_weight_bytes(graph, index) == 64 * 3 * 3 * 4 + 64 * 4  # one word a tap, and thresholds
    assert counts.op_output_bytes(graph, index) == 12 * 12 * 2 * 4


def test_a_constant_that_two_ops_share_counts_once_in_all() -> None:
    filters = constant("filters", np.zeros((3, 3), np.float32))
    a, b, c = (tensor(name, (1, 3)) for name in "abc")
    graph = chain(
        [("FULLY_CONNECTED", FullyConnectedOptions(), (x, filters, None), (y,), 1) for x, y in ((a, b), (b, c))]
    )
    assert [counts.op_weight_bytes(graph, i) for i in range(2)] == [36, 36]
    assert counts.weight_bytes(graph) == 36


def test_the_batch_multiplies_work_but_not_weights() -> None:
    graph = read(lce_bytes("uneven"))
    four = resize(graph, [(4, *graph.tensors[graph.inputs[0]].shape[1:])])
    assert counts.macs(four).total == 4 * counts.macs(graph).total
    assert counts.weights(four) == counts.weights(graph)


def test_uint8_layers_count_as_int8() -> None:
    """The files of TensorFlow's first quantization, which is unsigned."""
    x = tensor("x", (1, 4, 4, 2), DType.UINT8, per_tensor(0.1, 128))
    weights = constant("w", np.ones((3, 1, 1, 2), np.uint8), per_tensor(0.1, 128))
    y = tensor("y", (), DType.UINT8, per_tensor(0.1, 128))
    graph = one_op("CONV_2D", Conv2DOptions(Padding.SAME, 1, 1), [x, weights, None], [y])
    assert counts.macs(graph) == Macs(int8=4 * 4 * 3 * 2)
