"""Pruning networks with initializers, quantizers, constraints and layers of the user's, however they are given."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edgebnn._tensorflow import keras, tf
from edgebnn.errors import InputError
from edgebnn.pruning.settings import Settings
from edgebnn.workflows.prune import PruneOptions, prune_in
from tests.end_to_end.test_cli import edgebnn
from tests.support import user_layers
from tests.support.images import blobs, write_folder

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


def test_on_a_cluster_every_worker_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed")
    name = user_layers.write(tmp_path, "users_afar", registers=True)
    monkeypatch.syspath_prepend(tmp_path)
    network = importlib.import_module(name).network()
    monkeypatch.undo()  # workers are given the path of this process
    options = {"processes": True, "n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster:
        with pytest.raises(InputError, match=rf"on worker tcp://[\d.:]+, .*{name}.* cannot be imported"):
            run(tmp_path / "run", network, workers=None, cluster=cluster.scheduler_address)
        assert not (tmp_path / "run").exists()
    monkeypatch.syspath_prepend(tmp_path)
    with distributed.LocalCluster(**options) as cluster:
        result = run(tmp_path / "run", network, workers=None, cluster=cluster.scheduler_address)
        assert {proposal["failure"] for proposal in result.history["iterations"][0]["proposals"]} == {None}


def test_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = user_layers.write(tmp_path, "users_told", registers=True)
    write_folder(tmp_path / "data" / "train", {"a": 24, "b": 24}, "L")
    write_folder(tmp_path / "data" / "test", {"a": 4, "b": 4}, "L")
    code = f"import {name}; {name}.network().save('mine.keras')"
    environment = f"from edgebnn._tensorflow import keras; {code}"
    subprocess.run([sys.executable, "-c", environment], cwd=tmp_path, check=True)
    quick = (
        "--data",
        "data",
        "--budget",
        "macs=0.97x",
        "--iterations",
        1,
        "--short-term",
        1,
        "--hold-out",
        8,
        "--workers",
        2,
    )
    refused = edgebnn("prune", "mine.keras", "-o", "a.keras", *quick)
    assert refused.returncode == 2
    assert "--import" in refused.stderr
    assert refused.stderr.count("\n") == 1
    for model, options, output in (
        ("mine.keras", ("--import", name), "a.keras"),
        ("mine.keras", ("--resume",), "a.keras"),
        (f"{name}:network", (), "b.keras"),
    ):
        done = edgebnn("prune", model, *options, "-o", output, *quick)
        assert done.returncode in (0, 1), done.stderr
        assert (tmp_path / output).exists(), done.stderr
