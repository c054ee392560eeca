"""A loaded model as a function on arrays, and what it refuses."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import edgebnn
from edgebnn.converters.read_tflite import read
from edgebnn.converters.write_tflite import to_bytes
from edgebnn.errors import BuildError, InputError
from edgebnn.graph.ops import OPS
from edgebnn.graph.types import DType, Graph, Op, Quantization, Tensor
from edgebnn.runtime.interpreter import Interpreter
from edgebnn.runtime.model import Model, load
from tests.support.topologies import images, lce_bytes


@pytest.fixture(scope="module")
def model() -> Model:
    return load(lce_bytes("packed_chain"))


def identity(shape: tuple[int, ...], target: tuple[int, ...], dtype: DType, quantization: Quantization | None) -> Graph:
    """RESHAPE by a constant shape: a model whose batch size is fixed."""
    tensors = (
        Tensor("image", shape, dtype, quantization),
        Tensor("target", (len(target),), DType.INT32, data=np.array(target, np.int32)),
        Tensor("flat", target, dtype, quantization),
    )
    options = OPS["RESHAPE"].options()
    return Graph("flat", tensors, (Op("RESHAPE", (0, 1), (2,), options),), (0,), (2,))


@pytest.mark.parametrize("samples", [1, 2, 31, 32, 33, 70])
def test_any_batch_size_gives_what_single_samples_give(model: Model, samples: int) -> None:
    x = images(samples)
    y = model(x)
    assert isinstance(y, np.ndarray)
    assert y.shape == (samples, 10)
    for index in {0, samples // 2, samples - 1}:
        np.testing.assert_allclose(y[index : index + 1], model(x[index : index + 1]), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("samples", [1, 2, 5, 40])
@pytest.mark.parametrize("batch", [1, 3])
def test_a_fixed_batch_size_is_served_in_chunks(batch: int, samples: int) -> None:
    flat = load(to_bytes(identity((batch, 2, 2, 3), (batch, 12), DType.FLOAT32, None)))
    x = np.random.default_rng(0).random((samples, 2, 2, 3), dtype=np.float32)
    np.testing.assert_array_equal(flat(x), x.reshape(samples, 12))


def test_int8_models_take_and_give_real_values() -> None:
    quantization = Quantization((0.5,), (-3,))
    flat = load(to_bytes(identity((1, 1, 1, 4), (1, 4), DType.INT8, quantization)))
    x = np.array([[[[-1.0, 0.0, 0.3, 1000.0]]]])
    np.testing.assert_array_equal(flat(x), np.array([[-1.0, 0.0, 0.5, 65.0]], np.float32))
    pixels = np.array([[[[0, 1, 2, 255]]]], np.uint8)
    np.testing.assert_array_equal(flat(pixels), np.array([[0.0, 1.0, 2.0, 65.0]], np.float32))
    raw = np.array([[[[-128, -3, 0, 127]]]], np.int8)
    np.testing.assert_array_equal(flat(raw), np.array([[-62.5, 0.0, 1.5, 65.0]], np.float32))


def test_uint8_images_are_their_pixel_values(model: Model) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (3, 13, 13, 3)).astype(np.uint8)
    np.testing.assert_array_equal(model(pixels), model(pixels.astype(np.float32)))


def test_exact_runs_on_reference_kernels_and_agrees(model: Model) -> None:
    content = lce_bytes("packed_chain")
    x = images(4)
    np.testing.assert_allclose(load(content, exact=True)(x), model(x), rtol=1e-4, atol=1e-4)


def test_threads_and_calls_from_threads_change_nothing() -> None:
    model, x = load(lce_bytes("uneven"), num_threads=3), images(9)
    expected = np.asarray(load(lce_bytes("uneven"))(x))
    results: list[object] = []
    callers = [threading.Thread(target=lambda: results.extend(model(x) for _ in range(5))) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(results) == 20
    for result in results:
        np.testing.assert_allclose(np.asarray(result), expected, rtol=1e-5, atol=1e-5)


def test_several_inputs_and_outputs() -> None:
    graph = identity((1, 2, 2, 3), (1, 12), DType.FLOAT32, None)
    tensors = (
        *graph.tensors,
        Tensor("second", (1, 2, 2, 3), DType.FLOAT32),
        Tensor("sum", (1, 2, 2, 3), DType.FLOAT32),
    )
    add = Op("ADD", (0, 3), (4,), OPS["ADD"].options())
    both = replace(graph, tensors=tensors, ops=(*graph.ops, add), inputs=(0, 3), outputs=(2, 4))
    model = load(to_bytes(both))
    x, y = np.random.default_rng(0).random((2, 5, 2, 2, 3), dtype=np.float32)
    flat, total = model(x, y)
    np.testing.assert_array_equal(flat, x.reshape(5, 12))
    np.testing.assert_array_equal(total, x + y)
    with pytest.raises(InputError, match="2 inputs expected, 1 given"):
        model(x)
    with pytest.raises(InputError, match="different batch sizes"):
        model(x, y[:2])


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((13, 13, 3), np.float32), r"got shape \(13, 13, 3\) \(one sample needs a batch dimension"),
        (np.zeros((1, 13, 14, 3), np.float32), r"got shape \(1, 13, 14, 3\)"),
        (np.zeros((0, 13, 13, 3), np.float32), "got no samples"),
        (np.zeros((1, 13, 13, 3), np.int32), "got int32"),
        (np.zeros((1, 13, 13, 3), np.complex64), "got complex64"),
        (np.full((1, 13, 13, 3), np.nan, np.float32), "got NaN or infinite values"),
        (np.full((1, 13, 13, 3), np.inf, np.float32), "got NaN or infinite values"),
    ],
)
def test_unfit_arrays_are_refused_with_what_is_expected(model: Model, bad: np.ndarray, message: str) -> None:
    expected = r"model_content: input '.*image.*' expects an array of float32 or uint8 and shape \(batch, 13, 13, 3\), "
    with pytest.raises(InputError, match=expected + message):
        model(bad)


def test_a_file_is_named_in_what_it_refuses(tmp_path: Path) -> None:
    path = tmp_path / "chain.tflite"
    path.write_bytes(lce_bytes("packed_chain"))
    with pytest.raises(InputError, match=r"chain\.tflite: input"):
        edgebnn.load(path)(np.zeros(3, np.float32))


def test_a_kernel_can_be_forced_by_name(model: Model) -> None:
    x = images(2)
    np.testing.assert_allclose(load(lce_bytes("packed_chain"), kernels="portable")(x), model(x), rtol=1e-5, atol=1e-5)
    with pytest.raises(InputError, match="kernels='abacus'"):
        load(lce_bytes("packed_chain"), kernels="abacus")


def test_a_wrong_library_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EDGEBNN_DELEGATE", str(tmp_path / "none.so"))
    with pytest.raises(BuildError, match="EDGEBNN_DELEGATE names no file"):
        load(lce_bytes("packed_chain"))
    other = tmp_path / "other.so"
    other.write_text("no library")
    monkeypatch.setenv("EDGEBNN_DELEGATE", str(other))
    with pytest.raises(BuildError, match="not a loadable edgebnn delegate"):
        load(lce_bytes("packed_chain"))


def test_inner_tensors_can_be_seen() -> None:
    """experimental_preserve_all_tensors shows what lies between two ops of the delegate."""
    content = lce_bytes("packed_chain")
    interpreter = Interpreter(model_content=content, experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], images(1))
    interpreter.invoke()
    graph = read(content)
    pools = [op for op in graph.ops if op.kind == "LceBMaxPool2d"]
    assert pools
    for op in pools:
        before, after = interpreter.get_tensor(op.inputs[0]), interpreter.get_tensor(op.outputs[0])
        assert after.any()
        # A maximum has no more -1 than what it is taken of.
        assert np.unpackbits(after.view(np.uint8)).mean() <= np.unpackbits(before.view(np.uint8)).mean()
