"""A device that is reached by ssh: ``ssh://user@host[:port]``, by the user's own keys, agent and ~/.ssh/config.

Host keys are verified, passwords are never asked for. What is run there are constant lines of shell with hashes and
sizes in them, and the agent: no name of a file or a model becomes part of a command. Each file is written under a
temporary name, checked and renamed; what is not whole is deleted there, also where the connection drops.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from edgebnn.errors import InputError, one_line

from . import probe
from .access import Access
from .connection import Connection, SshChannel
from .device import Channel, Device, DeviceError
from .standalone import SERVE
from .store import KEPT_BYTES, is_digest
from .target import LinuxTarget


@dataclass(frozen=True)
class Address:
    """Where ssh goes: ``user`` and ``port`` are None where ~/.ssh/config or the defaults say them."""

    host: str
    user: str | None
    port: int | None

    def __str__(self) -> str:
        return f"{f'{self.user}@' if self.user else ''}{self.host}{f':{self.port}' if self.port else ''}"


def parse(name: str) -> Address:
    """The address in a target's name. Raises InputError if there is none."""
    form = "ssh://user@host or ssh://user@host:port"
    try:
        parts = urlsplit(name)
        host, user, password, port = parts.hostname, parts.username, parts.password, parts.port
    except ValueError:
        raise InputError(one_line(f"{name}: give {form}")) from None
    if password is not None:
        raise InputError(
            f"ssh://{user}:...@{host}: leave the password out; ssh-copy-id puts a key on the device instead"
        )
    plain = re.compile(r"[\w.:%-]+")
    if not host or parts.path not in ("", "/") or parts.query or parts.fragment or host.startswith("-"):
        raise InputError(one_line(f"{name}: give {form}"))
    if not plain.fullmatch(host) or (user is not None and (not plain.fullmatch(user) or user.startswith("-"))):
        raise InputError(one_line(f"{name}: give {form}"))
    return Address(host, user, port)


class SshTarget(LinuxTarget):
    """The device of that name: logged in to and asked what it is when this is made."""

    def __init__(self, name: str, access: Access | None = None) -> None:
        super().__init__(SshDevice(name, access or Access()))


class SshDevice(Device):
    """A device at the other end of ssh.

    Raises:
        InputError: the name is no address.
        DeviceError: it cannot be reached, or lets nobody in; the message has the remedy.
    """

    def __init__(self, name: str, access: Access) -> None:
        address = parse(name)
        self.name, self.wheels = name, access.wheels
        self._connection = Connection(address.host, address.user, address.port, access)
        done = self._connection.run(_line(probe.command()))
        self.facts = probe.facts(done.output, name)

    def conditions(self) -> Mapping[str, str]:
        return probe.live(self._connection.run(_line(probe.command())).output)

    def present(self, names: Collection[str]) -> set[str]:
        wanted = sorted(name for name in names if is_digest(name))
        loop = 'if [ -f "$d/files/$n" ] || [ -d "$d/trees/$n" ]; then echo "$n"; fi'
        done = self._connection.run(_line(f"{_folder()}; for n in {' '.join(wanted)}; do {loop}; done"))
        return set(done.output.split()) & set(wanted)

    def put(self, name: str, data: bytes) -> None:
        done = self._connection.run(_line(_receive(name, len(data))), data)
        if "edgebnn-stored" in done.output:
            return
        said = done.words or f"exit code {done.status}"
        if "No space left" in said or "quota" in said.lower():
            raise DeviceError(
                f"{self.name}: the device has no room for {len(data) / 1e6:.1f} MB ({said}); free some there: old "
                "versions in ~/.cache/edgebnn can be deleted"
            )
        raise DeviceError(
            f"{self.name}: {len(data) / 1e6:.1f} MB could not be stored in ~/.cache/edgebnn there: {said}"
        )

    def start(self, needed: Sequence[str]) -> Channel:
        assert all(is_digest(name) for name in needed)
        assert self.facts.interpreter in probe.INTERPRETERS
        script, *archives = needed
        run = f'exec {self.facts.interpreter} -I "$d/files/{script}" "$d" {" ".join(archives)}'
        return SshChannel(self._connection, _line(f"{_folder()}; {run}"))

    def launch(self, program: str) -> Channel:
        path = f'"$d/files/{program}"'
        run = f"chmod 700 {path} && exec {path} {SERVE}"
        return SshChannel(self._connection, _line(f"{_folder()}; {_trim(program, KEPT_BYTES)}; {run}"))

    def shell(self) -> Channel:
        channel = SshChannel(self._connection, "sh -s")
        channel.send(f"{_folder()}\n".encode())
        return channel

    def python(self) -> Sequence[str]:
        assert self.facts.interpreter in probe.INTERPRETERS
        return (self.facts.interpreter,)

    def close(self) -> None:
        self._connection.close()


def _line(script: str) -> str:
    """A command that any login shell hands to ``sh`` as it is."""
    assert not set("'\\!\n") & set(script)
    return f"sh -c '{script}'"


def _folder() -> str:
    """Shell that finds the store: the home folder's name stays on the device."""
    version = importlib.metadata.version("edgebnn")
    assert re.fullmatch(r"[\w.+-]+", version)
    return f'd="${{XDG_CACHE_HOME:-$HOME/.cache}}/edgebnn/{version}"'


def _trim(used: str, most: int) -> str:
    """Shell that deletes the files not used for longest, but for ``used``, until the rest take at most so many bytes.

    It is what the agent does where there is Python. ls tells sizes in KiB; strict about POSIX, it tells twice as much.
    """
    assert is_digest(used)
    keep = f'[ "$s" -le {most >> 10} ] || [ "$n" = {used} ]'
    each = f'[ -f "$n" ] || continue; s=$((s + k)); {keep} || rm -f "$n"'
    return f'(cd "$d/files" && touch -c {used} && s=0 && ls -1st | while read -r k n; do {each}; done)'


def _receive(name: str, size: int) -> str:
    """Shell that stores what comes on standard input, whole, or leaves nothing."""
    assert is_digest(name)
    return "; ".join(
        (
            _folder(),
            "umask 077",
            f't="$d/files/.part-{name[:16]}-$$"',
            'clean() { rm -f "$t"; }',
            "trap clean EXIT",
            "trap : HUP PIPE",
            'mkdir -p "$d/files" || exit 4',
            'cat > "$t" || exit 5',
            f'[ "$(wc -c < "$t")" -eq {size} ] || {{ echo "the connection dropped" >&2; exit 6; }}',
            f'if command -v sha256sum > /dev/null; then set -- $(sha256sum "$t"); [ "$1" = {name} ] || exit 7; fi',
            f'mv "$t" "$d/files/{name}" && echo edgebnn-stored',
        )
    )
