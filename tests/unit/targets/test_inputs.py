"""Arrays in files: what is read, what is refused in one line, and what is written."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgebnn.converters.write_tflite import to_bytes
from edgebnn.errors import InputError, UnsupportedOpError
from edgebnn.graph.ops.elementwise import AddOptions
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import DType, Graph
from edgebnn.targets.inputs import read_arrays, read_named_arrays, run_reference, samples, write_arrays
from edgebnn.targets.model_file import open_model
from tests.support.graphs import chain, constant, one_op, per_tensor, tensor

X = np.arange(12, dtype=np.float32).reshape(3, 4)


def two_inputs() -> Graph:
    return chain([("ADD", AddOptions(), [tensor("a", (1, 4)), tensor("b", (1, 4))], [tensor("y", ())], 1)])


def with_outputs(*names: str) -> Graph:
    x = tensor("x", (1, 4))
    made = chain([("ABS", NoOptions(), [x], [tensor(f"{i}", ())], 1) for i in range(len(names))])
    tensors = tuple(
        replace(t, name=names[made.outputs.index(i)]) if i in made.outputs else t for i, t in enumerate(made.tensors)
    )
    return replace(made, tensors=tensors)


def header(shape: str) -> bytes:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00v\x00" + text.encode() + b"1234"


def cut(path: Path) -> None:
    np.savez_compressed(path, a=X)
    path.write_bytes(path.read_bytes()[:-40])


def damaged(path: Path) -> None:
    """Compressed data that does not decompress, in an archive that is whole."""
    np.savez_compressed(path, a=np.random.default_rng(0).normal(size=500))
    content = bytearray(path.read_bytes())
    content[60:90] = bytes(30)
    path.write_bytes(content)


def of_text(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "text")


BAD: dict[str, Callable[[Path], object]] = {
    "nothing": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("1, 2, 3"),
    "a header alone": lambda path: path.write_bytes(header("(3, 4)")[:60]),
    "less than its shape": lambda path: path.write_bytes(header("(3, 4)")),
    "an impossible shape": lambda path: path.write_bytes(header("(1000000000, 1000000, 10000)")),
    "more than there is memory": lambda path: path.write_bytes(header("(1000000000, 100000)")),
    "a negative shape": lambda path: path.write_bytes(header("(-1, 4)")),
    "a cut archive": cut,
    "a damaged archive": damaged,
    "an archive of text": of_text,
    "an empty archive": lambda path: zipfile.ZipFile(path, "w").close(),
    "objects": lambda path: np.save(path.open("wb"), np.asarray([None]), allow_pickle=True),
    "objects in an archive": lambda path: np.savez(path.open("wb"), a=np.asarray([None])),
}


@pytest.mark.parametrize("what", BAD)
def test_files_that_hold_something_else_are_refused_in_one_line(what: str, tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    BAD[what](path)
    with pytest.raises(InputError) as refusal:
        read_named_arrays(path)
    assert str(refusal.value).startswith(f"{path}: ")
    assert "\n" not in str(refusal.value)


def test_inputs_are_found_by_name_and_the_missing_one_is_named(tmp_path: Path) -> None:
    model, path = open_model(two_inputs()), tmp_path / "x.npz"
    np.savez(path, b=2 * X, more=X, a=X)
    first, second = read_arrays(path, model)
    np.testing.assert_array_equal([first, second], [X, 2 * X])
    np.savez(path, a=X)
    with pytest.raises(InputError, match=r"has no array 'b'.*: a, b"):
        read_arrays(path, model)


@pytest.mark.parametrize("names", [("file", "args"), ("", "", "a"), ("a/b", "../c"), ("x.npy", "x")])
def test_outputs_of_any_names_are_written_and_read_again(names: tuple[str, ...], tmp_path: Path) -> None:
    model, path = open_model(with_outputs(*names)), tmp_path / "y.npz"
    outputs = run_reference(model, (-X,))
    write_arrays(path, model, outputs)
    read = read_named_arrays(path)
    assert len(read) == len(names)
    assert {name for name in names if name and names.count(name) == 1} <= set(read)
    for array in read.values():
        np.testing.assert_array_equal(array, X)


def test_outputs_of_one_name_are_all_kept(tmp_path: Path) -> None:
    model = open_model(with_outputs("y", "y"))
    write_arrays(tmp_path / "y.npz", model, (X, 2 * X))
    kept = list(read_named_arrays(tmp_path / "y.npz").values())
    np.testing.assert_array_equal(kept, [X, 2 * X])


def test_a_model_takes_its_own_batch_at_a_time() -> None:
    model = open_model(two_inputs())
    taken = list(samples(model, (X, X), 2))
    assert [[array.shape for array in sample] for sample in taken] == [[(1, 4), (1, 4)]] * 2
    with pytest.raises(InputError, match="2 inputs expected, 1 given"):
        next(samples(model, (X,), 2))
    with pytest.raises(InputError, match="got no samples"):
        next(samples(model, (X[:0], X[:0]), 2))


def test_what_the_reference_refuses_names_the_file(tmp_path: Path) -> None:
    several, other = tmp_path / "several.tflite", tmp_path / "other.tflite"
    x = tensor("x", (4, 3))
    several.write_bytes(
        to_bytes(one_op("TRANSPOSE", NoOptions(), [x, constant("p", np.array([1, 0], np.int32))], [tensor("y", ())]))
    )
    with pytest.raises(InputError, match=r"several\.tflite: takes 4 samples"):
        run_reference(open_model(several), [np.ones((5, 3), np.float32)])
    int16 = tensor("y", (), DType.INT16, per_tensor(0.1, 0))
    other.write_bytes(to_bytes(one_op("QUANTIZE", NoOptions(), [x], [int16])))
    with pytest.raises(UnsupportedOpError, match=r"other\.tflite: layer 'y': QUANTIZE from float32 to int16"):
        run_reference(open_model(other), [np.ones((4, 3), np.float32)])
