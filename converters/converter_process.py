"""The process in which TensorFlow's converters run, so that a crash of theirs is an error and costs nobody a session.

TensorFlow Lite's converter and its calibration end the whole process on some models (2.16: int8 of a GRU or SimpleRNN
of batch 1). So they run in a child of their own, always. It is given a folder with a SavedModel, which holds the traced
graph and the weights: whatever classes the Keras model is made of, the child needs none of them.

Importing TensorFlow takes about five seconds, so the child is kept for the next conversion. It ends with the process
that started it, after :data:`IDLE_SECONDS` without a conversion, and after one for which it grew beyond :data:`LARGE`.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from edgebnn import machine
from edgebnn.errors import EdgebnnError

from .quiet import captured

IDLE_SECONDS = 60.0
LARGE = 2 << 30
"""Bytes of peak memory: what was allocated for a large model is not given back."""

FILE, SAVED_MODEL, JOB = "model.tflite", "saved_model", "job.json"
"""In the folder that is given to the process: the file that it writes, the model to convert, and what to do with it."""

_MODULE = "edgebnn.converters.from_keras"  # its ``__main__`` calls serve()
_LONGEST = 100_000  # characters of a converter's output that are passed on


class ConversionError(Exception):
    """The converter failed: the message is the reason, in a line; ``details`` is all that it said."""

    def __init__(self, reason: str, details: str = "") -> None:
        super().__init__(reason)
        self.details = details


class ConverterCrashError(ConversionError):
    """The converter ended its process."""


# -- the process that asks --


class _Child:
    """A running converter process."""

    def __init__(self) -> None:
        self._owner = os.getpid()
        answers, end_of_child = os.pipe()
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-m", _MODULE, str(end_of_child)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
            pass_fds=(end_of_child,),
            start_new_session=True,  # an interrupt at the keyboard is for the process that started it
        )
        os.close(end_of_child)
        self._answers = open(answers, "rb")  # noqa: SIM115 (closed with the process)
        atexit.register(self.end)

    @property
    def usable(self) -> bool:
        """Whether it runs, and was started by this process: a fork of that shares its pipes and must not use them."""
        return self._owner == os.getpid() and self._process.poll() is None

    def ask(self, folder: Path) -> bytes:
        """The answer about ``folder``; empty if the process has ended."""
        assert self._process.stdin is not None, "made with a pipe"
        try:
            self._process.stdin.write(json.dumps(str(folder)).encode() + b"\n")
            self._process.stdin.flush()
            return self._answers.readline()
        except OSError:
            return b""

    def end(self) -> int:
        """Ends it, whatever it is doing; returns its exit code, negative for a signal."""
        if self._owner != os.getpid():
            return 0
        atexit.unregister(self.end)
        code = self._process.poll()
        if code is None:
            self._process.kill()
            code = self._process.wait()
        assert self._process.stdin is not None, "made with a pipe"
        self._answers.close()
        with contextlib.suppress(OSError):  # of a line that it has not read
            self._process.stdin.close()
        return code

    def exit_code(self) -> int:
        """Of a process that has closed its answers."""
        self._process.wait()
        return self.end()


_lock = threading.Lock()
_kept: list[_Child] = []  # at most one


def start() -> None:
    """Start the process if it does not run, so that it loads TensorFlow while the caller does something else."""
    with _lock:
        _running()


def convert_in_child(folder: Path) -> None:
    """Have the child process call what it serves with ``folder``. Conversions of several threads take turns.

    Raises:
        ConversionError: the converter failed; :class:`ConverterCrashError` if its process ended.
        EdgebnnError: what it refused.
    """
    with _lock:
        for _ in range(2):
            child = _running()
            try:
                answer = child.ask(folder)
            except BaseException:
                _kept.clear()
                child.end()  # its answer must not be taken for that to the next question
                raise
            if answer:
                break
            _kept.clear()
            code = child.exit_code()
            if code:
                raise ConverterCrashError(_how_it_ended(code))
            # else it has ended of itself, being idle or large, just when it was asked
        else:
            raise ConverterCrashError("it ended without an answer")
    found = json.loads(answer)
    if found["refused"]:
        raise EdgebnnError(found["refused"])
    if found["reason"]:
        raise ConversionError(found["reason"], found["details"])


def _running() -> _Child:
    if not _kept or not _kept[0].usable:
        _kept[:] = [_Child()]
    return _kept[0]


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"its process ended with exit code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    return f"its process was ended by {name}" + (", as for want of memory" if name == "SIGKILL" else "")


# -- the process that is asked --


def serve(convert: Callable[[Path], None], answers: int) -> None:
    """Call ``convert`` with each folder that comes in on standard input; outcomes go to the descriptor ``answers``.

    ``convert`` raises ConversionError or EdgebnnError; anything else it raises is a failure too.
    """
    folders: queue.SimpleQueue[Path] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(folders,), daemon=True).start()
    while True:
        try:
            folder = folders.get(timeout=IDLE_SECONDS)
        except queue.Empty:
            return
        answer = json.dumps(_outcome(convert, folder)).encode() + b"\n"
        while answer:
            answer = answer[os.write(answers, answer) :]
        if machine.peak_memory() > LARGE:
            return


def _receive(folders: queue.SimpleQueue[Path]) -> None:
    # a stream of its own: Python aborts if it finds standard input being read when it ends
    with os.fdopen(os.dup(0), "rb") as stream:
        for line in stream:
            folders.put(Path(json.loads(line)))
    os._exit(0)  # at once, also in the middle of a conversion: nobody is there to take it


def _outcome(convert: Callable[[Path], None], folder: Path) -> dict[str, str]:
    refused = reason = details = ""
    with captured() as chatter:
        try:
            convert(folder)
        except EdgebnnError as error:
            refused = str(error)
        except ConversionError as error:
            reason, details = str(error), f"{error.details}\n{chatter()}"
    return {"refused": refused, "reason": reason, "details": details[-_LONGEST:]}
