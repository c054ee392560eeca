"""int8 ADD behind a W1A8 convolution becomes a part of it: against the reference executor, bit for bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgebnn.graph.execute import run
from edgebnn.graph.ops.elementwise import AddOptions
from edgebnn.graph.ops.enums import Activation
from edgebnn.graph.types import Graph, Op, Quantization, Tensor
from tests.differential.test_residuals import delegate_run
from tests.differential.test_w1a8_graphs import noise
from tests.support import ckernels, w1a8_kernels
from tests.support.examples import examples
from tests.support.w1a8_graphs import ConvLayer, chain, conv_pair

KERNELS = [None, *(line.name.decode() for line in w1a8_kernels.kernel_lines())]


def trunk(channels: int, size: tuple[int, int], activation: Activation, swapped: bool, seed: int) -> Graph:
    """Three convolutions, the output of the first added to that of the second."""
    layers = [conv_pair(ConvLayer(size, inputs=channels, outputs=channels), seed + i)[1] for i in range(3)]
    graph = chain(layers)
    first, second, third = graph.ops
    rng = np.random.default_rng(seed)
    output = graph.tensors[second.outputs[0]]
    assert output.quantization is not None
    scale = float(np.float32(output.quantization.scale[0] * rng.uniform(0.7, 2)))
    added = replace(output, name="added", quantization=Quantization((scale,), (int(rng.integers(-128, 128)),)))
    place = len(graph.tensors)
    terms = (first.outputs[0], second.outputs[0])
    add = Op("ADD", terms[::-1] if swapped else terms, (place,), AddOptions(activation))
    last = replace(third, inputs=(place, *third.inputs[1:]))
    tensors: tuple[Tensor, ...] = (*graph.tensors, added)
    return replace(graph, tensors=tensors, ops=(first, second, add, last))


@settings(max_examples=examples(60))
@given(
    channels=st.sampled_from([1, 5, 16, 17, 24, 32, 40, 64, 70]),
    size=st.tuples(st.integers(1, 9), st.integers(1, 35)),
    activation=st.sampled_from([Activation.NONE, Activation.RELU]),
    swapped=st.booleans(),
    threads=st.integers(1, 2),
    seed=st.integers(0, 2**16),
)
@example(16, (32, 32), Activation.RELU, False, 1, 0)
def test_outputs_equal_the_reference(
    channels: int, size: tuple[int, int], activation: Activation, swapped: bool, threads: int, seed: int
) -> None:
    graph = trunk(channels, size, activation, swapped, seed)
    x = noise(graph, seed)
    interpreter = delegate_run(graph, x, threads)
    np.testing.assert_array_equal(interpreter.get_tensor(graph.outputs[0]), run(graph, [x])[0])


def test_the_addition_is_a_part_of_the_convolution() -> None:
    graph = trunk(16, (8, 8), Activation.RELU, False, 0)
    entries = delegate_run(graph, noise(graph)).profile(repeats=2).ops
    assert [entry.label for entry in entries if entry.members] == [
        "EdgebnnConv2dW1A8",
        "EdgebnnConv2dW1A8 + ADD",
        "EdgebnnConv2dW1A8",
    ]


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_kernel_adds(kernel: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [None, *(line.name.decode() for line in w1a8_kernels.kernel_lines() if ckernels.runnable(line))]
    if kernel not in runs:
        pytest.skip(f"this processor lacks features of {kernel}")
    monkeypatch.setenv("EDGEBNN_KERNELS", kernel or "")
    graph = trunk(40, (7, 9), Activation.NONE, True, 3)
    x = noise(graph, 3)
    np.testing.assert_array_equal(delegate_run(graph, x).get_tensor(graph.outputs[0]), run(graph, [x])[0])
