"""edgebnn deploy from end to end: by ssh on an emulated Raspberry Pi, and what can go wrong there."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("asyncssh")

from edgebnn import load
from edgebnn.converters.write_tflite import to_bytes
from edgebnn.errors import EdgebnnError
from edgebnn.graph.metadata import ImageFormat, Metadata, recorded
from edgebnn.targets.linux.connection import Done
from edgebnn.targets.linux.deploying import Deployment, deploy, deployed, roll_back
from edgebnn.targets.linux.device import ConnectionLostError, DeviceError
from edgebnn.targets.linux.folder import session
from edgebnn.targets.linux.ssh import SshTarget
from tests.support.classifiers import LABELS, classifier
from tests.support.devices import INT8, W1A8
from tests.support.emulated_pi import EmulatedPi, land, small_disk

pytestmark = pytest.mark.slow
PLACE = "edgebnn/resnet8"


@pytest.fixture(scope="module")
def pi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedPi]:
    """One device for all tests: edgebnn is put on it once."""
    land()
    made = EmulatedPi(tmp_path_factory.mktemp("pi"))
    yield made
    made.close()


@pytest.fixture
def target(pi: EmulatedPi) -> Iterator[SshTarget]:
    made = SshTarget(pi.name, pi.access)
    yield made
    made.close()


@pytest.fixture(scope="module")
def first(pi: EmulatedPi) -> Deployment:
    """Of the first version."""
    made = SshTarget(pi.name, pi.access)
    try:
        return deploy(W1A8, made, folder=PLACE, count=1)
    except EdgebnnError as error:
        if "cannot be downloaded" in str(error):
            pytest.skip(str(error))
        raise
    finally:
        made.close()


def by_hand(pi: EmulatedPi, done: Deployment, given: Path) -> str:
    """What the command prints that a deployment names, given in a login of its own."""
    made = SshTarget(pi.name, pi.access)
    try:
        return made.where._connection.run(f"{done.start.replace('x.npy', str(given))} --json").output  # type: ignore[attr-defined]
    finally:
        made.close()


def left_over(pi: EmulatedPi) -> list[str]:
    return [path.name for path in (pi.home / PLACE).iterdir() if path.name not in (".edgebnn", "current", "versions")]


def test_versions_one_after_the_other(pi: EmulatedPi, target: SshTarget, first: Deployment, tmp_path: Path) -> None:
    assert (first.version, first.passed, first.validation.bit_exact) == (1, True, True)
    assert first.fingerprint["machine"] == "aarch64"
    received = pi.bytes_received
    again = deploy(W1A8, target, folder=PLACE, count=1)
    assert (again.version, again.unchanged, again.copied) == (1, True, ())
    assert pi.bytes_received - received < 20_000, "the script and the sample alone"
    second = deploy(INT8, target, folder=PLACE, count=1)
    assert (second.version, second.previous) == (2, 1)
    assert [Path(sent.what).name for sent in second.copied] == [INT8.name]
    folders = [pi.home / PLACE / "versions" / number / "runtime" for number in "12"]
    assert {path.relative_to(folders[0]) for path in folders[0].rglob("*.so*")}
    for path in folders[0].rglob("*.so*"):
        assert path.samefile(folders[1] / path.relative_to(folders[0]))

    x = np.random.default_rng(0).uniform(-1, 1, (1, 32, 32, 3)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    (scores,) = json.loads(by_hand(pi, second, tmp_path / "x.npy")).values()
    assert np.shape(scores) == (1, 10)

    assert roll_back(target, PLACE).current == 1
    assert (pi.home / PLACE / "current").resolve().name == "1"
    (found,) = deployed(target)
    assert (found.path, found.current, sorted(found.versions)) == (str(pi.home / PLACE), 1, [1, 2])
    target.close()
    assert left_over(pi) == []


def test_a_cut_link_and_a_full_disk_leave_the_version_in_use(
    pi: EmulatedPi, target: SshTarget, first: Deployment
) -> None:
    with session(target.where, "make", PLACE) as folder:
        folder.ask("share", 1, "edgebnn-0.1.0")
        assert Path(folder.making).is_dir()
        pi.drop_connections()
        with pytest.raises(ConnectionLostError):
            folder.ask("share", 1, "edgebnn-0.1.0")
    assert _soon(lambda: not left_over(pi) and not pi.alive())
    with small_disk(pi.home / "full", 3_000_000), pytest.raises(DeviceError, match="no room"):
        deploy(W1A8, target, folder="full", count=1)
    assert deployed(target, PLACE)[0].current is not None
    assert _soon(lambda: not pi.alive())


def test_without_python_the_version_in_use_is_run_by_hand(tmp_path: Path) -> None:
    """A float classifier, in its place one of other labels, and back: pictures, arrays and what is no picture."""
    land()
    pi = EmulatedPi(tmp_path / "pi", python=False)
    image = ImageFormat.of_range(-1, 1)
    made = [recorded(classifier(), Metadata(labels=labels, image=image)) for labels in (LABELS, ("r", "g", "b"))]
    models = [tmp_path / "one" / "colors.tflite", tmp_path / "two" / "colors.tflite"]
    for path, graph in zip(models, made, strict=True):
        path.parent.mkdir()
        path.write_bytes(to_bytes(graph))
    picture = pi.home / "red.ppm"
    picture.write_bytes(b"P6\n2 1\n255\n" + bytes([250, 20, 60] * 2))
    np.save(pi.home / "x.npy", np.zeros((2, 4, 6, 3), np.float32))
    target = SshTarget(pi.name, pi.access)

    def said(given: str, start: str) -> Done:
        # ARM's kernel would start the program itself: here a script of the device's does.
        done: Done = target.where._connection.run(start.replace("./network picture.ppm", f"run ./network {given}"))  # type: ignore[attr-defined]
        return done

    first, second = (deploy(path, target, count=1) for path in models)
    assert second.start == f"cd {pi.home}/edgebnn/colors/current && ./network picture.ppm"
    assert (pi.home / "edgebnn/colors/current/labels.txt").read_text() == "r\ng\nb\n"
    assert said("~/red.ppm --top 1", second.start).output.splitlines()[1].split()[1] == "r"
    assert roll_back(target, "edgebnn/colors").current == first.version
    done = said("~/red.ppm --json", second.start)
    expected = load(models[0]).classify(picture)
    (found,) = json.loads(done.output)["images"]
    assert [one["label"] for one in found["classes"]] == [one.label for one in expected]
    np.testing.assert_allclose([one["score"] for one in found["classes"]], [one.score for one in expected], rtol=1e-5)
    scores = json.loads(said("~/x.npy --json", second.start).output)["scores"]
    np.testing.assert_allclose(scores, np.full((2, 3), 1 / 3), rtol=1e-6)
    done = said("~/cat.jpg", second.start)
    assert (done.status, "pictures are read as PPM or PGM here" in done.words) == (1, True)
    target.close()
    assert _soon(lambda: not pi.alive())
    pi.close()


def test_a_program_may_be_ended_on_the_thread_of_the_connection(tmp_path: Path) -> None:
    """As the garbage collector does."""
    land()
    pi = EmulatedPi(tmp_path / "pi", python=False)
    where = SshTarget(pi.name, pi.access).where
    channel = where.shell()
    loop = where._connection._loop  # type: ignore[attr-defined]
    loop.call_soon_threadsafe(channel.close)
    assert where._connection.run("echo on").output == "on\n"  # type: ignore[attr-defined]
    where.close()
    pi.close()


def _soon(condition: object, seconds: float = 20.0) -> bool:
    assert callable(condition)
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.05)
    return bool(condition())
