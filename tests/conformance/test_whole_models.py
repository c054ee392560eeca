"""Whole models converted from Larq: our runtime against the Larq Compute Engine's interpreter.

XNNPACK is off on both sides, whose kernels round differently from one release to the next.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import OpResolverType
from numpy.typing import NDArray

from edgebnn.compat.lce import Interpreter as CompatInterpreter
from edgebnn.converters.read_tflite import read
from edgebnn.graph.execute import run
from edgebnn.graph.shapes import resize
from edgebnn.runtime.interpreter import Interpreter
from edgebnn.runtime.model import load
from tests.support.invoke import invoke
from tests.support.topologies import TOPOLOGIES, images, lce_bytes

SAMPLES = 6
GROUPED = frozenset({"grouped"})
INT8 = ("plain", "residual_float", "residual_int8", "packed_chain", "uneven")


def lce_predict(name: str, content: bytes, x: NDArray[Any]) -> NDArray[Any]:
    from larq_compute_engine.tflite.python.interpreter import Interpreter as LceInterpreter

    return np.asarray(LceInterpreter(content, use_reference_bconv=name in GROUPED).predict(x))


def delegate_predict(content: bytes, x: NDArray[Any]) -> NDArray[Any]:
    interpreter = Interpreter(
        model_content=content,
        num_threads=2,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    return invoke(interpreter, x)


@pytest.mark.parametrize("name", sorted(TOPOLOGIES))
def test_float_models_agree_with_lce(name: str) -> None:
    content, x = lce_bytes(name), images(SAMPLES)
    expected = lce_predict(name, content, x)
    tolerance = 1e-5 * float(np.ptp(expected))
    np.testing.assert_allclose(delegate_predict(content, x), expected, rtol=0, atol=tolerance)
    np.testing.assert_allclose(load(content, exact=True)(x), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", INT8)
def test_int8_models_are_identical_to_lces(name: str) -> None:
    content, x = lce_bytes(name, int8=True), images(SAMPLES)
    scale = output_scale(content)
    ours, theirs = (np.rint(y / scale) for y in (delegate_predict(content, x), lce_predict(name, content, x)))
    np.testing.assert_array_equal(ours, theirs)


def output_scale(content: bytes) -> np.float32:
    """Of the int8 tensor that the last op dequantizes: LCE's TFLite and LiteRT round that product differently."""
    graph = read(content)
    (last,) = (op for op in graph.ops if op.outputs == graph.outputs)
    assert last.kind == "DEQUANTIZE"
    quantization = graph.tensors[last.inputs[0]].quantization
    assert quantization is not None
    return np.float32(quantization.scale[0])


def test_lces_interface_gives_what_lce_gives() -> None:
    content, x = lce_bytes("residual_int8"), images(SAMPLES)
    ours = CompatInterpreter(content).predict(x)
    np.testing.assert_allclose(ours, lce_predict("residual_int8", content, x), rtol=1e-6)


@pytest.mark.parametrize("name", ["plain", "packed_chain", "grouped", "same_zero", "uneven"])
def test_images_of_another_size_give_what_the_reference_executor_gives(name: str) -> None:
    """LCE's interpreter cannot resize its inputs. Shapes inside the delegate follow, as often as they change."""
    content, graph = lce_bytes(name), read(lce_bytes(name))
    interpreter = Interpreter(model_content=content, num_threads=2)
    for height, width in ((17, 11), (13, 13), (8, 20)):
        x = np.random.default_rng(height).uniform(-1, 1, (2, height, width, 3)).astype(np.float32)
        (expected,) = run(resize(graph, [x.shape]), [x])
        np.testing.assert_allclose(invoke(interpreter, x), expected, rtol=0, atol=1e-4 * float(np.ptp(expected)))
