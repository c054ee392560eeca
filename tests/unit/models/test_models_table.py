"""The table of models: names, lazy loading, saving, and that nothing binary falls back to float in LCE."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from edgebnn._tensorflow import keras, lq, tf
from edgebnn.errors import InputError
from edgebnn.models import MODELS, build

SMALL = {"resnet8": (32, 32, 64), "resnet18": (32, 32, 32, 32), "resnet20": (32, 32, 32), "alexnet": (32,) * 7}


def small_binary(name: str) -> keras.Model:
    shape = (64, 64, 3) if MODELS[name].input_shape[0] == 224 else None
    return build(name, widths=SMALL[name], precision="w1a1", input_shape=shape)


def lce_ops(model: keras.Model) -> Counter[str]:
    lce = pytest.importorskip("larq_compute_engine", reason="larq-compute-engine has wheels for x86-64 Linux only")
    interpreter = tf.lite.Interpreter(model_content=lce.convert_keras_model(model))
    return Counter(op["op_name"] for op in interpreter._get_ops_details())


def test_listing_models_does_not_load_tensorflow() -> None:
    code = "import sys, edgebnn.models; assert edgebnn.models.MODELS; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_small_widths_are_given_for_every_model() -> None:
    assert SMALL.keys() == MODELS.keys()


@pytest.mark.parametrize("name", MODELS)
def test_every_model_builds_in_its_own_shape(name: str) -> None:
    model = build(name, widths=SMALL[name], classes=5)
    assert model.input_shape == (None, *MODELS[name].input_shape)
    assert model.output_shape == (None, 5)


@pytest.mark.parametrize("name", MODELS)
def test_every_binary_convolution_becomes_an_lce_op_and_nothing_else_stays_behind(name: str) -> None:
    model = small_binary(name)
    ops = lce_ops(model)
    binary = sum(isinstance(layer, lq.layers.QuantConv2D) for layer in model.layers)
    floats = sum(type(layer) is keras.layers.Conv2D for layer in model.layers)
    assert ops["LceBconv2d"] == binary > 0
    assert ops["CONV_2D"] == floats
    assert not ops.keys() & {"MUL", "SUB", "DIV", "MIRROR_PAD", "PADV2"}  # batch norms and paddings are all fused
    if name == "alexnet":  # all its poolings work on packed bits
        assert (ops["LceBMaxPool2d"], ops["MAX_POOL_2D"], ops["LceQuantize"], ops["FULLY_CONNECTED"]) == (3, 0, 1, 1)


@pytest.mark.parametrize("name", ["resnet8", "alexnet"])
def test_a_saved_binary_model_loads_without_being_told_of_larq(name: str, tmp_path: Path) -> None:
    model = small_binary(name)
    model.save(tmp_path / "model.keras")
    images = np.random.default_rng(0).normal(size=(2, *model.input_shape[1:])).astype(np.float32)
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras")(images), model(images))


def test_an_unknown_model_is_refused_with_the_list() -> None:
    with pytest.raises(InputError, match="unknown model 'resnet50': choose one of resnet8, "):
        build("resnet50")
