"""Element-wise ops behind first layers are done with them, pooled or not: every bit is that of the ops one by one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebnn.converters.write_tflite import to_bytes
from edgebnn.graph.execute import run
from edgebnn.graph.ops.elementwise import AddOptions, MulOptions
from edgebnn.graph.ops.enums import Activation, Padding
from edgebnn.graph.ops.pool import Pool2DOptions
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import Array, DType, Graph, Quantization
from edgebnn.runtime.interpreter import Interpreter
from tests.support.conv2d_few_graphs import append, first_layer, pooled, signed
from tests.support.examples import examples
from tests.support.graphs import constant, tensor

POOL = Pool2DOptions(Padding.SAME, stride_w=2, stride_h=2, filter_width=3, filter_height=3)
OPTIONS = {"MUL": MulOptions(), "ADD": AddOptions(), "PRELU": NoOptions()}


def stepped(graph: Graph, kinds: Sequence[str], least: float = 0.1, seed: int = 0) -> Graph:
    """With steps by constants of the channel, from ``least`` on."""
    rng = np.random.default_rng(seed)
    for number, kind in enumerate(kinds):
        channels = graph.tensors[graph.outputs[0]].shape[-1]
        shape = (1, 1, channels) if kind == "PRELU" else (channels,)
        by = constant(f"by{number}", rng.uniform(least, 2, shape).astype(np.float32))
        graph = append(graph, kind, OPTIONS[kind], f"{kind}{number}", operand=by)
    return graph


def residual(graph: Graph, activation: Activation = Activation.NONE) -> Graph:
    """With a sum of the output and another input."""
    shape = graph.tensors[graph.outputs[0]].shape
    return append(graph, "ADD", AddOptions(activation), "sum", operand=tensor("other", shape))


def outputs(graph: Graph, threads: int = 1, *, joins: bool = True) -> list[Array]:
    interpreter = opened(graph, threads, joins=joins)
    rng = np.random.default_rng(1)
    for detail in interpreter.get_input_details():
        x = rng.normal(size=detail["shape"]) * (1 if detail["dtype"] == np.float32 else 50)
        interpreter.set_tensor(detail["index"], x.astype(detail["dtype"]))
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


def opened(graph: Graph, threads: int = 1, *, joins: bool = True) -> Interpreter:
    interpreter = Interpreter(
        model_content=to_bytes(graph),
        num_threads=threads,
        experimental_preserve_all_tensors=not joins,
        few_channels="all",
    )
    interpreter.allocate_tensors()
    return interpreter


def labels(graph: Graph) -> list[str]:
    return [op.label for op in opened(graph).profile(repeats=1).ops if op.kernel != "litert" and op.index >= 0]


def check(graph: Graph, threads: int = 1) -> None:
    for one, other in zip(outputs(graph, threads), outputs(graph, joins=False), strict=True):
        np.testing.assert_array_equal(one, other)


@given(
    graph=st.builds(
        first_layer,
        st.tuples(st.integers(1, 20), st.integers(1, 20)),
        st.tuples(st.integers(1, 4), st.integers(1, 70)),
        stride=st.sampled_from([(1, 1), (2, 2), (2, 1)]),
        batches=st.integers(1, 3),
        dtype=st.just(DType.FLOAT32),
        seed=st.integers(0, 2**16),
    ),
    kinds=st.lists(st.sampled_from(list(OPTIONS)), min_size=1, max_size=3),
    least=st.sampled_from([0.1, -1.0]),
    behind=st.sampled_from(["", "pool", "residual", "signs"]),
    threads=st.integers(1, 2),
)
@settings(max_examples=examples(60))
def test_steps_of_all_kinds(graph: Graph, kinds: list[str], least: float, behind: str, threads: int) -> None:
    graph = stepped(graph, kinds, least)
    if behind:
        graph = {"pool": lambda g: pooled(g, POOL), "residual": residual, "signs": signed}[behind](graph)
    check(graph, threads)


def float_layer() -> Graph:
    return first_layer((20, 21), (3, 40), dtype=DType.FLOAT32)


def test_steps_become_a_part_of_the_layer() -> None:
    assert labels(residual(stepped(float_layer(), ["MUL", "PRELU"]), Activation.RELU)) == [
        "CONV_2D + MUL + PRELU + ADD"
    ]


def test_steps_in_front_of_a_pool_are_done_behind_it_where_they_keep_the_order() -> None:
    """In others a greater value may become a lesser one."""
    rising = signed(pooled(stepped(float_layer(), ["PRELU", "MUL"]), POOL))
    assert labels(rising)[0] == "CONV_2D + MAX_POOL_2D + MUL + PRELU"
    check(rising)
    falling = signed(pooled(stepped(float_layer(), ["PRELU", "MUL"], least=-1.0), POOL))
    assert labels(falling)[0] == "CONV_2D"
    check(falling)


@pytest.mark.parametrize("needed", ["conv", "PRELU0"])
def test_what_others_need_too_is_given_besides(needed: str) -> None:
    graph = pooled(stepped(float_layer(), ["PRELU", "MUL"]), POOL)
    index = next(i for i, one in enumerate(graph.tensors) if one.name == needed)
    check(Graph(graph.name, graph.tensors, graph.ops, graph.inputs, (index, *graph.outputs)))


def test_int8_sums_behind_a_layer_are_those_of_the_reference_kernels() -> None:
    graph = first_layer((20, 21), (3, 40))
    source = graph.tensors[graph.outputs[0]]
    assert source.quantization is not None
    scale = source.quantization.scale[0]
    added = tensor("other", source.shape, DType.INT8, Quantization((scale * 0.3713,), (4,)))
    like = tensor("sum", (), DType.INT8, Quantization((scale * 1.2177,), (-3,)))
    graph = append(graph, "ADD", AddOptions(), "sum", like, added)
    assert labels(graph) == ["CONV_2D + ADD"]
    rng = np.random.default_rng(1)
    inputs = [(rng.normal(size=graph.tensors[i].shape) * 50).astype(np.int8) for i in graph.inputs]
    np.testing.assert_array_equal(outputs(graph, 2)[0], run(graph, inputs)[0])
