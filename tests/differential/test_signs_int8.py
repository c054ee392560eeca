"""What the delegate makes of int8 batch normalizations and concatenations in front of signs, against the reference
executor, bit for bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgebnn.converters.write_tflite import to_bytes
from edgebnn.graph.execute import run
from edgebnn.graph.shapes import resize
from edgebnn.graph.types import Array, Graph
from edgebnn.runtime.interpreter import Interpreter
from edgebnn.runtime.litert import OpResolverType
from tests.support.examples import examples
from tests.support.sign_graphs import BLOCK, ODD, Signs, sign_graphs


def image(case: Signs, graph: Graph, batches: int = 1) -> Array:
    """Each value is there at once, if the image is large enough."""
    (source,) = graph.inputs
    shape = (batches, *graph.tensors[source].shape[1:])
    return np.random.default_rng(case.seed + 1).integers(-128, 128, shape).astype(np.int8)


def delegate_run(
    graph: Graph, x: Array, threads: int = 1, kernels: str | None = None, preserve: bool = False
) -> Interpreter:
    interpreter = Interpreter(
        model_content=to_bytes(graph),
        num_threads=threads,
        kernels=kernels,
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=preserve,
    )
    (source,) = graph.inputs
    interpreter.resize_tensor_input(source, x.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(source, x)
    interpreter.invoke()
    return interpreter


@settings(max_examples=examples(120))
@given(case=sign_graphs(), kernels=st.sampled_from([None, "avx2", "portable"]))
@example(BLOCK, None)
@example(ODD, None)
def test_outputs_equal_the_reference(case: Signs, kernels: str | None) -> None:
    graph = case.graph()
    x = image(case, graph)
    expected = run(graph, [x])
    for threads in (1, 2):
        interpreter = delegate_run(graph, x, threads, kernels)
        for index, y in zip(graph.outputs, expected, strict=True):
            np.testing.assert_array_equal(interpreter.get_tensor(index), y)


@settings(max_examples=examples(30))
@given(case=sign_graphs())
@example(ODD)
def test_batches_equal_the_reference(case: Signs) -> None:
    graph = case.graph()
    x = image(case, graph, batches=3)
    interpreter = delegate_run(graph, x)
    for index, y in zip(graph.outputs, run(resize(graph, [x.shape]), [x]), strict=True):
        np.testing.assert_array_equal(interpreter.get_tensor(index), y)


@settings(max_examples=examples(30))
@given(case=sign_graphs())
@example(BLOCK)
def test_tensors_that_are_to_be_preserved_are(case: Signs) -> None:
    graph = case.graph()
    x = image(case, graph)
    inner = tuple(i for op in graph.ops for i in op.outputs)
    expected = run(replace(graph, outputs=inner), [x])
    interpreter = delegate_run(graph, x, preserve=True)
    for index, y in zip(inner, expected, strict=True):
        np.testing.assert_array_equal(interpreter.get_tensor(index), y)


def labels(case: Signs) -> list[str]:
    """Of the ops that ran, ours and the interpreter's stretches."""
    graph = case.graph()
    interpreter = delegate_run(graph, image(case, graph))
    return [entry.label for entry in interpreter.profile(repeats=2).ops if entry.members]


def test_a_batch_normalization_becomes_thresholds() -> None:
    assert labels(Signs(70, (("norm", 0, 0), ("conv", 0, 0)), 0, 0)) == [
        "LceQuantize + DEPTHWISE_CONV_2D",
        "LceBconv2d",
    ]


def test_a_concatenation_is_read_where_its_parts_lie() -> None:
    fronts = [f"LceQuantize + DEPTHWISE_CONV_2D x{count} + CONCATENATION" for count in (4, 5, 2)]
    assert labels(BLOCK) == [label for front in fronts for label in (front, "LceBconv2d")]
