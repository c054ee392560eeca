"""Versions on a device: this machine's own Python is the device, what is unpacked there is a file or two."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import ZipFile, ZipInfo

import numpy as np
import pytest

from edgebnn import load, read, targets
from edgebnn.errors import EdgebnnError, InputError, InputWarning
from edgebnn.targets.linux import start, versions
from edgebnn.targets.linux.bundle import START, Archive
from edgebnn.targets.linux.deploying import deploy, deployed, roll_back
from edgebnn.targets.linux.device import DeviceError
from edgebnn.targets.linux.folder import FolderSession, session
from edgebnn.targets.linux.target import LinuxTarget
from edgebnn.targets.linux.versions import Folder, Manifest
from edgebnn.targets.model_file import open_model
from tests.support.devices import BINARY, INT8, W1A8, LocalDevice, scheduled

WRONG = """
import runpy, sys
from edgebnn.targets.host import HostSession
run = HostSession.run
HostSession.run = lambda self, inputs: tuple(y + 1 for y in run(self, inputs))
sys.argv = [word for word in sys.argv[1:] if word != "-I"]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class Board(LocalDevice):
    """A device whose runtime is one small archive. ``starter``: words in front of the script's name."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.starter: tuple[str, ...] = (sys.executable,)
        self.content = "first"

    @property
    def home(self) -> Path:
        return self.store / "home"

    def needed(self) -> tuple[Archive, ...]:
        made = io.BytesIO()
        with ZipFile(made, "w") as archive:
            archive.writestr(ZipInfo("part/data.txt"), self.content)
        return Archive("start.py", START.read_bytes()), Archive("part-1.0-py3-none-any.whl", made.getvalue())

    def python(self) -> tuple[str, ...]:
        return self.starter


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path)


@pytest.fixture
def pi(board: Board) -> Iterator[LinuxTarget]:
    made = LinuxTarget(board)
    yield made
    made.close()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_versions_share_what_is_the_same_and_can_be_gone_back_to(pi: LinuxTarget, board: Board) -> None:
    first = deploy(W1A8, pi, count=2)
    assert (first.version, first.previous, first.passed, first.unchanged) == (1, None, True, False)
    assert first.validation.bit_exact
    assert [Path(sent.what).name for sent in first.copied] == [
        "start.py",
        "part-1.0-py3-none-any.whl",
        "run.py",
        W1A8.name,
    ]
    folder = board.home / "edgebnn" / "resnet8_w1a8"
    assert first.folder == str(folder)
    assert names(folder) == [".edgebnn", "current", "versions"]
    assert names(folder / "current") == [".files", "manifest.json", "model.tflite", "run.py", "runtime"]

    again = deploy(W1A8, pi, count=1)
    assert (again.version, again.unchanged, again.copied) == (1, True, ())
    assert names(folder / "versions") == ["1"]

    second = deploy(INT8, pi, folder="edgebnn/resnet8_w1a8", count=1)
    assert (second.version, second.previous) == (2, 1)
    assert [sent.what for sent in second.copied] == [str(INT8)]
    assert (folder / "current").resolve() == folder / "versions" / "2"
    one, two = (folder / "versions" / number / "runtime/part-1.0/part/data.txt" for number in "12")
    assert one.samefile(two)
    scripts = [folder / "versions" / number / "run.py" for number in "12"]
    assert not scripts[0].samefile(scripts[1]), "whoever edits one edits both"

    back = roll_back(pi, "edgebnn/resnet8_w1a8")
    assert (back.current, back.before, back.withdrawn) == (1, None, {2})
    assert (folder / "current").resolve() == folder / "versions" / "1"
    with pytest.raises(InputError, match="no older version"):
        roll_back(pi, "edgebnn/resnet8_w1a8")
    (found,) = deployed(pi)
    assert found == back
    listed = found.json()["versions"]
    assert [(one["version"], one["current"], one["withdrawn"]) for one in listed] == [
        (2, False, True),
        (1, True, False),
    ]
    third = deploy(BINARY, pi, folder="edgebnn/resnet8_w1a8", count=1)
    assert (third.version, third.previous) == (3, 1), "the one that was withdrawn is not gone back to"


def test_a_version_runs_by_hand(pi: LinuxTarget, board: Board, tmp_path: Path) -> None:
    done = deploy(INT8, pi, count=1)
    x = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    command = done.start.replace("x.npy", f"{tmp_path}/x.npy --json -o {tmp_path}/y.npy")
    printed = subprocess.run(command, shell=True, capture_output=True, text=True, check=True).stdout
    expected = load(INT8)(x)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), expected)
    (values,) = json.loads(printed).values()
    np.testing.assert_allclose(values, expected)
    for wrong in (f"{tmp_path}/none.npy", f"{tmp_path}/x.npy other.png"):
        failed = subprocess.run(
            done.start.replace("x.npy", wrong), shell=True, capture_output=True, text=True, check=False
        )
        assert failed.returncode in (1, 2)
        assert "Traceback" not in failed.stderr


def test_a_check_that_fails_leaves_the_version_before(pi: LinuxTarget, board: Board, tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(WRONG)
    board.starter = (sys.executable, str(tmp_path / "wrong.py"))
    failed = deploy(W1A8, pi, folder="x", count=1)
    assert (failed.passed, failed.version) == (False, None)
    assert failed.validation.mismatches > 0
    assert not (board.home / "x").exists(), "nothing was ever in use there"
    board.starter = (sys.executable,)
    deploy(W1A8, pi, folder="x", count=1)
    board.starter = (sys.executable, str(tmp_path / "wrong.py"))
    failed = deploy(INT8, pi, folder="x", count=1)
    assert (failed.passed, failed.version) == (False, 1)
    assert names(board.home / "x") == [".edgebnn", "current", "versions"]
    assert names(board.home / "x" / "versions") == ["1"]
    assert deploy(W1A8, pi, folder="x", count=1).passed is False, "the one in use is checked as well"


def test_a_script_that_the_user_changed_is_taken_over(pi: LinuxTarget, board: Board) -> None:
    deploy(W1A8, pi, folder="x", count=1)
    script = board.home / "x" / "current" / "run.py"
    made = script.read_text()
    script.write_text("print('mine')\n")
    assert deploy(W1A8, pi, folder="x", count=1).unchanged
    second = deploy(INT8, pi, folder="x", count=1)
    assert second.passed
    assert "taken over" in second.left[0]
    for _ in range(2):
        current = (board.home / "x" / "current").resolve()
        assert (current / "run.py").read_text() == "print('mine')\n"
        assert (current / "run.py.new").read_text() == made
        deploy(BINARY, pi, folder="x", count=1)


def test_the_oldest_versions_go_and_no_file_of_the_users(pi: LinuxTarget, board: Board) -> None:
    versions_of = board.home / "x" / "versions"
    for number, model in enumerate((W1A8, INT8, BINARY, W1A8, INT8), 1):
        done = deploy(model, pi, folder="x", count=1, keep=2)
        assert done.version == number
        if number == 1:
            (versions_of / "1" / "notes.txt").write_text("mine")
        assert done.removed == ((number - 2,) if number > 3 else ())
        assert done.left == (("version 1 holds a file of yours: notes.txt",) if number > 2 else ())
    assert names(versions_of) == ["1", "4", "5"]


def test_folders_that_are_not_ours_are_left_alone(pi: LinuxTarget, board: Board) -> None:
    board.home.mkdir()
    (board.home / "photos").mkdir()
    (board.home / "photos" / "cat.jpg").write_text("cat")
    (board.home / "file").write_text("x")
    with pytest.raises(
        DeviceError, match=r"photos: holds files that edgebnn did not make; name another folder with --to"
    ):
        deploy(W1A8, pi, folder="photos", count=1)
    with pytest.raises(DeviceError, match="is a file on the device"):
        deploy(W1A8, pi, folder="~/file", count=1)
    with pytest.raises(DeviceError, match="no folder of edgebnn deploy's"):
        roll_back(pi, "photos")
    assert deployed(pi) == ()
    with pytest.raises(InputError, match="nothing is deployed in photos"):
        deployed(pi, "photos")
    assert names(board.home) == ["file", "photos"]
    assert names(board.home / "photos") == ["cat.jpg"]
    for wrong in ("", "~", "a/../../b", "a\nb", "~root/x", "/"):
        with pytest.raises(InputError, match="is no folder to deploy to"):
            deploy(W1A8, pi, folder=wrong or ".", count=1)


def test_a_deployment_lies_in_no_other(pi: LinuxTarget, board: Board) -> None:
    with pytest.raises(
        InputError, match="edgebnn/: models are deployed in it, each in a folder of its own; give edgebnn/NAME"
    ):
        deploy(W1A8, pi, folder="~/edgebnn/", count=1)
    deploy(W1A8, pi, folder="models/x", count=1)
    for inner in ("models/x/y", "models/x/current/y/z", "models/x/versions/1"):
        with pytest.raises(
            DeviceError, match="models/x: holds the versions of a model; name a folder beside it with --to"
        ):
            deploy(W1A8, pi, folder=inner, count=1)
    with pytest.raises(DeviceError, match="models: holds models that are deployed, each in a folder of its own"):
        deploy(W1A8, pi, folder="models", count=1)
    assert names(board.home / "models") == ["x"]
    assert names(board.home / "models" / "x") == [".edgebnn", "current", "versions"]
    with pytest.raises(DeviceError, match="models/z: nothing is deployed there; --list tells what is"):
        roll_back(pi, "models/z")


def test_names_are_no_part_of_any_command(pi: LinuxTarget, board: Board, tmp_path: Path) -> None:
    model = tmp_path / "a; touch $(pwned) 'x'.tflite"
    model.write_bytes(W1A8.read_bytes())
    name = 'it\'s; touch $HOME `touch pwned` "x"'
    assert deploy(model, pi, folder=name, count=1).passed
    assert names(board.home) == [name]
    assert deploy(model, pi, count=1).folder.endswith("edgebnn/a_touch_pwned_x")


def test_what_is_killed_on_the_device_is_swept_up_by_the_next(pi: LinuxTarget, board: Board) -> None:
    deploy(W1A8, pi, folder="x", count=1)
    with session(board, "make", "x") as folder:
        os.kill(board.started[-1].pid, signal.SIGKILL)
        with pytest.raises(DeviceError):
            folder.ask("link", "0" * 64, "model.tflite")
    left = Path(folder.making)
    assert left.is_dir()
    (board.home / "x" / ".new-mine").mkdir()
    with session(board, "make", "x") as other:
        assert not left.exists()
        with session(board, "make", "x"):
            assert Path(other.making).is_dir(), "that of a process that lives is another's"
    assert names(board.home / "x") == [".edgebnn", ".new-mine", "current", "versions"]


def test_what_ends_in_the_middle_leaves_a_whole_version(
    pi: LinuxTarget, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    for model in (W1A8, INT8):
        deploy(model, pi, folder="x", count=1, keep=1)
    ask = FolderSession.ask
    for request, current, there in (("link", 2, "12"), ("keep", 2, "12"), ("point", 2, "123"), ("remove", 4, "1234")):

        def fails(self: FolderSession, *words: str | int, last: str = request) -> str:
            if words[0] == last:
                self._channel.close()
                raise DeviceError("cut")
            return ask(self, *words)

        monkeypatch.setattr(FolderSession, "ask", fails)
        with pytest.raises(DeviceError, match="cut"):
            deploy(BINARY, pi, folder="x", count=1, keep=1)
        (found,) = deployed(pi, "x")
        assert found.current == current
        assert all(found.versions.values())
        assert names(board.home / "x" / "versions") == list(there)
        assert names(board.home / "x") == [".edgebnn", "current", "versions"]
    monkeypatch.undo()
    assert deploy(W1A8, pi, folder="x", count=1, keep=1).removed == (1, 2, 3)


def test_a_model_that_was_damaged_there_is_deployed_anew(pi: LinuxTarget, board: Board) -> None:
    deploy(W1A8, pi, folder="x", count=1)
    current = board.home / "x" / "current" / "model.tflite"
    current.unlink()
    current.write_bytes(b"half")
    done = deploy(W1A8, pi, folder="x", count=1)
    assert (done.version, done.passed, done.unchanged) == (2, True, False)
    deploy(INT8, pi, folder="x", count=1)
    (board.home / "x" / "versions" / "2" / "model.tflite").write_bytes(b"half")
    with pytest.raises(EdgebnnError, match="is not the file that was deployed"):
        roll_back(pi, "x")
    assert deployed(pi, "x")[0].current == 3


def test_only_devices_that_run_linux_are_deployed_to() -> None:
    with pytest.raises(InputError, match="host: models are deployed to devices that run Linux; name ssh"):
        deploy(W1A8, "host")
    with pytest.raises(InputError, match="edgebnn export"):
        deploy(W1A8, targets.target("cortex-m4"))


MADE = Manifest(
    "m.tflite", "0" * 64, {"run.py": "1" * 64}, {"numpy-2.0": "2" * 64}, ("a",), 1, True, 0.0, 1e-5, {}, {}, "d"
)


def test_manifests_are_read_back_and_others_are_not_believed() -> None:
    assert versions.parse(MADE.to_json()) == MADE
    text = json.loads(MADE.to_json())
    for change in (
        {"format": 2},
        {"sha256": "x"},
        {"files": {"../run.py": "1" * 64}},
        {"runtime": {"numpy": "; rm -rf /"}},
        {"labels": "abc"},
        {"samples": True},
    ):
        with pytest.raises(EdgebnnError, match="none that this edgebnn wrote"):
            versions.parse(json.dumps({**text, **change}))
    with pytest.raises(EdgebnnError):
        versions.parse("[" * 100_000)


def test_which_versions_stay() -> None:
    folder = Folder("/x", 5, "", "", dict.fromkeys(range(1, 7), MADE), frozenset({4}))
    assert folder.before == 3
    assert folder.surplus(2) == (1, 2, 4)
    assert folder.surplus(9) == ()
    assert replace(folder, current=1).before is None
    assert folder.with_runtime("numpy-2.0", "2" * 64) == 5
    assert folder.with_runtime("numpy-2.0", "3" * 64) is None


def test_unpacked_archives_go_when_there_are_many_and_nobody_uses_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "files").mkdir()
    monkeypatch.setattr(start, "_KEPT_TREES", 2)

    def unpacked(name: str) -> Path:
        with ZipFile(tmp_path / "files" / name, "w") as archive:
            archive.writestr("a.txt", name)
        return Path(start.unpacked(str(tmp_path), name))

    def use(name: str, seconds: float) -> subprocess.Popen[bytes]:
        """Another process that has it."""
        program = f"import sys; sys.path.insert(0, {str(START.parent)!r}); import start; "
        program += f"start.unpacked({str(tmp_path)!r}, {name!r}); print('x', flush=True); sys.stdin.read()"
        made = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert made.stdout is not None
        made.stdout.read(1)
        old = time.time() - seconds
        os.utime(tmp_path / "trees" / name, (old, old))
        return made

    def begun(name: str, seconds: float) -> Any:
        with ZipFile(tmp_path / "files" / name, "w") as archive:
            archive.writestr("a.txt", name)
        return use(name, seconds)

    in_use, unused, recent = begun("a", 2e5), begun("b", 1e5), begun("c", 1e3)
    unused.communicate()
    recent.communicate()
    unpacked("d")
    unpacked("e")
    assert names(tmp_path / "trees") == ["a", "c", "d", "e"]
    in_use.communicate()


def test_a_schedule_is_part_of_the_version_and_followed_there(pi: LinuxTarget, board: Board, tmp_path: Path) -> None:
    model, path = scheduled(tmp_path, "portablers", "pi4", "a.json")
    plain = deploy(model, pi, folder="x", count=1)
    done = deploy(model, pi, folder="x", count=1, schedule=path)
    assert (plain.schedule, done.schedule, done.version) == (None, str(path), 2)
    assert deploy(model, pi, folder="x", count=1, schedule=path).unchanged
    current = board.home / "x" / "current"
    x = np.zeros((1, 32, 32, 3), np.float32)
    first, *others = [op.kernel for op in load(current / "model.tflite").profile(x, repeats=4).ops if "Bconv" in op.op]
    assert first == "portablers"
    assert "portablers" not in others
    np.save(tmp_path / "x.npy", x)
    command = done.start.replace("x.npy", str(tmp_path / "x.npy"))
    assert "schedule" not in subprocess.run(command, shell=True, capture_output=True, text=True, check=True).stderr
    found = current / "model.schedule.json"
    found.write_text(found.read_text().replace("portablers", "abacus"))
    said = subprocess.run(command, shell=True, capture_output=True, text=True, check=True).stderr
    assert "model.schedule.json: op" in said, "run.py looks at it"
    assert "there is no kernel 'abacus'" in said


def test_a_schedule_that_cannot_be_followed_is_refused_or_warned_of(
    pi: LinuxTarget, board: Board, tmp_path: Path
) -> None:
    model, path = scheduled(tmp_path, "abacus", "pi4", "a.json")
    with pytest.raises(InputError, match=r"a\.json: op \d+ \(binary\): there is no kernel 'abacus'"):
        deploy(model, pi, folder="x", count=1, schedule=path)
    assert not (board.home / "x").exists()
    with pytest.raises(InputError, match="give the file's path with it"):
        deploy(read(model), pi, folder="x", count=1, schedule=path)
    scheduled(tmp_path, "portablers", "pi4")
    with pytest.warns(InputWarning, match=r"net\.schedule\.json: not followed on local: it is for pi4; --schedule"):
        assert deploy(model, pi, folder="x", count=1).schedule is None
    board.facts = replace(board.facts, python=None)
    alone = LinuxTarget(board)
    with pytest.raises(InputError, match="kernels on local follow no schedule; leave --schedule out"):
        deploy(model, alone, folder="y", count=1, schedule=path)
    with pytest.warns(InputWarning, match=r"net\.schedule\.json: not followed on local: it is for pi4"):
        assert alone.with_schedule(open_model(model)).given is None
    alone.close()


def test_without_python_a_version_is_a_program_with_a_command_line(board: Board, tmp_path: Path) -> None:
    board.facts = replace(board.facts, python=None)
    pi = LinuxTarget(board)
    done = deploy(INT8, pi, folder="x", count=1)
    assert (done.passed, done.version) == (True, 1)
    assert names(board.home / "x" / "current") == [".files", "manifest.json", "network"]
    assert deploy(INT8, pi, folder="x", count=1).unchanged
    assert done.start == f"cd {board.home}/x/current && ./network x.npy"
    np.save(tmp_path / "x.npy", np.zeros((2, 32, 32, 3), np.float32))
    command = done.start.replace("x.npy", f"{tmp_path}/x.npy -o {tmp_path}/y.npy")
    subprocess.run(command, shell=True, check=True)
    assert np.load(tmp_path / "y.npy").shape == (2, 10)
    assert deploy(W1A8, pi, folder="x", count=1).version == 2
    program = board.home / "x" / "versions" / "1" / "network"
    whole = program.read_bytes()
    program.unlink()
    program.write_text("#!/bin/sh\necho mine\n")
    with pytest.raises(
        DeviceError, match=r"versions/1/network is not the file that was deployed; deploy its model again"
    ):
        roll_back(pi, "x")
    program.write_bytes(whole)
    with pytest.raises(DeviceError, match="network"):  # which cannot be started
        roll_back(pi, "x")
    assert deployed(pi, "x")[0].current == 2
    program.chmod(0o755)
    assert roll_back(pi, "x").current == 1
    pi.close()
