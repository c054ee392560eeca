"""Pruning networks with initializers, quantizers, constraints and layers of the user's, however they are given."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from edgebnn._tensorflow import keras, tf
from edgebnn.errors import InputError
from edgebnn.pruning.settings import Settings
from edgebnn.workflows.prune import PruneOptions, prune_in
from tests.support import user_layers
from tests.support.images import blobs

QUICK = Settings(ratio=0.1, step=4, steps=1, batch=32, hold_out=32, iterations=1, recalibration=0)


def run(folder: Path, model: Any, **options: Any) -> Any:
    given = PruneOptions(**{"settings": QUICK, "workers": 2, **options})
    return prune_in(folder, model, blobs(), budget="macs=0.9x", options=given)


def test_functions_that_files_cannot_carry_are_refused_at_once(tmp_path: Path) -> None:
    def halves(split: Any) -> Any:
        return keras.layers.Lambda(lambda x: split(x, 2, axis=-1), name="halves")

    images = keras.Input((8, 8, 1))
    x = keras.layers.Concatenate()(halves(tf.split)(keras.layers.Conv2D(8, 3)(images)))
    model = keras.Model(images, keras.layers.Dense(2)(keras.layers.Flatten()(x)))
    with pytest.raises(
        InputError, match=r"layer 'halves' \(Lambda\) .*not callable.*call functions of TensorFlow on the"
    ):
        run(tmp_path / "run", model, cluster=None)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("registers", [True, False])
def test_in_this_process_and_resumed(registers: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = user_layers.write(tmp_path, f"users_{registers}".lower(), registers=registers)
    monkeypatch.syspath_prepend(tmp_path)
    model = importlib.import_module(name).network()
    result = run(tmp_path / "run", model)
    assert {proposal["failure"] for proposal in result.history["iterations"][0]["proposals"]} == {None}
    assert json.loads((tmp_path / "run" / "state.json").read_text())["modules"] == [name]
    model.save(tmp_path / "mine.keras")
    again = run(tmp_path / "run", str(tmp_path / "mine.keras"))  # the folder remembers the module
    assert again.history == result.history


def test_what_is_refused_is_refused_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = user_layers.write(tmp_path, "users_hidden", registers=False)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module(name)
    for one in (module.Scaled, module.Signs, module.Bounded, module.Centred):
        one.__module__ = "nowhere_to_be_found"
    with pytest.raises(InputError, match="nowhere_to_be_found"):
        run(tmp_path / "run", module.network())
    assert not (tmp_path / "run").exists()
