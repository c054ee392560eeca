"""Training in bfloat16: close to float32, not the same, inside its scope only; refused where it would be slow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="training needs TensorFlow")

from edgebnn import machine
from edgebnn._tensorflow import keras, tf
from edgebnn.errors import InputError
from edgebnn.training.compute import check_compute, computing_in
from edgebnn.training.loop import train
from edgebnn.training.recipe import Recipe
from tests.support.images import blobs

fast = pytest.mark.skipif(
    not {"avx512_bf16", "amx_bf16"} & machine.cpu_flags(), reason="this processor has no instructions for bfloat16"
)


def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.layers.Input((8, 8, 1)),
            keras.layers.Conv2D(16, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )


@fast
def test_products_are_of_rounded_operands_inside_the_scope_only() -> None:
    a = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    product = tf.function(lambda x, y: tf.nn.relu(tf.matmul(x, y)))
    exact = product(a, a).numpy()
    with computing_in("bfloat16"):
        rounded = product(a, a).numpy()
    error = np.abs(rounded - exact).max() / np.abs(exact).max()
    assert 1e-4 < error < 0.02
    np.testing.assert_array_equal(product(a, a).numpy(), exact)


@fast
def test_networks_learn_in_bfloat16_with_float32_weights(tmp_path: Path) -> None:
    losses = {}
    for compute in ("float32", "bfloat16"):
        model = network()
        recipe = Recipe(6, batch=32, learning_rate=3e-3, compute=compute)
        history = train(model, blobs(), recipe, tmp_path / compute)
        losses[compute] = [epoch.loss for epoch in history.epochs]
        assert history.test_accuracy > 0.9
        assert {weight.dtype for weight in model.weights} == {tf.float32}
    assert losses["float32"] != losses["bfloat16"]
    np.testing.assert_allclose(losses["float32"], losses["bfloat16"], rtol=0.1, atol=0.02)


def test_a_processor_without_instructions_for_it_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "cpu_flags", lambda: frozenset({"avx2"}))
    check_compute("float32")
    with pytest.raises(InputError, match="has no instructions for it; train in float32"):
        train(network(), blobs(), Recipe(1, compute="bfloat16"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_other_numbers_are_unknown() -> None:
    with pytest.raises(InputError, match="unknown compute 'float8'"):
        Recipe(1, compute="float8")
