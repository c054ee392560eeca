"""``edgebnn prune`` on two Raspberry Pis (emulated) behind ssh, that are lost while they measure, and come back."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

pytest.importorskip("asyncssh")

import edgebnn
from edgebnn._tensorflow import keras
from edgebnn.files import cache_folder
from edgebnn.targets.linux import reconnecting
from edgebnn.targets.model_file import open_model
from edgebnn.workflows import measuring
from tests.end_to_end.test_cli import edgebnn as command_line
from tests.support.devices import W1A8
from tests.support.emulated_pi import EmulatedPi, land
from tests.support.images import write_folder

pytestmark = pytest.mark.slow

NAMES = ("pi1", "pi2")


@pytest.fixture
def boards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[EmulatedPi, EmulatedPi]]:
    """The two, called so in the user's ~/.ssh/config, with what was put on the emulated device that needs no ssh."""
    land()
    with closing(edgebnn.target("qemu-aarch64")) as target:
        target.open(open_model(W1A8))
        store = target.where._store
    monkeypatch.setenv("EDGEBNN_CACHE", str(cache_folder()))
    monkeypatch.setenv("HOME", str(tmp_path))
    first, second = (EmulatedPi(tmp_path / name) for name in NAMES)
    for pi in (first, second):
        shutil.copytree(store / "trees", pi.home / ".cache" / "edgebnn" / store.name / "trees")
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text(
        "".join(
            f"Host {name}\nHostName 127.0.0.1\nPort {pi.port}\nUser pi\n"
            f"IdentityFile {pi.user_key}\nIdentityAgent none\nUserKnownHostsFile {pi.known_hosts}\n"
            for name, pi in zip(NAMES, (first, second), strict=True)
        )
    )
    yield first, second
    first.close()
    second.close()


def samples(table: Path) -> Mapping[str, float]:
    """What a table has measured: times by layer and channels."""
    content = json.loads(table.read_text()) if table.exists() else {"entries": []}
    return {
        f"{entry['layer']} {inputs} {outputs}": took
        for entry in content["entries"]
        for inputs, outputs, took in entry["samples"]
    }


def test_boards_that_are_lost_cost_what_they_were_measuring_and_the_same_command_goes_on(
    tmp_path: Path, boards: tuple[EmulatedPi, EmulatedPi], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "LAYER_SECONDS", 0.0)
    monkeypatch.setattr(measuring, "LAYER_RUNS", 0)
    monkeypatch.setattr(measuring, "MOST_SECONDS", 1.0)
    monkeypatch.setattr(reconnecting, "RECONNECT_SECONDS", 3.0)
    write_folder(tmp_path / "data" / "train", {"dark": 40, "light": 40}, mode="L")
    write_folder(tmp_path / "data" / "test", {"dark": 8, "light": 8}, mode="L")
    x = image = keras.Input((16, 16, 1), name="image")
    for width in (24, 32):
        x = keras.layers.ReLU()(keras.layers.Conv2D(width, 3)(x))
    keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(x))).save(tmp_path / "network.keras")
    table, first, second = tmp_path / "pi.json", *boards

    def lose() -> None:
        for board, measured in ((second, 1), (first, 5)):
            while len(samples(table)) < measured:
                time.sleep(0.05)
            board.switch_off()

    command = (
        *("prune", tmp_path / "network.keras", "--data", tmp_path / "data", "--budget", "latency=0.9x"),
        *("--target", "ssh://pi1", "--target", "ssh://pi2", "--table", table, "-o", tmp_path / "faster.keras"),
        *("--iterations", 1, "--ratio", 0.1, "--short-term", 1, "--hold-out", 16, "--workers", 1, "--json"),
    )
    loser = threading.Thread(target=lose, daemon=True)
    loser.start()
    lost = command_line(*command)
    loser.join(10)
    assert (lost.returncode, lost.stdout) == (2, ""), lost.stderr
    assert "warning: ssh://pi2 dropped out, the others go on: " in lost.stderr
    last = lost.stderr.splitlines()[-1]
    assert last.startswith("edgebnn: ")
    assert last.endswith("what was measured is kept: the same command goes on")
    assert "pi1" in last
    kept = samples(table)
    assert len(kept) >= 5

    first.switch_on()
    second.switch_on()
    done = command_line(*command)
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)
    assert value["met"]
    assert value["table"]["kind"] == "emulated"
    assert "dropped out" not in done.stderr
    assert samples(table).items() > kept.items(), "something was measured again"
