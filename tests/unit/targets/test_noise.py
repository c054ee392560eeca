"""Noise is of values that the model takes, or is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgebnn import target
from edgebnn.errors import InputError
from edgebnn.graph.ops.elementwise import AddOptions, MulOptions, SubOptions
from edgebnn.graph.ops.enums import TensorType
from edgebnn.graph.ops.quantize import CastOptions
from edgebnn.graph.ops.shape_ops import ConcatenationOptions, GatherOptions, ReshapeOptions
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import DType, Graph
from edgebnn.targets.model_file import open_model
from edgebnn.targets.noise import noise
from tests.support.graphs import Step, chain, constant, one_op, tensor

DATA = Path(__file__).parents[2] / "data" / "runtime"
TABLE = constant("table", np.arange(14, dtype=np.float32).reshape(7, 2))


def looked_up(*steps: Step, ids: str = "ids", axis: int = 0) -> Graph:
    table = TABLE if axis == 0 else constant("table", np.arange(14, dtype=np.float32).reshape(2, 7))
    found = next((t for step in steps for t in step[3] if t.name == ids), tensor(ids, (3, 5), DType.INT32))
    return chain([*steps, ("GATHER", GatherOptions(axis), [table, found], [tensor("y", ())], 1)])


X = tensor("x", (3, 5), DType.INT32)
MOVED = tensor("moved", (), DType.INT32)
ONE = constant("one", np.asarray(1, np.int32))
GRAPHS = {
    "as they are": looked_up(ids="x"),
    "along another axis": looked_up(ids="x", axis=1),
    "as int64": looked_up(
        ("CAST", CastOptions(TensorType.INT64, TensorType.INT32), [tensor("x", (3, 5), DType.INT64)], [MOVED], 1),
        ids="moved",
    ),
    "as floats": looked_up(
        ("CAST", CastOptions(TensorType.FLOAT32, TensorType.INT32), [tensor("x", (3, 5))], [MOVED], 1), ids="moved"
    ),
    "reshaped": looked_up(
        ("RESHAPE", ReshapeOptions(), [X, constant("shape", np.asarray([15], np.int32))], [MOVED], 1), ids="moved"
    ),
    "joined with others": looked_up(
        ("CONCATENATION", ConcatenationOptions(0), [X, tensor("z", (1, 5), DType.INT32)], [MOVED], 1), ids="moved"
    ),
    "counted from one": looked_up(("SUB", SubOptions(), [X, ONE], [MOVED], 1), ids="moved"),
    "shifted": looked_up(("ADD", AddOptions(), [ONE, X], [MOVED], 1), ids="moved"),
    "clipped": looked_up(
        ("MINIMUM", NoOptions(), [X, constant("most", np.asarray(6, np.int32))], [MOVED], 1), ids="moved"
    ),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_numbers_that_something_is_looked_up_by_are_in_the_table(name: str) -> None:
    model = open_model(GRAPHS[name])
    result = target("host").validate(model)
    assert result.passed
    assert result.samples == 10
    low, high = {"counted from one": (1, 7), "shifted": (-1, 5)}.get(name, (0, 6))
    drawn = np.concatenate([sample[0].ravel() for sample in noise(model, 20)])
    assert (drawn.min(), drawn.max()) == (low, high)


UNKNOWN = {
    "a product": looked_up(("MUL", MulOptions(), [X, X], [MOVED], 1), ids="moved"),
    "a divisor": chain(
        [
            (
                "FLOOR_DIV",
                NoOptions(),
                [constant("a", np.full((3, 5), 7, np.int32)), X],
                [tensor("y", (), DType.INT32)],
                1,
            )
        ]
    ),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_numbers_that_cannot_be_guessed_are_asked_for(name: str) -> None:
    model = open_model(UNKNOWN[name])
    with pytest.raises(InputError, match=r"input 'x' .* cannot be guessed; give some with --input"):
        next(noise(model, 1))
    given = np.full((3, 5), 1, np.int32)
    assert target("host").validate(model, given).passed


def test_an_input_too_large_for_noise_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgebnn.targets.noise._MOST_BYTES", 1000)
    model = open_model(one_op("ABS", NoOptions(), [tensor("x", (1, 251))], [tensor("y", ())]))
    with pytest.raises(InputError, match=r"input 'x' is too large for noise .*--input"):
        next(noise(model, 1))


def test_a_size_left_open_is_asked_for() -> None:
    model = open_model(DATA / "open_size.tflite")
    with pytest.raises(InputError, match=r"leaves the size of its input .* open .*--input"):
        next(noise(model, 1))
    host, images = target("host"), np.random.default_rng(0).uniform(-1, 1, (2, 9, 7, 3)).astype(np.float32)
    assert host.validate(model, images, layers=True).passed
    assert host.profile(model, images, repeats=4).ops
    assert host.validate(model, images[:, :6, :6], layers=True).passed
