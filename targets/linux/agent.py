"""What runs on a device: it serves one caller over its standard streams, and ends when these close.

Models are run by the very code that runs them on a host (:mod:`edgebnn.targets.host`). Frames are read on a thread of
their own, so that a caller who goes away ends this process in the middle of an inference, too; another thread says that
the process is alive while something takes long. What libraries print goes to standard error.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import queue
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

from edgebnn import errors, machine
from edgebnn.errors import EdgebnnError, InputError, one_line
from edgebnn.files import unreadable
from edgebnn.graph.types import Array
from edgebnn.kernels import schedules
from edgebnn.kernels.given_schedules import GivenSchedule
from edgebnn.runtime import conditions
from edgebnn.targets.host import HostSession
from edgebnn.targets.model_file import ModelFile

from . import wire
from .store import OneModel, Store

ALIVE_SECONDS = 2.0
_PACKAGES = ("edgebnn", "numpy", "ai-edge-litert", "tflite-runtime")

Answer = tuple[dict[str, Any], Sequence[Array]]


def serve(folder: str) -> None:
    """Answers frames on models of a store until standard input ends.

    Args:
        folder: the store.
    """
    _serve(Store(Path(folder)))


def serve_version(model: Path) -> NoReturn:
    """The same on the one model of a version that was deployed.

    Args:
        model: its file.
    """
    _serve(OneModel(model))


def _serve(store: Store | OneModel) -> NoReturn:
    line = Line(os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb"))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # libraries print where they like
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    line.begin(hello())
    agent = Agent(store)
    while True:
        header, arrays = line.next()
        try:
            answer, results = agent.answer(header, arrays)
            frame = wire.encode({**answer, "id": header.get("id")}, results)
        except (EdgebnnError, OSError, MemoryError) as error:
            frame = wire.encode({"error": _explained(error), "kind": _kind(error), "id": header.get("id")})
        line.send(frame)


def _given(schedule: Mapping[str, str] | None) -> GivenSchedule | None:
    """The schedule that the caller has chosen for this device, which must be followed."""
    if schedule is None:
        return None
    return GivenSchedule(schedule["path"], schedules.parse(schedule["text"], schedule["path"]), asked=True)


def _kind(error: BaseException) -> str:
    """The name of the error in :mod:`edgebnn.errors` that it is, or is one of."""
    return next((kind.__name__ for kind in type(error).__mro__ if kind.__module__ == errors.__name__), "")


def _explained(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "the device has too little memory for this"
    if isinstance(error, OSError):
        return str(unreadable(error.filename or "the device", error))
    return str(error)


def hello() -> dict[str, Any]:
    """What the first frame says: the protocol's version, the machine, and the versions of what runs models."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "protocol": wire.VERSION,
        "kind": machine.timing_kind(),
        "device": machine.describe(),
        "python": platform.python_version(),
        "packages": versions,
    }


class Line:
    """The standard streams as frames. Args: the two pipes."""

    def __init__(self, incoming: IO[bytes], outgoing: IO[bytes]) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._frames: queue.SimpleQueue[tuple[dict[str, Any], tuple[Array, ...]]] = queue.SimpleQueue()
        self._sending = threading.Lock()

    def begin(self, header: dict[str, Any]) -> None:
        """Greets, and begins to read and to say that this process is alive."""
        with self._sending:
            self._write(wire.GREETING + wire.encode(header))
        threading.Thread(target=self._read_frames, daemon=True).start()
        threading.Thread(target=self._say_alive, daemon=True).start()

    def next(self) -> tuple[dict[str, Any], tuple[Array, ...]]:
        """The next frame of the caller's."""
        return self._frames.get()

    def send(self, frame: bytes) -> None:
        with self._sending:
            self._write(frame)

    def _write(self, data: bytes) -> None:
        try:
            self._outgoing.write(data)
            self._outgoing.flush()
        except OSError:
            os._exit(0)  # nobody is there any more

    def _read_frames(self) -> None:
        try:
            while True:
                self._frames.put(wire.decode(self._exactly))
        except (EOFError, EdgebnnError, OSError):
            os._exit(0)  # whatever is being computed: nobody waits for it

    def _exactly(self, count: int) -> bytes:
        data = self._incoming.read(count)
        if len(data) < count:
            raise EOFError
        return data

    def _say_alive(self) -> None:
        pause = threading.Event()
        while not pause.wait(ALIVE_SECONDS):
            self.send(wire.encode({"alive": True}))


@dataclass(frozen=True)
class _Opened:
    session: HostSession
    model: ModelFile


class Agent:
    """The requests, each a method ``do_NAME``, and the sessions that they opened."""

    def __init__(self, store: Store | OneModel) -> None:
        self._store = store
        self._opened: dict[int, _Opened] = {}
        self._count = 0

    def answer(self, header: dict[str, Any], arrays: Sequence[Array]) -> Answer:
        """What is to be sent back. Raises EdgebnnError for what cannot be done, OSError, MemoryError."""
        method: Callable[..., Answer] | None = getattr(self, f"do_{header.get('do')}", None)
        if method is None:
            raise InputError(one_line(f"the agent cannot {header.get('do')!r}"))
        return method(header, arrays)

    def do_has(self, header: dict[str, Any], arrays: Sequence[Array]) -> Answer:
        """Whether the store has a file."""
        return {"has": self._store.has(str(header["file"]))}, ()

    def do_open(self, header: dict[str, Any], arrays: Sequence[Array]) -> Answer:
        """A session on a model of the store's."""
        content = self._store.read(str(header["file"]))
        self._store.trim()
        model = ModelFile(str(header["name"]), content, signature=header["signature"], given=_given(header["schedule"]))
        session = HostSession(
            model, threads=int(header["threads"]), exact=bool(header["exact"]), trace=bool(header["trace"])
        )
        self._count += 1
        self._opened[self._count] = _Opened(session, model)
        return {"session": self._count, "inexact": list(session.inexact)}, ()

    def do_close(self, header: dict[str, Any], arrays: Sequence[Array]) -> Answer:
        """Forgets a session."""
        self._opened.pop(int(header["session"]), None)
        return {}, ()

    def do_run(self, header: dict[str, Any], arrays: Sequence[Array]) -> Answer:
        """One inference."""
        return {}, self._session(header).run(arrays)

    def do_trace(self, header: dict[str, Any], arrays: Sequence[Array]) -> Answer:
        """One inference, with every tensor that can be shown."""
        shown = self._session(header).trace(arrays)
        return {"tensors": list(shown)}, tuple(shown.values())

    def do_profile(self, header: dict[str, Any], arrays: Sequence[Array]) -> Answer:
        """The cost of an inference by op."""
        with self._store.locked("measuring"):
            return {"profile": self._session(header).profile(arrays, int(header["repeats"])).as_dict()}, ()

    def do_time(self, header: dict[str, Any], arrays: Sequence[Array]) -> Answer:
        """The time of whole inferences: of a session's, or in turn with another's, whose arrays come behind."""
        ours = self._session(header)
        if "against" not in header:
            ours.run(arrays)
            with self._store.locked("measuring"):
                return {"samples_ms": [ours.times(arrays, int(header["repeats"])).samples_ms]}, ()
        theirs, count = self._opened[int(header["against"])].session, int(header["inputs"])
        ours.run(arrays[:count])
        theirs.run(arrays[count:])
        with self._store.locked("measuring"):
            pairs = ours.times_against(arrays[:count], theirs, arrays[count:], int(header["repeats"]))
        return {"samples_ms": [pairs.ours.samples_ms, pairs.theirs.samples_ms]}, ()

    def do_energy(self, header: dict[str, Any], arrays: Sequence[Array]) -> Answer:
        """What inferences take by the board's meter; null where there is none."""
        with self._store.locked("measuring"):
            found = self._session(header).energy(arrays, float(header["seconds"]))
        return {"energy": None if found is None else asdict(found)}, ()

    def do_pin(self, header: dict[str, Any], arrays: Sequence[Array]) -> Answer:
        """Sessions that are opened from now on run on these processors alone; says which could be used before."""
        return {"before": list(conditions.pin([int(one) for one in header["processors"]]))}, ()

    def do_about(self, header: dict[str, Any], arrays: Sequence[Array]) -> Answer:
        """What the machine is, what computes there, and what it is under now."""
        return {
            "fingerprint": machine.fingerprint(),
            "versions": machine.versions(),
            "conditions": asdict(conditions.now()),
        }, ()

    def do_state(self, header: dict[str, Any], arrays: Sequence[Array]) -> Answer:
        """What the process has taken so far."""
        return {"peak_memory": machine.peak_memory()}, ()

    def _session(self, header: dict[str, Any]) -> HostSession:
        return self._opened[int(header["session"])].session
