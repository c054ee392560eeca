"""Surgery removes exactly what masks switch off."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgebnn.errors import InputError
from edgebnn.models import build
from edgebnn.pruning.channels import masks, surgery
from edgebnn.pruning.channels.coupling import couple
from tests.support.random_networks import STEPS, double_precision, random_images, random_keep, random_network, randomize

SMALL = {
    "resnet8": {"input_shape": (12, 12, 3), "widths": (6, 8, 10)},
    "resnet18": {"input_shape": (32, 32, 3), "widths": (4, 6, 6, 8)},
    "resnet20": {"input_shape": (8, 8, 3), "widths": (4, 6, 6)},
    "alexnet": {"input_shape": (63, 63, 3), "widths": (6, 8, 8, 6, 6, 12, 12)},
}


def _outputs(model: Any, images: Any) -> list[Any]:
    result = model(images, training=False)
    return [np.asarray(one) for one in (result if isinstance(result, list) else [result])]


def _check_cut_equals_masked(model: Any, rng: np.random.Generator) -> None:
    plan = couple(model)
    keep = random_keep(plan, rng)
    images = random_images(model, 3, rng)
    smaller, masked = surgery.cut(model, keep), masks.masked(model, keep)
    for ours, theirs in zip(_outputs(model, images), _outputs(masked.model, images), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)  # before anything is off
    masked.switch_off(keep)
    for ours, theirs in zip(_outputs(smaller, images), _outputs(masked.model, images), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
    assert couple(smaller).layers() == plan.layers({name: len(kept) for name, kept in keep.items()})
    assert [layer.name for layer in smaller.layers] == [layer.name for layer in model.layers]


OURS = [
    *((name, precision) for name in ("resnet8", "alexnet") for precision in ("float", "w1a8", "w1a1")),
    *(("resnet18", "w1a8"), ("resnet20", "w1a1")),
]


@pytest.mark.parametrize(("name", "precision"), OURS)
def test_our_models_cut_are_our_models_masked(name: str, precision: str) -> None:
    rng = np.random.default_rng(7)
    with double_precision():
        model = build(name, precision=precision, **SMALL[name])
        randomize(model, rng)
        _check_cut_equals_masked(model, rng)


@pytest.mark.parametrize("seed", range(len(STEPS)))
def test_random_networks_cut_are_random_networks_masked(seed: int) -> None:
    with double_precision():
        _check_cut_equals_masked(random_network(seed), np.random.default_rng(seed))


def test_random_networks_feel_what_is_cut() -> None:
    """Guards the tests above against networks whose output does not depend on the channels that go."""
    with double_precision():
        changed = []
        for seed in range(3):
            model, rng = random_network(seed), np.random.default_rng(seed)
            images = random_images(model, 3, rng)
            smaller = surgery.cut(model, {group.name: [0] for group in couple(model).prunable})
            changed.append(
                all(
                    np.ptp(before - after) > 1e-3
                    for before, after in zip(_outputs(model, images), _outputs(smaller, images), strict=True)
                )
            )
    assert all(changed)


def test_surviving_weights_are_the_old_ones_and_the_model_is_untouched() -> None:
    model = build("resnet8", precision="w1a1", **SMALL["resnet8"])
    before = [weight.copy() for weight in model.get_weights()]
    smaller = surgery.cut(model, {"stem_conv": [1, 4], "stage2_block1_shortcut1_conv": [0, 2, 7]})
    kernel = model.get_layer("stage2_block1_conv1").get_weights()[0]
    np.testing.assert_array_equal(
        smaller.get_layer("stage2_block1_conv1").get_weights()[0], kernel[:, :, [1, 4]][:, :, :, [0, 2, 7]]
    )
    np.testing.assert_array_equal(
        smaller.get_layer("stem_bn").get_weights(),
        [weight[[1, 4]] for weight in model.get_layer("stem_bn").get_weights()],
    )
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_keeping_everything_changes_nothing() -> None:
    model = build("resnet8", **SMALL["resnet8"])
    same = surgery.cut(model, {})
    assert same is not model
    assert same.get_config() == model.get_config()
    for old, new in zip(model.get_weights(), same.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_cut_model_can_be_cut_again_and_saved(tmp_path: Any) -> None:
    from edgebnn._tensorflow import keras

    model = build("resnet8", precision="w1a8", **SMALL["resnet8"])
    once = surgery.cut(model, {"stem_conv": [0, 2, 3, 5]})
    twice = surgery.cut(once, {"stem_conv": [1, 3]})
    at_once = surgery.cut(model, {"stem_conv": [2, 5]})
    for a, b in zip(twice.get_weights(), at_once.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    twice.save(tmp_path / "model.keras")
    images = np.random.default_rng(0).normal(size=(2, 12, 12, 3)).astype(np.float32)
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras")(images), twice(images))


def test_layers_that_nothing_is_known_of_are_rebuilt_as_they_are() -> None:
    from edgebnn._tensorflow import keras

    class Doubling(keras.layers.Layer):
        def call(self, inputs: Any) -> Any:
            return inputs * 2

    image = keras.Input((6, 6, 3))
    x = keras.layers.Conv2D(4, 1, name="free")(image)
    x = keras.layers.Conv2D(4, 1, name="kept")(x)
    x = keras.layers.Lambda(lambda maps: maps + 1)(Doubling()(x))
    model = keras.Model(image, x)
    smaller = surgery.cut(model, {"free": [0, 3]})
    assert smaller.get_layer("kept").kernel.shape == (1, 1, 2, 4)
    assert smaller.output_shape == model.output_shape


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        ({"nowhere": [0]}, "no group of channels 'nowhere'"),
        ({"stem_conv": []}, "stem_conv: keep at least one"),
        ({"stem_conv": [0, 6]}, "channels 0 to 5"),
        ({"stem_conv": [-1]}, "channels 0 to 5"),
        ({"stem_conv": [1, 1]}, "each once"),
        ({"logits": [0]}, "logits: its 10 channels cannot be cut: .*output"),
    ],
)
def test_impossible_cuts_are_refused(keep: dict[str, list[int]], message: str) -> None:
    model = build("resnet8", **SMALL["resnet8"])
    with pytest.raises(InputError, match=message):
        surgery.cut(model, keep)


def test_layers_that_keras_cannot_rebuild_are_refused() -> None:
    from edgebnn._tensorflow import keras

    class Applying(keras.layers.Layer):
        def __init__(self, function: Any) -> None:
            super().__init__()
            self.function = function

        def call(self, inputs: Any) -> Any:
            return self.function(inputs)

    image = keras.Input((6, 6, 3))
    model = keras.Model(image, Applying(lambda x: x)(keras.layers.Conv2D(4, 1)(image)), name="odd")
    with pytest.raises(InputError, match=r"odd: cannot be rebuilt .*get_config"):
        surgery.cut(model, {})
