"""Jobs to an executor and results back as they come; a job whose worker is lost is submitted again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait

from edgebnn.pruning.search.algorithm import PruningError
from edgebnn.pruning.workers.job import Job, ProposalResult
from edgebnn.pruning.workers.proposal import run

ATTEMPTS = 3


def dispatch(executor: Executor, jobs: Sequence[Job]) -> Iterator[tuple[int, ProposalResult]]:
    """The index of each job and its result, in the order they are finished; those found finished at once, in turn.

    Raises :class:`PruningError` if workers are lost again and again, or the executor takes no more jobs, and what a job
    itself raises; jobs that were not begun are then cancelled.
    """
    attempts = [0] * len(jobs)
    waiting: dict[Future[ProposalResult], int] = {}

    def submit(index: int, cause: object = None) -> None:
        attempts[index] += 1
        if attempts[index] > ATTEMPTS:
            raise PruningError(f"the worker of a proposal was lost {ATTEMPTS} times ({cause}); start again to go on")
        try:
            waiting[executor.submit(run, jobs[index])] = index
        except (BrokenExecutor, RuntimeError) as error:
            raise PruningError(
                f"proposals cannot be trained any more ({cause or error}); start again to go on"
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
                    submit(index, error)
                else:
                    yield index, result
    finally:
        for future in waiting:
            future.cancel()
