"""Convolutions side by side that read channels of one tensor: one of groups, with the same values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from edgebnn.converters.grouped import with_grouped_convolutions
from edgebnn.converters.write_tflite import to_bytes
from edgebnn.graph.ops.conv import Conv2DOptions
from edgebnn.graph.ops.enums import Activation
from edgebnn.graph.ops.shape_ops import SplitOptions
from edgebnn.graph.ops.slicing import StridedSliceOptions
from edgebnn.graph.types import Array, Graph, Op
from edgebnn.runtime.interpreter import Interpreter
from tests.support.image_graphs import Building, normal

PLAIN = Conv2DOptions(stride_w=1, stride_h=1)
RECTIFIED = replace(PLAIN, fused_activation_function=Activation.RELU)


def split(built: Building, x: int, parts: int) -> tuple[int, ...]:
    channels = built.tensors[x].shape[-1] // parts
    axis, results = built.tensor(0, np.asarray(3, np.int32)), tuple(built.tensor(channels) for _ in range(parts))
    built.ops.append(Op("SPLIT", (axis, x), results, SplitOptions(parts)))
    return results


def slices(built: Building, x: int, parts: int) -> tuple[int, ...]:
    channels = built.tensors[x].shape[-1] // parts
    strides, found = built.tensor(0, np.ones(4, np.int32)), []
    for begin in range(0, parts * channels, channels):
        bounds = (built.tensor(0, np.asarray([0, 0, 0, v], np.int32)) for v in (begin, begin + channels))
        options = StridedSliceOptions(begin_mask=7, end_mask=7)
        found.append(built.op("STRIDED_SLICE", (x, *bounds, strides), options, built.tensor(channels)))
    return tuple(found)


def convolved(built: Building, x: int, outputs: int, options: Conv2DOptions = PLAIN, size: int = 3) -> int:
    rng, channels = np.random.default_rng(len(built.tensors)), built.tensors[x].shape[-1]
    weights = built.tensor(0, rng.normal(size=(outputs, size, size, channels)).astype(np.float32))
    bias = built.tensor(0, rng.normal(size=outputs).astype(np.float32))
    return built.op("CONV_2D", (x, weights, bias), options, built.tensor(outputs))


def grouped(graph: Graph) -> Graph:
    """Checks that LiteRT gives the same."""
    changed = with_grouped_convolutions(graph)
    inputs = [normal(seed=seed, channels=graph.tensors[i].shape[-1]) for seed, i in enumerate(graph.inputs)]
    for one, other in zip(outputs(graph, inputs), outputs(changed, inputs), strict=True):
        np.testing.assert_array_equal(other, one)
    return changed


def outputs(graph: Graph, inputs: Sequence[Array]) -> list[Array]:
    interpreter = Interpreter(model_content=to_bytes(graph), num_threads=1)
    interpreter.allocate_tensors()
    for detail, values in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(detail["index"], values)
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


@pytest.mark.parametrize("cut", [split, slices])
@pytest.mark.parametrize(("parts", "channels", "filters"), [(2, 8, 8), (4, 4, 8), (3, 5, 2)])
def test_convolutions_of_channels_apart_are_one(cut: object, parts: int, channels: int, filters: int) -> None:
    built = Building()
    pieces = cut(built, built.image(parts * channels), parts)  # type: ignore[operator]
    x = built.join(*(convolved(built, piece, filters, RECTIFIED) for piece in pieces))
    changed = grouped(built.graph(x))
    (op,) = changed.ops
    assert (op.kind, op.version) == ("CONV_2D", 6)
    assert changed.tensors[op.inputs[1]].shape == (parts * filters, 3, 3, channels)


def test_one_behind_the_other_are_grouped_each() -> None:
    built = Building()
    x = built.join(*(convolved(built, piece, 8) for piece in split(built, built.image(16), 4)))
    x = built.join(*(convolved(built, piece, 8) for piece in split(built, x, 8)))
    assert [op.kind for op in grouped(built.graph(x)).ops] == ["CONV_2D", "CONV_2D"]


def test_a_part_that_is_read_besides_is_cut_out_still() -> None:
    built = Building()
    pieces = split(built, built.image(8), 2)
    x = built.join(*(convolved(built, piece, 4) for piece in pieces))
    assert sorted(op.kind for op in grouped(built.graph(x, pieces[1])).ops) == ["CONV_2D", "SPLIT"]


@pytest.mark.parametrize("why", ["order", "twice", "needed", "activation", "filters", "size", "sources", "alone"])
def test_others_stay(why: str) -> None:
    built = Building()
    image = built.image(8)
    first, second = split(built, image, 2)
    if why == "order":
        first, second = second, first
    if why == "twice":
        second = first
    if why == "sources":
        second = split(built, built.image(8), 2)[1]
    options, size = (RECTIFIED if why == "activation" else PLAIN), (1 if why == "size" else 3)
    one = convolved(built, first, 4)
    other = second if why == "alone" else convolved(built, second, 6 if why == "filters" else 4, options, size)
    graph = built.graph(built.join(one, other), *([one] if why == "needed" else []))
    assert grouped(graph) is graph
