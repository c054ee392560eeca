"""The folder of a pruning: its names and formats stay as they are, so that runs begun long ago go on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from edgebnn.errors import InputError
from edgebnn.pruning.search.history import Accuracy, Iteration, Outcome
from edgebnn.pruning.search.run_folder import RunFolder, State
from edgebnn.pruning.workers.job import Data

OUTCOME = {
    "layer": "conv",
    "width": 8,
    "predicted": 5.0,
    "accuracy": 0.5,
    "loss": 1.5,
    "failure": None,
    "cpu_class": "x86_64",
    "model": "",
    "kept": [0, 2],
}


def test_a_run_begun_before_goes_on_where_it_was(tmp_path: Path) -> None:
    def stored(content: bytes, suffix: str) -> str:
        name = hashlib.sha256(content).hexdigest() + suffix
        (tmp_path / "store").mkdir(exist_ok=True)
        (tmp_path / "store" / name).write_bytes(content)
        return name

    images, labels, network = stored(b"images", ".npy"), stored(b"labels", ".npy"), stored(b"network", ".keras")
    data = {"train_images": images, "train_labels": labels, "held_out_images": images, "held_out_labels": labels}
    iteration = {
        "iteration": 1,
        "layer": "conv",
        "widths": {"conv": 8},
        "target": 6.0,
        "predicted": 5.0,
        "accuracy": 0.5,
        "proposals": [OUTCOME],
        "measured": None,
    }
    state = {
        "original": network,
        "network": network,
        "data": data,
        "accuracy": {"trained": 0.9, "pruned": None, "short_term": None, "long_term": None},
        "held_out_accuracy": 0.8,
        "judged": None,
        "initial_measured": 7.0,
        "kept": {"conv": [0, 2]},
        "iterations": [iteration],
        "pending": [OUTCOME],
    }
    (tmp_path / "state.json").write_text(json.dumps(state))
    leftover = tmp_path / "store" / ".new-half"
    leftover.touch()
    folder = RunFolder(tmp_path)

    found = folder.load_state()

    outcome = Outcome("conv", 8, 5.0, 0.5, 1.5, None, "x86_64", "", (0, 2))
    assert found == State(
        original=network,
        network=network,
        data=Data(images, labels, images, labels),
        accuracy=Accuracy(0.9),
        held_out_accuracy=0.8,
        initial_measured=7.0,
        kept={"conv": (0, 2)},
        iterations=(Iteration(1, "conv", {"conv": 8}, 6.0, 5.0, 0.5, (outcome,)),),
        pending=(outcome,),
    )
    folder.save_state(found)
    assert json.loads((tmp_path / "state.json").read_text()) == {**state, "modules": []}, "what such a run did not know"
    assert not leftover.exists()
    assert len(list(folder.store.iterdir())) == 3


def test_names_on_disk_stay(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.claim({"model": {"name": "small"}})
    folder.save_history({"iterations": []})
    folder.save_plan("conv: 8 channels\n")
    folder.save_report("table", "<svg/>", "<svg/>")
    assert {path.name for path in folder.path.iterdir()} == {
        *("run.json", "history.json", "plan.txt", "history.txt", "widths.svg", "accuracy.svg")
    }
    assert folder.identity == folder.path / "run.json"
    assert folder.model == folder.path / "model.keras"
    assert folder.samples() == folder.path / "latency_samples.json"
    assert folder.long_term(3) == folder.path / "long_term_3"
    folder.claim({"model": {"name": "small"}})
    with pytest.raises(InputError, match="holds another pruning"):
        folder.check({"model": {"name": "other"}})


@pytest.mark.parametrize("name", ["state.json", "history.json", "model.keras", "latency_table.json", "store"])
def test_what_it_would_overwrite_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("a user's")
    with pytest.raises(InputError, match=f"holds {name}, which no pruning here has written"):
        RunFolder(tmp_path).claim({})
    assert (tmp_path / name).read_text() == "a user's"
    assert len(list(tmp_path.iterdir())) == 1
