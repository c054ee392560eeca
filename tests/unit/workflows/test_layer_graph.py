"""A layer as a model of its own: the op that converting the whole network gives, runnable on the host."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgebnn._tensorflow import keras, lq
from edgebnn.converters.from_keras import convert
from edgebnn.converters.read_tflite import read
from edgebnn.errors import InputError
from edgebnn.graph import counts
from edgebnn.graph.batches import run_all
from edgebnn.graph.ops.binary import LceBconv2dOptions
from edgebnn.graph.types import DType, Graph
from edgebnn.pruning.channels.coupling import couple
from edgebnn.pruning.channels.layers import LayerShape
from edgebnn.runtime.model import load
from edgebnn.targets.model_file import open_model
from edgebnn.targets.noise import noise
from edgebnn.workflows.layer_graph import layer_graph


def conv(precision: str = "float", **changes: object) -> LayerShape:
    shape = LayerShape("conv", "conv2d", precision, 40, 24, (3, 3), (1, 1), (1, 1), "same", 1.0, 1, (8, 6), (8, 6))
    return replace(shape, **changes)  # type: ignore[arg-type]


DEPTHWISE = {"kind": "depthwise_conv2d", "groups": 40, "out_channels": 80}
DENSE = {"kind": "dense", "kernel": (1, 1), "padding": "valid", "input_size": (1, 1), "output_size": (1, 1)}
EVERYWHERE = {"kind": "dense", "kernel": (1, 1), "padding": "valid"}
VARIANTS: dict[str, dict[str, object]] = {
    "same": {},
    "valid": {"padding": "valid", "output_size": (6, 4)},
    "strided": {"strides": (2, 2), "output_size": (4, 3)},
    "dilated": {"dilation": (2, 2)},
    "grouped": {"groups": 2, "in_channels": 64},
    "depthwise": DEPTHWISE,
    "dense": DENSE,
    "dense at each position": EVERYWHERE,
}


@pytest.mark.parametrize("precision", ["float", "w1a8", "w1a1", "int8"])
@pytest.mark.parametrize("variant", list(VARIANTS))
def test_the_model_has_the_layers_size_and_runs(precision: str, variant: str) -> None:
    layer = conv(precision, **VARIANTS[variant])
    graph = read(open_model(layer_graph(layer)).content)  # the reader checks what it reads
    assert counts.macs(graph).total == layer.macs
    assert counts.weights(graph) == layer.weights
    assert output(graph).shape[-1] == layer.out_channels
    sample = next(noise(open_model(graph), 1))
    ours = load(open_model(graph).content, exact=True).invoke(list(sample))
    (reference,) = run_all(graph, sample)
    np.testing.assert_allclose(ours[0], reference, rtol=1e-3, atol=1e-2)


def output(graph: Graph) -> object:
    return graph.tensors[graph.outputs[0]]


def test_binary_layers_are_binary_where_lce_has_an_op() -> None:
    for variant, options in VARIANTS.items():
        graph = layer_graph(conv("w1a1", **options))
        binary = variant not in ("depthwise", "dense at each position")
        assert (counts.macs(graph).binary > 0) == binary, variant
    in_part = layer_graph(conv("w1a1", groups=2))  # 20 channels a group are no whole words
    assert counts.macs(in_part).binary == 0


def test_packed_output_leaves_out_what_the_network_has_not() -> None:
    (op,) = layer_graph(conv("w1a1"), packed_output=True).ops
    assert op.kind == "LceBconv2d"
    kinds = [op.kind for op in layer_graph(conv("w1a1")).ops]
    assert kinds == ["LceQuantize", "LceBconv2d"]


def test_a_layer_without_channels_is_refused() -> None:
    with pytest.raises(InputError, match="layer 'conv'"):
        layer_graph(conv(in_channels=0))


def test_the_ops_are_those_of_the_converted_network() -> None:
    """Of two binary convolutions the first hands signs on, the second floats."""
    keras.utils.set_random_seed(0)
    binary = {"input_quantizer": "ste_sign", "kernel_quantizer": "ste_sign", "use_bias": False}
    model = keras.Sequential(
        [
            keras.layers.Conv2D(64, 3, input_shape=(12, 10, 1)),
            lq.layers.QuantConv2D(40, 3, strides=2, padding="same", pad_values=1.0, **binary),
            keras.layers.BatchNormalization(),
            lq.layers.QuantConv2D(24, (2, 3), **binary),
            keras.layers.BatchNormalization(),
            keras.layers.Flatten(),
            keras.layers.Dense(10),
        ]
    )
    graph = read(convert(model, "lce"))
    theirs = [binary_op(graph, index) for index, op in enumerate(graph.ops) if op.kind == "LceBconv2d"]
    first, second = (layer for layer in couple(model).layers() if layer.precision == "w1a1")
    alone = [layer_graph(first, packed_output=True), layer_graph(second)]
    assert [binary_op(graph, len(graph.ops) - 1) for graph in alone] == theirs


def binary_op(graph: Graph, index: int) -> tuple[LceBconv2dOptions, tuple[int, ...], tuple[int, ...], DType]:
    op = graph.ops[index]
    options, result = op.options, graph.tensors[op.outputs[0]]
    assert isinstance(options, LceBconv2dOptions)
    return options, graph.tensors[op.inputs[1]].shape, result.shape, result.dtype
