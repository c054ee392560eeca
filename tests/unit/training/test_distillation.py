"""What a student learns from a parent."""

from __future__ import annotations

import numpy as np
import pytest

from edgebnn._tensorflow import keras, tf
from edgebnn.errors import InputError
from edgebnn.training.method import cross_entropy, distilled
from edgebnn.training.plans import Descent, Distillation, Plan
from edgebnn.training.recipe import Recipe


def parent() -> keras.Model:
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, name="logits")])


def test_the_loss_is_the_divergence_at_a_temperature_and_the_labels_cross_entropy() -> None:
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(5, 3)).astype(np.float32), rng.integers(0, 4, 5).astype(np.int32)
    logits, teacher = rng.normal(size=(5, 4)).astype(np.float32), parent()

    def softmax(values: np.ndarray) -> np.ndarray:
        return np.exp(values) / np.exp(values).sum(axis=1, keepdims=True)

    p, q = softmax(teacher(images).numpy() / 2.0), softmax(logits / 2.0)
    divergence = (p * np.log(p / q)).sum(axis=1).mean()
    entropy = -np.log(softmax(logits)[np.arange(5), labels]).mean()
    loss = distilled(teacher, Distillation(weight=0.25, temperature=2.0))(images, labels, tf.constant(logits))
    assert float(loss) == pytest.approx(0.75 * entropy + 0.25 * 4 * divergence, rel=1e-5)
    assert float(cross_entropy(images, labels, logits)) == pytest.approx(entropy, rel=1e-5)


def test_the_parent_is_not_trained() -> None:
    teacher, images = parent(), tf.ones((2, 3))
    logits = tf.Variable(tf.ones((2, 4)))
    with tf.GradientTape() as tape:
        loss = distilled(teacher, Distillation(1.0))(images, tf.constant([0, 1]), logits)
    gradients = tape.gradient(loss, [logits, *teacher.trainable_variables])
    assert gradients[0] is not None
    assert gradients[1:] == [None, None]


@pytest.mark.parametrize(
    "bad", [{"weight": 1.5}, {"weight": -0.1}, {"temperature": 0.0}, {"temperature": float("nan")}]
)
def test_impossible_settings_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(InputError, match="distillation"):
        Distillation(**bad)


@pytest.mark.parametrize(("begin", "end"), [(0.5, 0.4), (-0.1, 0.5), (0.2, 1.0)])
def test_weights_that_would_not_be_binary_at_the_end_are_refused(begin: float, end: float) -> None:
    with pytest.raises(InputError, match="bit widths"):
        Descent(begin, end)


def test_a_descent_goes_down_once_and_evenly() -> None:
    shares = [Descent(0.2, 0.6).share(done / 10) for done in range(11)]
    assert shares == pytest.approx([0, 0, 0, 0.25, 0.5, 0.75, 1, 1, 1, 1, 1])
    assert Descent(0, 0).share(0.0) == 1.0


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(InputError, match="w2a2"):
        Plan("w2a2", Recipe(1))  # type: ignore[arg-type]
