"""An emulated Raspberry Pi: the user land of Raspberry Pi OS, run here by qemu-user. Exact in results, not in times."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shlex
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path

from edgebnn.files import cache_folder, trim
from edgebnn.runtime.profile import Unit
from edgebnn.targets.interface import Target
from edgebnn.targets.qemu_user import Machine

from . import user_lands
from .counting import CountingTarget
from .device import Channel, Device, DeviceError, Facts, ProcessChannel
from .standalone import MACHINES, SERVE
from .store import KEPT_BYTES, is_digest
from .target import LinuxTarget
from .user_lands import SYSTEMS, System, UserLand

_SYSTEMS = {"qemu-aarch64": SYSTEMS["bookworm-arm64"], "qemu-armv7": SYSTEMS["bookworm-armhf"]}


class EmulatedTarget(LinuxTarget):
    """The target of that name: its user land is made in the cache folder when the first model is opened."""

    def __init__(self, name: str) -> None:
        super().__init__(EmulatedDevice(name, _SYSTEMS[name]))

    def in_unit(self, unit: Unit, wait_states: int = 0) -> Target:
        if unit != "instructions" or wait_states:
            return super().in_unit(unit, wait_states)
        system = _SYSTEMS[self.name]
        machine = Machine(
            self.name, system.processor, MACHINES[system.processor].zig_target, system.emulator, system.cpu
        )
        return CountingTarget(LinuxTarget(EmulatedDevice(self.name, system), standalone=True), machine)


class EmulatedDevice(Device):
    """A user land in the cache folder, with a store beside it.

    Raises:
        UnavailableError: this machine cannot run or make it.
    """

    def __init__(self, name: str, system: System) -> None:
        user_lands.check(system)
        version = tuple(int(part) for part in system.python.split("."))
        self.name = name
        self.facts = Facts(
            device=f"emulated {system.cpu}, Debian {system.suite} {system.architecture}: times are the emulator's",
            kind="emulated",
            processor=system.processor,
            glibc=(2, system.glibc),
            python=(version[0], version[1]),
            interpreter=f"python{system.python}",
            details={"part": part[1]} if (part := re.search(r"CPU part\s*: (\w+)", system.cpuinfo)) else {},
        )
        self._system = system
        self._store = cache_folder() / "devices" / system.name / importlib.metadata.version("edgebnn")

    def present(self, names: Collection[str]) -> set[str]:
        return {name for name in names if any((self._store / part / name).exists() for part in ("files", "trees"))}

    def put(self, name: str, data: bytes) -> None:
        folder = self._store / "files"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(prefix=".part-", dir=folder, delete=False) as file:
                try:
                    file.write(data)
                    file.close()
                    os.replace(file.name, folder / name)
                except BaseException:
                    Path(file.name).unlink(missing_ok=True)
                    raise
        except OSError as error:
            raise DeviceError(f"{folder}: cannot be written ({error.strerror}); EDGEBNN_CACHE names another") from None

    def start(self, needed: Sequence[str]) -> Channel:
        script, *archives = needed
        land = self.user_land()
        command = [*land.command, "-I", str(self._store / "files" / script), str(self._store), *archives]
        return ProcessChannel(command, land.clean_environment(), self._store)

    def launch(self, program: str) -> Channel:
        path = self._store / "files" / program
        path.chmod(0o700)
        path.touch()
        trim((file for file in path.parent.iterdir() if is_digest(file.name)), KEPT_BYTES)
        land = self.user_land()
        command = [self._system.emulator, str(path), SERVE]
        return ProcessChannel(command, land.clean_environment(), self._store)

    def shell(self) -> Channel:
        home = self._store.parent / "home"
        home.mkdir(parents=True, exist_ok=True)
        environment = {**self.user_land().clean_environment(), "HOME": str(home)}
        channel = ProcessChannel(["sh", "-s"], environment, home)
        channel.send(f"d={shlex.quote(str(self._store))}\n".encode())
        return channel

    def python(self) -> Sequence[str]:
        return self.user_land().command

    def program(self, path: str) -> Sequence[str]:
        return (self._system.emulator, path)

    def user_land(self) -> UserLand:
        """The system, made if it is not there. Raises UnavailableError."""
        return user_lands.make(self._system, cache_folder() / "arm")

    def close(self) -> None:
        """Nothing is held."""
