"""This side of a session in a deployment's folder: ``folder.sh`` is the other."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgebnn.errors import EdgebnnError, one_line

from .device import Channel, ConnectionLostError, Device, DeviceError
from .store import is_digest
from .versions import MODEL, MOST_BYTES, PROGRAM, SCRIPT, Folder, Manifest, is_plain, number_in, parse

_SCRIPT = Path(__file__).parent / "folder.sh"
_MOST_LINE = 1 << 13
_MOST_VERSIONS = 10_000


class FolderSession:
    """Requests to the shell in a folder. What is in the making there goes when the session ends, unless it was kept.

    Attributes:
        folder: as it was when the session began.
        making: the path of the version in the making; empty where none is.
    """

    def __init__(self, device: Device, channel: Channel, folder: Folder, making: str) -> None:
        self._device = device
        self._channel = channel
        self.folder = folder
        self.making = f"{folder.path}/{making}" if making else ""

    def ask(self, *words: str | int) -> str:
        """Has something done.

        Args:
            words: of ``folder.sh``.

        Returns:
            What the device says of it, empty for most.

        Raises:
            DeviceError: it cannot be done, as the device has no room; or the way to it fails.
        """
        assert all(is_plain(str(word)) for word in words), words
        said = ""
        with explained(self._device):
            self._channel.send((" ".join(map(str, words)) + "\n").encode())
            while (line := _line(self._channel)) != "done":
                said = line
        return one_line(said)


@contextmanager
def session(device: Device, call: str, folder: str) -> Iterator[FolderSession]:
    """A session in a folder.

    Args:
        device: that has the folder.
        call: ``make`` where the folder is to be made if it is not there, and a version in it; ``visit``.
        folder: relative to the home folder there.

    Raises:
        DeviceError: the folder is not there, is not edgebnn's or cannot be made; or the way to the device fails.
    """
    channel = _begun(device, call, folder)
    try:
        with explained(device):
            found = _description(channel)
            making = _line(channel).removeprefix("making ") if call == "make" else ""
            if call == "make" and not making.removeprefix(".new-").isdecimal():
                raise _nonsense()
        yield FolderSession(device, channel, found, making)
    finally:
        channel.close()


def look(device: Device, folder: str) -> tuple[Folder, ...]:
    """What is deployed in a folder, or in the folders in it. Raises DeviceError."""
    channel = _begun(device, "look", folder)
    try:
        with explained(device):
            found = []
            while (line := _line(channel)) != "done":
                found.append(_description(channel, line))
            return tuple(found)
    finally:
        channel.close()


def _begun(device: Device, call: str, folder: str) -> Channel:
    channel = device.shell()
    with explained(device):
        channel.send(f"{_SCRIPT.read_text(encoding='utf-8')}\n{call} {shlex.quote(folder)}; exit\n".encode())
    return channel


@contextmanager
def explained(device: Device) -> Iterator[None]:
    """Errors of a shell on the device, with what helps where there is no room."""
    try:
        yield
    except ConnectionLostError:
        raise
    except DeviceError as error:
        _, is_of_tool, said = str(error).partition("(exit code 4): ")
        if "No space left" in str(error) or "quota" in str(error).lower():
            raise DeviceError(
                f"{device.name}: the device has no room for it; free some there ({said or error})"
            ) from None
        raise DeviceError(f"{device.name}: {f'{said}; is the folder right?' if is_of_tool else error}") from None


def _description(channel: Channel, first: str | None = None) -> Folder:
    """What ``describe`` writes, from its first line on."""
    facts = dict.fromkeys(("folder", "current", SCRIPT, MODEL, PROGRAM), "")
    found: dict[int, Manifest | None] = {}
    withdrawn = set()
    line = first if first is not None else _line(channel)
    while line != "end":
        name, _, text = line.partition(" ")
        if name in facts:
            facts[name] = text
        elif name == "withdrawn" and text.isdecimal():
            withdrawn.add(int(text))
        elif name == "version" and len(found) < _MOST_VERSIONS:
            number, _, size = text.partition(" ")
            if not (number.isdecimal() and size.strip().isdecimal() and int(size) <= MOST_BYTES):
                raise _nonsense()
            found[int(number)] = _manifest(channel.receive(int(size)))
        else:
            raise _nonsense()
        line = _line(channel)
    if not facts["folder"].startswith("/"):
        raise _nonsense()
    script, model, program = (facts[name].partition(" ")[0] for name in (SCRIPT, MODEL, PROGRAM))
    return Folder(
        path=facts["folder"],
        current=number_in(facts["current"]),
        script=script if is_digest(script) else "",
        model=program or model,
        versions=found,
        withdrawn=frozenset(withdrawn),
    )


def _manifest(data: bytes) -> Manifest | None:
    try:
        return parse(data.decode())
    except (EdgebnnError, UnicodeDecodeError):
        return None


def _line(channel: Channel) -> str:
    """The next line, of a bounded length."""
    line = bytearray()
    while not line.endswith(b"\n"):
        if len(line) > _MOST_LINE:
            raise _nonsense()
        line += channel.receive(1)
    return line.decode(errors="replace").rstrip("\n")


def _nonsense() -> DeviceError:
    return DeviceError("the shell on the device answers something that was not asked; what does it print at login?")
