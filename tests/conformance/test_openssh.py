"""ssh:// against a real OpenSSH server: sshd on a loopback port with keys of its own, sessions on this machine."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

asyncssh = pytest.importorskip("asyncssh")

from edgebnn.errors import EdgebnnError  # noqa: E402
from edgebnn.targets.linux.access import Access  # noqa: E402
from edgebnn.targets.linux.device import DeviceError  # noqa: E402
from edgebnn.targets.linux.ssh import SshDevice, SshTarget  # noqa: E402
from edgebnn.targets.model_file import open_model  # noqa: E402
from edgebnn.targets.noise import noise  # noqa: E402
from tests.support.devices import W1A8  # noqa: E402

pytestmark = pytest.mark.slow

SEPARATION = Path("/run/sshd")
"""Which sshd wants when root starts it; Debian's service makes it."""


@dataclass(frozen=True)
class Server:
    """A running sshd: its process, the target's name, how to log in, and where sessions keep their caches."""

    pid: int
    name: str
    access: Access
    cache: Path

    def sessions(self) -> list[int]:
        """Agents that were put into the cache."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                command = path.read_bytes()
            except OSError:  # it has just ended
                continue
            if str(self.cache).encode() in command:
                found.append(int(path.parent.name))
        return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    program = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("sshd is not installed: apt-get install openssh-server")
    folder = tmp_path_factory.mktemp("sshd")
    if os.geteuid() == 0:
        SEPARATION.mkdir(exist_ok=True)
    for name in ("host", "user"):
        asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(folder / name))
        (folder / name).chmod(0o600)
    host, user = (asyncssh.read_private_key(str(folder / name)).export_public_key() for name in ("host", "user"))
    (folder / "authorized_keys").write_bytes(user)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {host.decode()}")
    (folder / "client").write_text("")
    settings = {
        "Port": port,
        "ListenAddress": "127.0.0.1",
        "HostKey": folder / "host",
        "PidFile": "none",
        "AuthorizedKeysFile": folder / "authorized_keys",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "PermitRootLogin": "prohibit-password",
        "StrictModes": "no",
        "UsePAM": "no",
        "SetEnv": f"XDG_CACHE_HOME={folder / 'cache'}",
    }
    (folder / "config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    log = (folder / "log").open("w")
    process = subprocess.Popen([program, "-D", "-e", "-f", str(folder / "config")], stderr=log)
    until = time.monotonic() + 20
    while "listening" not in (folder / "log").read_text():
        if process.poll() is not None or time.monotonic() > until:
            pytest.skip(f"sshd does not start here: {(folder / 'log').read_text().strip()}")
        time.sleep(0.05)
    access = Access(key=folder / "user", known_hosts=folder / "known_hosts", config=folder / "client")
    yield Server(process.pid, f"ssh://{getpass.getuser()}@127.0.0.1:{port}", access, folder / "cache")
    process.terminate()
    process.wait()
    log.close()


def test_a_model_is_put_there_run_and_timed_and_nothing_stays(server: Server) -> None:
    target = SshTarget(server.name, server.access)
    try:
        session = target.open(open_model(W1A8))
    except EdgebnnError as error:
        if "cannot be downloaded" in str(error):
            pytest.skip(str(error))
        raise
    assert target.kind == "measured"
    assert target.validate(W1A8, count=2).bit_exact
    assert target.profile(W1A8, repeats=4).total > 0
    sample = next(noise(open_model(W1A8), 1))
    expected = session.run(sample)
    (agent,) = server.sessions()
    os.kill(_connection_of(agent), signal.SIGKILL)  # as when the board loses its network
    np.testing.assert_array_equal(session.run(sample)[0], expected[0])
    target.close()
    until = time.monotonic() + 10
    while server.sessions():
        assert time.monotonic() < until, "the agent goes on without its caller"
        time.sleep(0.05)
    half = [path for path in server.cache.rglob("*") if path.name.startswith((".part-", ".unpacking-"))]
    assert half == []
    again = SshTarget(server.name, server.access)
    assert again.validate(W1A8, count=1).passed
    assert again.sent == []
    again.close()


def _connection_of(process: int) -> int:
    """The sshd that serves a session's process."""
    while True:
        text = Path(f"/proc/{process}/stat").read_text()
        process = int(text.rpartition(")")[2].split()[1])
        if "(sshd)" in Path(f"/proc/{process}/stat").read_text():
            return process


def test_keys_that_do_not_fit_are_refused(server: Server, tmp_path: Path) -> None:
    other = tmp_path / "other"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(other))
    with pytest.raises(DeviceError, match="lets none of your keys in"):
        SshDevice(server.name, replace(server.access, key=other))
    with pytest.raises(DeviceError, match="host key is not known"):
        SshDevice(server.name, replace(server.access, known_hosts=tmp_path / "none"))
    assert server.access.known_hosts is not None
    wrong = tmp_path / "wrong"
    kept = server.access.known_hosts.read_text().split()[0]
    public = asyncssh.read_private_key(str(other)).export_public_key().decode()
    wrong.write_text(f"{kept} {public}")
    with pytest.raises(DeviceError, match="another than the one in known_hosts"):
        SshDevice(server.name, replace(server.access, known_hosts=wrong))
