"""A Raspberry Pi to log in to: an ssh server on a loopback port whose sessions live in an emulated user land.

The protocol, the files and the programs are real: every command is run by Debian's own shell and tools for ARM under
qemu-user, in a home folder of its own. What cannot be had without a board or root stands in as follows: programs start
each other through scripts that call qemu, and the user is the one of this process.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from edgebnn.files import cache_folder
from edgebnn.targets.linux import user_lands
from edgebnn.targets.linux.access import Access

_SHELL = replace(
    user_lands.SYSTEMS["bookworm-arm64"],
    name="bookworm-arm64-shell",
    packages=(
        *user_lands.SYSTEMS["bookworm-arm64"].packages,
        *("dash", "coreutils", "findutils", "grep", "libc-bin"),
        *("libacl1", "libattr1", "libgmp10", "libselinux1", "libpcre2-8-0"),
    ),
)
_PROGRAMS = (
    "uname",
    "cat",
    "mkdir",
    "mv",
    "rm",
    "chmod",
    "wc",
    "sha256sum",
    "tr",
    "nproc",
    "grep",
    "getconf",
    "sleep",
    "env",
    *("cp", "find", "head", "ln", "ls", "readlink", "rmdir", "sync", "touch"),
)


@functools.cache
def land() -> user_lands.UserLand:
    """The user land with a shell; skips where it cannot be had."""
    try:
        return user_lands.make(_SHELL, cache_folder() / "arm")
    except user_lands.UnavailableError as error:
        pytest.skip(str(error))


class EmulatedPi:
    """The server. Args: an empty folder for its keys, programs and home.

    Attributes:
        home: of the one user, ``pi``.
        processes: that sessions have started.
        bytes_received: by all sessions on their standard input.
        delay: seconds by which each 64 KiB on the way to the device are late.
    """

    def __init__(self, folder: Path, python: bool = True) -> None:
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        self.processes: list[asyncio.subprocess.Process] = []
        self.commands: list[str] = []
        self.bytes_received = 0
        self.delay = 0.0
        self._programs = folder / "bin"
        self._make_programs(python)
        self.user_key = folder / "id_ed25519"
        self._host_key = asyncssh.generate_private_key("ssh-ed25519")
        key = asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(str(self.user_key))
        (folder / "authorized_keys").write_bytes(key.export_public_key())
        (folder / "config").write_text("")
        self._folder = folder
        self._connections: set[asyncssh.SSHServerConnection] = set()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._server = self._wait(self._listen(0))
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.known_hosts = self.record("known_hosts", self._host_key)

    @property
    def name(self) -> str:
        return f"ssh://pi@127.0.0.1:{self.port}"

    @property
    def access(self) -> Access:
        return Access(key=self.user_key, known_hosts=self.known_hosts, config=self._folder / "config")

    @property
    def store(self) -> Path:
        (folder,) = (self.home / ".cache" / "edgebnn").iterdir()
        return folder

    def record(self, name: str, key: asyncssh.SSHKey) -> Path:
        """A known_hosts file with ``key`` as this host's."""
        path = self._folder / name
        path.write_text(f"[127.0.0.1]:{self.port} {key.export_public_key().decode()}")
        return path

    def drop_connections(self) -> None:
        """As when the cable is pulled: nobody says goodbye."""
        self._loop.call_soon_threadsafe(lambda: [connection.abort() for connection in list(self._connections)])

    def alive(self) -> list[int]:
        """The processes of sessions that still run."""
        return [process.pid for process in self.processes if process.returncode is None]

    def switch_off(self) -> None:
        """What runs there ends at once, and nobody answers at its address."""
        self._wait(self._stop())

    def switch_on(self) -> None:
        """It answers at its address again, with what is in its home."""
        self._server = self._wait(self._listen(self.port))

    def close(self) -> None:
        self.switch_off()
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _stop(self) -> None:
        self._server.close()
        for connection in list(self._connections):
            connection.abort()
        for process in self.processes:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)  # what a shell started holds its pipes open
            await process.wait()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=5)  # sessions that have yet to notice

    def _make_programs(self, python: bool) -> None:
        self._programs.mkdir()
        root = land().root
        found = {
            name: next(p for p in (root / "usr/bin" / name, root / "bin" / name) if p.exists()) for name in _PROGRAMS
        }
        found["sh"] = root / "bin" / "dash"
        if python:
            found["python3"] = root / "usr" / "bin" / f"python{land().system.python}"
        for name, path in found.items():
            script = self._programs / name
            script.write_text(f'#!/bin/sh\nexec {shutil.which(land().system.emulator)} -L "{root}" "{path}" "$@"\n')
            script.chmod(0o755)
        run = self._programs / "run"
        run.write_text(f'#!/bin/sh\n[ -x "$1" ] && exec {shutil.which(land().system.emulator)} "$@"\n')
        run.chmod(0o755)

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _listen(self, port: int) -> asyncssh.SSHAcceptor:
        pi = self

        class Server(asyncssh.SSHServer):  # type: ignore[misc]
            def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
                self._conn = conn
                pi._connections.add(conn)

            def connection_lost(self, exc: Exception | None) -> None:
                pi._connections.discard(self._conn)

            def connection_requested(self, *addresses: object) -> bool:
                return True  # so that it can be jumped over

            def begin_auth(self, username: str) -> bool:
                if username == "pi":
                    self._conn.set_authorized_keys(str(pi._folder / "authorized_keys"))
                return True

        return await asyncssh.listen(
            "127.0.0.1",
            port,
            server_factory=Server,
            server_host_keys=[self._host_key],
            process_factory=self._session,
            encoding=None,
        )

    async def _session(self, session: asyncssh.SSHServerProcess[bytes]) -> None:
        self.commands.append(session.command or "")
        # What Linux for ARM would do with a file that was sent: here its kernel is another's.
        command = (session.command or "").replace('exec "$d/files/', 'exec run "$d/files/')
        process = await asyncio.create_subprocess_exec(
            shutil.which(land().system.emulator) or "",
            *("-L", str(land().root), str(land().root / "bin" / "dash"), "-c", command),
            env={"PATH": str(self._programs), "HOME": str(self.home), "QEMU_CPU": land().system.cpu},
            cwd=self.home,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        self.processes.append(process)
        assert process.stdout is not None
        assert process.stderr is not None
        incoming = asyncio.ensure_future(self._forward(session.stdin, process.stdin))
        with contextlib.suppress(OSError, asyncssh.Error):
            await asyncio.gather(_copy(process.stdout, session.stdout), _copy(process.stderr, session.stderr))
        code = await process.wait()
        incoming.cancel()
        with contextlib.suppress(OSError, asyncssh.Error):
            if code >= 0:
                session.exit(code)
            else:
                session.exit_with_signal("KILL")

    async def _forward(self, source: Any, sink: Any) -> None:
        """What the caller sends, up to its end, which is also that of a connection that drops."""
        try:
            while data := await source.read(1 << 16):
                self.bytes_received += len(data)
                data = data.replace(b"exec ./network ", b"exec run ./network ")  # as above: a version's program
                if self.delay:
                    await asyncio.sleep(self.delay)
                sink.write(data)
                await sink.drain()
        except (OSError, asyncssh.Error):
            pass
        finally:
            with contextlib.suppress(OSError):
                sink.close()


async def _copy(source: asyncio.StreamReader, sink: Any) -> None:
    while data := await source.read(1 << 16):
        sink.write(data)
        await sink.drain()


@contextlib.contextmanager
def small_disk(path: Path, size: int) -> Iterator[None]:
    """A file system of ``size`` bytes at ``path`` while this lasts; skips where none can be mounted."""
    path.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"mount: {error}")
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(path)], check=True)
