"""W1A8 ops in the delegate, and int8 ops recognised, against LiteRT's reference kernels and NumPy, bit for bit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter as LiteRTInterpreter
from ai_edge_litert.interpreter import OpResolverType
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgebnn.converters.read_tflite import read
from edgebnn.converters.write_tflite import to_bytes
from edgebnn.errors import ModelFormatError
from edgebnn.graph.execute import run
from edgebnn.graph.ops.enums import Activation, Padding
from edgebnn.graph.types import ABSENT, Graph
from edgebnn.runtime.interpreter import Interpreter
from tests.support.w1a8_graphs import ConvLayer, DenseLayer, chain, conv_pair, dense_pair

REFERENCE = OpResolverType.BUILTIN_REF


def invoked(interpreter: Any, x: NDArray[np.int8]) -> NDArray[np.int8]:
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    y: NDArray[np.int8] = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    return y


def agree(int8: Graph, packed: Graph, seed: int = 0, threads: int = 1) -> None:
    """LiteRT on the int8 file, our delegate on the packed one and, recognising it, on the int8 one; and the reference
    executor."""
    shape = int8.tensors[int8.inputs[0]].shape
    x = np.random.default_rng(seed).integers(-128, 128, shape).astype(np.int8)
    content, portable = to_bytes(packed), to_bytes(int8)
    theirs = invoked(LiteRTInterpreter(model_content=portable, experimental_op_resolver_type=REFERENCE), x)
    ours = invoked(Interpreter(model_content=content, num_threads=threads, experimental_op_resolver_type=REFERENCE), x)
    np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(run(read(content), [x])[0], theirs)
    recognising = Interpreter(
        model_content=portable, num_threads=threads, experimental_op_resolver_type=REFERENCE, pack_int8="all"
    )
    np.testing.assert_array_equal(invoked(recognising, x), theirs)
    assert ran_packed(recognising) == [int8.op_name(index) for index in range(len(int8.ops))]


def ran_packed(interpreter: Interpreter) -> list[str]:
    """Layers of an int8 file that ran with packed weights."""
    return [op.name for op in interpreter.profile(repeats=1).ops if op.op.endswith(" (packed)")]


ACTIVATIONS = st.sampled_from((Activation.NONE, Activation.RELU, Activation.RELU6, Activation.RELU_N1_TO_1))
PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))


@given(
    layer=st.builds(
        ConvLayer,
        size=st.tuples(st.integers(7, 9), st.integers(7, 16)),
        filter=PAIRS,
        stride=PAIRS,
        dilation=PAIRS,
        padding=st.sampled_from((Padding.SAME, Padding.VALID)),
        groups=st.sampled_from((1, 1, 2, 3)),
        inputs=st.integers(1, 70),
        outputs=st.integers(1, 70),
        activation=ACTIVATIONS,
    ),
    seed=st.integers(0, 999),
    batch=st.integers(1, 2),
)
def test_convolution(layer: ConvLayer, seed: int, batch: int) -> None:
    agree(*conv_pair(layer, seed, batch), seed)


@given(
    layer=st.builds(
        ConvLayer,
        size=st.tuples(st.integers(7, 9), st.integers(7, 9)),
        filter=PAIRS,
        stride=PAIRS,
        padding=st.sampled_from((Padding.SAME, Padding.VALID)),
        inputs=st.integers(1, 40),
        outputs=st.integers(1, 3),
        depthwise=st.just(True),
        activation=ACTIVATIONS,
    ),
    seed=st.integers(0, 999),
)
def test_depthwise(layer: ConvLayer, seed: int) -> None:
    agree(*conv_pair(layer, seed), seed)


@given(
    layer=st.builds(
        DenseLayer,
        rows=st.integers(1, 40),
        channels_in=st.integers(1, 300),
        channels_out=st.integers(1, 140),
        keep_num_dims=st.booleans(),
        activation=ACTIVATIONS,
    ),
    seed=st.integers(0, 999),
)
def test_dense(layer: DenseLayer, seed: int) -> None:
    agree(*dense_pair(layer, seed), seed)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_whole_model(threads: int) -> None:
    """Convolutions, depthwise and dense in one partition, some of it with more threads than rows."""
    layers = (ConvLayer((9, 9), inputs=3, outputs=20), ConvLayer((9, 9), inputs=20, outputs=1, depthwise=True))
    tail = ConvLayer((9, 9), stride=(2, 2), inputs=20, outputs=33, activation=Activation.RELU)
    pairs = [
        *(conv_pair(layer, seed) for seed, layer in enumerate((*layers, tail))),
        dense_pair(DenseLayer(25, 33, 10)),
    ]
    agree(chain([a for a, _ in pairs]), chain([b for _, b in pairs]), threads=threads)


def test_another_batch_gives_the_same() -> None:
    _, packed = conv_pair(ConvLayer(inputs=20, outputs=70))
    interpreter = Interpreter(model_content=to_bytes(packed))
    x = np.random.default_rng(3).integers(-128, 128, (3, 6, 5, 20)).astype(np.int8)
    interpreter.resize_tensor_input(0, x.shape)
    together = invoked(interpreter, x)
    for index in range(3):
        alone = invoked(Interpreter(model_content=to_bytes(packed)), x[index : index + 1])
        np.testing.assert_array_equal(together[index : index + 1], alone)


@pytest.mark.parametrize("name", ["conv", "dense"])
def test_an_absent_bias_is_zero(name: str) -> None:
    _, packed = conv_pair(ConvLayer()) if name == "conv" else dense_pair(DenseLayer())
    bias = packed.tensors[4]
    assert bias.data is not None
    zeroed = replace(bias, data=np.zeros_like(bias.data))
    zero = replace(packed, tensors=(*packed.tensors[:4], zeroed, *packed.tensors[5:]))
    absent = replace(zero, ops=(replace(packed.ops[0], inputs=(0, 1, 2, 3, ABSENT)),))
    x = np.random.default_rng(3).integers(-128, 128, packed.tensors[0].shape).astype(np.int8)
    y = [invoked(Interpreter(model_content=to_bytes(graph)), x) for graph in (zero, absent)]
    np.testing.assert_array_equal(*y)


def changed_options(packed: Graph, **changes: int) -> Graph:
    op = packed.ops[0]
    return replace(packed, ops=(replace(op, options=replace(op.options, **changes)),))


def changed_tensor(packed: Graph, index: int, **changes: Any) -> Graph:
    tensors = list(packed.tensors)
    tensors[index] = replace(tensors[index], **changes)
    return replace(packed, tensors=tuple(tensors))


CONV, DENSE = conv_pair(ConvLayer())[1], dense_pair(DenseLayer())[1]


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (changed_options(CONV, version=2), r"EdgebnnConv2dW1A8 'output'.*version 2.*version 1"),
        (changed_options(DENSE, version=0), r"EdgebnnDenseW1A8 'output'.*version 0"),
        (changed_options(CONV, groups=3), "8 channels do not divide into 3 groups"),
        (changed_options(CONV, channels_in=40), "40 channels do not fit its filter 'filter' with 1 words"),
        (changed_options(CONV, stride_height=0), "stride"),
        (changed_tensor(CONV, 3, data=np.full(8, -1, np.int8)), "scale or magnitude of its output channel 0"),
        (changed_tensor(CONV, 2, data=np.full(8, np.nan, np.float32)), "scale or magnitude of its output channel 0"),
        (changed_tensor(CONV, 0, quantization=None), "input 'input' and output 'output' must be int8 with scale"),
    ],
)
def test_refusals_name_op_and_cause(graph: Graph, message: str) -> None:
    with pytest.raises(ModelFormatError, match=message):
        Interpreter(model_content=to_bytes(graph)).allocate_tensors()


def test_profile_names_the_kernel() -> None:
    interpreter = Interpreter(model_content=to_bytes(CONV), kernels="portable")
    interpreter.allocate_tensors()
    kernels = {op.op: op.kernel for op in interpreter.profile(repeats=1).ops}
    assert kernels["EdgebnnConv2dW1A8"] == "portable"
