"""One ssh connection, for code that does not wait in an event loop: asyncssh on a thread of its own."""

from __future__ import annotations

import asyncio
import os
import shlex
import socket
import threading
from collections.abc import Coroutine, Sequence
from concurrent import futures
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import asyncssh

from edgebnn.errors import InputError, one_line

from .access import Access
from .device import Channel, ConnectionLostError, DeviceError, LastWords

CONNECT_SECONDS = 15.0
_KEEPALIVE_SECONDS = 10
_CHUNK = 1 << 16
_MOST_OUTPUT = 1 << 20

Result = TypeVar("Result")


@dataclass(frozen=True)
class Done:
    """A command that has ended: what it printed, its last words, and its exit code, None where a signal ended it."""

    output: str
    words: str
    status: int | None


class Connection:
    """A connection to a host, made anew if it is used after it was lost.

    Raises:
        DeviceError: the host cannot be reached or trusted, or lets nobody in; the message has the remedy.
    """

    def __init__(self, host: str, user: str | None, port: int | None, access: Access) -> None:
        self.host = host
        self.access = access
        self._login: dict[str, Any] = {"host": host}
        self._login |= {"username": user} if user else {}
        self._login |= {"port": port} if port else {}
        self._who = f"{user}@{host}" if user else host
        self._port = port
        self._is_over = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="edgebnn-ssh")
        self._thread.start()
        self._open: asyncssh.SSHClientConnection | None = None
        try:
            self.wait(self._connected())
        except BaseException:
            self.close()
            raise

    def wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Has the thread do something, and waits for it. Raises ConnectionLostError once this was closed."""
        if self._is_over:
            work.close()
            raise self.lost()
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def finish(self, work: Coroutine[Any, Any, None]) -> None:
        """The same for what ends something. The garbage collector may ask for it on the very thread that does the work:
        there nothing is waited for."""
        if threading.current_thread() is self._thread:
            asyncio.run_coroutine_threadsafe(work, self._loop)
        else:
            self.wait(work)

    def run(self, command: str, data: bytes = b"") -> Done:
        """Runs a command to its end, with ``data`` on its standard input. Raises ConnectionLostError."""
        return self.wait(self._run(command, data))

    async def process(self, command: str) -> asyncssh.SSHClientProcess[bytes]:
        """Starts a command. Raises DeviceError."""
        connection = await self._connected()
        try:
            return await connection.create_process(command, encoding=None)
        except (asyncssh.Error, OSError) as error:
            raise self.lost(error) from None

    def lost(self, error: BaseException | None = None) -> ConnectionLostError:
        """The error for a connection that is gone."""
        why = one_line(f" ({error})") if error is not None and str(error) else ""
        return ConnectionLostError(f"the connection to {self._who} is gone{why}")

    @property
    def is_lost(self) -> bool:
        """Whether the connection is closed."""
        return self._open is None or self._open.is_closed()

    def close(self) -> None:
        """Ends it, and what runs at its other end."""
        if not self._is_over:
            self.wait(self._closed())
            self._is_over = True
            self._loop.call_soon_threadsafe(self._loop.stop)

    async def _closed(self) -> None:
        if self._open is not None:
            self._open.close()
            try:
                await asyncio.wait_for(self._open.wait_closed(), 5)
            except (asyncssh.Error, OSError, asyncio.TimeoutError):
                self._open.abort()
            self._open = None

    async def _run(self, command: str, data: bytes) -> Done:
        process = await self.process(command)
        words = LastWords()
        output = bytearray()
        try:
            await asyncio.gather(
                _feed(process, data, self.access.silence),
                _collect(process.stdout, output, self.access.silence),
                _listen(process.stderr, words),
            )
            await asyncio.wait_for(process.wait_closed(), self.access.silence)
        except asyncio.TimeoutError:  # before OSError, of which it is one in newer Pythons
            self.abort()
            raise ConnectionLostError(f"{self._who} has said nothing for {self.access.silence:.0f} s") from None
        except (asyncssh.Error, OSError) as error:
            raise self.lost(error) from None
        if _went_with_connection(process):
            raise self.lost()
        return Done(output.decode(errors="replace"), words.last(), process.exit_status)

    def abort(self) -> None:
        """Ends it without a word: to be called on its thread."""
        if self._open is not None:
            self._open.abort()
            self._open = None

    async def _connected(self) -> asyncssh.SSHClientConnection:
        if not self.is_lost:
            assert self._open is not None
            return self._open
        visitor = _Visitor(self.access)
        options: dict[str, Any] = {
            "client_factory": lambda: visitor,
            "connect_timeout": CONNECT_SECONDS,
            "login_timeout": CONNECT_SECONDS,
            "keepalive_interval": _KEEPALIVE_SECONDS,
            "keepalive_count_max": 3,
            "preferred_auth": ("publickey",),
            "agent_forwarding": False,
        }
        if self.access.key is not None:
            options |= {"client_keys": [str(self.access.key)], "agent_path": None}
        if self.access.config is not None:
            options["config"] = str(self.access.config)
        try:
            asked = {"config": (), **self._login, **options}  # (): ~/.ssh/config, as connect has it by itself
            settled = asyncssh.SSHClientConnectionOptions(**asked)
            visitor.has_alias = bool(settled.host_key_alias)
            visitor.files = self._known_hosts(settled.known_hosts)
            if visitor.files:
                options["known_hosts"] = [str(path) for path in visitor.files if path.is_file()] or b""
            self._open = await asyncssh.connect(**self._login, **options)
        except (asyncssh.Error, OSError, ValueError, asyncio.TimeoutError) as error:
            kind = ConnectionLostError if _may_pass(error) else DeviceError
            raise kind(one_line(self._explained(error, visitor))) from None
        visitor.remember()
        return self._open

    def _known_hosts(self, named: Sequence[str] | None) -> list[Path]:
        """The files of known hosts, there or not, the first being the user's; none where ~/.ssh/config wants none."""
        if self.access.known_hosts is not None:
            return [self.access.known_hosts]
        if named is None:
            return []
        return [Path(str(name)).expanduser() for name in named] or [_default_known_hosts()]

    def _explained(self, error: BaseException, visitor: _Visitor) -> str:
        """One line with the remedy."""
        who, host = self._who, self.host
        port = f" -p {self._port}" if self._port else ""
        if isinstance(error, asyncssh.HostKeyNotVerifiable) and visitor.changed is not None:
            path, name = visitor.changed
            file = "" if path == _default_known_hosts() else f" -f {shlex.quote(str(path))}"
            return (
                f"{host}: its host key is another than the one in known_hosts ({visitor.fingerprint}): if the device "
                f"was set up anew, run ssh-keygen -R {shlex.quote(name)}{file}; if not, somebody may stand between"
            )
        if isinstance(error, asyncssh.HostKeyNotVerifiable):
            return (
                f"{host}: its host key is not known ({visitor.fingerprint or error.reason}): log in once with "
                f"ssh{port} {who} and compare it, or let edgebnn record it with --accept-host-key"
            )
        if isinstance(error, asyncssh.PermissionDenied):
            return (
                f"{who}: lets none of your keys in: ssh-copy-id{port} {who} puts one there, ssh-add opens one with a "
                "passphrase, --key names another; is the user name right?"
            )
        if isinstance(error, asyncssh.KeyImportError | asyncssh.KeyEncryptionError):
            return (
                f"{self.access.key or '~/.ssh'}: no private key that can be read ({error}); ssh-add opens locked ones"
            )
        if isinstance(error, asyncssh.ConfigParseError):
            return f"{self.access.config or '~/.ssh/config'}: cannot be read ({error})"
        if isinstance(error, socket.gaierror):
            return f"{host}: there is no such host; is the name right, and the device on? Its address does as well"
        if isinstance(error, ConnectionRefusedError):
            return (
                f"{host}: refuses ssh{port}; on a Raspberry Pi, sudo raspi-config turns it on (Interface Options, SSH)"
            )
        if isinstance(error, asyncio.TimeoutError | TimeoutError):
            return f"{host}: does not answer within {CONNECT_SECONDS:.0f} s; is it on, and in this network?"
        if isinstance(error, asyncssh.ConnectionLost | ConnectionError):
            return (
                f"{host}: hangs up before a login; is it ssh that listens there? On the device journalctl -u ssh tells"
            )
        if isinstance(error, OSError) and error.filename is not None:
            return f"{error.filename}: cannot be read ({error.strerror})"
        if isinstance(error, OSError):
            return f"{host}: cannot be reached ({error.strerror or error})"
        return f"{who}: ssh fails ({error}); ssh -v{port} {who} tells more"


def _went_with_connection(process: asyncssh.SSHClientProcess[bytes]) -> bool:
    """Whether a process did not end by itself: a device that shuts down ends processes first, then connections."""
    if process.exit_signal is not None:
        return process.exit_signal[0] in ("HUP", "TERM")
    return process.exit_status is None


def _may_pass(error: BaseException) -> bool:
    """Whether a host that was not reached for this may be reached later, as one that is starting."""
    if isinstance(error, OSError):
        return error.filename is None  # a file of ours that cannot be read
    return isinstance(error, asyncssh.ConnectionLost | asyncio.TimeoutError)


def _default_known_hosts() -> Path:
    return Path("~/.ssh/known_hosts").expanduser()


class _Visitor(asyncssh.SSHClient):  # type: ignore[misc]
    """Decides about a host key that is in none of ``files``, those of known hosts.

    ``changed``: where they have another, and for which name. ``has_alias``: hosts are known by a HostKeyAlias.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._new: tuple[Path, str] | None = None
        self.fingerprint = ""
        self.changed: tuple[Path, str] | None = None
        self.has_alias = False
        self.files: list[Path] = []

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.fingerprint = key.get_fingerprint()
        names = [host] if self.has_alias else [one if port == 22 else f"[{one}]:{port}" for one in (host, addr) if one]
        there = [(path, name) for path in self.files if path.is_file() for name in names]
        known = (one for one in there if asyncssh.match_known_hosts(str(one[0]), one[1], "", None)[0])
        self.changed = next(known, None)
        if self.changed is not None or not self._access.accept_new_host:
            return False
        self._new = (self.files[0], f"{names[0]} {key.export_public_key('openssh').decode().strip()}\n")
        return True

    def remember(self) -> None:
        """Records a key that was accepted. Raises InputError where the file cannot be written."""
        if self._new is None:
            return
        path, line = self._new
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(line)
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror})") from None


async def _feed(process: asyncssh.SSHClientProcess[bytes], data: bytes, silence: float) -> None:
    """Writes ``data`` and the end; a process that has ended before reading all of it is no error."""
    try:
        for begin in range(0, len(data), _CHUNK):
            process.stdin.write(data[begin : begin + _CHUNK])
            await asyncio.wait_for(process.stdin.drain(), silence)
        process.stdin.write_eof()
    except (BrokenPipeError, ConnectionResetError):
        return


async def _collect(stream: asyncssh.SSHReader[bytes], output: bytearray, silence: float) -> None:
    while part := await asyncio.wait_for(stream.read(_CHUNK), max(silence, 120.0)):
        output += part[: max(0, _MOST_OUTPUT - len(output))]


async def _listen(stream: asyncssh.SSHReader[bytes], words: LastWords) -> None:
    with suppress(asyncssh.Error, OSError):  # a lost connection is noticed by those who read the rest
        while part := await stream.read(_CHUNK):
            words.add(part)


class SshChannel(Channel):
    """The standard streams of a process at the other end of a connection."""

    def __init__(self, connection: Connection, command: str) -> None:
        self._connection = connection
        self._words = LastWords()
        self._silence = connection.access.silence
        self._process = connection.wait(self._started(command))

    async def _started(self, command: str) -> asyncssh.SSHClientProcess[bytes]:
        process = await self._connection.process(command)
        self._listener = asyncio.ensure_future(_listen(process.stderr, self._words))
        return process

    def send(self, data: bytes) -> None:
        self._connection.wait(self._send(data))

    async def _send(self, data: bytes) -> None:
        try:
            for begin in range(0, len(data), _CHUNK):
                self._process.stdin.write(data[begin : begin + _CHUNK])
                await asyncio.wait_for(self._process.stdin.drain(), self._silence)
        except asyncio.TimeoutError:
            raise self._silent() from None
        except (asyncssh.Error, OSError):
            raise await self._ended() from None

    def receive(self, count: int) -> bytes:
        return self._connection.wait(self._receive(count))

    async def _receive(self, count: int) -> bytes:
        received = bytearray()
        while len(received) < count:
            try:
                part = await asyncio.wait_for(self._process.stdout.read(count - len(received)), self._silence)
            except asyncio.TimeoutError:
                raise self._silent() from None
            except (asyncssh.Error, OSError):
                raise await self._ended() from None
            if not part:
                raise await self._ended()
            received += part
        return bytes(received)

    def _silent(self) -> ConnectionLostError:
        self._connection.abort()
        return ConnectionLostError(f"{self._connection.host} has said nothing for {self._silence:.0f} s")

    async def _ended(self) -> DeviceError:
        try:
            await asyncio.wait_for(self._process.wait_closed(), 5)
            await asyncio.wait_for(self._listener, 5)
        except (asyncssh.Error, OSError, asyncio.TimeoutError):
            return self._connection.lost()
        if _went_with_connection(self._process):
            return self._connection.lost()
        status, signal = self._process.exit_status, self._process.exit_signal
        return DeviceError(self._words.explain(f"signal {signal[0]}" if signal else f"exit code {status}"))

    def close(self) -> None:
        with suppress(ConnectionLostError, futures.CancelledError):
            self._connection.finish(self._close())

    async def _close(self) -> None:
        try:
            self._process.stdin.write_eof()
            await asyncio.wait_for(self._process.wait_closed(), 5)
        except (asyncssh.Error, OSError, asyncio.TimeoutError):
            self._process.close()
        self._listener.cancel()
