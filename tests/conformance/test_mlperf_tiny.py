"""The MLPerf Tiny models: the reference executor computes every tensor that LiteRT's reference kernels compute."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgebnn.converters.read_tflite import read
from edgebnn.graph.execute import run, trace
from edgebnn.graph.shapes import resize
from edgebnn.graph.types import Array, DType, Graph
from tests.support.data import data_file
from tests.support.oracles import litert

INT8_MODELS = ("pretrainedResnet_quant.tflite", "kws_ref_model.tflite")
FLOAT_MODELS = ("pretrainedResnet.tflite",)


def model(name: str) -> Path:
    return data_file(f"mlperf_tiny/{name}")


def inputs(graph: Graph, samples: int, seed: int) -> Array:
    """Noise over the whole range, and images that vary slowly, in turn."""
    tensor = graph.tensors[graph.inputs[0]]
    rng = np.random.default_rng(seed)
    shape = (samples, *tensor.shape[1:])
    noise = rng.uniform(0, 255, shape)
    ramp = np.add.outer(np.arange(shape[1]), np.arange(shape[2])) * rng.uniform(1, 9, (samples, 1, 1))
    smooth = (ramp[..., None] + rng.uniform(0, 255, (samples, 1, 1, shape[3]))) % 256
    x = np.where(np.arange(samples)[:, None, None, None] % 2 == 0, noise, smooth)
    return (x - 128).astype(np.int8) if tensor.dtype == DType.INT8 else x.astype(np.float32)


@pytest.mark.parametrize("name", INT8_MODELS)
def test_every_int8_tensor_is_that_of_litert_bit_for_bit(name: str) -> None:
    path = model(name)
    graph = read(path)
    for sample in inputs(graph, 12, seed=1):
        x = sample[None]
        interpreter = litert(path.read_bytes(), [x], preserve_all=True)
        for index, ours in trace(graph, [x]).items():
            np.testing.assert_array_equal(ours, interpreter.get_tensor(index), err_msg=graph.tensors[index].name)


@pytest.mark.parametrize("name", FLOAT_MODELS)
def test_every_float_tensor_is_that_of_litert_up_to_rounding(name: str) -> None:
    path = model(name)
    graph = read(path)
    x = inputs(graph, 1, seed=2)
    interpreter = litert(path.read_bytes(), [x], preserve_all=True)
    for index, ours in trace(graph, [x]).items():
        theirs = interpreter.get_tensor(index)
        np.testing.assert_allclose(
            ours, theirs, rtol=0, atol=1e-5 * max(1.0, float(np.abs(theirs).max())), err_msg=graph.tensors[index].name
        )


@pytest.mark.parametrize("name", [*INT8_MODELS, *FLOAT_MODELS])
def test_a_batch_gives_the_results_of_its_samples(name: str) -> None:
    graph = read(model(name))
    x = inputs(graph, 5, seed=3)
    (together,) = run(resize(graph, [x.shape]), [x])
    alone = np.concatenate([run(graph, [sample[None]])[0] for sample in x])
    if graph.tensors[graph.outputs[0]].dtype == DType.INT8:
        np.testing.assert_array_equal(together, alone)
    else:
        np.testing.assert_allclose(together, alone, atol=1e-5)
