"""Whole models converted from Larq: the reference executor against LiteRT (stock files) and LCE (binary files)."""

from __future__ import annotations

import numpy as np
import pytest

from edgebnn.converters.read_tflite import read
from edgebnn.graph.execute import run, trace
from edgebnn.graph.shapes import resize
from edgebnn.graph.types import DType
from tests.support.oracles import lce_run, litert
from tests.support.topologies import TOPOLOGIES, images, lce_bytes, tflite_bytes

SAMPLES = 4


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_binary_models_agree_with_lce(name: str) -> None:
    graph, x = read(lce_bytes(name)), images(SAMPLES)
    (ours,) = run(resize(graph, [x.shape]), [x])
    (theirs,) = lce_run(graph, [x], reference=name == "grouped")
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * float(np.ptp(theirs)))


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_stock_int8_models_are_those_of_litert_bit_for_bit(name: str) -> None:
    """Every int8 tensor of a file whose signs stayed ordinary ops (some of them in float)."""
    content = tflite_bytes(name, int8=True)
    graph = read(content)
    for x in images(SAMPLES):
        interpreter = litert(content, [x[None]], preserve_all=True)
        for index, ours in trace(graph, [x[None]]).items():
            if graph.tensors[index].dtype == DType.INT8:
                np.testing.assert_array_equal(ours, interpreter.get_tensor(index), err_msg=graph.tensors[index].name)
