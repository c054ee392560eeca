"""What is read and written again is the same graph, and gives the same bits in the interpreters."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import pytest

from edgebnn.converters.read_tflite import read
from edgebnn.converters.write_tflite import to_bytes
from edgebnn.errors import EdgebnnError
from edgebnn.graph import consistency, flatbuffer
from edgebnn.graph.types import Array, Graph
from edgebnn.runtime.source import open_model
from tests.support.data import data_file
from tests.support.graphs import differences
from tests.support.hostile import mutations
from tests.support.oracles import litert
from tests.support.topologies import TOPOLOGIES, images, lce_bytes, tflite_bytes

Result = TypeVar("Result")


def _random_inputs(graph: Graph) -> list[Array]:
    rng = np.random.default_rng(0)
    tensors = [graph.tensors[index] for index in graph.inputs]
    return [
        rng.integers(-128, 128, t.shape, np.int8) if t.dtype.value == "int8" else rng.random(t.shape, np.float32)
        for t in tensors
    ]


def _litert_outputs(content: bytes, inputs: list[Array]) -> list[Array]:
    interpreter = litert(content, inputs)
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


@pytest.mark.parametrize("int8", [False, True], ids=["float", "int8"])
@pytest.mark.parametrize("name", TOPOLOGIES)
def test_stock_models_give_the_same_bits_in_litert(name: str, int8: bool) -> None:
    content = tflite_bytes(name, int8)
    written = to_bytes(read(content))
    assert differences(read(content), read(written)) == []
    for original, again in zip(_litert_outputs(content, [images()]), _litert_outputs(written, [images()]), strict=True):
        assert np.array_equal(original, again)


@pytest.mark.parametrize("name", ["kws_ref_model", "pretrainedResnet", "pretrainedResnet_quant"])
def test_mlperf_tiny_models_give_the_same_bits_in_litert(name: str) -> None:
    path = data_file(f"mlperf_tiny/{name}.tflite")
    graph = read(path)
    written = to_bytes(graph)
    assert differences(graph, read(written)) == []
    inputs = _random_inputs(graph)
    for original, again in zip(
        _litert_outputs(path.read_bytes(), inputs), _litert_outputs(written, inputs), strict=True
    ):
        assert np.array_equal(original, again)


@pytest.mark.parametrize("int8", [False, True], ids=["float", "int8"])
@pytest.mark.parametrize("name", TOPOLOGIES)
def test_lce_models_give_the_same_bits_in_lce(name: str, int8: bool) -> None:
    pytest.importorskip("larq_compute_engine", reason="LCE's interpreter is the oracle")
    from larq_compute_engine.tflite.python.interpreter import Interpreter

    content = lce_bytes(name, int8)
    written = to_bytes(read(content))
    assert differences(read(content), read(written)) == []
    original, again = (Interpreter(data, use_indirect_bgemm=True).predict(images(3)) for data in (content, written))
    assert np.array_equal(original, again)


@pytest.mark.parametrize(
    ("convert", "name", "int8"),
    [(lce_bytes, "uneven", False), (lce_bytes, "packed_chain", True), (tflite_bytes, "residual_float", True)],
)
def test_random_damage_ends_in_a_model_or_in_one_clear_line(
    convert: Callable[[str, bool], bytes], name: str, int8: bool
) -> None:
    content = convert(name, int8)
    messages = []
    for broken in mutations(content, count=250, seed=len(content)):
        graph, in_ir = _outcome(read, broken)
        _, in_runtime = _outcome(open_model, broken)
        _, unsound = _outcome(_sound, broken)
        if unsound:
            assert in_ir.removeprefix("<bytes>") == in_runtime.removeprefix("model_content") == unsound
        if graph is not None:
            assert differences(graph, read(to_bytes(graph))) == []
        messages += [message for message in (in_ir, in_runtime) if message]
    assert len(messages) > 200
    assert all(message.isprintable() and len(message) < 3000 for message in messages)


def _sound(content: bytes) -> None:
    flatbuffer.check(content, "")
    consistency.check(content, "")


def _outcome(run: Callable[[bytes], Result], content: bytes) -> tuple[Result | None, str]:
    """What ``run`` gives, or what it says."""
    try:
        return run(content), ""
    except EdgebnnError as error:
        return None, str(error)
