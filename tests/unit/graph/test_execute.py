"""The reference executor: inputs, dropped and traced tensors, computed arguments, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgebnn.errors import InputError, UnsupportedOpError
from edgebnn.graph.execute import run, trace
from edgebnn.graph.ops.binary import LceBconv2dOptions
from edgebnn.graph.ops.conv import Conv2DOptions
from edgebnn.graph.ops.elementwise import AddOptions
from edgebnn.graph.ops.enums import Activation, Padding, TensorType
from edgebnn.graph.ops.reduce import ReducerOptions
from edgebnn.graph.ops.shape_ops import PackOptions, ReshapeOptions, ShapeOptions
from edgebnn.graph.ops.slicing import StridedSliceOptions
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import DType, Graph, Op, Options
from tests.support.graphs import chain, constant, one_op, per_channel, per_tensor, tensor

X = np.asarray([[1.0, -2.0], [3.0, 4.0]], np.float32)


def relu_of_sum() -> Graph:
    x, y = tensor("x", (2, 2)), tensor("y", (2, 2))
    total, out = tensor("total", ()), tensor("out", ())
    return chain([("ADD", AddOptions(), [x, y], [total], 1), ("RELU", NoOptions(), [total], [out], 1)])


def test_ops_run_in_order_on_inputs_in_the_graphs_order() -> None:
    (out,) = run(relu_of_sum(), [X, -X * 2])
    np.testing.assert_array_equal(out, np.maximum(-X, 0))


def test_tracing_gives_every_tensor_by_index() -> None:
    graph = relu_of_sum()
    values = trace(graph, [X, X])
    assert {graph.tensors[i].name for i in values} == {"x", "y", "total", "out"}
    np.testing.assert_array_equal(values[[t.name for t in graph.tensors].index("total")], 2 * X)


def test_an_input_that_is_also_an_output_and_a_tensor_read_twice_are_kept() -> None:
    x = tensor("x", (2, 2))
    graph = chain(
        [("ADD", AddOptions(), [x, x], [tensor("a", ())], 1), ("ADD", AddOptions(), [x, x], [tensor("b", ())], 1)]
    )
    graph = replace(graph, outputs=(*graph.outputs, graph.inputs[0]))
    for array, expected in zip(run(graph, [X]), (2 * X, 2 * X, X), strict=True):
        np.testing.assert_array_equal(array, expected)


def test_shapes_computed_by_the_graph_are_heeded() -> None:
    """What converters emit for Keras' Reshape and Flatten: SHAPE, STRIDED_SLICE, PACK, RESHAPE."""
    x, size = tensor("x", (3, 2, 2)), tensor("size", (), DType.INT32)
    first, shape = tensor("first", (), DType.INT32), tensor("shape", (2,), DType.INT32)
    begin, end, stride = (constant(n, np.asarray([v], np.int32)) for n, v in (("begin", 0), ("end", 1), ("stride", 1)))
    rest = constant("rest", np.asarray(-1, np.int32))
    graph = chain(
        [
            ("SHAPE", ShapeOptions(TensorType.INT32), [x], [size], 1),
            ("STRIDED_SLICE", StridedSliceOptions(shrink_axis_mask=1), [size, begin, end, stride], [first], 1),
            ("PACK", PackOptions(values_count=2), [first, rest], [shape], 1),
        ]
    )
    out = tensor("out", (3, 4))
    names = [t.name for t in graph.tensors]
    op = Op("RESHAPE", (names.index("x"), names.index("shape")), (len(names),), ReshapeOptions())
    graph = replace(graph, tensors=(*graph.tensors, out), ops=(*graph.ops, op), outputs=(len(names),))
    data = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    np.testing.assert_array_equal(run(graph, [data])[0], data.reshape(3, 4))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([X], "takes 2 inputs, not 1"),
        ([X, X[:1]], r"input 'y' takes float32 \[2, 2\], not float32 \[1, 2\]"),
        ([X.astype(np.float64), X], r"input 'x' takes float32 \[2, 2\], not float64 \[2, 2\]"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_by_name(inputs: list[np.ndarray], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run(relu_of_sum(), inputs)


def with_op(graph: Graph, op: Op) -> Graph:
    return replace(graph, ops=(op,))


def test_an_unknown_op_is_refused_with_what_is_supported() -> None:
    graph = one_op("RELU", NoOptions(), [tensor("x", (2, 2))], [tensor("out", ())])
    with pytest.raises(UnsupportedOpError, match="layer 'out': op WHILE is not supported; supported: ABS, ADD"):
        run(with_op(graph, Op("WHILE", (0,), (1,), NoOptions())), [X])


def test_an_element_type_outside_an_ops_set_is_refused() -> None:
    graph = one_op("SQRT", NoOptions(), [tensor("x", (1,), DType.INT32)], [tensor("out", (), DType.INT32)])
    with pytest.raises(
        UnsupportedOpError, match="'out': SQRT from int32 to int32 is not supported; supported: float32"
    ):
        run(graph, [np.ones(1, np.int32)])


def test_an_option_outside_an_ops_set_is_refused() -> None:
    options = AddOptions(fused_activation_function=Activation.TANH)
    graph = one_op("ADD", options, [tensor("x", (2, 2)), tensor("y", (2, 2))], [tensor("out", ())])
    with pytest.raises(
        UnsupportedOpError, match="'out': ADD with fused activation TANH is not supported; supported: NONE"
    ):
        run(graph, [X, X])


def conv(weights_type: DType = DType.INT8, zero_point: int = 0) -> Graph:
    x = tensor("x", (1, 2, 2, 1), DType.INT8, per_tensor(0.5, 0))
    quantization = replace(per_channel([0.1], 0), zero_point=(zero_point,))
    weights = constant("w", np.ones((1, 1, 1, 1), weights_type.numpy), quantization)
    out = tensor("out", (), DType.INT8, per_tensor(1.0, 0))
    return one_op("CONV_2D", Conv2DOptions(Padding.SAME, 1, 1), [x, weights, None], [out])


def test_weights_of_another_type_and_asymmetric_weights_are_refused() -> None:
    x = np.zeros((1, 2, 2, 1), np.int8)
    with pytest.raises(UnsupportedOpError, match="'out': CONV_2D with float32 weights is not supported"):
        run(conv(DType.FLOAT32), [x])
    with pytest.raises(UnsupportedOpError, match="weights 'w' that are not symmetric"):
        run(conv(zero_point=3), [x])


def test_a_tensor_without_the_quantization_an_op_needs_is_refused() -> None:
    graph = conv()
    broken = replace(
        graph, tensors=tuple(replace(t, quantization=None) if t.name == "out" else t for t in graph.tensors)
    )
    with pytest.raises(InputError, match="layer 'out': CONV_2D needs a per-tensor quantization of 'out'"):
        run(broken, [np.zeros((1, 2, 2, 1), np.int8)])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Conv2DOptions(Padding.SAME, 0, 1), "all must be at least 1"),
        (Conv2DOptions(Padding.VALID, 1, 1, dilation_h_factor=9), "has a window of 19 for an input of 4"),
    ],
)
def test_windows_that_cannot_be_are_refused(options: Options, message: str) -> None:
    x, weights = tensor("x", (1, 4, 4, 1)), constant("w", np.ones((1, 3, 3, 1), np.float32))
    with pytest.raises(InputError, match=message):
        one_op("CONV_2D", options, [x, weights, None], [tensor("out", ())])


@pytest.mark.parametrize(
    ("options", "words", "message"),
    [
        (LceBconv2dOptions(channels_in=65), 2, "channels_in = 65 for an input of 2 words"),
        (LceBconv2dOptions(channels_in=40), 1, "has 20 channels a group, not a multiple of 32"),
        (LceBconv2dOptions(channels_in=64, pad_values=2), 2, "pad_values = 2 is not supported; supported: 0 and 1"),
    ],
)
def test_binary_convolutions_that_cannot_be_are_refused(options: LceBconv2dOptions, words: int, message: str) -> None:
    x = tensor("x", (1, 4, 4, 2), DType.INT32)
    weights = constant("w", np.zeros((2, 1, 1, words), np.int32))
    numbers = constant("n", np.ones(2, np.float32))
    with pytest.raises((InputError, UnsupportedOpError), match=message):
        one_op("LceBconv2d", options, [x, weights, numbers, numbers, None], [tensor("out", ())])


def test_results_that_contradict_the_file_are_refused() -> None:
    graph = relu_of_sum()
    wrong = replace(graph, tensors=tuple(replace(t, shape=(4,)) if t.name == "out" else t for t in graph.tensors))
    with pytest.raises(InputError, match=r"layer 'out' computes float32 \[2, 2\], but the file declares float32 \[4\]"):
        run(wrong, [X, X])


@pytest.mark.parametrize("kind", ["RELU", "RELU6", "SUM"])
@pytest.mark.parametrize("scale", [1e-45, 1e-40])
def test_scales_no_arithmetic_has_are_refused_by_layer(kind: str, scale: float) -> None:
    x, y = tensor("x", (1, 4), DType.INT8, per_tensor(0.5, 0)), tensor("y", (), DType.INT8, per_tensor(scale, 0))
    axes = [constant("axes", np.asarray([1], np.int32))] if kind == "SUM" else []
    graph = one_op(kind, ReducerOptions(keep_dims=True) if kind == "SUM" else NoOptions(), [x, *axes], [y])
    with pytest.raises(InputError, match=r"layer 'y': .* cannot be computed with the scales 0.5"):
        run(graph, [np.ones((1, 4), np.int8)])
