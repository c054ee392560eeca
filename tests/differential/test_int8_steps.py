"""PRELU, MUL and ADD of int8 in the delegate, most part of a convolution: against the reference executor, and LiteRT's
reference kernels where no op is ours, bit for bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ai_edge_litert import interpreter as litert
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgebnn.converters.write_tflite import to_bytes
from edgebnn.graph.execute import run
from edgebnn.graph.ops.elementwise import MulOptions
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.shapes import resize
from edgebnn.graph.types import Array, Graph, Op
from tests.support.delegate_runs import delegate_run
from tests.support.examples import examples
from tests.support.graphs import per_tensor
from tests.support.int8_step_graphs import Int8Steps, int8_steps
from tests.support.w1a8_graphs import ConvLayer, conv_pair
from tests.support.w1a8_graphs import chain as layer_chain

GATED = Int8Steps(64, (("conv", 0, 0), ("mul row", 0, 1), ("prelu", 0, 0), ("add", 0, 3), ("conv", 0, 0)), 0)
SIGNED = Int8Steps(40, (("prelu", 0, 0), ("conv", 0, 0), ("prelu", 0, 0)), 0)
CONSTANT = Int8Steps(17, (("conv", 0, 0), ("mul constant", 0, 0), ("add", 0, 2)), 2)
WHOLE = Int8Steps(32, (("conv", 0, 0), ("mul", 0, 1), ("prelu", 0, 0)), 3)


def image(graph: Graph, batches: int, seed: int = 0) -> Array:
    shape = (batches, *graph.tensors[graph.inputs[0]].shape[1:])
    return np.random.default_rng(seed).integers(-128, 128, shape).astype(np.int8)


@settings(max_examples=examples(100))
@given(case=int8_steps())
@example(GATED)
@example(SIGNED)
@example(CONSTANT)
@example(WHOLE)
@pytest.mark.parametrize(("batches", "threads"), [(1, 1), (3, 2)])
def test_outputs_equal_the_reference(batches: int, threads: int, case: Int8Steps) -> None:
    graph = case.graph()
    x = image(graph, batches)
    interpreter = delegate_run(graph, x, threads)
    for index, y in zip(graph.outputs, run(resize(graph, [x.shape]), [x]), strict=True):
        np.testing.assert_array_equal(interpreter.get_tensor(index), y)


@settings(max_examples=examples(40))
@given(case=int8_steps())
@example(GATED)
def test_tensors_that_are_to_be_preserved_are(case: Int8Steps) -> None:
    graph = case.graph()
    x = image(graph, 1)
    every = tuple(i for op in graph.ops for i in op.outputs)
    expected = run(Graph(graph.name, graph.tensors, graph.ops, graph.inputs, every), [x])
    interpreter = delegate_run(graph, x, preserve=True)
    for index, y in zip(every, expected, strict=True):
        np.testing.assert_array_equal(interpreter.get_tensor(index), y)


@settings(max_examples=examples(60))
@given(case=int8_steps(), seed=st.integers(0, 2**16))
def test_outputs_equal_those_of_the_interpreters_reference_kernels(case: Int8Steps, seed: int) -> None:
    """Of graphs without binary layers, which the interpreter runs without us."""
    steps = tuple(step for step in case.steps if step[0] != "conv") or (("prelu", 0, 0),)
    graph = Int8Steps(case.channels, steps, case.seed).graph()
    x = image(graph, 1, seed)
    interpreter = delegate_run(graph, x)
    alone = litert.Interpreter(
        model_content=to_bytes(graph), experimental_op_resolver_type=litert.OpResolverType.BUILTIN_REF
    )
    alone.allocate_tensors()
    alone.set_tensor(graph.inputs[0], x)
    alone.invoke()
    for index in graph.outputs:
        np.testing.assert_array_equal(interpreter.get_tensor(index), alone.get_tensor(index))


@pytest.mark.parametrize("kernels", ["avx2", "sse4", "portable"])
@pytest.mark.parametrize("case", [GATED, CONSTANT, SIGNED])
def test_other_kernels_give_the_same(case: Int8Steps, kernels: str) -> None:
    graph = case.graph()
    x = image(graph, 2)
    interpreter = delegate_run(graph, x, kernels=kernels)
    for index, y in zip(graph.outputs, run(resize(graph, [x.shape]), [x]), strict=True):
        np.testing.assert_array_equal(interpreter.get_tensor(index), y)


def test_another_batch_has_other_constants() -> None:
    """As many rows of them as there are samples, whatever was prepared before."""
    graph = GATED.graph()
    interpreter = delegate_run(graph, image(graph, 1))
    for batches in (4, 2):
        x = image(graph, batches, batches)
        interpreter.resize_tensor_input(graph.inputs[0], x.shape)
        interpreter.allocate_tensors()
        for _ in range(2):
            interpreter.set_tensor(graph.inputs[0], x)
            interpreter.invoke()
            for index, y in zip(graph.outputs, run(resize(graph, [x.shape]), [x]), strict=True):
                np.testing.assert_array_equal(interpreter.get_tensor(index), y)


def behind_1_bit_weights(channels: int, size: tuple[int, int], seed: int) -> Graph:
    """A layer with 1-bit weights, times a row and bent by PRELU, in front of another."""
    layers = [conv_pair(ConvLayer(size, inputs=channels, outputs=channels), seed + i)[1] for i in range(2)]
    graph = layer_chain(layers)
    first, second = graph.ops
    rng = np.random.default_rng(seed)
    tensors = [*graph.tensors]
    output = tensors[first.outputs[0]]

    def add(name: str, scale: float, data: Array | None = None) -> int:
        quantization = per_tensor(scale, int(rng.integers(-128, 128)))
        shape = output.shape if data is None else data.shape
        tensors.append(replace(output, name=name, shape=shape, quantization=quantization, data=data))
        return len(tensors) - 1

    assert output.quantization is not None
    scale = output.quantization.scale[0]
    factors = add("factors", 0.01, rng.integers(-128, 128, channels).astype(np.int8))
    slopes = add("slopes", 0.01, rng.integers(-128, 128, (1, 1, channels)).astype(np.int8))
    product, bent = add("product", scale), add("bent", scale)
    ops = (
        first,
        Op("MUL", (first.outputs[0], factors), (product,), MulOptions()),
        Op("PRELU", (product, slopes), (bent,), NoOptions()),
        replace(second, inputs=(bent, *second.inputs[1:])),
    )
    return replace(graph, tensors=tuple(tensors), ops=ops)


@settings(max_examples=examples(30))
@given(
    st.sampled_from([1, 5, 16, 17, 32, 40, 64]), st.tuples(st.integers(1, 9), st.integers(1, 35)), st.integers(0, 99)
)
@pytest.mark.parametrize("kernels", [None, "avx2", "portable"])
def test_steps_behind_1_bit_weights(kernels: str | None, channels: int, size: tuple[int, int], seed: int) -> None:
    graph = behind_1_bit_weights(channels, size, seed)
    x = image(graph, 2, seed)
    interpreter = delegate_run(graph, x, kernels=kernels)
    expected = run(resize(graph, [x.shape]), [x])[0]
    np.testing.assert_array_equal(interpreter.get_tensor(graph.outputs[0]), expected)
    assert any("+ MUL + PRELU" in op.label for op in interpreter.profile(repeats=1).ops)


def joined(case: Int8Steps) -> list[str]:
    """The ops that the delegate ran."""
    graph = case.graph()
    entries = delegate_run(graph, image(graph, 1)).profile(repeats=2).ops
    return [entry.label for entry in entries if entry.kernel != "litert" and entry.members]


def test_steps_become_part_of_the_convolution_in_front_of_them() -> None:
    assert "LceBconv2d + MUL + PRELU + ADD" in joined(GATED)
    assert "LceBconv2d + PRELU" in joined(SIGNED)
    assert "LceBconv2d + MUL + ADD" in joined(CONSTANT)


def test_a_prelu_that_stands_alone_is_ours() -> None:
    assert joined(Int8Steps(24, (("prelu", 0, 0), ("mul", 0, 0)), 0)) == ["PRELU"]
