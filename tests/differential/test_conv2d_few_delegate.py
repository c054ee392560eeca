"""First layers in the delegate, pooled or not, whoever else reads what they give: int8 ones give every bit of the
reference executor (which is that of TFLite's reference kernels), float32 ones what LiteRT's give but for rounding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ai_edge_litert.interpreter import OpResolverType
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebnn.arithmetic.packing import pack
from edgebnn.converters.w1a8 import to_w1a8
from edgebnn.converters.write_tflite import to_bytes
from edgebnn.errors import InputError
from edgebnn.graph.execute import run
from edgebnn.graph.ops.enums import Activation, Padding
from edgebnn.graph.ops.pool import Pool2DOptions
from edgebnn.graph.types import Array, DType, Graph
from edgebnn.runtime.interpreter import Interpreter
from tests.support.ckernels import library
from tests.support.conv2d_few_graphs import bordered, first_layer, pooled, signed
from tests.support.conv2d_few_kernels import kernel_lines
from tests.support.examples import examples
from tests.support.graphs import constant, per_channel

POOL = Pool2DOptions(Padding.SAME, stride_w=2, stride_h=2, filter_width=3, filter_height=3)


def open_graph(
    graph: Graph,
    few_channels: str = "all",
    threads: int = 1,
    preserve: bool = False,
    resolver: OpResolverType = OpResolverType.BUILTIN_REF,
) -> Interpreter:
    interpreter = Interpreter(
        model_content=to_bytes(graph),
        num_threads=threads,
        experimental_op_resolver_type=resolver,
        experimental_preserve_all_tensors=preserve,
        few_channels=few_channels,  # type: ignore[arg-type]
    )
    interpreter.allocate_tensors()
    return interpreter


def invoke(interpreter: Interpreter, x: Array) -> list[Array]:
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


def ours(interpreter: Interpreter) -> list[str]:
    return [op.label for op in interpreter.profile(repeats=1).ops if op.kernel not in ("litert", "")]


def noise(graph: Graph, seed: int = 0) -> Array:
    shape = graph.tensors[graph.inputs[0]].shape
    return np.random.default_rng(seed).integers(-128, 128, shape).astype(np.int8)


COSTED = ("avx512vnni", "avxvnni", "avx2")
"""Kernels with lines in conv_few_costs.h."""

AVX2, AVX512_BW, AVX_VNNI = 1 << 0, 1 << 3, 1 << 6
"""Of enum eb_cpu_feature."""

AMX = 5
"""Of enum eb_int8_arithmetic."""

PAIR = st.tuples(st.integers(1, 4), st.integers(1, 4))
LAYERS = st.builds(
    first_layer,
    st.tuples(st.integers(1, 20), st.integers(1, 40)),
    st.tuples(st.integers(1, 4), st.integers(1, 100)),
    filter_size=st.tuples(st.integers(1, 7), st.integers(1, 11)),
    stride=PAIR,
    dilation=st.just((1, 1)) | PAIR,
    activation=st.sampled_from((Activation.NONE, Activation.RELU, Activation.RELU6)),
    batches=st.integers(1, 3),
    zero_points=st.tuples(st.integers(-128, 127), st.integers(-128, 127)),
    bias=st.booleans(),
    per_tensor_scale=st.booleans(),
    seed=st.integers(0, 2**16),
)
POOLS = st.none() | st.builds(
    Pool2DOptions,
    st.just(Padding.SAME),
    stride_w=st.integers(1, 3),
    stride_h=st.integers(1, 3),
    filter_width=st.integers(1, 4),
    filter_height=st.integers(1, 4),
)


@given(graph=LAYERS, pool=POOLS, threads=st.integers(1, 3), seed=st.integers(0, 99))
@settings(max_examples=examples(40))
def test_int8_layers_of_all_kinds(graph: Graph, pool: Pool2DOptions | None, threads: int, seed: int) -> None:
    graph = graph if pool is None else pooled(graph, pool)
    x = noise(graph, seed)
    interpreter = open_graph(graph, threads=threads)
    (y,) = invoke(interpreter, x)
    np.testing.assert_array_equal(y, run(graph, [x])[0])
    assert ours(interpreter) == ["CONV_2D" if pool is None else "CONV_2D + MAX_POOL_2D"]


@given(graph=LAYERS, pool=POOLS, threads=st.integers(1, 3), seed=st.integers(0, 99))
@settings(max_examples=examples(30))
def test_signs_behind_int8_layers_are_written_by_them(
    graph: Graph, pool: Pool2DOptions | None, threads: int, seed: int
) -> None:
    graph = signed(graph if pool is None else pooled(graph, pool))
    x = noise(graph, seed)
    interpreter = open_graph(graph, threads=threads)
    np.testing.assert_array_equal(invoke(interpreter, x)[0], run(graph, [x])[0])
    assert ours(interpreter) == ["CONV_2D + LceQuantize" if pool is None else "CONV_2D + MAX_POOL_2D + LceQuantize"]


def test_signs_are_written_besides_where_their_tensor_is_needed_too() -> None:
    """As an output, by another LceQuantize, or kept."""
    graph = signed(pooled(first_layer((12, 14), (3, 40)), POOL))
    pool, signs = graph.ops[1].outputs[0], graph.outputs[0]
    given_too = replace(graph, outputs=(pool, signs))
    read_twice = signed(replace(graph, outputs=(pool,)))
    read_twice = replace(read_twice, outputs=(signs, *read_twice.outputs))
    x = noise(graph)
    for form in (given_too, read_twice):
        interpreter = open_graph(form)
        for y, expected in zip(invoke(interpreter, x), run(form, [x]), strict=True):
            np.testing.assert_array_equal(y, expected)
        assert ours(interpreter) == ["CONV_2D + MAX_POOL_2D"]
    kept = open_graph(graph, preserve=True)
    invoke(kept, x)
    np.testing.assert_array_equal(kept.get_tensor(pool), run(given_too, [x])[0])


@pytest.mark.parametrize("is_pooled", [False, True])
def test_signs_behind_float_layers_are_those_of_the_values_that_they_give(is_pooled: bool) -> None:
    graph = first_layer((30, 31), (3, 70), dtype=DType.FLOAT32)
    graph = pooled(graph, POOL) if is_pooled else graph
    x = np.random.default_rng(0).normal(size=(1, 30, 31, 3)).astype(np.float32)
    (values,) = invoke(open_graph(graph, resolver=OpResolverType.AUTO), x)
    interpreter = open_graph(signed(graph), resolver=OpResolverType.AUTO)
    np.testing.assert_array_equal(invoke(interpreter, x)[0], pack(values < 0))
    assert ours(interpreter)[0].endswith("+ LceQuantize")


@pytest.mark.parametrize("padding", [Padding.SAME, Padding.VALID])
@pytest.mark.parametrize("is_pooled", [False, True])
def test_the_first_layer_of_a_resnet(padding: Padding, is_pooled: bool) -> None:
    graph = first_layer((224, 224), (3, 64), filter_size=(7, 7), stride=(2, 2), padding=padding)
    graph = pooled(graph, replace(POOL, padding=padding)) if is_pooled else graph
    x = noise(graph)
    for threads in (1, 2):
        (y,) = invoke(open_graph(graph, threads=threads), x)
        np.testing.assert_array_equal(y, run(graph, [x])[0])


@given(
    graph=LAYERS.filter(lambda graph: min(graph.tensors[graph.inputs[0]].shape[1:3]) > 8),
    border=st.tuples(*[st.integers(0, 4)] * 4),
    pool=POOLS,
    threads=st.integers(1, 3),
)
@settings(max_examples=examples(30))
def test_padding_in_front(
    graph: Graph, border: tuple[int, int, int, int], pool: Pool2DOptions | None, threads: int
) -> None:
    """SAME on a padded image, or zeros beyond the filter, are left to the interpreter's PAD."""
    graph = bordered(graph if pool is None else pooled(graph, pool), border)
    x = noise(graph)
    np.testing.assert_array_equal(invoke(open_graph(graph, threads=threads), x)[0], run(graph, [x])[0])


@pytest.mark.parametrize("is_pooled", [False, True])
@pytest.mark.parametrize("border", [(2, 2, 2, 2), (0, 1, 0, 1), (10, 9, 8, 0)])
def test_the_first_layer_of_alexnet(border: tuple[int, int, int, int], is_pooled: bool) -> None:
    graph = first_layer((75, 79), (3, 40), filter_size=(11, 11), stride=(4, 4), padding=Padding.VALID)
    graph = bordered(pooled(graph, POOL) if is_pooled else graph, border)
    x = noise(graph)
    interpreter = open_graph(graph)
    np.testing.assert_array_equal(invoke(interpreter, x)[0], run(graph, [x])[0])
    assert ours(interpreter) == ["CONV_2D + PAD + MAX_POOL_2D" if is_pooled else "CONV_2D + PAD"]
    _, height, width, channels = graph.tensors[graph.inputs[0]].shape
    interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], (3, height, width, channels))
    interpreter.allocate_tensors()
    more = np.concatenate([x, x[:, ::-1], x[:, :, ::-1]])
    for sample, y in zip(more, invoke(interpreter, more)[0], strict=True):
        np.testing.assert_array_equal(y, run(graph, [sample[None]])[0][0])


def test_padding_that_is_needed_besides() -> None:
    """As an output, by another op, or kept: then the convolution's input is the padded image."""
    layer = first_layer((31, 27), (3, 24), filter_size=(5, 5), padding=Padding.VALID)
    graph = bordered(layer, (2, 2, 1, 1))
    padded = graph.ops[0].outputs[0]
    given_too = replace(graph, outputs=(*graph.outputs, padded))
    read_too = pooled(replace(graph, outputs=(padded,)), POOL)
    read_too = replace(read_too, outputs=(*graph.outputs, *read_too.outputs))
    x = noise(graph)
    for form, label in ((given_too, "CONV_2D + PAD"), (read_too, "CONV_2D")):
        interpreter = open_graph(form)
        for y, expected in zip(invoke(interpreter, x), run(form, [x]), strict=True):
            np.testing.assert_array_equal(y, expected)
        assert ours(interpreter) == [label]
    kept = open_graph(graph, preserve=True)
    invoke(kept, x)
    np.testing.assert_array_equal(kept.get_tensor(padded), run(given_too, [x])[1])


def test_what_others_read_too_is_given_besides_the_pool() -> None:
    graph = pooled(first_layer((12, 14), (3, 24)), POOL)
    graph = replace(graph, outputs=(graph.ops[0].outputs[0], *graph.outputs))
    x = noise(graph)
    interpreter = open_graph(graph)
    for y, expected in zip(invoke(interpreter, x), run(graph, [x]), strict=True):
        np.testing.assert_array_equal(y, expected)
    assert ours(interpreter) == ["CONV_2D", "CONV_2D + MAX_POOL_2D"]


def test_two_pools_of_one_convolution() -> None:
    graph = pooled(first_layer((12, 14), (3, 24)), POOL)
    other = pooled(replace(graph, outputs=graph.ops[0].outputs), replace(POOL, filter_width=2))
    graph = replace(other, outputs=(*graph.outputs, *other.outputs))
    x = noise(graph)
    for y, expected in zip(invoke(open_graph(graph), x), run(graph, [x]), strict=True):
        np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("activation", [Activation.RELU, Activation.RELU6])
def test_a_pool_with_an_activation_is_left_to_the_interpreter(activation: Activation) -> None:
    graph = pooled(first_layer((12, 14), (3, 24)), replace(POOL, fused_activation_function=activation))
    interpreter, x = open_graph(graph), noise(graph)
    for y, expected in zip(invoke(interpreter, x), run(graph, [x]), strict=True):
        np.testing.assert_array_equal(y, expected)
    assert ours(interpreter) == ["CONV_2D"]


def test_preserved_tensors_keep_their_values() -> None:
    graph = pooled(first_layer((12, 14), (3, 24)), POOL)
    x = noise(graph)
    interpreter = open_graph(graph, preserve=True)
    (y,) = invoke(interpreter, x)
    inner = graph.ops[0].outputs[0]
    expected = run(replace(graph, outputs=(inner, *graph.outputs)), [x])
    np.testing.assert_array_equal(interpreter.get_tensor(inner), expected[0])
    np.testing.assert_array_equal(y, expected[1])


def test_other_batches_after_a_resize() -> None:
    graph = pooled(first_layer((12, 14), (3, 24), batches=1), POOL)
    interpreter = open_graph(graph)
    for batches in (1, 4, 2):
        wider = pooled(first_layer((12, 14), (3, 24), batches=batches), POOL)
        interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], (batches, 12, 14, 3))
        interpreter.allocate_tensors()
        x = noise(wider, batches)
        np.testing.assert_array_equal(invoke(interpreter, x)[0], run(wider, [x])[0])


def binary_weights(graph: Graph, value: int = 127) -> Graph:
    """The same with weights of -value and value."""
    index = graph.ops[0].inputs[1]
    weights = graph.tensors[index]
    assert weights.data is not None
    data = np.where(weights.data >= 0, value, -value).astype(np.int8)
    tensors = list(graph.tensors)
    tensors[index] = replace(weights, data=data)
    return replace(graph, tensors=tuple(tensors))


def test_weights_of_two_values() -> None:
    """Of four channels they are packed in the file; of fewer that would not be smaller."""
    graph = pooled(binary_weights(first_layer((30, 31), (4, 70), filter_size=(11, 11), stride=(4, 4))), POOL)
    packed, _ = to_w1a8(graph)
    assert [op.kind for op in packed.ops] == ["EdgebnnConv2dW1A8", "MAX_POOL_2D"]
    x = noise(packed)
    for form, few_channels, label in (
        (packed, "all", "EdgebnnConv2dW1A8 + MAX_POOL_2D"),
        (packed, "none", "EdgebnnConv2dW1A8"),
        (graph, "all", "CONV_2D + MAX_POOL_2D"),
    ):
        interpreter = open_graph(form, few_channels)
        np.testing.assert_array_equal(invoke(interpreter, x)[0], run(form, [x])[0])
        assert ours(interpreter) == [label]


def left(graph: Graph) -> bool:
    """Whether the interpreter runs it, and right."""
    x = noise(graph)
    interpreter = open_graph(graph)
    np.testing.assert_array_equal(invoke(interpreter, x)[0], run(graph, [x])[0])
    return ours(interpreter) == []


def test_what_is_not_a_first_layer_is_left() -> None:
    assert left(first_layer((6, 6), (5, 8)))
    weak = first_layer((6, 6), (3, 8))
    index = weak.ops[0].inputs[2]
    tensors = list(weak.tensors)
    quantization = per_channel([0.05] * 8, 0)
    tensors[index] = constant("bias", np.full(8, 2**31 - 5, np.int32), quantization)
    assert left(replace(weak, tensors=tuple(tensors)))


FLOAT_LAYERS = st.builds(
    first_layer,
    st.tuples(st.integers(1, 20), st.integers(1, 40)),
    st.tuples(st.integers(1, 4), st.integers(1, 100)),
    filter_size=st.tuples(st.integers(1, 7), st.integers(1, 11)),
    stride=PAIR,
    activation=st.sampled_from((Activation.NONE, Activation.RELU, Activation.RELU6)),
    batches=st.integers(1, 3),
    dtype=st.just(DType.FLOAT32),
    seed=st.integers(0, 2**16),
)


@given(graph=FLOAT_LAYERS, pool=POOLS, threads=st.integers(1, 3), seed=st.integers(0, 99))
@settings(max_examples=examples(30))
def test_float_layers_are_close_to_the_interpreters(
    graph: Graph, pool: Pool2DOptions | None, threads: int, seed: int
) -> None:
    graph = graph if pool is None else pooled(graph, pool)
    x = np.random.default_rng(seed).normal(size=graph.tensors[graph.inputs[0]].shape).astype(np.float32)
    interpreter = open_graph(graph, threads=threads, resolver=OpResolverType.AUTO)
    (y,) = invoke(interpreter, x)
    assert ours(interpreter) == ["CONV_2D" if pool is None else "CONV_2D + MAX_POOL_2D"]
    theirs = open_graph(graph, "none", resolver=OpResolverType.AUTO)
    expected = run(graph, [x])[0]
    spread = max(1.0, float(expected.max() - expected.min()))
    np.testing.assert_allclose(y, invoke(theirs, x)[0], rtol=0, atol=1e-5 * spread)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-5 * spread)


def test_float_layers_are_left_where_reference_kernels_are_asked_for() -> None:
    graph = pooled(first_layer((12, 14), (3, 24), dtype=DType.FLOAT32), POOL)
    x = np.random.default_rng(0).normal(size=(1, 12, 14, 3)).astype(np.float32)
    interpreter = open_graph(graph)
    (y,) = invoke(interpreter, x)
    np.testing.assert_array_equal(y, invoke(open_graph(graph, "none"), x)[0])
    np.testing.assert_allclose(y, run(graph, [x])[0], rtol=0, atol=1e-4)  # LiteRT's adds up as its compiler likes
    assert ours(interpreter) == []


def test_a_float_pool_stays_by_itself_where_others_read_what_it_pools() -> None:
    graph = pooled(first_layer((12, 14), (3, 24), dtype=DType.FLOAT32), POOL)
    graph = replace(graph, outputs=(graph.ops[0].outputs[0], *graph.outputs))
    x = np.random.default_rng(0).normal(size=(1, 12, 14, 3)).astype(np.float32)
    interpreter = open_graph(graph, resolver=OpResolverType.AUTO)
    for y, expected in zip(invoke(interpreter, x), run(graph, [x]), strict=True):
        np.testing.assert_allclose(y, expected, rtol=0, atol=1e-4)
    assert [label for label in ours(interpreter) if label != "MAX_POOL_2D"] == ["CONV_2D"]


def test_none_are_taken_if_so_told() -> None:
    graph = first_layer((12, 14), (3, 24))
    interpreter = open_graph(graph, "none")
    x = noise(graph)
    np.testing.assert_array_equal(invoke(interpreter, x)[0], run(graph, [x])[0])
    assert ours(interpreter) == []
    with pytest.raises(InputError, match="few_channels=some"):
        open_graph(graph, "some")


def test_auto_takes_what_pays() -> None:
    """By costs, which plain C has none of."""
    graph = first_layer((112, 112), (1, 64), filter_size=(7, 7))
    features = library().eb_cpu_features()
    for line in kernel_lines():
        if line.cpu_features & ~features:
            continue
        name = line.name.decode()
        interpreter = Interpreter(model_content=to_bytes(graph), kernels=name, few_channels="auto")
        interpreter.allocate_tensors()
        assert (ours(interpreter) == ["CONV_2D"]) == (name in COSTED)


def test_auto_takes_more_where_the_interpreter_multiplies_tiles() -> None:
    graph = first_layer((32, 32), (3, 16), filter_size=(3, 3))
    if library().eb_cpu_int8_arithmetic() != AMX:
        pytest.skip("is of processors with AMX")
    interpreter = open_graph(graph, "auto", resolver=OpResolverType.AUTO)
    x = noise(graph)
    np.testing.assert_array_equal(invoke(interpreter, x)[0], run(graph, [x])[0])
    assert ours(interpreter) == ["CONV_2D"]


def test_auto_takes_more_where_the_interpreter_has_no_dot_products_of_bytes() -> None:
    graph = first_layer((64, 64), (3, 16), filter_size=(3, 3))
    features = library().eb_cpu_features()
    if not features & AVX2 or features & (AVX512_BW | AVX_VNNI):
        pytest.skip("is of processors with AVX2 alone")
    interpreter = open_graph(graph, "auto", resolver=OpResolverType.AUTO)
    x = noise(graph)
    np.testing.assert_array_equal(invoke(interpreter, x)[0], run(graph, [x])[0])
    assert ours(interpreter) == ["CONV_2D"]
