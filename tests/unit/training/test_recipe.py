"""Recipes, schedules, augmentation and optimizers: values against their definitions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgebnn._tensorflow import tf
from edgebnn.errors import InputError
from edgebnn.models import MODELS
from edgebnn.training.augment import AUGMENTATIONS
from edgebnn.training.method import make_optimizer
from edgebnn.training.recipe import OPTIMIZERS, Recipe, learning_rate
from edgebnn.training.recipes import recommended
from tests.support.training_run import tiny_model


def test_cosine_falls_from_the_peak_to_nothing() -> None:
    rates = [learning_rate(0.1, "cosine", step, 100) for step in range(100)]
    assert rates[0] == 0.1
    assert rates[50] == pytest.approx(0.05)
    assert rates[25] == pytest.approx(0.05 * (1 + 0.5**0.5))
    assert rates == sorted(rates, reverse=True)
    assert 0 < rates[99] < 1e-4


def test_warm_up_rises_in_equal_steps_and_meets_the_schedule_at_the_peak() -> None:
    rates = [learning_rate(0.1, "cosine", step, 20, warmup_steps=4) for step in range(20)]
    assert rates[:5] == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1])
    assert rates[12] == pytest.approx(0.05)
    assert [learning_rate(0.1, "constant", step, 20, 4) for step in range(4, 20)] == [0.1] * 16


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, not 0"),
        ({"epochs": 1, "batch": 0}, "batch must be at least 1"),
        ({"epochs": 1, "hold_out": -1}, "hold_out must be at least 0"),
        ({"epochs": 1, "learning_rate": float("nan")}, "learning_rate must be a finite number"),
        ({"epochs": 1, "schedule": "poly"}, "unknown schedule 'poly': choose one of constant, cosine"),
        ({"epochs": 1, "optimizer": "lion"}, "unknown optimizer"),
        ({"epochs": 1, "augmentation": "mixup"}, "unknown augmentation"),
    ],
)
def test_a_recipe_that_makes_no_training_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Recipe(**arguments)


def test_there_is_a_recipe_for_everything() -> None:
    for name in MODELS:
        for data in ("mnist", "cifar10", "/some/folder"):
            for precision in ("float", "w1a1"):
                assert recommended(name, precision, data).epochs > 0
    assert "flip" not in recommended("resnet8", "w1a1", "mnist").augmentation


def test_shift_moves_whole_images_and_repeats_the_edge() -> None:
    image = np.arange(28 * 28, dtype=np.int64).reshape(1, 28, 28, 1) % 251
    images = np.repeat(image.astype(np.uint8), 64, axis=0)
    moved = AUGMENTATIONS["shift"](images, np.random.default_rng(0))
    padded = np.pad(images[0, :, :, 0], 1, mode="edge")
    windows = {padded[y : y + 28, x : x + 28].tobytes() for y in range(3) for x in range(3)}
    assert {image.tobytes() for image in moved[..., 0]} == windows


def test_flip_mirrors_about_half_and_the_seed_decides_which() -> None:
    images = np.random.default_rng(1).integers(0, 256, (200, 4, 4, 3)).astype(np.uint8)  # too small to be shifted
    first = AUGMENTATIONS["shift_flip"](images, np.random.default_rng(7))
    mirrored = (first == images[:, :, ::-1]).all(axis=(1, 2, 3))
    assert ((first == images).all(axis=(1, 2, 3)) | mirrored).all()
    assert 70 < mirrored.sum() < 130
    np.testing.assert_array_equal(AUGMENTATIONS["shift_flip"](images, np.random.default_rng(7)), first)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weight_decay_shrinks_float_kernels_only(name: str) -> None:
    model = tiny_model()
    before = {weight.name: weight.numpy() for weight in model.trainable_variables}
    optimizer = make_optimizer(model, Recipe(1, optimizer=name, learning_rate=0.5, weight_decay=0.1))
    optimizer.apply_gradients([(tf.zeros_like(weight), weight) for weight in model.trainable_variables])
    for weight in model.trainable_variables:
        decayed = weight.name in ("first/kernel:0", "logits/kernel:0")
        expected = before[weight.name] * (0.95 if decayed else 1.0)
        np.testing.assert_allclose(weight.numpy(), expected, rtol=1e-6, err_msg=weight.name)
