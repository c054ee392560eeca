"""A device that runs Linux, as a target: thin, since the agent there runs the host target's own code."""

from __future__ import annotations

import importlib.metadata
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, TypeVar

from edgebnn.errors import EdgebnnError, InputError
from edgebnn.files import digest
from edgebnn.graph.types import Array
from edgebnn.kernels import schedules
from edgebnn.runtime.conditions import Conditions, said_by_a_shell
from edgebnn.runtime.power import Energy
from edgebnn.runtime.profile import Profile
from edgebnn.runtime.timing import PairedTimes, Times
from edgebnn.targets.interface import Target
from edgebnn.targets.model_file import ModelFile, Session

from .client import Agent, conditions_of, energy_of, profile_of, samples_of, words_of
from .device import Channel, ConnectionLostError, Device, DeviceError, lacking, planned_as
from .reconnecting import until_back
from .standalone import MACHINES, PackageSession
from .wire import WireError


@dataclass(frozen=True)
class Sent:
    """A file that was copied to the device."""

    what: str
    bytes: int


Result = TypeVar("Result")
OnDevice: TypeAlias = "LinuxSession | PackageSession"


class LinuxTarget(Target):
    """Models on a device, run by an agent that is put there when the first model is opened.

    Where there is no Python that the agent can run in, or if ``standalone``, each model runs as a program of its own.

    Attributes:
        where: the device.
        without_python: models run there as programs.
        sent: what was copied to the device, in this object's life.
    """

    def __init__(self, device: Device, standalone: bool = False) -> None:
        self.name = device.name
        self.without_python = (standalone or bool(lacking(device.facts))) and device.facts.processor in MACHINES
        self.device = device.facts.device + (", by a stand-alone program" if self.without_python else "")
        self.kind = device.facts.kind
        self.boot = device.facts.boot if self.kind == "measured" else ""  # an emulator shows its host's
        self.sent: list[Sent] = []
        self.where = device
        self._agent: Agent | None = None
        self._started = 0
        self._programs: weakref.WeakSet[Channel] = weakref.WeakSet()
        self._of_programs: weakref.WeakSet[PackageSession] = weakref.WeakSet()
        self._unused: list[tuple[int, int]] = []
        self._lock = threading.RLock()
        self._is_closed = threading.Event()

    @property
    def scheduled_as(self) -> str:
        return "" if self.without_python else planned_as(self.where.facts)

    def open(self, model: ModelFile, *, threads: int = 1, exact: bool = False, trace: bool = False) -> OnDevice:
        if self.without_python:
            session = PackageSession(self, model, self.where.facts.processor, threads=threads, trace=trace)
            self._of_programs.add(session)
            return session
        return LinuxSession(self, model, threads=threads, exact=exact, trace=trace)

    def measure(self, model: ModelFile, inputs: Sequence[Array], *, threads: int = 1, repeats: int = 30) -> Profile:
        return self.open(model, threads=threads).profile(inputs, repeats)

    def conditions(self) -> Conditions | None:
        if self.without_python:
            found = self.where.conditions()
            if found is None:
                return None
            peaks = [session.peak_memory_bytes or 0 for session in self._of_programs]
            return replace(said_by_a_shell(found), peak_memory_bytes=max(peaks, default=0) or None)
        return conditions_of(self._about().get("conditions"))

    def fingerprint(self) -> dict[str, str]:
        if self.without_python:
            return {"device": self.device, **self.where.facts.details}
        return words_of(self._about().get("fingerprint"))

    def versions(self) -> dict[str, str]:
        if self.without_python:
            return {"edgebnn": importlib.metadata.version("edgebnn")}
        return words_of(self._about().get("versions"))

    def _about(self) -> dict[str, Any]:
        with self._lock:
            _, started = self.agent
            found: dict[str, Any] = self.ask(started, "about")[0]
        return found

    @contextmanager
    def pinned(self, processors: tuple[int, ...]) -> Iterator[None]:
        if not processors:
            yield
            return
        if self.without_python:
            raise InputError(f"{self.name}: programs for devices without Python are not pinned; leave --pin out")
        with self._lock:
            _, started = self.agent
            before = self.ask(started, "pin", processors=list(processors))[0].get("before")
        try:
            yield
        finally:
            with suppress(EdgebnnError):  # an agent that is gone is pinned to nothing
                self.ask(started, "pin", processors=before)

    def close(self) -> None:
        """Ends what runs on the device, and the connection."""
        self._is_closed.set()
        with self._lock:
            self._end_processes()
            self.where.close()

    def until_back(self, work: Callable[[], Result], mend: Callable[[], object] = lambda: None) -> Result:
        """What ``work`` gives, as :func:`.reconnecting.until_back`: it waits for a device that is lost meanwhile."""
        return until_back(work, mend, self.name, self._is_closed)

    def put(self, what: str, data: bytes) -> str:
        """Has a file in the device's store, copied only if it is not there.

        Args:
            what: it is, in words.
            data: its content.

        Returns:
            Its name there.

        Raises:
            DeviceError: there is no room, or the way to the device fails.
        """
        name = digest(data)
        with self._lock:
            _, started = self.agent
            answer, _ = self.ask(started, "has", file=name)
            if answer.get("has") is not True:
                self.where.put(name, data)
                self.sent.append(Sent(what, len(data)))
        return name

    def launch(self, model: str, program: bytes) -> Channel:
        """Starts a program on the device, put there if it is not there yet.

        Args:
            model: what it computes, in words.
            program: its content.

        Raises:
            DeviceError: there is no room, it does not run there, or the way to the device fails.
        """
        name = digest(program)
        with self._lock:
            if name not in self.where.present([name]):
                self.where.put(name, program)
                self.sent.append(Sent(model, len(program)))
            channel = self.where.launch(name)
            self._programs.add(channel)
            return channel

    @property
    def agent(self) -> tuple[Agent, int]:
        """The agent, started if it has to be, and how many were before it. Raises EdgebnnError."""
        if self._agent is None:
            self._agent = self._deployed()
            self._started += 1
        return self._agent, self._started

    def ask(self, started: int, do: str, arrays: Sequence[Array] = (), **header: Any) -> tuple[Any, tuple[Array, ...]]:
        """Asks the agent that is the ``started``-th.

        Raises:
            ConnectionLostError: it is not there any more.
            EdgebnnError: what it says is wrong, or the device fails.
        """
        with self._lock:
            agent, current = self.agent
            if current != started:
                raise ConnectionLostError("the agent on the device was started anew")
            try:
                while self._unused:
                    agents, session = self._unused.pop()
                    if agents == current:
                        agent.ask("close", session=session)
                return agent.ask(do, arrays, **header)
            except (DeviceError, WireError):
                self._end_agent()
                raise

    def release(self, started: int, session: int) -> None:
        """Has a session forgotten with the next request: called when the last reference to it goes, on any thread."""
        self._unused.append((started, session))

    def _end_processes(self) -> None:
        self._end_agent()
        for channel in list(self._programs):
            channel.close()

    def _end_agent(self) -> None:
        if self._agent is not None:
            self._agent.close()
            self._agent = None

    def _deployed(self) -> Agent:
        """The agent, its files put where they are missing."""
        needed = self.where.needed()
        present = self.where.present([archive.name for archive in needed])
        for archive in needed:
            if archive.name not in present:
                self.where.put(archive.name, archive.data)
                self.sent.append(Sent(archive.what, len(archive.data)))
        return Agent(self.where.start([archive.name for archive in needed]))


class LinuxSession(Session):
    """A model on a device. A connection that drops is made anew, and what was asked is asked again.

    ``number``: the agent's.
    """

    number: int

    def __init__(self, target: LinuxTarget, model: ModelFile, *, threads: int, exact: bool, trace: bool) -> None:
        self._target = target
        self._model = model
        self._options: dict[str, Any] = {"threads": threads, "exact": exact, "trace": trace}
        self._traced = trace
        self._inexact: tuple[str, ...] = ()
        target.until_back(self._open)

    @property
    def inexact(self) -> tuple[str, ...]:
        return self._inexact

    def run(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        _, outputs = self._ask("run", inputs)
        expected = [(port.dtype, len(port.shape)) for port in self._model.outputs]
        if [(output.dtype, output.ndim) for output in outputs] != expected:
            raise DeviceError(f"{self._model.name}: the device answers with other outputs than the model has")
        return outputs

    def trace(self, inputs: Sequence[Array]) -> dict[int, Array]:
        if not self._traced:
            raise ValueError("open the session with trace=True")
        answer, shown = self._ask("trace", inputs)
        indices = answer.get("tensors")
        tensors = self._model.graph_for(inputs).tensors
        if not isinstance(indices, list) or len(indices) != len(shown):
            raise DeviceError(f"{self._model.name}: the device does not say which tensors it shows")
        for index, value in zip(indices, shown, strict=True):
            known = type(index) is int and 0 <= index < len(tensors)
            if not known or value.dtype != tensors[index].dtype.numpy or value.shape != tuple(tensors[index].shape):
                raise DeviceError(f"{self._model.name}: the device shows tensors that the model does not have")
        return dict(zip(indices, shown, strict=True))

    def profile(self, inputs: Sequence[Array], repeats: int) -> Profile:
        answer, _ = self._ask("profile", inputs, repeats=repeats)
        return profile_of(answer.get("profile"), self._target.kind)

    def times(self, inputs: Sequence[Array], repeats: int) -> Times:
        answer, _ = self._ask("time", inputs, repeats=repeats)
        return Times(samples_of(answer.get("samples_ms"), 1)[0])

    def energy(self, inputs: Sequence[Array], seconds: float) -> Energy | None:
        answer, _ = self._ask("energy", inputs, seconds=seconds)
        return energy_of(answer.get("energy"))

    def times_against(
        self, inputs: Sequence[Array], other: Session, other_inputs: Sequence[Array], repeats: int
    ) -> PairedTimes:
        if not isinstance(other, LinuxSession) or other._target is not self._target:
            raise ValueError("only sessions of one device can be timed in turn")
        if other._started != self._started:
            self._open()
            other._open()
        answer, _ = self._target.ask(
            self._started,
            "time",
            (*inputs, *other_inputs),
            session=self.number,
            against=other.number,
            inputs=len(inputs),
            repeats=repeats,
        )
        return PairedTimes(*map(Times, samples_of(answer.get("samples_ms"), 2)))

    def _open(self) -> None:
        name = self._target.put(self._model.name, self._model.content)
        _, started = self._target.agent
        answer, _ = self._target.ask(
            started,
            "open",
            file=name,
            name=self._model.name,
            signature=self._model.signature,
            schedule=self._schedule(),
            **self._options,
        )
        session, inexact = answer.get("session"), answer.get("inexact")
        if type(session) is not int or not isinstance(inexact, list):
            raise DeviceError("the device does not open a session")
        self._started, self.number = started, session
        self._inexact = tuple(str(one) for one in inexact)
        weakref.finalize(self, self._target.release, started, session)

    def _schedule(self) -> dict[str, str] | None:
        """The schedule to follow there, and what messages call it."""
        given = self._model.given
        if given is None or not given.holds_on(self._target.scheduled_as):
            return None
        return {"path": given.path, "text": schedules.to_text(given.schedule)}

    def _ask(self, do: str, inputs: Sequence[Array], **header: Any) -> tuple[Any, tuple[Array, ...]]:
        return self._target.until_back(
            lambda: self._target.ask(self._started, do, inputs, session=self.number, **header), self._open
        )
