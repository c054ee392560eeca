"""A pruning writes nothing into a folder before it knows that it may."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebnn._tensorflow import keras
from edgebnn.errors import InputError
from edgebnn.pruning.settings import Settings
from edgebnn.workflows.prune import PruneOptions, prune_in
from tests.support.images import blobs
from tests.unit.workflows.test_latency_tables import by_macs
from tests.unit.workflows.test_measuring import ScriptedTarget


def test_what_cannot_be_pruned_is_refused_before_the_target_is_asked(tmp_path: Path) -> None:
    place = ScriptedTarget(by_macs, kind="simulated")
    images = keras.Input((8, 8, 1))
    flat = keras.layers.Reshape((8, 8))(images)
    model = keras.Model(images, keras.layers.Dense(2)(keras.layers.LSTM(8, name="memory")(flat)))
    with pytest.raises(InputError, match=r"can lose channels; fixed by .*no rule for layers of type LSTM"):
        prune_in(tmp_path, model, blobs(), place, "latency=0.8x", PruneOptions(Settings(hold_out=64)))
    with pytest.raises(InputError, match="cannot hold out"):
        prune_in(tmp_path, model, blobs(), place, "latency=0.8x", PruneOptions(Settings(hold_out=10**6)))
    assert not place.asked
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("run.json", '{"model": {}}', "holds a run of another kind than this pruning"),
        ("model.keras", "a user's", "holds model.keras, which no pruning here has written"),
    ],
)
def test_a_folder_that_is_not_its_own_stays_as_it_is(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    images = keras.Input((8, 8, 1))
    hidden = keras.layers.Conv2D(16, 3)(images)
    model = keras.Model(images, keras.layers.Dense(2)(keras.layers.Flatten()(hidden)))
    place = ScriptedTarget(by_macs, kind="simulated")
    with pytest.raises(InputError, match=message):
        prune_in(tmp_path, model, blobs(), place, "latency=0.8x", PruneOptions(Settings(hold_out=64)))
    assert len(place.asked) == 1, "what kind of times it tells"
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, content)]
