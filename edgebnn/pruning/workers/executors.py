"""Where proposals are trained: in the calling thread's turn, on this machine's cores, or on a dask cluster.

Each is a context manager that gives a ``concurrent.futures.Executor``; any other executor will do as well. Wherever
:func:`.proposal.run` is called, it hands the work to a training process, so an executor only says how many run at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from edgebnn import machine
from edgebnn.errors import EdgebnnError, InputError
from edgebnn.pruning.workers.job import GROWTH
from edgebnn.pruning.workers.trainers import trainers

P = ParamSpec("P")
T = TypeVar("T")

WORKER_BYTES = 3 << 28
"""Memory that a training process needs for TensorFlow and a small network."""


class _InTurn(Executor):
    """Does each call when it is submitted."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except EdgebnnError as error:
            future.set_exception(error)
        return future


@contextmanager
def in_turn() -> Iterator[Executor]:
    """One proposal after the other, without a thread beside the caller's."""
    try:
        yield _InTurn()
    finally:
        trainers().close()


@contextmanager
def local_pool(workers: int | None = None, worker_bytes: int = WORKER_BYTES) -> Iterator[Executor]:
    """Training processes on this machine: ``workers``, or as many as its cores and its free memory allow.

    A process that dies is replaced and its proposal begun again, without disturbing the others. Left by an error or an
    interrupt, what is at work is ended. Raises :class:`InputError` for fewer workers than one.
    """
    if workers is not None and workers < 1:
        raise InputError(f"pruning needs at least one worker, not {workers}")
    pool = ThreadPoolExecutor(workers or default_workers(worker_bytes), thread_name_prefix="proposal")
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        trainers().close()
        pool.shutdown(wait=True)


def memory_needed(model: Any, batch: int) -> int:
    """Estimated bytes that a process which trains ``model`` comes to take: weights, their gradients, momentum and
    copies in transit; activations and their gradients for every image of a batch; and what it grows by."""
    activations = sum(math.prod(shape[1:]) for layer in model.layers for shape in _shapes(layer.output_shape))
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
    free = free_memory()
    return cores if free is None else max(1, min(cores, free // worker_bytes))


def free_memory() -> int | None:
    """Bytes that processes can still get, within the container's limit; None where Linux does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    kilobytes = next((int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")), None)
    if kilobytes is None:
        return None
    group = Path("/sys/fs/cgroup")
    try:
        limit = int((group / "memory.max").read_text()) - int((group / "memory.current").read_text())
    except (OSError, ValueError):  # no version 2 control group, or "max"
        return kilobytes * 1024
    return max(0, min(kilobytes * 1024, limit))


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
