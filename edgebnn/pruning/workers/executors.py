"""Where proposals are trained: on this machine's cores, or on a dask cluster; and how their jobs get there.

Each place is a context manager that gives a ``concurrent.futures.Executor``; any other executor will do as well.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ThreadPoolExecutor,
    wait,
)
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from edgebnn import machine
from edgebnn.errors import EdgebnnError, InputError, PruningError, one_line
from edgebnn.models import saving
from edgebnn.pruning import store
from edgebnn.pruning.workers.job import GROWTH, Job, Loading, ProposalResult, failed
from edgebnn.pruning.workers.training_process import TrainingProcesses, loaded, run
from edgebnn.user_modules import Code

P = ParamSpec("P")
T = TypeVar("T")

ATTEMPTS = 3
"""How often a job is begun before its workers are taken to die of the job itself."""
WORKER_BYTES = 3 << 28
"""Memory that a training process needs for TensorFlow and a small network."""


@dataclass(frozen=True)
class Lost:
    """What became of a job whose worker died every time; ``cause`` is one line."""

    cause: str


def dispatch(executor: Executor, jobs: Sequence[Job]) -> Iterator[tuple[int, ProposalResult | Lost]]:
    """The index of each job and what became of it, in the order they are finished; those found finished at once, in
    turn, and at the end those that were lost with their worker :data:`ATTEMPTS` times.

    A job that raises has failed. Raises :class:`PruningError` if the executor takes no more jobs. Jobs that were not
    begun are cancelled when the iteration is left early.
    """
    attempts = [0] * len(jobs)
    waiting: dict[Future[ProposalResult], int] = {}
    lost: dict[int, Lost] = {}

    def submit(index: int, cause: object = None) -> None:
        attempts[index] += 1
        try:
            waiting[executor.submit(run, jobs[index])] = index
        except (BrokenExecutor, RuntimeError) as error:
            raise PruningError(
                one_line(f"proposals cannot be trained any more ({cause or error}); start again to go on")
            ) from None

    try:
        for index in range(len(jobs)):
            submit(index)
        while waiting:
            finished, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in sorted(finished, key=waiting.__getitem__):  # sets have an order of their own each time
                index = waiting.pop(future)
                try:
                    result = future.result()
                except (BrokenExecutor, CancelledError) as error:
                    if attempts[index] < ATTEMPTS:
                        submit(index, error)
                    else:
                        lost[index] = Lost(one_line(f"its worker was lost {ATTEMPTS} times ({error})"))
                except Exception as error:  # one proposal's end is not the pruning's
                    text = str(error) if isinstance(error, EdgebnnError) else f"{type(error).__name__}: {error}"
                    yield index, failed(one_line(text))
                else:
                    yield index, result
        yield from sorted(lost.items())
    finally:
        for future in waiting:
            future.cancel()


def check_loads(executor: Executor, model: Any, code: Code) -> None:
    """Load ``model`` where ``executor`` trains proposals; on a cluster, on each of its workers.

    Raises:
        InputError: naming the layer or module, if it cannot be loaded there, or comes back as something else.
        PruningError: no worker answers.
    """
    with tempfile.TemporaryDirectory(prefix="edgebnn-") as name:
        folder = Path(name)
        loading = Loading(folder, store.put_file(folder, ".keras", model.save), code)
        try:
            found = executor.submit(loaded, loading).result()
        except InputError as error:
            raise InputError(one_line(f"where proposals are trained, {error}")) from None
        except (BrokenExecutor, CancelledError) as error:
            raise PruningError(one_line(f"proposals cannot be trained ({error})")) from None
    saving.check_same(model, found)


class _LocalPool(Executor):
    """Calls in training processes, so many at once."""

    def __init__(self, workers: int) -> None:
        self._processes = TrainingProcesses()
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="proposal")

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return self._threads.submit(self._processes.call, fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        if wait and not cancel_futures:
            self._threads.shutdown()
        self._threads.shutdown(wait=False, cancel_futures=cancel_futures)
        if wait or cancel_futures:
            self._processes.close()
            self._threads.shutdown()


@contextmanager
def local_pool(workers: int | None = None, worker_bytes: int = WORKER_BYTES) -> Iterator[Executor]:
    """Training processes on this machine, see :mod:`.training_process`.

    A process that dies costs the call that it had in hand, and is replaced. When the block is left, however it is left,
    what is at work is ended, and no process remains.

    Args:
        workers: how many; by default as many as this machine's cores and its free memory allow.
        worker_bytes: the memory that a process needs, for that default.

    Raises:
        InputError: for fewer workers than one.
    """
    if workers is not None and workers < 1:
        raise InputError(f"pruning needs at least one worker, not {workers}")
    pool = _LocalPool(workers or default_workers(worker_bytes))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def memory_needed(model: Any, batch: int) -> int:
    """Estimated bytes that a process which trains ``model`` comes to take: weights, their gradients, momentum and
    copies in transit; activations and their gradients for every image of a batch; and what it grows by."""
    calls = [call for at_one_depth in model._nodes_by_depth.values() for call in at_one_depth]
    activations = sum(math.prod(shape[1:]) for call in calls for shape in _shapes(call.output_shapes))
    return GROWTH * (WORKER_BYTES + 4 * (6 * int(model.count_params()) + 2 * batch * activations))


def _shapes(shape: Any) -> Iterator[tuple[int, ...]]:
    """The shapes of one output or several, sizes that are open counted as one."""
    if shape and all(size is None or isinstance(size, int) for size in shape):
        yield tuple(size or 1 for size in shape)
    elif isinstance(shape, list | tuple):
        for part in shape:
            yield from _shapes(part)


def default_workers(worker_bytes: int = WORKER_BYTES) -> int:
    """One process for each core this process may use, as far as free memory allows, but one at least."""
    cores = machine.cores()
    free = machine.free_memory()
    return cores if free is None else max(1, min(cores, free // worker_bytes))


@contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """The workers of a dask scheduler, such as ``tcp://scheduler:8786``, each with edgebnn[train,cluster] installed.

    A worker trains as many proposals at once as it has threads. Models and data are sent to it once. Raises
    :class:`InputError` if dask.distributed is not installed, or no scheduler with a worker answers.
    """
    try:
        from edgebnn.pruning.workers.dask_cluster import connected
    except ImportError as error:
        raise InputError(
            f"--cluster needs dask.distributed ({error}): install it with `pip install 'edgebnn[cluster]'`"
        ) from None
    with connected(address) as executor:
        yield executor
