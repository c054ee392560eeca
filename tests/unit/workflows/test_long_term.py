"""How a pruned network is trained on in the end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgebnn._tensorflow import keras
from edgebnn.models.resnet import resnet
from edgebnn.pruning.settings import Settings
from edgebnn.workflows.prune import BINARY_RATE, long_term
from tests.support.pruning_run import small_model


@pytest.mark.parametrize("model", [small_model, lambda: resnet(8, (8, 8, 8), precision="w1a8")])
def test_networks_with_binary_weights_are_trained_with_adam(model: Callable[[], keras.Model]) -> None:
    recipe = long_term(model(), "cifar10", 3, Settings(seed=5, hold_out=100))
    assert (recipe.optimizer, recipe.learning_rate, recipe.epochs, recipe.seed) == ("adam", BINARY_RATE, 3, 5)
    assert (recipe.augmentation, recipe.hold_out) == ("shift_flip", 100)


def test_float_networks_are_trained_with_sgd_faster_with_batch_norm() -> None:
    images = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(8, 3)(images)
    plain = keras.Model(images, keras.layers.Flatten()(x))
    inner = keras.Sequential([keras.layers.BatchNormalization(), keras.layers.ReLU()])
    normalized = keras.Model(images, keras.layers.Flatten()(inner(x)))
    recipes = [long_term(model, "mnist", 1, Settings()) for model in (plain, normalized)]
    assert [recipe.optimizer for recipe in recipes] == ["sgd", "sgd"]
    assert [recipe.learning_rate for recipe in recipes] == [0.01, 0.05]
    assert recipes[0].augmentation == "shift"
