"""Where the time goes: entries for every op, that add up to the whole."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

from edgebnn.converters.read_tflite import read
from edgebnn.runtime.interpreter import Interpreter
from edgebnn.runtime.model import load
from edgebnn.runtime.profile import INTERPRETER
from tests.support.topologies import TOPOLOGIES, images, lce_bytes, tflite_bytes


@pytest.mark.parametrize("name", sorted(TOPOLOGIES))
def test_entries_cover_every_op_once_and_add_up(name: str) -> None:
    content = lce_bytes(name)
    profile = load(content).profile(images(4), repeats=12)
    assert (profile.kind, profile.unit) == ("measured", "ms")
    assert sum(op.value for op in profile.ops) == pytest.approx(profile.total, rel=0.05)
    assert sum(op.share for op in profile.ops) == pytest.approx(1, rel=0.05)
    members = sorted(index for op in profile.ops for index in op.members)
    assert members == list(range(len(read(content).ops)))
    for entry in profile.ops:
        assert entry.value >= 0
        if entry.op.startswith("Lce"):
            assert len(entry.members) == 1 + bool(entry.fused)
        elif entry.op != INTERPRETER:
            assert "Lce" not in entry.op


def test_the_total_is_that_of_an_invoke_measured_around_it() -> None:
    model, x, ratios = load(lce_bytes("packed_chain")), images(32), []
    for _ in range(10):  # in turn, so that other processes disturb both alike
        total, times = model.profile(x, repeats=4).total, []
        for _ in range(4):
            begin = time.perf_counter()
            model.invoke([x])
            times.append((time.perf_counter() - begin) * 1000)
        ratios.append(total / np.median(times))
    # Feeding the input and fetching the output are in the second figure.
    assert 0.3 < np.median(ratios) < 2


def test_ops_are_named_as_in_the_graph() -> None:
    content = lce_bytes("residual_float")
    graph = read(content)
    for entry in load(content).profile(images(1), repeats=3).ops:
        if entry.op.startswith("Lce"):
            assert entry.op == graph.ops[entry.index].kind
            assert entry.label == " + ".join(graph.ops[index].kind for index in entry.members)
            assert entry.name == graph.op_name(entry.index)
            assert bool(entry.kernel) == (entry.op == "LceBconv2d")


def test_a_model_without_our_ops_is_one_stretch() -> None:
    profile = load(tflite_bytes("plain")).profile(images(1), repeats=3)
    assert [entry.members for entry in profile.ops] == [tuple(range(len(read(tflite_bytes("plain")).ops)))]


def test_profiling_leaves_the_interpreter_as_it_was() -> None:
    content, x = lce_bytes("plain"), images(1)
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    index = interpreter.get_output_details()[0]["index"]
    before = interpreter.get_tensor(index)
    interpreter.profile(repeats=2)
    np.testing.assert_array_equal(interpreter.get_tensor(index), before)


def test_json_has_the_promised_fields() -> None:
    fields = json.loads(json.dumps(load(lce_bytes("plain")).profile(images(1), repeats=2).as_dict()))
    assert fields.keys() >= {"kind", "unit", "total", "ops"}
    assert all(op.keys() >= {"index", "op", "name", "value", "share"} for op in fields["ops"])
