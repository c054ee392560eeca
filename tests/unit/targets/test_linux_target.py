"""A device as a target: an agent in a process of its own, its crashes, its silence, answers that are not believed."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgebnn
from edgebnn import machine, targets
from edgebnn.errors import EdgebnnError, InputError, InputWarning, ModelFormatError
from edgebnn.files import digest
from edgebnn.targets.host import HostTarget
from edgebnn.targets.linux import client, reconnecting, start, wire
from edgebnn.targets.linux.device import ConnectionLostError, DeviceError, lacking
from edgebnn.targets.linux.standalone import PackageSession
from edgebnn.targets.linux.store import Store
from edgebnn.targets.linux.target import LinuxTarget
from edgebnn.targets.model_file import ModelFile, open_model
from edgebnn.targets.noise import noise
from edgebnn.targets.running import run_on
from edgebnn.workflows.benchmark import Effort, benchmark
from tests.support.devices import BINARY, INT8, W1A8, LocalDevice, scheduled


@pytest.fixture
def device(tmp_path: Path) -> LocalDevice:
    return LocalDevice(tmp_path)


@pytest.fixture
def target(device: LocalDevice) -> Any:
    made = LinuxTarget(device)
    yield made
    made.close()


def test_a_device_computes_shows_and_times_what_the_host_does(target: LinuxTarget) -> None:
    model = open_model(BINARY)
    sample = next(noise(model, 1))
    here, there = (one.open(model, trace=True) for one in (HostTarget(), target))
    for a, b in zip(here.run(sample), there.run(sample), strict=True):
        np.testing.assert_array_equal(a, b)
    shown, expected = there.trace(sample), here.trace(sample)
    assert shown.keys() == expected.keys()
    for index, value in expected.items():
        np.testing.assert_array_equal(shown[index], value)
    assert target.validate(W1A8, count=2).bit_exact
    profile = target.profile(BINARY, repeats=4)
    assert [op.index for op in profile.ops] == [op.index for op in HostTarget().profile(BINARY, repeats=4).ops]
    assert profile.kind == "measured"
    assert len(there.times(sample, 5).samples_ms) == 5
    other = target.open(open_model(INT8))
    inputs = next(noise(open_model(INT8), 1))
    other.run(inputs)
    assert len(there.times_against(sample, other, inputs, 4).ratios) == 4


def test_a_device_says_what_it_is_and_what_it_is_under(target: LinuxTarget) -> None:
    here = HostTarget()
    assert target.fingerprint() == here.fingerprint()
    assert target.versions() == here.versions()
    found = target.conditions()
    assert found.affinity == here.conditions().affinity
    with target.pinned((0,)):
        assert target.conditions().affinity == (0,)
    assert target.conditions().affinity == found.affinity
    with pytest.raises(InputError, match="cannot pin to the processors 4095"), target.pinned((4095,)):
        pass
    model = open_model(BINARY)
    assert target.open(model).energy(next(noise(model, 1)), 0.01) is None
    result = benchmark(target, model, effort=Effort(repeats=4, cool_seconds=0))
    assert result.fingerprint == here.fingerprint()
    assert result.before is not None


def kernels_on(target: LinuxTarget, model: ModelFile) -> list[str]:
    profile = target.profile(target.with_schedule(model), repeats=4)
    return [op.kernel for op in profile.ops if op.op == "LceBconv2d"]


def test_a_schedule_that_is_named_goes_with_the_model(target: LinuxTarget, tmp_path: Path) -> None:
    model, path = scheduled(tmp_path, "portablers", "pi4", "a.json")
    first, *others = kernels_on(target, open_model(model, schedule=path))
    assert first == "portablers"
    assert "portablers" not in others
    assert "portablers" not in kernels_on(target, open_model(model))
    model, path = scheduled(tmp_path, "abacus", "pi4", "a.json")
    with pytest.raises(InputError, match=rf"^{path}: op \d+ \(binary\): there is no kernel 'abacus' for it; use "):
        kernels_on(target, open_model(model, schedule=path))


def test_the_schedule_beside_a_model_goes_with_it_to_its_machine_alone(device: LocalDevice, tmp_path: Path) -> None:
    model, _ = scheduled(tmp_path, "portablers", "pi5")
    device.facts = replace(device.facts, processor="aarch64", details={"part": "0xd0b"})
    pi5 = LinuxTarget(device)
    assert kernels_on(pi5, open_model(model))[0] == "portablers"
    device.facts = replace(device.facts, details={"part": "0xd08"})
    pi4 = LinuxTarget(device)
    with pytest.warns(InputWarning, match=r"schedule\.json: not followed on local: it is for pi5; --schedule has it"):
        assert "portablers" not in kernels_on(pi4, open_model(model))
    pi5.close()
    pi4.close()


def test_programs_for_devices_without_python_refuse_a_schedule(device: LocalDevice, tmp_path: Path) -> None:
    device.facts = replace(device.facts, python=None)
    model, path = scheduled(tmp_path, "portablers", "host", "a.json")
    with pytest.raises(InputError, match="kernels on local follow no schedule; leave --schedule out"):
        LinuxTarget(device).with_schedule(open_model(model, schedule=path))


def test_many_samples_run_on_a_device_as_on_the_host(target: LinuxTarget) -> None:
    model = open_model(BINARY)
    images = np.random.default_rng(0).normal(size=(3, 32, 32, 3)).astype(np.float32)
    (found,) = run_on(target.open(model), model, [images])
    np.testing.assert_array_equal(found, edgebnn.load(BINARY)(images))


def test_a_slow_start_is_waited_for(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "ALIVE_SECONDS", 0.01)
    with start.saying_alive():
        time.sleep(0.3)
    said = capfd.readouterr().out
    assert set(said) == {"."}
    time.sleep(0.1)
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("read", "answer"),
    [
        (client.words_of, ["a"]),
        (client.words_of, {str(i): "" for i in range(100)}),
        (client.conditions_of, None),
        (client.conditions_of, {"governor": "x"}),
        (client.energy_of, {"watts": -1}),
        (client.energy_of, "much"),
    ],
)
def test_answers_about_a_device_are_not_believed(read: Any, answer: object) -> None:
    with pytest.raises(wire.WireError):
        read(answer)


def test_a_model_is_sent_once(target: LinuxTarget, device: LocalDevice) -> None:
    target.validate(W1A8, count=1)
    assert [sent.what for sent in target.sent] == [str(W1A8)]
    target.validate(W1A8, count=1)
    again = LinuxTarget(device)
    again.validate(W1A8, count=1)
    again.close()
    assert len(target.sent) == 1
    assert again.sent == []


def test_a_model_that_was_damaged_there_is_sent_again(target: LinuxTarget, device: LocalDevice) -> None:
    (device.store / "files" / digest(W1A8.read_bytes())).write_bytes(b"half")
    assert target.validate(W1A8, count=1).passed
    assert len(target.sent) == 1


def test_errors_on_the_device_keep_their_kind_and_name_the_model(target: LinuxTarget) -> None:
    with pytest.raises(ModelFormatError, match="a; rm -rf x"):
        target.open(ModelFile("a; rm -rf x.tflite", b"\x1c\0\0\0TFL3" + b"\0" * 64))
    with pytest.raises(InputError):
        target.open(open_model(INT8)).run([np.zeros((1, 9, 9, 1), np.int8)])


def test_what_a_login_shell_prints_is_skipped(target: LinuxTarget, device: LocalDevice) -> None:
    device.preamble = "print('Welcome to the Pi', flush=True)"
    assert target.validate(W1A8, count=1).passed


def test_an_agent_that_dies_is_an_error_with_its_last_words_and_the_next_model_gets_another(
    target: LinuxTarget, device: LocalDevice
) -> None:
    session = target.open(open_model(W1A8))
    os.kill(device.started[-1].pid, signal.SIGKILL)
    with pytest.raises(DeviceError, match="signal 9"):
        session.run(next(noise(open_model(W1A8), 1)))
    assert target.validate(W1A8, count=1).passed
    device.preamble = "raise SystemExit('edgebnn: /store: No space left on device')"
    target.close()
    with pytest.raises(DeviceError, match=r"^/store: No space left on device$"):
        target.validate(W1A8, count=1)


def test_a_lost_connection_is_made_anew(
    target: LinuxTarget, device: LocalDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = open_model(W1A8)
    sample = next(noise(model, 1))
    session = target.open(model)
    expected = session.run(sample)

    def lost(count: int) -> bytes:
        raise ConnectionLostError("the connection is gone")

    monkeypatch.setattr(device.started[-1], "receive", lost)
    np.testing.assert_array_equal(session.run(sample)[0], expected[0])
    assert len(device.started) == 2
    failing, start = iter([True, True, False]), device.start
    monkeypatch.setattr(device, "start", lambda needed: lost(0) if next(failing) else start(needed))
    monkeypatch.setattr(device.started[-1], "receive", lost)
    with pytest.warns(InputWarning, match="^local: the connection is gone; it is tried again for 120 s$"):
        np.testing.assert_array_equal(session.run(sample)[0], expected[0])
    assert len(device.started) == 3
    monkeypatch.setattr(device, "start", lambda needed: lost(0))
    monkeypatch.setattr(device.started[-1], "receive", lost)
    monkeypatch.setattr(reconnecting, "RECONNECT_SECONDS", 0.5)
    with pytest.raises(ConnectionLostError, match="gone"):
        session.run(sample)


@pytest.mark.parametrize("standalone", [False, True])
def test_nobody_waits_for_a_device_that_is_left(
    device: LocalDevice, monkeypatch: pytest.MonkeyPatch, standalone: bool
) -> None:
    if standalone:
        device.facts = replace(device.facts, python=None)
    target = LinuxTarget(device)
    session = target.open(open_model(W1A8))

    def lost(*arguments: object) -> Any:
        raise ConnectionLostError("the connection is gone")

    monkeypatch.setattr(device, "start", lost)
    monkeypatch.setattr(device, "launch", lost)
    monkeypatch.setattr(device.started[-1], "receive", lost)
    threading.Timer(1.0, target.close).start()
    begun = time.monotonic()
    with pytest.raises(ConnectionLostError), pytest.warns(InputWarning, match="tried again"):
        session.run(next(noise(open_model(W1A8), 1)))
    assert time.monotonic() - begun < 5


def test_a_silent_device_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconnecting, "RECONNECT_SECONDS", 1.0)
    device = LocalDevice(tmp_path, silence=4.0)
    target = LinuxTarget(device)
    session = target.open(open_model(W1A8))
    process = device.started[-1].pid
    os.kill(process, signal.SIGSTOP)
    begun = time.monotonic()
    device.preamble = "import time; time.sleep(60)"
    with pytest.raises(ConnectionLostError, match="said nothing for 4 s"):
        session.run(next(noise(open_model(W1A8), 1)))
    assert time.monotonic() - begun < 40
    target.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_the_agent_ends_with_its_caller_in_the_middle_of_an_inference(
    target: LinuxTarget, device: LocalDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = target.open(open_model(W1A8))
    channel = device.started[-1]
    sample = next(noise(open_model(W1A8), 1))
    channel.send(wire.encode({"do": "profile", "id": 99, "session": session.number, "repeats": 10**6}, sample))
    begun = time.monotonic()
    target.close()
    assert time.monotonic() - begun < 4, "it had to be killed"
    with pytest.raises(ProcessLookupError):
        os.kill(channel.pid, 0)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {},
        {"kind": "measured", "total": 1, "ops": {}},
        {"kind": "best", "total": 1, "ops": []},
        {"kind": "measured", "total": float("nan"), "ops": []},
        {"kind": "measured", "total": -1, "ops": []},
        {"kind": "measured", "total": 1, "ops": [{"index": "0"}]},
    ],
)
def test_answers_without_a_profile_are_refused(answer: object) -> None:
    with pytest.raises(wire.WireError):
        client.profile_of(answer, "measured")


def test_what_was_emulated_is_never_called_measured() -> None:
    empty = {"total": 1.0, "ops": []}
    for said, target, kind in (
        ("measured", "emulated", "emulated"),
        ("emulated", "measured", "emulated"),
        ("measured", "measured", "measured"),
    ):
        assert client.profile_of({"kind": said, **empty}, target).kind == kind  # type: ignore[arg-type]


def test_names_from_the_device_are_made_printable() -> None:
    op = {
        "index": 0,
        "op": "A\x1b[2J",
        "name": "x\n",
        "value": 1,
        "share": 1,
        "kernel": "",
        "members": [0],
        "fused": "",
    }
    (found,) = client.profile_of({"kind": "measured", "total": 1, "ops": [op]}, "measured").ops
    assert found.op == "A?[2J"
    assert found.name == "x?"


@pytest.mark.parametrize("outputs", [[], [np.zeros(3, np.float32)], [np.zeros((1, 10), np.float64)]])
def test_outputs_that_the_model_does_not_have_are_refused(
    target: LinuxTarget, outputs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    session = target.open(open_model(W1A8))
    monkeypatch.setattr(target, "ask", lambda *a, **k: ({}, tuple(outputs)))
    with pytest.raises(DeviceError, match="other outputs"):
        session.run(next(noise(open_model(W1A8), 1)))


@pytest.fixture
def without_python(device: LocalDevice) -> Iterator[LinuxTarget]:
    pytest.importorskip("ziglang")
    device.facts = replace(device.facts, python=None, processor=machine.processor())
    made = LinuxTarget(device)
    yield made
    made.close()


def test_without_python_a_model_is_a_program_that_computes_shows_and_times_the_same(
    without_python: LinuxTarget, device: LocalDevice
) -> None:
    assert "stand-alone program" in without_python.device
    assert without_python.validate(W1A8, count=2, layers=True).bit_exact
    result = without_python.validate(BINARY, count=1, layers=True)
    assert result.passed
    assert not any(layer.departs for layer in result.layers or ())
    assert len(result.layers or ()) == 25
    assert len(without_python.sent) == 2
    profile = without_python.profile(BINARY, repeats=4)
    assert [op.index for op in profile.ops] == [*range(25), -1]
    assert profile.total == pytest.approx(sum(op.value for op in profile.ops))
    session, other = (without_python.open(open_model(path)) for path in (W1A8, BINARY))
    inputs, others = (next(noise(open_model(path), 1)) for path in (W1A8, BINARY))
    assert len(session.times_against(inputs, other, others, 5).ratios) == 5
    assert len(without_python.sent) == 2
    without_python.close()
    for channel in device.started:
        with pytest.raises(ProcessLookupError):
            os.kill(channel.pid, 0)


def test_a_program_ends_with_its_caller_in_the_middle_of_its_work(
    without_python: LinuxTarget, device: LocalDevice
) -> None:
    _kept = without_python.open(open_model(W1A8))  # or its program ends where it is collected
    channel = device.started[-1]
    inputs = b"".join(values.tobytes() for values in next(noise(open_model(W1A8), 1)))
    channel.send(b"P" + (10**6).to_bytes(4, "little") + inputs)
    begun = time.monotonic()
    channel.close()
    assert time.monotonic() - begun < 4.5, "it had to be killed"


def test_a_program_says_what_memory_it_has_taken_at_most(
    without_python: LinuxTarget, device: LocalDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "conditions", lambda: {"governor": "performance"})
    session = without_python.open(open_model(BINARY))
    assert isinstance(session, PackageSession)
    before = without_python.conditions()
    assert before is not None
    assert (before.governor, before.peak_memory_bytes) == ("performance", None), "before it has computed anything"
    session.run(next(noise(open_model(BINARY), 1)))
    after = without_python.conditions()
    assert after is not None
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{device.started[-1].pid}/status").read_text().splitlines()
    )
    assert after.peak_memory_bytes == pytest.approx(1024 * int(status["VmHWM"].split()[0]), abs=1 << 18)
    with monkeypatch.context() as patch:
        for said in (True, -1, "1", 1 << 40):
            patch.setattr(wire, "decode", lambda receive, said=said: ({"peak_memory_kb": said}, ()))
            with pytest.raises(DeviceError, match="other tensors"):
                session.run(next(noise(open_model(BINARY), 1)))
            assert session.peak_memory_bytes == after.peak_memory_bytes


def test_what_a_program_cannot_do_is_refused(without_python: LinuxTarget) -> None:
    with pytest.raises(InputError, match="one thread"):
        without_python.open(open_model(W1A8), threads=2)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"processor": "riscv64"}, "LiteRT has wheels for x86_64, aarch64, armv7l alone"),
        ({"python": (3, 9)}, "Python is 3.9, and 3.10 is needed"),
        ({"python": None}, "sudo apt install python3"),
        ({"glibc": (2, 24)}, "it has glibc 2.24, and LiteRT's wheels need 2.27"),
        ({"glibc": None}, "another C library than glibc"),
        ({"processor": "armv7l", "has_numpy": False}, "sudo apt install python3-numpy"),
        ({}, ""),
    ],
)
def test_what_a_device_lacks_is_said_with_what_helps(device: LocalDevice, facts: dict[str, Any], words: str) -> None:
    found = lacking(replace(device.facts, **{"processor": "aarch64", **facts}))
    assert words in found
    assert bool(found) == bool(words)


def test_a_store_takes_nothing_but_hashes_and_forgets_what_was_not_used_for_longest(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(InputError):
        store.path("../../etc/passwd")
    (tmp_path / "files").mkdir()
    names = []
    for number in range(3):
        data = bytes([number]) * 100
        names.append(digest(data))
        store.path(names[-1]).write_bytes(data)
        os.utime(store.path(names[-1]), (number + 1, number + 1))
    store.read(names[0])
    store.trim(most=250)
    assert [store.has(name) for name in names] == [True, False, True]
    with pytest.raises(EdgebnnError, match="not sent"):
        store.read(names[1])


def test_without_its_library_ssh_is_listed_and_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    (facts,) = (one for one in targets.targets() if one.name.startswith("ssh://"))
    assert not facts.available
    assert "pip install 'edgebnn[targets]'" in facts.detail
    monkeypatch.setitem(sys.modules, "edgebnn.targets.linux.ssh", None)
    monkeypatch.delattr("edgebnn.targets.linux.ssh", raising=False)
    with pytest.raises(EdgebnnError, match=r"pip install 'edgebnn\[targets\]'"):
        targets.target("ssh://pi@raspberrypi.local")
