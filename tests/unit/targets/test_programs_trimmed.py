"""Devices without Python keep the programs that were used last, as many as fit."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("asyncssh")

from edgebnn.targets.linux import emulated, ssh
from edgebnn.targets.linux.user_lands import SYSTEMS

KIB = 1 << 10
NAMES = [character * 64 for character in "abcde"]


class Launched(Exception):
    """In place of a program that runs."""


def stored(folder: Path) -> Path:
    """Five programs of 64 KiB, the first used last, and one that is being sent."""
    folder.mkdir(parents=True)
    for age, name in enumerate([*NAMES, ".part-f"]):
        path = folder / name
        path.write_bytes(os.urandom(64 * KIB))
        os.utime(path, (1e9 - age, 1e9 - age))
    return folder


@pytest.mark.parametrize(
    ("most", "kept"),
    [(10**6, "abcde"), (200, "dab"), (70, "d"), (1, "d")],  # KiB; d is launched
)
def test_over_ssh(tmp_path: Path, most: int, kept: str) -> None:
    folder = stored(tmp_path / "edgebnn" / Path(ssh._folder().strip('d="')).name / "files")
    line = ssh._line(f"{ssh._folder()}; {ssh._trim(NAMES[3], most * KIB)}; echo $d")
    done = subprocess.run(line, shell=True, env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)}, capture_output=True)
    assert (done.returncode, done.stderr, done.stdout.decode().strip()) == (0, b"", str(folder.parent))
    assert sorted(path.name[0] for path in folder.iterdir() if path.name[0] != ".") == sorted(kept)
    assert (folder / ".part-f").exists()


def test_on_emulated_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def launched(device: emulated.EmulatedDevice) -> None:
        raise Launched

    monkeypatch.setenv("EDGEBNN_CACHE", str(tmp_path))
    monkeypatch.setattr(emulated, "KEPT_BYTES", 200 * KIB)
    monkeypatch.setattr(emulated.user_lands, "check", lambda system: None)
    monkeypatch.setattr(emulated.EmulatedDevice, "user_land", launched)
    device = emulated.EmulatedDevice("qemu-aarch64", SYSTEMS["bookworm-arm64"])
    folder = stored(device._store / "files")
    with pytest.raises(Launched):
        device.launch(NAMES[3])
    assert sorted(path.name[0] for path in folder.iterdir() if path.name[0] != ".") == ["a", "b", "d"]
