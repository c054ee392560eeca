"""Processes that train: TensorFlow with one thread and deterministic ops, in a process that nothing else ran in.

So a proposal's result depends on its job and the class of CPU alone. Each process is a loky executor of its own: an
executor whose process dies loses all that it has in hand. It is not one of ``concurrent.futures``, since those run the
user's program again in every process they start. What is added here: a process ends when the one that started it is
gone, however that died, and when it has grown too large: TensorFlow keeps some memory of every network it trained
(2.16: about 0.6 GB for AlexNet), whatever becomes of the Python objects. TensorFlow also writes the Python code that it
generates to the folder for temporary files, and leaves it there if it is killed: each process has a folder of its own,
which is removed with it.
"""

from __future__ import annotations

import atexit
import os
import pickle
import re
import shutil
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from functools import cache
from multiprocessing import Pipe, util
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from edgebnn import machine
from edgebnn.errors import EdgebnnError, one_line
from edgebnn.pruning.workers.job import GROWTH, Job, Loading, ProposalResult, failed

try:
    from loky import ProcessPoolExecutor
    from loky.process_executor import ShutdownExecutorError
except ImportError as error:
    raise EdgebnnError(f"pruning needs loky ({error}): install it with `pip install 'edgebnn[train]'`") from error

if TYPE_CHECKING:
    from edgebnn.models.saving import Fingerprint

P = ParamSpec("P")
T = TypeVar("T")

IDLE_SECONDS = 120.0
"""A process without work ends after so long, and is started again when there is some."""
PREFIX = "edgebnn-training-"
"""Of the names of the processes' folders."""
_LOG = "log"
_training = False


def run(job: Job) -> ProposalResult:
    """The result of ``job``, which may be that it failed: done here in a training process, else handed to one.

    An executor that does not start training processes may so run it anywhere. Raises ``BrokenExecutor`` if the process
    that trains it dies.
    """
    if not _training:
        return _own().call(run, job)
    try:
        from edgebnn.pruning.workers.fine_tuning import perform

        return perform(job)
    except Exception as error:  # whatever TensorFlow raises is the end of this proposal, not of the pruning
        return failed(_cause(error))


def loaded(loading: Loading) -> dict[str, Fingerprint]:
    """The fingerprint of each layer of a network, loaded in a training process as :func:`run` would load it.

    Raises:
        InputError: it cannot be loaded, or what it needs not be imported; the message names the layer or the module.
    """
    if not _training:
        return _own().call(loaded, loading)
    from edgebnn.models import saving

    return saving.fingerprints(saving.load(loading.store / loading.network, loading.code))


def _cause(error: Exception) -> str:
    """In one line: TensorFlow tells of graphs in many, the last ones of which say what happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if lines and lines[0].startswith("Graph execution error"):
        lines = [line for line in reversed(lines) if not line.startswith(("[[", "[Op:"))]
    text = lines[0] if lines else ""
    return one_line(text if isinstance(error, EdgebnnError) else f"{type(error).__name__}: {text}".rstrip(": "))


@cache
def use_one_thread() -> None:
    """Settle, before TensorFlow does anything, that results do not depend on threads."""
    from edgebnn._tensorflow import tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()


class TrainingProcesses:
    """As many as there are calls at a time, kept between calls until :meth:`close`.

    Each calls ``settle`` before anything else.
    """

    def __init__(self, settle: Callable[[], None] = use_one_thread) -> None:
        self._settle = settle
        self._lock = threading.Lock()
        self._idle: list[_Process] = []
        self._all: set[_Process] = set()
        self._closed = False

    def call(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """``fn(*args, **kwargs)`` in a process. Raises what it raises, and ``BrokenExecutor`` if the process dies or
        :meth:`close` was called; nothing but this call is lost then."""
        while True:
            process, fresh = self._take()
            try:
                result, keep = process.call(fn, *args, **kwargs)
            except BrokenExecutor:
                self._drop(process)
                if fresh or process.began:
                    raise
            except Exception:
                self._give_back(process)
                raise
            except BaseException:  # an interrupt while it is at work
                self._drop(process)
                raise
            else:
                (self._give_back if keep else self._drop)(process)
                return result

    def close(self) -> None:
        """End all processes, those that are at work too, and wait until they have ended."""
        with self._lock:
            self._closed = True
            processes, self._idle, self._all = self._all, [], set()
        for process in processes:
            process.close()

    def _take(self) -> tuple[_Process, bool]:
        """A process, and whether it is new."""
        with self._lock:  # also while one is started: close() must see it
            if self._closed:
                raise BrokenExecutor("training processes were closed")
            if self._idle:
                return self._idle.pop(), False
            process = _Process(self._settle)
            self._all.add(process)
            return process, True

    def _give_back(self, process: _Process) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(process)

    def _drop(self, process: _Process) -> None:
        with self._lock:
            self._all.discard(process)
        process.close()


class _Process:
    """One process, started by its first call."""

    def __init__(self, settle: Callable[[], None]) -> None:
        self.began = False
        self._closing = threading.Lock()
        self._settle = settle
        self._folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._lifeline, self._end = Pipe(duplex=False)
        self._first = 0
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        folder = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(self._folder))
        self._executor = ProcessPoolExecutor(
            1,
            timeout=IDLE_SECONDS,
            initializer=_begin,
            initargs=(self._lifeline, str(self._folder)),
            env={
                **one_thread,
                **folder,
                "TF_ENABLE_ONEDNN_OPTS": "1",
                "PYTHONFAULTHANDLER": "",  # its traces would hide the last line that a library printed
                "LOKY_MAX_MEMORY_LEAK_SIZE": "1e18",  # growth is judged here, by the first job
            },
        )

    def call(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> tuple[T, bool]:
        """The result, and whether the process is fit for another call."""
        self.began = False
        content = pickle.dumps((fn, args, kwargs))  # as bytes: whole even if it cannot be loaded there
        try:
            future = self._executor.submit(_call, self._settle, content)
            self.began = True
            result, most = future.result()
        except (BrokenExecutor, ShutdownExecutorError) as error:
            raise BrokenExecutor(f"the process that trained it ended ({self._how(str(error))})") from None
        self._first = self._first or most
        return result, most <= GROWTH * self._first

    def close(self) -> None:
        """End the process; whoever has it may call this, and all who do return when it has ended."""
        with self._closing:
            if self._end.closed:
                return
            self._end.close()
            self._executor.shutdown(wait=True, kill_workers=True)
            self._lifeline.close()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _how(self, message: str) -> str:
        """What is known of the end: the exit code that loky names, and what was printed last."""
        found = re.search(r"exit codes of the workers are \{([^}]*)\}", message)
        code = found[1] if found else "without an answer"
        try:
            printed = (self._folder / _LOG).read_text(errors="replace").strip().splitlines()
        except OSError:
            printed = []
        return one_line(f"{code}: {printed[-1]}" if printed and "SIGKILL" not in code else code)


def _begin(lifeline: Connection, folder: str) -> None:
    """The first thing that a training process does."""
    global _training
    _training = True
    os.makedirs(folder, exist_ok=True)
    log = os.open(os.path.join(folder, _LOG), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):  # what libraries print is no answer of a program that prints JSON
        os.dup2(log, stream)
    os.close(log)
    if hasattr(os, "setsid"):
        os.setsid()  # an interrupt at the keyboard is for the process that started it
    threading.Thread(target=_end_with, args=(lifeline, folder), daemon=True).start()
    # without the farewells of TensorFlow's threads, which may wait for each other
    util.Finalize(None, _end, args=(folder, 0), exitpriority=-100)


def _end_with(lifeline: Connection, folder: str) -> None:
    """Wait until nobody holds the other end of ``lifeline``: the process that started this one is gone."""
    try:
        lifeline.recv()
    except (EOFError, OSError):
        _end(folder, 1)


def _end(folder: str, code: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(code)


def _call(settle: Callable[[], None], content: bytes) -> tuple[Any, int]:
    """After ``settle`` the result of what ``content`` calls, and the most bytes of memory that this process has had.

    Loaded in the main thread: a job may import a module that imports TensorFlow, and two threads that import it at a
    time can wait for each other for ever.
    """
    settle()
    try:
        fn, args, kwargs = pickle.loads(content)
    except (ImportError, AttributeError) as error:
        raise EdgebnnError(one_line(f"a proposal needs what cannot be imported where it is trained: {error}")) from None
    return fn(*args, **kwargs), machine.peak_memory()


@cache
def _own() -> TrainingProcesses:
    """This process's, for executors that know none: they end when idle, and with this process."""
    processes = TrainingProcesses()
    atexit.register(processes.close)
    return processes
