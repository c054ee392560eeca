"""edgebnn.Interpreter is LiteRT's interpreter, with LCE's ops."""

from __future__ import annotations

import ctypes
import gc
import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter as LiteRTInterpreter
from ai_edge_litert.interpreter import OpResolverType, load_delegate

import edgebnn
from edgebnn.converters.write_tflite import to_bytes
from edgebnn.errors import ModelFormatError
from edgebnn.graph.ops.binary import LceDequantizeOptions, LceQuantizeOptions
from edgebnn.graph.ops.shape_ops import ReshapeOptions
from edgebnn.graph.types import DType
from edgebnn.runtime import delegate_path
from tests.support import heap
from tests.support.graphs import chain, constant, tensor
from tests.support.invoke import invoke
from tests.support.topologies import images, lce_bytes, tflite_bytes


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("models") / "plain.tflite"
    file.write_bytes(lce_bytes("plain"))
    return file


def test_it_is_a_litert_interpreter_and_takes_all_its_arguments(path: Path) -> None:
    expected = invoke(edgebnn.Interpreter(path), images(2))
    assert issubclass(edgebnn.Interpreter, LiteRTInterpreter)
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(LiteRTInterpreter.__init__).parameters.items()
        if name not in ("self", "model_path", "model_content")
    }
    assert "experimental_op_resolver_type" in defaults
    np.testing.assert_array_equal(invoke(edgebnn.Interpreter(model_path=str(path), **defaults), images(2)), expected)
    np.testing.assert_array_equal(invoke(edgebnn.Interpreter(str(path), None, None, 2), images(2)), expected)
    np.testing.assert_array_equal(invoke(edgebnn.Interpreter(model_content=path.read_bytes()), images(2)), expected)
    with pytest.raises(TypeError):
        edgebnn.Interpreter(path, experimental_nonsense=True)
    with pytest.raises(ValueError, match="one of model_path and model_content"):
        edgebnn.Interpreter(path, path.read_bytes())
    with pytest.raises(ValueError, match="one of model_path and model_content"):
        edgebnn.Interpreter()


def test_stock_models_run_unchanged() -> None:
    content, x = tflite_bytes("plain", int8=True), images(3)
    np.testing.assert_array_equal(
        invoke(edgebnn.Interpreter(model_content=content), x), invoke(LiteRTInterpreter(model_content=content), x)
    )


def test_signature_runners_work(path: Path) -> None:
    runner = edgebnn.Interpreter(path).get_signature_runner("serving_default")
    (name,) = runner.get_input_details()
    outputs = runner(**{name: images(2)})
    np.testing.assert_allclose(next(iter(outputs.values())), edgebnn.load(path)(images(2)), rtol=1e-5, atol=1e-5)


def test_the_library_serves_litert_without_edgebnns_interpreter(path: Path) -> None:
    delegate = load_delegate(str(delegate_path()), {"num_threads": 2, "profile": 1})
    interpreter = LiteRTInterpreter(str(path), experimental_delegates=[delegate])
    np.testing.assert_array_equal(invoke(interpreter, images(2)), invoke(edgebnn.Interpreter(path), images(2)))


def test_wrong_options_of_the_library_are_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"option colour=red is none of num_threads=.*, kernels=NAME"):
        load_delegate(str(delegate_path()), {"colour": "red"})


def test_two_interpreters_may_share_a_delegate(path: Path) -> None:
    delegate = load_delegate(str(delegate_path()))
    first, second = (LiteRTInterpreter(str(path), experimental_delegates=[delegate]) for _ in range(2))
    expected = invoke(edgebnn.Interpreter(path), images(3))
    for _ in range(3):
        np.testing.assert_array_equal(invoke(first, images(3)), expected)
        np.testing.assert_array_equal(invoke(second, images(3)), expected)


@pytest.mark.parametrize("resolver", [OpResolverType.AUTO, OpResolverType.BUILTIN_REF])
def test_preparing_again_and_again_leaks_nothing(path: Path, resolver: OpResolverType) -> None:
    interpreter = edgebnn.Interpreter(path, num_threads=2, experimental_op_resolver_type=resolver)
    x = images(4)

    def prepare_again_and_again(times: int) -> int:
        for _ in range(times):
            invoke(interpreter, x)
            invoke(interpreter, x[:1])
        gc.collect()
        return heap.bytes_in_use()

    prepare_again_and_again(20)  # what is allocated once: caches, arenas of their full size
    before = prepare_again_and_again(20)
    grown = prepare_again_and_again(150) - before
    assert grown < 150 * 2 * 16, f"{grown} bytes more after 300 preparations: each leaves some"


def test_a_refusal_is_not_said_of_a_later_failure() -> None:
    """Signs flattened to a shape in the file: those of 64 channels the delegate refuses, those of two images LiteRT."""
    signs, back = tensor("signs", (), DType.INT32), tensor("back", (1, 4, 4, 32))
    graph = chain([
        ("LceQuantize", LceQuantizeOptions(), [tensor("x", (1, 4, 4, 32))], [signs], 1),
        ("LceDequantize", LceDequantizeOptions(), [signs], [back], 1),
        ("RESHAPE", ReshapeOptions(), [back, constant("shape", np.array([1, 512], np.int32))], [tensor("y", ())], 1),
    ])  # fmt: skip
    interpreter = edgebnn.Interpreter(model_content=to_bytes(graph))

    def resize(*shape: int) -> None:
        interpreter.resize_tensor_input(0, shape)
        interpreter.allocate_tensors()

    with pytest.raises(ModelFormatError, match="LceDequantize 'back'"):
        resize(1, 4, 4, 64)
    with pytest.raises(ModelFormatError, match=r"LiteRT refuses the model: .*(RESHAPE|XNNPack)") as raised:
        resize(2, 4, 4, 32)
    assert "LceDequantize" not in str(raised.value)
    with pytest.raises(ModelFormatError, match="LceDequantize 'back'"):
        resize(3, 4, 4, 64)
    resize(1, 4, 4, 32)
    assert interpreter._plugin.refusal == ""


def test_bytes_in_use_show_a_leak_that_the_peak_hides() -> None:
    before = heap.bytes_in_use()
    ctypes.CDLL(None).malloc(100_000)
    assert heap.bytes_in_use() - before >= 100_000


def test_a_fork_may_go_on_with_an_interpreter_that_has_threads(path: Path) -> None:
    """The pool's threads do not exist in the child, which must not wait for them."""
    program = f"""
import os, numpy as np, edgebnn
from ai_edge_litert.interpreter import OpResolverType
from tests.support.topologies import images
it = edgebnn.Interpreter({str(path)!r}, num_threads=3,
                         experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
it.allocate_tensors()
it.set_tensor(it.get_input_details()[0]["index"], images(1))
it.invoke()
expected = it.get_tensor(it.get_output_details()[0]["index"])
child = os.fork()
if child == 0:
    it.invoke()
    same = np.array_equal(it.get_tensor(it.get_output_details()[0]["index"]), expected)
    del it
    os._exit(0 if same else 3)
assert os.waitpid(child, 0)[1] == 0
"""
    root = Path(__file__).parents[3]
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stderr[-1000:]
