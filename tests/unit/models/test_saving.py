"""Whether networks come back from files as they were, and what is said of those that do not."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgebnn._tensorflow import keras, tf
from edgebnn.errors import InputError
from edgebnn.models import build, saving
from edgebnn.user_modules import Code
from tests.support import user_layers
from tests.support.pruning_run import small_model

SCALE = 3.0


def ending(layer: Any) -> Any:
    """A network with ``layer`` in it, inside a model inside the model."""
    inner = keras.Input((6, 6, 8))
    block = keras.Model(inner, tf.nest.flatten(layer(inner))[0], name="block")
    images = keras.Input((8, 8, 1), name="image")
    maps = block(keras.layers.Conv2D(8, 3, name="first")(images))
    return keras.Model(images, keras.layers.Dense(2, name="logits")(keras.layers.Flatten()(maps)), name="outer")


def check(model: Any) -> Code:
    needed = saving.code(model)
    saving.check_comes_back(model, needed)
    return needed


class Forgetful(keras.layers.Layer):  # type: ignore[misc]
    """Leaves its factor out of its configuration."""

    def __init__(self, factor: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.factor = factor

    def call(self, x: Any) -> Any:
        return x * self.factor

    def get_config(self) -> dict[str, Any]:
        return dict(super().get_config())


def split_by(function: Callable[..., Any]) -> Any:
    return keras.layers.Lambda(lambda x: function(x, 2, axis=-1), name="chosen")


def test_common_networks_come_back() -> None:
    for model in (small_model(), build("resnet8", precision="w1a8")):
        assert check(model) == Code()
    kept = (keras.layers.Lambda(lambda x: x * 0.5), keras.layers.Lambda(lambda x: tf.split(x, 2, axis=-1)))
    for layer in kept:
        assert check(ending(layer)).functions
    assert check(ending(keras.layers.Activation(tf.nn.relu))) == Code()
    assert check(ending(keras.layers.Lambda(lambda x: x * SCALE))) == Code((__name__,), functions=True)


@pytest.mark.parametrize(
    ("layer", "told"),
    [
        (
            lambda: split_by(tf.split),
            r"layer 'block/chosen' \(Lambda\) .*not callable.*tf.split\(x, 2, axis=-1\), or write",
        ),
        (lambda: Forgetful(2.0, name="forgets"), r"'block/forgets' \(Forgetful\) .*computes something else"),
        (lambda: keras.layers.Activation(lambda x: x * 2, name="twice"), r"layer 'block/twice' \(Activation\) "),
    ],
)
def test_what_does_not_come_back_is_named(layer: Callable[[], Any], told: str) -> None:
    with pytest.raises(InputError, match=told) as found:
        check(ending(layer()))
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("registers", [True, False])
def test_modules_are_found_by_themselves(registers: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = user_layers.write(tmp_path, f"found_{registers}".lower(), registers=registers)
    monkeypatch.syspath_prepend(tmp_path)
    model = importlib.import_module(name).network()
    assert check(model) == Code((name,))


def test_classes_of_the_program_itself_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Forgetful, "__module__", "__main__")
    with pytest.raises(InputError, match=r"layer 'block/forgets': Forgetful is defined in the program itself.*module"):
        saving.code(ending(Forgetful(name="forgets")))


def test_a_class_of_the_same_name_is_told_apart() -> None:
    model = ending(Forgetful(1.0, name="one"))
    found = saving.fingerprints(model)
    other = {**found, "block/one": saving.Fingerprint("theirs.Forgetful", (), found["block/one"].weights)}
    saving.check_same(model, found)
    with pytest.raises(InputError, match=re.escape("'block/one' does not survive")):
        saving.check_same(model, other)
