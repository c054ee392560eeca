"""What differs between the devices that run Linux: how files get there, and how a process is started and spoken to."""

from __future__ import annotations

import collections
import os
import select
import subprocess
import threading
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from edgebnn.errors import EdgebnnError, one_line
from edgebnn.runtime.profile import Kind

from . import bundle

SILENCE_SECONDS = 30.0
"""After which a device that says nothing, not even that it is alive, is given up."""
_LAST_WORDS = 4096


class DeviceError(EdgebnnError):
    """The device, or the way to it, fails."""


class ConnectionLostError(DeviceError):
    """The way to the device is gone, or it is silent: another try may go well."""


@dataclass(frozen=True)
class Facts:
    """What is known of a device before anything is put on it.

    ``processor``: of its programs, as :func:`edgebnn.machine.processor` calls it; ``glibc``: (2, 36), None where there
    is none; ``python``: (3, 11), None where there is none; ``interpreter``: what starts it; ``details``: what else was
    found, for people and records; ``has_numpy``: its Python has NumPy; ``boot``: the number that the kernel gave itself
    when it started, empty where there is none.
    """

    device: str
    kind: Kind
    processor: str
    glibc: tuple[int, int] | None
    python: tuple[int, int] | None
    interpreter: str
    details: Mapping[str, str]
    has_numpy: bool = True
    boot: str = ""


def lacking(facts: Facts) -> str:
    """What keeps a device from running models in Python, and what helps; empty if nothing does."""
    version = "with 64-bit Raspberry Pi OS 12 or newer, or another system with Python 3.10"
    if facts.processor not in bundle.PROCESSORS:
        known = ", ".join(bundle.PROCESSORS)
        return f"its processor is {facts.processor}; LiteRT has wheels for {known} alone"
    if facts.python is None:
        return f"the device has no Python: sudo apt install python3 puts it there, {version}, models run"
    if facts.python < bundle.OLDEST_PYTHON:
        return f"its Python is {_dotted(facts.python)}, and 3.10 is needed: {version}, models run"
    oldest = bundle.OLDEST_GLIBC[facts.processor]
    if facts.glibc is None or facts.glibc < oldest:
        found = "another C library than glibc" if facts.glibc is None else f"glibc {_dotted(facts.glibc)}"
        return f"it has {found}, and LiteRT's wheels need {_dotted(oldest)}: {version}, models run"
    if bundle.PROCESSORS[facts.processor].own_numpy and not facts.has_numpy:
        return "its Python has no NumPy, of which there is no wheel for it: sudo apt install python3-numpy"
    return ""


_PLANNED = MappingProxyType({"0xd03": "pi-zero-2w", "0xd08": "pi4", "0xd0b": "pi5"})
"""What schedules call the machine, by the number that the kernel gives its AArch64 cores (A53, A72, A76)."""


def planned_as(facts: Facts) -> str:
    """What ``edgebnn plan --hardware`` calls such a device; its processor's name where it knows none."""
    known = facts.processor == "aarch64"
    return _PLANNED.get(facts.details.get("part", ""), facts.processor) if known else facts.processor


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))


class Channel(ABC):
    """The standard streams of one process on a device."""

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Writes all of ``data``. Raises DeviceError."""

    @abstractmethod
    def receive(self, count: int) -> bytes:
        """Exactly so many bytes.

        Raises:
            ConnectionLostError: the way to the device is gone, or nothing came for :data:`SILENCE_SECONDS`.
            DeviceError: the process has ended; the message has its last words.
        """

    @abstractmethod
    def close(self) -> None:
        """Ends the process, and waits for that."""


class Device(ABC):
    """A device: its name, what is known of it, and what can be done there.

    Attributes:
        name: of the target.
        facts: of the device.
        wheels: a folder of the wheels that are needed there, in place of the network.
    """

    name: str
    facts: Facts
    wheels: Path | None = None

    def conditions(self) -> Mapping[str, str] | None:
        """What it is under now, by its shell, as a probe names it; None where it is not measured on."""
        return None

    @abstractmethod
    def present(self, names: Collection[str]) -> set[str]:
        """Which of these files (SHA-256) the store has, or has unpacked."""

    @abstractmethod
    def put(self, name: str, data: bytes) -> None:
        """Has a file in the store, whole, or raises DeviceError and leaves nothing."""

    def needed(self) -> tuple[bundle.Archive, ...]:
        """What must be in the store for an agent to run. Raises EdgebnnError where it cannot be had."""
        facts = self.facts
        why = lacking(facts)
        if why:
            raise DeviceError(f"{self.name}: {why}")
        assert facts.python is not None
        assert facts.glibc is not None
        return bundle.runtime(facts.processor, facts.python, facts.glibc, self.wheels)

    def pictures(self) -> tuple[bundle.Archive, ...]:
        """What files of pictures are read with there. Raises EdgebnnError where it cannot be had."""
        facts = self.facts
        assert facts.python is not None
        assert facts.glibc is not None
        return bundle.pillow(facts.processor, facts.python, facts.glibc, self.wheels)

    @abstractmethod
    def start(self, needed: Sequence[str]) -> Channel:
        """Starts the agent with the names of what it needs: the script that a Python begins with, and archives."""

    @abstractmethod
    def launch(self, program: str) -> Channel:
        """Starts a file of the store as a program."""

    @abstractmethod
    def shell(self) -> Channel:
        """A POSIX shell that reads its script from standard input; in it ``$d`` is the store."""

    @abstractmethod
    def python(self) -> Sequence[str]:
        """The words that start the device's Python in that shell."""

    def program(self, path: str) -> Sequence[str]:
        """The words that start a program that lies on the device in that shell."""
        return (path,)

    @abstractmethod
    def close(self) -> None:
        """Ends the connection and what runs on the device."""


class ProcessChannel(Channel):
    """A process of this machine.

    Args:
        command, environment, folder: of the process.
        silence: seconds.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], folder: Path, silence: float = SILENCE_SECONDS
    ) -> None:
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(
                list(command), stdin=pipe, stdout=pipe, stderr=pipe, env=dict(environment), cwd=folder, bufsize=0
            )
        except OSError as error:
            raise DeviceError(f"{command[0]}: cannot be started ({error.strerror})") from None
        process = self._process
        assert process.stdin
        assert process.stdout
        assert process.stderr
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr
        self._silence = silence
        self._words = LastWords()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._stdin.fileno(), view) :]
            except (OSError, ValueError):
                raise self._ended() from None

    def receive(self, count: int) -> bytes:
        received = bytearray()
        while len(received) < count:
            ready, _, _ = select.select([self._stdout], [], [], self._silence)
            if not ready:
                self._process.kill()
                raise ConnectionLostError(f"the device has said nothing for {self._silence:.0f} s")
            part = os.read(self._stdout.fileno(), min(count - len(received), 1 << 20))
            if not part:
                raise self._ended()
            received += part
        return bytes(received)

    def close(self) -> None:
        self._stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join(5)
        self._stdout.close()

    def _listen(self) -> None:
        with self._stderr:
            while data := os.read(self._stderr.fileno(), 4096):
                self._words.add(data)

    def _ended(self) -> DeviceError:
        try:
            code = self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._listener.join(5)
        return DeviceError(self._words.explain(f"signal {-code}" if code < 0 else f"exit code {code}"))


class LastWords:
    """The end of what a process on a device wrote to standard error: untrusted, and bounded."""

    def __init__(self) -> None:
        self._parts: collections.deque[bytes] = collections.deque(maxlen=_LAST_WORDS)
        self._length = 0

    def add(self, data: bytes) -> None:
        self._parts.append(data[-_LAST_WORDS:])
        self._length += len(self._parts[-1])
        while self._length > 2 * _LAST_WORDS:
            self._length -= len(self._parts.popleft())

    def explain(self, how: str) -> str:
        """One line: edgebnn's own message, if it is one, else how the process ended and what it wrote last."""
        own = [line for line in self._lines() if line.startswith("edgebnn: ")]
        if own:
            return one_line(own[-1].removeprefix("edgebnn: "))
        return one_line(f"the process on the device ended ({how}): {self.last() or 'it wrote nothing'}")

    def last(self) -> str:
        """The last line, printable; empty if nothing was written."""
        return one_line((self._lines() or [""])[-1])

    def _lines(self) -> list[str]:
        text = b"".join(self._parts).decode(errors="replace")
        return [line.strip() for line in text.splitlines() if line.strip()]
