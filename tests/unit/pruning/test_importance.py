"""Which channels matter, on networks where the answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgebnn.errors import InputError
from edgebnn.models import build
from edgebnn.pruning.channels import surgery
from edgebnn.pruning.channels.coupling import couple
from edgebnn.pruning.channels.importance import IMPORTANCES, gamma, keep, l2, random, taylor

RESNET = {"input_shape": (8, 8, 3), "widths": (6, 8, 10)}


def _chain(precision: str = "float") -> Any:
    """conv a -> batch norm -> conv b -> logits; b is binary for "w1a1"."""
    from edgebnn._tensorflow import keras, lq

    image = keras.Input((4, 4, 3))
    x = keras.layers.Conv2D(4, 1, use_bias=False, name="a")(image)
    x = keras.layers.BatchNormalization(name="bn")(x)
    if precision == "w1a1":
        b = lq.layers.QuantConv2D(
            5, 1, input_quantizer="ste_sign", kernel_quantizer="ste_sign", kernel_constraint="weight_clip", name="b"
        )
    else:
        b = keras.layers.Conv2D(5, 1, activation="tanh", name="b")
    x = keras.layers.GlobalAveragePooling2D()(b(x))
    return keras.Model(image, keras.layers.Dense(3, name="logits")(x))


def _samples(count: int = 64) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, 4, 4, 3)).astype(np.float32), rng.integers(0, 3, count)


def test_l2_ranks_filters_by_their_norm() -> None:
    model = _chain()
    filters = model.get_layer("a").get_weights()[0] * np.array([0.1, 3, 1, 0.5])
    model.get_layer("a").set_weights([filters])
    scores = l2(model, couple(model).group("a"))
    norms = np.sqrt(np.square(filters).sum(axis=(0, 1, 2)))
    np.testing.assert_allclose(scores / scores[0], norms / norms[0], rtol=1e-5)


def test_l2_looks_at_latent_weights() -> None:
    model = _chain("w1a1")
    kernel, bias = model.get_layer("b").get_weights()
    model.get_layer("b").set_weights([np.sign(kernel) * [0.1, 0.5, 0.2, 0.9, 0.3], bias])
    assert np.argsort(l2(model, couple(model).group("b"))).tolist() == [0, 2, 4, 1, 3]


def test_l2_gives_every_layer_of_a_residual_group_the_same_say() -> None:
    model = build("resnet8", precision="w1a1", **RESNET)
    group = couple(model).group("stem_conv")
    stem, first = model.get_layer("stem_conv"), model.get_layer("stage1_block1_conv1")
    stem.set_weights([np.ones_like(stem.get_weights()[0]) * 1000.0])
    weights = np.ones_like(first.get_weights()[0]) * np.array([1, 1, 5, 1, 1, 1])
    first.set_weights([weights])
    assert int(np.argmax(l2(model, group))) == 2


def test_gamma_sums_the_scales_of_a_groups_batch_norms() -> None:
    model = _chain()
    norm = model.get_layer("bn")
    norm.set_weights([np.array([0.5, -2, 0, 1]), *norm.get_weights()[1:]])
    np.testing.assert_allclose(gamma(model, couple(model).group("a")), [0.5, 2, 0, 1])
    with pytest.raises(InputError, match="b: has no batch normalization"):
        gamma(model, couple(model).group("b"))


@pytest.mark.parametrize("precision", ["float", "w1a1"])
def test_taylor_estimates_what_removing_a_channel_does_to_the_loss(precision: str) -> None:
    """For readers scaled down so far that the loss is linear in them, the estimate is the change itself."""
    from edgebnn._tensorflow import keras

    keras.utils.set_random_seed(1)
    model = _chain(precision)
    logits = model.get_layer("logits")
    logits.set_weights([logits.get_weights()[0] * 1e-2, logits.get_weights()[1]])
    images, labels = _samples(32)
    group = couple(model).group("b")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    full = float(loss(labels, model(images)))
    changes = [
        float(loss(labels, surgery.cut(model, {"b": [i for i in range(5) if i != gone]})(images))) - full
        for gone in range(5)
    ]
    np.testing.assert_allclose(np.sqrt(taylor(model, group, (images, labels))), np.abs(changes), rtol=0.05, atol=2e-5)


def test_taylor_of_a_channel_that_a_binary_kernel_reads_uses_its_signs() -> None:
    from edgebnn._tensorflow import keras

    keras.utils.set_random_seed(1)
    model = _chain("w1a1")
    group = couple(model).group("a")
    scores = taylor(model, group, _samples())
    kernel, bias = model.get_layer("b").get_weights()
    model.get_layer("b").set_weights([kernel * 0.5, bias])  # same signs, same network
    np.testing.assert_allclose(taylor(model, group, _samples()), scores, rtol=1e-5)


def test_taylor_needs_samples() -> None:
    model = _chain()
    with pytest.raises(InputError, match="needs samples"):
        taylor(model, couple(model).group("a"), None)


def test_random_depends_on_seed_and_group_alone() -> None:
    model = build("resnet8", **RESNET)
    one, two = couple(model).prunable[:2]
    np.testing.assert_array_equal(random(model, one, seed=1), random(model, one, seed=1))
    assert not np.array_equal(random(model, one, seed=1), random(model, one, seed=2))
    assert not np.array_equal(random(model, one, seed=1), random(model, two, seed=1))


def test_every_criterion_scores_every_group_of_our_networks() -> None:
    model = build("resnet8", precision="w1a8", **RESNET)
    images, labels = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype(np.float32), np.arange(4)
    for importance in IMPORTANCES.values():
        for group in couple(model).prunable[:3]:
            scores = importance(model, group, (images, labels), 0)
            assert scores.shape == (group.channels,)
            assert np.isfinite(scores).all()


def test_the_best_are_kept_in_order_and_the_first_of_equals() -> None:
    assert keep(np.array([1.0, 3.0, 2.0, 3.0, 1.0]), 3) == [1, 2, 3]
    assert keep(np.array([1.0, 1.0, 1.0]), 2) == [0, 1]


@pytest.mark.parametrize("channels", [0, 4])
def test_impossible_numbers_are_refused(channels: int) -> None:
    with pytest.raises(InputError, match="1 to 3 can be kept"):
        keep(np.ones(3), channels)


def test_scores_that_overflowed_are_refused() -> None:
    with pytest.raises(InputError, match="not finite"):
        keep(np.array([1.0, np.nan]), 1)
