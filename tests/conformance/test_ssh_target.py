"""ssh:// from end to end: a real ssh server with an emulated Raspberry Pi behind it, and what can go wrong."""

from __future__ import annotations

import shlex
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

asyncssh = pytest.importorskip("asyncssh")

from edgebnn.cli.main import main  # noqa: E402
from edgebnn.errors import EdgebnnError, InputError, InputWarning  # noqa: E402
from edgebnn.files import cache_folder, digest  # noqa: E402
from edgebnn.targets import target as target_named  # noqa: E402
from edgebnn.targets.linux import bundle, connection, wire  # noqa: E402
from edgebnn.targets.linux.device import ConnectionLostError, DeviceError  # noqa: E402
from edgebnn.targets.linux.ssh import SshDevice, SshTarget, parse  # noqa: E402
from edgebnn.targets.model_file import open_model  # noqa: E402
from edgebnn.targets.noise import noise  # noqa: E402
from edgebnn.workflows.benchmark import Effort, benchmark  # noqa: E402
from tests.support.devices import BINARY, W1A8  # noqa: E402
from tests.support.emulated_pi import EmulatedPi, land, small_disk  # noqa: E402

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedPi]:
    """One device for all tests: edgebnn is put on it once."""
    land()
    made = EmulatedPi(tmp_path_factory.mktemp("pi"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def deployed(pi: EmulatedPi) -> Iterator[SshTarget]:
    """A target whose agent runs."""
    target = SshTarget(pi.name, pi.access)
    try:
        target.open(open_model(W1A8))
    except EdgebnnError as error:
        if "cannot be downloaded" in str(error):
            pytest.skip(str(error))
        raise
    yield target
    target.close()


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[EmulatedPi]:
    """A device of its own, with nothing on it."""
    land()
    made = EmulatedPi(tmp_path / "bare")
    yield made
    made.close()


def large(folder: Path, name: str = "large.tflite", size: int = 5 * 10**6) -> Path:
    """A model of so many bytes that no device has seen."""
    path = folder / name
    path.write_bytes(W1A8.read_bytes() + np.random.default_rng(time.time_ns()).bytes(size))
    return path


def soon(condition: object, seconds: float = 10.0) -> bool:
    """Whether a condition comes true: the other side needs a moment to notice."""
    assert callable(condition)
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def half_files(pi: EmulatedPi) -> list[str]:
    return [str(path) for path in pi.home.rglob("*") if path.name.startswith((".part-", ".unpacking-"))]


def test_the_device_is_asked_what_it_is(deployed: SshTarget) -> None:
    facts = deployed.where.facts
    assert (facts.processor, facts.glibc, facts.python) == ("aarch64", (2, 36), (3, 11))
    assert facts.details["part"] == "0xd0b"
    assert facts.kind == deployed.kind == "emulated"
    assert "times are the emulator's" in deployed.device


def test_binary_and_w1a8_layers_are_bit_exact(deployed: SshTarget) -> None:
    assert deployed.validate(W1A8, count=2).bit_exact
    result = deployed.validate(BINARY, count=1, layers=True)
    assert result.passed
    assert sum(layer.op.startswith("Lce") for layer in result.layers or ()) > 10
    assert not any(layer.departs for layer in result.layers or ())


def test_a_profile_names_every_layer_and_is_emulated(deployed: SshTarget) -> None:
    profile = deployed.profile(BINARY, repeats=4)
    assert profile.kind == "emulated"
    assert sum(op.op == "LceBconv2d" for op in profile.ops) == 6


def test_five_megabytes_and_twenty_repeats_take_less_than_a_minute_and_are_copied_once(
    pi: EmulatedPi, deployed: SshTarget, tmp_path: Path
) -> None:
    model = large(tmp_path)
    begun = time.monotonic()
    first = SshTarget(pi.name, pi.access)
    first.profile(model, repeats=20)
    first.close()
    assert time.monotonic() - begun < 60
    assert [sent.what for sent in first.sent] == [str(model)]
    received = pi.bytes_received
    second = SshTarget(pi.name, pi.access)
    second.validate(model, count=1)
    second.close()
    assert second.sent == []
    assert pi.bytes_received - received < 100_000


def test_a_models_name_is_no_part_of_any_command(pi: EmulatedPi, deployed: SshTarget, tmp_path: Path) -> None:
    precious = pi.home / "x.tflite"
    precious.write_text("precious")
    model = tmp_path / "a; rm -rf x.tflite"
    model.write_bytes(W1A8.read_bytes() + b"another")
    assert deployed.validate(model, count=1).passed
    assert precious.read_text() == "precious"
    assert not any("rm -rf" in command for command in pi.commands)


def test_nothing_runs_there_after_the_target_is_closed(pi: EmulatedPi, deployed: SshTarget) -> None:
    target = SshTarget(pi.name, pi.access)
    target.open(open_model(W1A8))
    before = len(pi.alive())
    target.close()
    assert soon(lambda: len(pi.alive()) == before - 1)


def test_a_caller_that_is_killed_in_the_middle_leaves_no_process_and_no_lock(
    pi: EmulatedPi, deployed: SshTarget
) -> None:
    target = SshTarget(pi.name, pi.access)
    session = target.open(open_model(W1A8))
    agent, _ = target.agent
    sample = next(noise(open_model(W1A8), 1))
    request = {"do": "profile", "id": 77, "session": session.number, "repeats": 10**7}
    agent._channel.send(wire.encode(request, sample))
    time.sleep(1.0)
    target.where._connection._open.abort()  # type: ignore[attr-defined]
    assert soon(lambda: len(pi.alive()) <= 1), "the agent goes on without its caller"
    begun = time.monotonic()
    deployed.profile(W1A8, repeats=4)  # takes the lock
    assert time.monotonic() - begun < 30


def test_a_connection_that_drops_is_made_anew_and_the_answer_is_the_same(pi: EmulatedPi, deployed: SshTarget) -> None:
    target = SshTarget(pi.name, pi.access)
    model = open_model(W1A8)
    sample = next(noise(model, 1))
    session = target.open(model)
    expected = session.run(sample)
    processes = len(pi.processes)
    with target._lock:
        target.where._connection._open.abort()  # type: ignore[attr-defined]
    np.testing.assert_array_equal(session.run(sample)[0], expected[0])
    assert len(pi.processes) > processes
    assert target.sent == []
    target.close()
    assert soon(lambda: len(pi.alive()) <= 1)


def test_a_device_that_is_cut_off_twice_and_starts_anew_is_waited_for(pi: EmulatedPi, deployed: SshTarget) -> None:
    target = SshTarget(pi.name, pi.access)
    model = open_model(W1A8)
    sample = next(noise(model, 1))
    session = target.open(model)
    expected = session.run(sample)
    pi.switch_off()
    threading.Timer(2.5, pi.switch_on).start()
    threading.Timer(4.0, pi.drop_connections).start()
    with pytest.warns(InputWarning, match=r"refuses ssh.*; it is tried again for 120 s$"):
        outputs = session.run(sample)
    np.testing.assert_array_equal(outputs[0], expected[0])
    for _ in range(3):
        time.sleep(1.0)
        np.testing.assert_array_equal(session.run(sample)[0], expected[0])
    target.close()


@pytest.mark.parametrize("error", [BrokenPipeError(32, "Broken pipe"), asyncssh.ConnectionLost("lost")])
def test_a_connection_that_is_cut_while_it_is_made_is_explained(
    bare: EmulatedPi, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def cut(**options: object) -> None:
        raise error

    monkeypatch.setattr(asyncssh, "connect", cut)
    with pytest.raises(
        ConnectionLostError, match=r"^127\.0\.0\.1: hangs up before a login; .*journalctl -u ssh tells$"
    ):
        SshDevice(bare.name, bare.access)


def test_a_copy_that_is_cut_off_leaves_no_half_file_and_no_process(bare: EmulatedPi, tmp_path: Path) -> None:
    device = SshDevice(bare.name, bare.access)
    bare.delay = 0.05
    data = large(tmp_path).read_bytes()
    threading.Timer(1.5, bare.drop_connections).start()
    with pytest.raises(ConnectionLostError, match="is gone"):
        device.put(digest(data), data)
    assert 0 < bare.bytes_received < len(data)
    assert soon(lambda: not bare.alive())
    assert half_files(bare) == []
    assert device.present([digest(data)]) == set()
    bare.delay = 0.0
    device.put(digest(data), data)  # the next try logs in again
    assert device.present([digest(data)]) == {digest(data)}
    device.close()


def test_a_full_disk_is_an_error_and_leaves_no_half_file(bare: EmulatedPi, tmp_path: Path) -> None:
    device = SshDevice(bare.name, bare.access)
    data = large(tmp_path).read_bytes()
    starter = bundle.Archive("start.py", bundle.START.read_bytes())
    edgebnn = bundle.edgebnn_archive("aarch64")
    with small_disk(bare.home / ".cache", 1_000_000):
        with pytest.raises(DeviceError, match=r"no room for 5\.0 MB \(.*No space left on device\)"):
            device.put(digest(data), data)
        assert half_files(bare) == []
        assert device.present([digest(data)]) == set()
        device.put(starter.name, starter.data)
        device.put(edgebnn.name, edgebnn.data)  # for which there is room, but not for what is in it
        with pytest.raises(DeviceError, match=r"no room to unpack .*No space left on device\); free some there"):
            device.start([starter.name, edgebnn.name]).receive(1)
        assert half_files(bare) == []
        assert soon(lambda: not bare.alive())
    device.close()


def test_host_keys(bare: EmulatedPi) -> None:
    new = replace(bare.access, known_hosts=bare.home.parent / "new")
    with pytest.raises(DeviceError, match=r"host key is not known \(SHA256:.*ssh -p \d+ pi@127.*--accept-host-key"):
        SshDevice(bare.name, new)
    assert new.known_hosts is not None
    assert not new.known_hosts.exists()
    SshDevice(bare.name, replace(new, accept_new_host=True)).close()
    assert new.known_hosts.stat().st_mode & 0o077 == 0
    SshDevice(bare.name, new).close()
    wrong = bare.record("wrong", asyncssh.generate_private_key("ssh-ed25519"))
    recorded = wrong.read_bytes()
    for access in (replace(new, known_hosts=wrong), replace(new, known_hosts=wrong, accept_new_host=True)):
        with pytest.raises(DeviceError, match=r"another than the one in known_hosts .*ssh-keygen -R"):
            SshDevice(bare.name, access)
    assert wrong.read_bytes() == recorded


@pytest.mark.parametrize(
    ("alias", "recorded_as"),
    [("", "[127.0.0.1]:{port}"), ("HostKeyAlias board-7\n", "board-7"), ("", "[localhost]:{port}")],
)
def test_a_host_key_that_changed_is_named_as_known_hosts_has_it(
    bare: EmulatedPi, tmp_path: Path, alias: str, recorded_as: str
) -> None:
    name, config, known = recorded_as.format(port=bare.port), tmp_path / "config", tmp_path / "known hosts"
    host = "localhost" if "localhost" in name else "127.0.0.1"
    login = f"HostName {host}\nPort {bare.port}\nUser pi\nIdentityFile {bare.user_key}\n"
    config.write_text(f"Host mypi\n{login}{alias}")
    access = replace(bare.access, key=None, known_hosts=known, config=config)
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    known.write_text(f"{host} {other}{name} {other}")  # the first is of what listens at port 22 there
    with pytest.raises(DeviceError) as refused:
        SshDevice("ssh://mypi", access)
    remedy = str(refused.value).partition("run ")[2].partition(";")[0]
    assert str(refused.value).startswith("mypi: its host key is another than the one in known_hosts")
    assert shlex.split(remedy) == ["ssh-keygen", "-R", name, "-f", str(known)]
    known.write_text(f"{host} {other}")  # as if that had been done
    SshDevice("ssh://mypi", replace(access, accept_new_host=True)).close()
    assert known.read_text().splitlines()[-1].split()[0] == name
    SshDevice("ssh://mypi", access).close()


def test_logins_that_fail_say_what_helps(bare: EmulatedPi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = tmp_path / "other"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(key))
    with pytest.raises(DeviceError, match=r"lets none of your keys in: ssh-copy-id -p \d+ pi@127"):
        SshDevice(bare.name, replace(bare.access, key=key))
    with pytest.raises(DeviceError, match="is the user name right"):
        SshDevice(bare.name.replace("pi@", "nobody@"), bare.access)
    key.write_text("no key")
    with pytest.raises(DeviceError, match="no private key that can be read"):
        SshDevice(bare.name, replace(bare.access, key=key))
    with pytest.raises(DeviceError, match="raspi-config"):
        SshDevice("ssh://pi@127.0.0.1:1", bare.access)
    with pytest.raises(DeviceError, match="no such host"):
        SshDevice("ssh://pi@nowhere.invalid", bare.access)
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as other:
        name = f"ssh://pi@127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(DeviceError, match="does not answer within 1 s; is it on"):
            SshDevice(name, bare.access)
        threading.Thread(target=lambda: [other.accept()[0].close() for _ in range(2)], daemon=True).start()
        with pytest.raises(DeviceError, match="hangs up before a login; is it ssh that listens there"):
            SshDevice(name, bare.access)


def test_the_configuration_of_ssh_names_hosts_keys_and_jumps(bare: EmulatedPi, tmp_path: Path) -> None:
    config = tmp_path / "config"
    login = f"HostName 127.0.0.1\nPort {bare.port}\nUser pi\nIdentityFile {bare.user_key}\n"
    known = f"UserKnownHostsFile {bare.known_hosts}\n"
    config.write_text(f"Host gate\n{login}{known}\nHost mypi\n{login}{known}ProxyJump gate\n")
    device = SshDevice("ssh://mypi", replace(bare.access, key=None, known_hosts=None, config=config))
    assert device.facts.processor == "aarch64"
    assert len(bare._connections) == 2, "not by way of the other"
    device.close()


def test_a_slow_link_is_waited_for_and_a_silent_one_is_not(bare: EmulatedPi, tmp_path: Path) -> None:
    device = SshDevice(bare.name, replace(bare.access, silence=3.0))
    data = large(tmp_path, size=10**6).read_bytes()
    bare.delay = 0.4
    begun = time.monotonic()
    device.put(digest(data), data)
    assert time.monotonic() - begun > 4.0
    bare.delay = 60.0
    other = large(tmp_path).read_bytes()
    begun = time.monotonic()
    with pytest.raises(ConnectionLostError, match="said nothing for 3 s"):
        device.put(digest(other), other)
    assert time.monotonic() - begun < 20
    device.close()


def test_a_device_without_python_runs_a_model_as_a_program(tmp_path: Path) -> None:
    land()
    pi = EmulatedPi(tmp_path / "pi", python=False)
    target = SshTarget(pi.name, pi.access)
    assert "no Python" in target.device
    assert "stand-alone program" in target.device
    assert target.validate(W1A8, count=2).bit_exact
    assert target.validate(BINARY, count=1, layers=True).passed
    profile = target.profile(BINARY, repeats=4)
    assert profile.kind == "emulated"
    assert len(profile.ops) == 26
    assert len(target.sent) == 2
    result = benchmark(target, open_model(W1A8), effort=Effort(repeats=4))
    assert (result.kind, result.threads) == ("emulated", 1)
    assert result.after is not None
    assert (result.after.peak_memory_bytes or 0) > 10**6
    session = target.open(open_model(W1A8))
    sample = next(noise(open_model(W1A8), 1))
    expected = session.run(sample)
    target.where._connection._open.abort()  # type: ignore[attr-defined]
    np.testing.assert_array_equal(session.run(sample)[0], expected[0])
    assert len(target.sent) == 2
    target.close()
    assert soon(lambda: not pi.alive())
    assert half_files(pi) == []
    pi.close()


def test_callers_at_the_same_time_do_not_collide(pi: EmulatedPi, deployed: SshTarget, tmp_path: Path) -> None:
    model = large(tmp_path, size=10**6)

    def use(number: int) -> tuple[bool, str]:
        target = SshTarget(pi.name, pi.access)
        try:
            return target.validate(model, count=1).passed, target.profile(model, repeats=4).kind
        finally:
            target.close()

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(use, range(2))) == [(True, "emulated")] * 2
    assert half_files(pi) == []


def test_the_documented_commands_run_as_printed(
    pi: EmulatedPi, deployed: SshTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh = tmp_path / ".ssh"
    ssh.mkdir()
    keys = f"IdentityFile {pi.user_key}\nUserKnownHostsFile {pi.known_hosts}\n"
    (ssh / "config").write_text(f"Host raspberrypi.local\nHostName 127.0.0.1\nPort {pi.port}\n{keys}")
    monkeypatch.setenv("EDGEBNN_CACHE", str(cache_folder()))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resnet8.tflite").write_bytes(W1A8.read_bytes())
    pages = (ROOT / "README.md", ROOT / "docs" / "raspberry_pi.md")
    lines = [line for page in pages for line in page.read_text(encoding="utf-8").splitlines()]
    commands = sorted({line.partition("#")[0] for line in lines if line.startswith("edgebnn ") and "ssh://" in line})
    assert len(commands) >= 3
    for command in commands:
        extra = ["--repeats", "4"] if " profile " in command or " benchmark " in command else ["--samples", "1"]
        with pytest.raises(SystemExit) as ended:
            main([*shlex.split(command)[1:], *extra])
        assert ended.value.code == 0, command


def test_errors_are_one_line_and_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, words in (
        ("ssh://pi@127.0.0.1:1", "raspi-config"),
        ("ssh://pi@nowhere.invalid", "no such host"),
        ("ssh://pi:secret@host", "leave the password out"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["validate", str(W1A8), "--target", name])
        assert ended.value.code == 2
        printed = capsys.readouterr()
        assert printed.err.count("\n") == 1
        assert words in printed.err
        assert "secret" not in printed.err + printed.out


@pytest.mark.parametrize("verb", ["validate", "profile", "benchmark", "run"])
def test_a_login_that_is_refused_is_one_line_and_leaves_nothing(
    bare: EmulatedPi, verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the command, with the user's own ~/.ssh."""
    other = tmp_path / "other"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(other))
    (empty := tmp_path / "empty").touch()
    wrong = bare.record("wrong", asyncssh.generate_private_key("ssh-ed25519"))
    recorded = wrong.read_bytes()
    ssh = tmp_path / ".ssh"
    ssh.mkdir()
    monkeypatch.setenv("EDGEBNN_CACHE", str(cache_folder()))
    monkeypatch.setenv("HOME", str(tmp_path))
    (model := tmp_path / "a; rm -rf $HOME.tflite").write_bytes(W1A8.read_bytes())
    np.save(tmp_path / "x.npy", next(noise(open_model(W1A8), 1))[0])
    files = ["--input", str(tmp_path / "x.npy"), "--output", str(tmp_path / "y.npy")] if verb == "run" else []
    for key, known, words, options in (
        (bare.user_key, empty, "host key is not known", []),
        (bare.user_key, tmp_path / "none", "host key is not known", []),
        (bare.user_key, wrong, "ssh-keygen -R", []),
        (bare.user_key, wrong, "ssh-keygen -R", ["--accept-host-key"]),
        (other, bare.known_hosts, "ssh-copy-id", []),
    ):
        login = f"HostName 127.0.0.1\nPort {bare.port}\nUser pi\nIdentityFile {key}\nIdentityAgent none\n"
        (ssh / "config").write_text(f"Host mypi\n{login}UserKnownHostsFile {known}\n")
        with pytest.raises(SystemExit) as ended:
            main([verb, str(model), "--target", "ssh://mypi", *files, *options])
        printed = capsys.readouterr()
        assert (ended.value.code, printed.out) == (2, "")
        assert words in printed.err
        assert printed.err.count("\n") == 1
    assert bare.commands == []
    assert not any(bare.home.iterdir())
    assert wrong.read_bytes() == recorded
    assert sorted(path.name for path in ssh.iterdir()) == ["config"]
    assert not (tmp_path / "y.npy").exists()


def test_addresses() -> None:
    assert str(parse("ssh://pi@raspberrypi.local:2222")) == "pi@raspberrypi.local:2222"
    assert str(parse("ssh://mypi")) == "mypi"
    for name in (
        "ssh://",
        "ssh://pi@",
        "ssh://pi@host/path",
        "ssh://-oProxyCommand=x@h",
        "ssh://pi@h:port",
        "ssh:pi@h",
    ):
        with pytest.raises(InputError, match="ssh://user@host"):
            parse(name)
    with pytest.raises(InputError) as refused:
        target_named("ssh://pi:secret@host")
    assert "secret" not in str(refused.value)
