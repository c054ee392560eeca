"""Ops in C where nothing is ordinary: no elements, infinities, computed arguments, ends of the integers, constants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgebnn.converters.c_package.generate import generate
from edgebnn.errors import UnsupportedOpError
from edgebnn.graph.execute import run
from edgebnn.graph.ops.activation import SoftmaxOptions
from edgebnn.graph.ops.conv import Conv2DOptions
from edgebnn.graph.ops.elementwise import AddOptions, DivOptions, MulOptions
from edgebnn.graph.ops.enums import Activation
from edgebnn.graph.ops.pool import Pool2DOptions
from edgebnn.graph.ops.reduce import ReducerOptions
from edgebnn.graph.ops.shape_ops import ConcatenationOptions, GatherOptions
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import Array, DType, Graph, Options, Tensor
from edgebnn.kernels.cores import PORTABLE
from tests.support.c_ops import drawn
from tests.support.c_packages import CompiledPackage, compile_packages
from tests.support.examples import examples
from tests.support.graphs import chain, constant, one_op, per_tensor, tensor
from tests.support.op_cases.base import Case
from tests.support.op_cases.tables import COMMON

FLAGS = ("-O1", "-fsanitize=undefined", "-fno-sanitize-recover=all")
INT32 = np.iinfo(np.int32)
SPECIAL = np.asarray([1, np.nan, -np.inf, np.inf, -0.0, 2, -3, 1e-40, 3e38], np.float32)


def op(kind: str, options: Options, inputs: Sequence[Tensor], dtype: DType = DType.FLOAT32) -> Graph:
    return one_op(kind, options, list(inputs), [tensor("y", (), dtype)])


def floats(name: str, *shape: int) -> Tensor:
    return tensor(name, shape)


def axes(*numbers: int) -> Tensor:
    return constant("axes", np.asarray(numbers, np.int32))


def of(values: Array, *shape: int) -> Array:
    return np.resize(values, shape)


POOL = Pool2DOptions(filter_width=2, filter_height=2, stride_w=1, stride_h=1)
INDICES = np.asarray([[2, 0], [1, 1]])
EDGES: dict[str, tuple[Graph, tuple[Array, ...]]] = {
    "gather_int32": (
        op("GATHER", GatherOptions(axis=1), [floats("x", 2, 3, 5), tensor("i", (2, 2), DType.INT32)]),
        (np.arange(30, dtype=np.float32).reshape(2, 3, 5), INDICES.astype(np.int32)),
    ),
    "gather_int64": (
        op(
            "GATHER", GatherOptions(), [constant("x", np.arange(9, dtype=np.float32)), tensor("i", (2, 2), DType.INT64)]
        ),
        (INDICES.astype(np.int64),),
    ),
    "pad_by_a_computed_value": (
        op(
            "PADV2",
            NoOptions(),
            [floats("x", 2, 2), constant("p", np.asarray([[1, 0], [0, 2]], np.int32)), floats("v")],
        ),
        (of(SPECIAL, 2, 2), np.float32(7).reshape(())),
    ),
    "join_a_constant": (
        op("CONCATENATION", ConcatenationOptions(axis=1), [floats("x", 2, 2), constant("c", of(SPECIAL, 2, 3))]),
        (of(SPECIAL, 2, 2),),
    ),
    "add_a_constant": (
        op("ADD", AddOptions(Activation.RELU6), [constant("c", of(SPECIAL, 3, 1)), floats("x", 1, 9)]),
        (of(SPECIAL, 1, 9),),
    ),
    "maximum": (op("MAXIMUM", NoOptions(), [floats("x", 9, 1), floats("z", 1, 9)]), (SPECIAL[:, None], SPECIAL[None])),
    "less": (
        op("LESS", NoOptions(), [floats("x", 9, 1), floats("z", 1, 9)], DType.BOOL),
        (SPECIAL[:, None], SPECIAL[None]),
    ),
    "not_equal": (
        op("NOT_EQUAL", NoOptions(), [floats("x", 9, 1), floats("z", 1, 9)], DType.BOOL),
        (SPECIAL[:, None], SPECIAL[None]),
    ),
    "max_pool": (op("MAX_POOL_2D", POOL, [floats("x", 1, 3, 3, 1)]), (SPECIAL.reshape(1, 3, 3, 1),)),
    "softmax": (op("SOFTMAX", SoftmaxOptions(1.0), [floats("x", 3, 3)]), (SPECIAL.reshape(3, 3),)),
    "largest": (op("REDUCE_MAX", ReducerOptions(), [floats("x", 9, 3), axes(1)]), (of(SPECIAL, 9, 3),)),
    "largest_of_nothing": (op("REDUCE_MAX", ReducerOptions(), [floats("x", 2, 0), axes(1)]), (of(SPECIAL, 2, 0),)),
    "sum_of_nothing": (op("SUM", ReducerOptions(), [floats("x", 2, 0), axes(1)]), (of(SPECIAL, 2, 0),)),
    "sum_of_low_infinity": (op("REDUCE_MAX", ReducerOptions(), [floats("x", 2), axes(0)]), (of(SPECIAL[2:3], 2),)),
    "divide_the_lowest": (
        op("DIV", DivOptions(), [tensor("x", (3,), DType.INT32), tensor("z", (3,), DType.INT32)], DType.INT32),
        (np.asarray([INT32.min, INT32.min, 7], np.int32), np.asarray([-1, 2, -2], np.int32)),
    ),
    "floor_divide": (
        op("FLOOR_DIV", NoOptions(), [tensor("x", (4,), DType.INT32), tensor("z", (4,), DType.INT32)], DType.INT32),
        (np.asarray([INT32.min, 7, -7, INT32.max], np.int32), np.asarray([-1, -2, 2, INT32.min], np.int32)),
    ),
    "floor_divide_floats": (
        op("FLOOR_DIV", NoOptions(), [floats("x", 9, 1), floats("z", 1, 8)]),
        (SPECIAL[:, None], np.asarray([[2, -3, 0.1, 1e-40, 3e38, np.inf, -np.inf, np.nan]], np.float32)),
    ),
    "long_sum": (
        op("MEAN", ReducerOptions(), [floats("x", 60, 70, 2), axes(0, 1)]),
        (np.random.default_rng(0).uniform(0, 1, (60, 70, 2)).astype(np.float32),),
    ),
}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, CompiledPackage]:
    packages = [generate(graph, PORTABLE, name) for name, (graph, _) in EDGES.items()]
    return dict(zip(EDGES, compile_packages(packages, tmp_path_factory.mktemp("edges"), FLAGS), strict=True))


@pytest.mark.parametrize("name", EDGES)
def test_edges_are_those_of_the_reference(name: str, compiled: dict[str, CompiledPackage]) -> None:
    graph, inputs = EDGES[name]
    for found, expected in zip(compiled[name].invoke(*inputs), run(graph, inputs), strict=True):
        np.testing.assert_allclose(found, expected, rtol=3e-7)
    assert compiled[name].selftest() == 0


def test_what_the_reference_refuses_stays_within_memory(compiled: dict[str, CompiledPackage]) -> None:
    """Indices that are no entries take the nearest; integers divided by 0 are 0."""
    (found,) = compiled["gather_int64"].invoke(np.asarray([[-1, 9], [2**40, -(2**40)]]))
    np.testing.assert_array_equal(found, [[0, 8], [8, 0]])
    (quotient,) = compiled["divide_the_lowest"].invoke(np.asarray([1, 2, 3], np.int32), np.zeros(3, np.int32))
    np.testing.assert_array_equal(quotient, [0, 0, 0])


def test_a_float_network_works_in_place(tmp_path: Path) -> None:
    """Elementwise ops one over the other, and a convolution that trails behind its input."""
    rng = np.random.default_rng(1)
    weights = constant("w", rng.normal(size=(4, 3, 3, 4)).astype(np.float32))
    x, a, b, c, y = (floats(name, 1, 8, 8, 4) for name in "xabcy")
    conv = Conv2DOptions(stride_w=1, stride_h=1)
    graph = chain(
        [
            ("TANH", NoOptions(), [x], [a], 1),
            ("CONV_2D", conv, [a, weights, None], [b], 1),
            ("LOGISTIC", NoOptions(), [b], [c], 1),
            ("MUL", MulOptions(), [c, b], [y], 1),
        ]
    )
    package = generate(graph, PORTABLE, "net")
    assert package.arena_bytes < 2.5 * x.bytes
    (compiled,) = compile_packages([package], tmp_path)
    image = rng.normal(size=x.shape).astype(np.float32)
    np.testing.assert_allclose(compiled.invoke(image)[0], run(graph, (image,))[0], rtol=1e-5, atol=1e-6)
    assert compiled.selftest() == 0


def test_what_has_no_kernel_is_refused_by_name() -> None:
    alternating = [2, 1] * 5, [1, 2] * 5
    many = op("ADD", AddOptions(), [floats("x", *alternating[0]), floats("z", *alternating[1])])
    with pytest.raises(
        UnsupportedOpError, match=r"layer 'y': ADD over 10 unlike axes .* supported: 8; repeat one operand"
    ):
        generate(many, PORTABLE, "net")
    weights = constant("w", np.ones((1, 1, 1, 1), np.float32))
    biased = op("CONV_2D", Conv2DOptions(stride_w=1, stride_h=1), [floats("x", 1, 2, 2, 1), weights, floats("b", 1)])
    with pytest.raises(
        UnsupportedOpError, match=r"layer 'y': CONV_2D with computed bias 'b' .* add a computed one by ADD"
    ):
        generate(biased, PORTABLE, "net")
    scaled = [tensor(name, (2,), DType.INT16, per_tensor(0.5, 0)) for name in "xz"]
    with pytest.raises(UnsupportedOpError, match="layer 'y': ADD with quantized int16 operands is not supported"):
        generate(op("ADD", AddOptions(), scaled, DType.INT16), PORTABLE, "net")


def between_negations(case: Case) -> Graph:
    """The case's op on what another op computes, its first output read by a third: so it may lie over its input."""
    graph = case.graph
    (op,) = graph.ops
    data = next(position for position, i in enumerate(op.inputs) if graph.tensors[i].data is None)
    x, y = graph.tensors[op.inputs[data]], graph.tensors[op.outputs[0]]
    given, made = replace(x, name="given"), replace(y, name="made")
    inputs = [graph.tensors[i] for i in op.inputs]
    return chain(
        [
            ("NEG", NoOptions(), [given], [x], 1),
            (op.kind, op.options, inputs, [graph.tensors[i] for i in op.outputs], op.version),
            ("NEG", NoOptions(), [y], [made], 1),
        ]
    )


ONE_TO_ONE = (
    "TRANSPOSE",
    "SLICE",
    "STRIDED_SLICE",
    "TILE",
    "PAD",
    "MIRROR_PAD",
    "SPACE_TO_DEPTH",
    "DEPTH_TO_SPACE",
    "GATHER",
)


def test_movements_trail_over_their_inputs(tmp_path: Path) -> None:
    found = [(kind, case) for kind in ONE_TO_ONE for case in drawn(COMMON[kind](DType.FLOAT32), examples(6))]
    graphs = [between_negations(case) for _, case in found]
    packages = [generate(graph, PORTABLE, f"net{i}") for i, graph in enumerate(graphs)]
    for (kind, case), graph, compiled in zip(found, graphs, compile_packages(packages, tmp_path, FLAGS), strict=True):
        for result, expected in zip(compiled.invoke(*case.inputs), run(graph, case.inputs), strict=True):
            np.testing.assert_array_equal(result, expected, err_msg=kind)


def test_padding_takes_little_more_memory_than_its_output() -> None:
    image = replace(floats("x", 1, 32, 32, 8), name="image")
    pads = constant("p", np.asarray([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32))
    x, y = floats("x", 1, 32, 32, 8), floats("y", 1, 34, 34, 8)
    steps = [("NEG", NoOptions(), [image], [x], 1), ("PAD", NoOptions(), [x, pads], [y], 1)]
    package = generate(chain([*steps, ("NEG", NoOptions(), [y], [floats("z", 1, 34, 34, 8)], 1)]), PORTABLE, "net")
    assert y.bytes == 36992
    assert package.arena_bytes <= 36992 + 2 * 34 * 8 * 4


def test_a_change_of_scale_is_refused_even_where_no_input_can_be_tried() -> None:
    """What divides by all that a self-test tries is exported without one; the rest is checked all the same."""
    x, z = tensor("x", (3,), DType.INT32), constant("z", np.asarray([1, 0, 2], np.int32))
    divides = ("DIV", DivOptions(), [x, z], [tensor("y", (), DType.INT32)], 1)
    package = generate(chain([divides]), PORTABLE, "net")
    assert "No input is stored" in package.files["net.h"]
    a, b = tensor("a", (2, 2), DType.INT8, per_tensor(0.5, 0)), tensor("b", (), DType.INT8, per_tensor(0.25, 0))
    moves = ("TRANSPOSE", NoOptions(), [a, axes(1, 0)], [b], 1)
    with pytest.raises(UnsupportedOpError, match="layer 'b': TRANSPOSE with a change of quantization"):
        generate(chain([divides, moves]), PORTABLE, "net")
