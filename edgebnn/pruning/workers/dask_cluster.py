"""Proposals on a dask cluster, through dask.distributed: what a worker lacks reaches it by content, once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import current_process
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distributed import Client, KilledWorker, get_worker

from edgebnn.errors import InputError
from edgebnn.pruning import store
from edgebnn.pruning.workers.job import Job, Loading, ProposalResult
from edgebnn.pruning.workers.training_process import loaded, run

if TYPE_CHECKING:
    from edgebnn.models.saving import Fingerprint

_CONNECT_SECONDS = 20
_STALE_SECONDS = 3600.0  # a file that no job has named for so long is removed from a worker
_LOST = ("cancelled", "error", "lost")


@contextmanager
def connected(address: str) -> Iterator[Executor]:
    """See :func:`.executors.cluster`."""
    try:
        client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, asyncio.TimeoutError) as error:
        raise InputError(f"cluster {address}: no dask scheduler answers there ({error})") from None
    try:
        client.wait_for_workers(1, timeout=_CONNECT_SECONDS)
    except asyncio.TimeoutError:
        client.close()
        raise InputError(f"cluster {address}: the scheduler has no workers; start some with `dask worker`") from None
    try:
        yield _Cluster(client)
    finally:
        client.close()


class _Cluster(Executor):
    """Dask's own executor, but the files that a job names are scattered to the workers before the first that does."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._executor = client.get_executor(pure=False)  # a job that is submitted again shall be done again
        self._sent: dict[str, Any] = {}

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if fn is run:
            (job,) = args
            self._sent = {name: self._content(job, name) for name in job.files}
            return _translated(self._executor.submit(run_there, job, *self._sent.values()))
        if fn is loaded:
            return self._everywhere(*args)
        return _translated(self._executor.submit(fn, *args, **kwargs))

    def _everywhere(self, loading: Loading) -> Future[Any]:
        """What the first worker loads, once all have answered; or what one of them raises, with its address."""
        content = self._content(loading, loading.network)
        asked = {
            address: self._client.submit(loaded_there, loading, content, workers=[address], pure=False)
            for address in self._client.scheduler_info(n_workers=-1)["workers"]
        }
        outer: Future[Any] = Future()
        try:
            for address, future in asked.items():
                error = future.exception()
                if isinstance(error, InputError):
                    raise InputError(f"on worker {address}, {error}")
                if error is not None:
                    raise BrokenExecutor(f"worker {address}: {error}")
            outer.set_result(next(iter(asked.values())).result())
        except (InputError, BrokenExecutor, StopIteration) as error:
            outer.set_exception(error if str(error) else BrokenExecutor("the cluster has no workers left"))
        return outer

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._executor.shutdown(wait=wait and not cancel_futures)

    def _content(self, job: Job | Loading, name: str) -> Any:
        future = self._sent.get(name)
        if future is None or future.status in _LOST:  # the only workers that had it may have died
            content = (job.store / name).read_bytes()
            try:
                future = self._client.scatter(content, broadcast=True, hash=False)
            except (OSError, asyncio.TimeoutError) as error:
                raise BrokenExecutor(f"the cluster has no workers left: {error}") from None
        return future


def _translated(inner: Future[Any]) -> Future[Any]:
    """The same future, but dask's word for workers that died again and again is concurrent.futures' own."""
    outer: Future[Any] = Future()

    def done(future: Future[Any]) -> None:
        if outer.cancelled():
            return
        if future.cancelled():
            outer.cancel()
            outer.set_running_or_notify_cancel()
            return
        error = future.exception()
        if error is None:
            outer.set_result(future.result())
        else:
            outer.set_exception(BrokenExecutor(str(error)) if isinstance(error, KilledWorker) else error)

    outer.add_done_callback(lambda future: inner.cancel() if future.cancelled() else None)
    inner.add_done_callback(done)
    return outer


def run_there(job: Job, *contents: bytes) -> ProposalResult:
    """:func:`.training_process.run` on a worker, from files in a folder of the worker's own."""
    return run(replace(job, store=_unpacked(job.files, contents)))


def loaded_there(loading: Loading, content: bytes) -> dict[str, Fingerprint]:
    """:func:`.training_process.loaded` on a worker."""
    return loaded(replace(loading, store=_unpacked(loading.files, (content,))))


def _unpacked(names: Sequence[str], contents: Sequence[bytes]) -> Path:
    """The folder of the worker's own, with these files."""
    current_process().daemon = False  # else it may not start processes; ours end with it, however it ends
    folder = Path(get_worker().local_directory) / "edgebnn-proposals"
    folder.mkdir(exist_ok=True)
    for name, content in zip(names, contents, strict=True):
        if not (folder / name).exists():
            store.put(folder, content, Path(name).suffix)
        (folder / name).touch()
    for path in folder.iterdir():
        if path.name not in names and time.time() - path.stat().st_mtime > _STALE_SECONDS:
            path.unlink(missing_ok=True)
    return folder
