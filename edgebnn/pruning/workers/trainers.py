"""Training processes as seen by the process that starts them: kept between jobs, replaced when they end or die."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
from functools import cache

from edgebnn.errors import EdgebnnError, one_line
from edgebnn.pruning.workers.job import Answer, Job, ProposalResult

ATTEMPTS = 3
"""How often a job is begun before its training processes are taken to die of the job itself."""

_ENDING_SECONDS = 5.0


class TrainerError(EdgebnnError):
    """The process that trains a proposal ended with an error."""


class TrainerLostError(TrainerError):
    """The process that trains a proposal was killed: the job may well be done by another."""


class Trainer:
    """One training process. Its streams are its own: a job is sent, then its result is waited for."""

    def __init__(self) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "edgebnn.pruning.workers.trainer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, **one_thread, "TF_ENABLE_ONEDNN_OPTS": "1", "PYTHONPATH": path},
            start_new_session=True,  # an interrupt at the keyboard is for the process that started it
        )
        self._ends = False

    def perform(self, job: Job) -> ProposalResult:
        """Raises :class:`TrainerError` if the process ends, and what the job itself raises."""
        assert self._process.stdin is not None, "made with pipes"
        assert self._process.stdout is not None, "made with pipes"
        try:
            pickle.dump(pickle.dumps(job), self._process.stdin)  # as bytes: whole even if it cannot be loaded there
            self._process.stdin.flush()
            answer = pickle.load(self._process.stdout)
        except (OSError, EOFError, pickle.UnpicklingError):
            raise self._cause() from None
        assert isinstance(answer, Answer), answer
        self._ends = answer.last
        if isinstance(answer.content, EdgebnnError):
            raise answer.content
        return answer.content

    @property
    def ready(self) -> bool:
        """Whether it takes another job."""
        return not self._ends and self._process.poll() is None

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream is not None:
                stream.close()

    def _cause(self) -> TrainerError:
        try:
            code = self._process.wait(timeout=_ENDING_SECONDS)
        except subprocess.TimeoutExpired:  # it has only closed its streams
            self._process.kill()
            code = self._process.wait()
        if code <= 0:
            how = f"killed by {signal.Signals(-code).name}" if code else "without an answer"
            return TrainerLostError(f"the process that trains a proposal ended ({how})")
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip().splitlines()
        return TrainerError(one_line(f"the process that trains a proposal failed: {said[-1] if said else code}"))


class Trainers:
    """The training processes of this process: as many as there are jobs at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[Trainer] = []
        self._busy: set[Trainer] = set()
        self._generation = 0

    def run(self, job: Job) -> ProposalResult:
        """The job's result. A process that is killed has its job begun again by another, up to :data:`ATTEMPTS` times.

        Raises :class:`TrainerError` then, and after :meth:`close`, and what the job itself raises.
        """
        generation = self._generation
        for attempt in range(1, ATTEMPTS + 1):
            trainer = self._take()
            try:
                result = trainer.perform(job)
            except TrainerLostError as error:
                self._drop(trainer)
                if attempt == ATTEMPTS or generation != self._generation:
                    raise TrainerError(f"{error}, {attempt} times; if memory is short, use fewer workers") from None
            except TrainerError:
                self._drop(trainer)
                raise
            except EdgebnnError:
                self._give_back(trainer)
                raise
            else:
                self._give_back(trainer)
                return result
        raise AssertionError("unreachable: the last attempt returns or raises")

    def close(self) -> None:
        """End all processes, those that are at work too."""
        with self._lock:
            self._generation += 1
            idle, self._idle = self._idle, []
            for trainer in self._busy:
                trainer.kill()
        for trainer in idle:
            trainer.close()

    def _take(self) -> Trainer:
        with self._lock:
            while self._idle:
                trainer = self._idle.pop()
                if trainer.ready:
                    break
                trainer.close()  # it had nothing to do for long, or has grown too large
            else:
                trainer = Trainer()
            self._busy.add(trainer)
            return trainer

    def _give_back(self, trainer: Trainer) -> None:
        with self._lock:
            self._busy.remove(trainer)
            self._idle.append(trainer)

    def _drop(self, trainer: Trainer) -> None:
        with self._lock:
            self._busy.remove(trainer)
        trainer.close()


@cache
def trainers() -> Trainers:
    """The training processes of this process, which outlive a single job and end with this process."""
    return Trainers()
