from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgebnn.converters.read_tflite import read
from edgebnn.converters.write_tflite import to_bytes
from edgebnn.errors import InputError, ModelFormatError
from edgebnn.graph.analysis import analyze
from edgebnn.graph.ops.enums import TensorType
from edgebnn.graph.ops.shape_ops import PackOptions, ReshapeOptions, ShapeOptions
from edgebnn.graph.ops.slicing import StridedSliceOptions
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.shapes import check, open_sizes, require_sizes, resize
from edgebnn.graph.tflite import parse
from edgebnn.graph.types import DType, Graph, Op, Tensor
from tests.support.graphs import Step, chain, constant, differences, one_op, tensor
from tests.support.topologies import SIDE, TOPOLOGIES, lce_bytes, tflite_bytes


@pytest.mark.parametrize("convert", [lce_bytes, tflite_bytes], ids=["lce", "stock"])
@pytest.mark.parametrize("name", TOPOLOGIES)
def test_every_tensor_follows_the_batch_and_back(name: str, convert: object) -> None:
    graph = read(convert(name))  # type: ignore[operator]
    three = resize(graph, [(3, SIDE, SIDE, 3)])
    assert check(three).tensors[graph.outputs[0]].shape == (3, 10)
    assert differences(resize(three, [(1, SIDE, SIDE, 3)]), graph) == []


def test_every_tensor_follows_the_image_size() -> None:
    graph = resize(read(lce_bytes("packed_chain")), [(1, 21, 17, 3)])
    assert graph.tensors[graph.ops[2].outputs[0]].shape == (1, 20, 16, 1)


def _flattening(shape_steps: bool) -> Graph:
    """[2, 3, 4] reshaped to [2, 12], by a constant or by a shape computed from the input's."""
    x, y = tensor("x", (2, 3, 4)), tensor("y", (2, 12))
    if not shape_steps:
        target = constant("target", np.array([2, 12], np.int32))
        return chain([("RESHAPE", ReshapeOptions(), (x, target), (y,), 1)])
    shape, batch, target = (tensor(name, (), DType.INT32) for name in ("shape", "batch", "target"))
    begin, end, step = (constant(n, np.array([v], np.int32)) for n, v in (("begin", 0), ("end", 1), ("step", 1)))
    features = constant("features", np.array(12, np.int32))
    steps: list[Step] = [
        ("SHAPE", ShapeOptions(TensorType.INT32), (x,), (shape,), 1),
        ("STRIDED_SLICE", StridedSliceOptions(shrink_axis_mask=1), (shape, begin, end, step), (batch,), 1),
        ("PACK", PackOptions(values_count=2, axis=0), (batch, features), (target,), 1),
    ]
    graph = chain(steps)
    index = {t.name: i for i, t in enumerate(graph.tensors)}
    reshape = Op("RESHAPE", (index["x"], index["target"]), (len(graph.tensors),), ReshapeOptions())
    tensors, ops = (*graph.tensors, y), (*graph.ops, reshape)
    return replace(graph, tensors=tensors, ops=ops, outputs=(len(graph.tensors),))


def test_shapes_that_the_graph_computes_are_folded() -> None:
    graph = check(_flattening(shape_steps=True))
    assert graph.tensors[graph.outputs[0]].shape == (2, 12)
    larger = resize(graph, [(5, 3, 4)])
    assert larger.tensors[graph.outputs[0]].shape == (5, 12)
    assert not any(larger.tensors[op.outputs[0]].is_constant for op in larger.ops)


def test_a_reshape_to_a_constant_shape_refuses_another_batch_by_name() -> None:
    with pytest.raises(InputError, match=r"layer 'y'.*RESHAPE"):
        resize(_flattening(shape_steps=False), [(5, 3, 4)])


def test_a_shape_that_does_not_follow_is_refused_by_name() -> None:
    graph = _flattening(shape_steps=False)
    wrong = replace(graph.tensors[graph.outputs[0]], shape=(3, 8))
    tensors = tuple(wrong if i in graph.outputs else t for i, t in enumerate(graph.tensors))
    with pytest.raises(ModelFormatError, match=r"layer 'y' \(RESHAPE\).*\[3, 8\].*\[2, 12\]"):
        check(replace(graph, tensors=tensors))


@pytest.mark.parametrize("shapes", [[], [(1, 13, 13)], [(0, 13, 13, 3)], [(1, -1, 13, 3)], [(1, 13, 13, 3)] * 2])
def test_impossible_input_shapes_are_refused(shapes: list[tuple[int, ...]]) -> None:
    with pytest.raises(InputError):
        resize(read(lce_bytes("plain")), shapes)


def test_another_number_of_channels_is_refused_naming_the_first_layer() -> None:
    with pytest.raises(InputError, match="layer 'plain/"):
        resize(read(lce_bytes("plain")), [(1, 13, 13, 4)])


DATA = Path(__file__).parents[2] / "data" / "runtime"


def test_a_size_that_the_file_leaves_open_is_no_fact() -> None:
    content = (DATA / "open_size.tflite").read_bytes()
    graph = read(content)  # its 1 x 1 is too small for its window
    assert [t.name for t in open_sizes(graph)] == [graph.tensors[graph.inputs[0]].name]
    with pytest.raises(InputError, match=r"is of an open size \(any, any, any, 3\); give an input"):
        analyze(graph, len(content))
    sized = parse(content, "model", [(1, 12, 9, 3)])
    assert sized.tensors[sized.outputs[0]].shape == (1, 8, 5, 4)
    assert analyze(sized, len(content)).totals.macs.float == 8 * 5 * 4 * 5 * 5 * 3
    again = read(to_bytes(sized))  # a file of its own, of this size
    assert not open_sizes(again)
    assert again.tensors[again.outputs[0]].shape == (1, 8, 5, 4)
    with pytest.raises(InputError, match=r"model: layer .* window of 5 for an input of 3"):
        parse(content, "model", [(1, 3, 3, 3)])


def test_an_open_number_of_samples_is_one() -> None:
    graph = one_op(
        "RELU", NoOptions(), [Tensor("x", (1, 4), DType.FLOAT32, shape_signature=(-1, 4))], [tensor("y", ())]
    )
    require_sizes(graph, "model")
