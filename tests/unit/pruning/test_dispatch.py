"""Jobs given to an executor: the order of their results, and workers that are lost."""

from __future__ import annotations

from concurrent.futures import BrokenExecutor, Executor, Future
from typing import Any

import pytest

from edgebnn.errors import PruningError
from edgebnn.pruning.workers.executors import ATTEMPTS, Lost, dispatch


class Losing(Executor):
    """Answers each job with itself, at once; loses its worker the first ``losses[job]`` times."""

    def __init__(self, losses: dict[Any, int]) -> None:
        self.losses = losses

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        (job,) = args
        future: Future[Any] = Future()
        if self.losses.get(job, 0) > 0:
            self.losses[job] -= 1
            future.set_exception(BrokenExecutor("killed"))
        else:
            future.set_result(job)
        return future


def given(jobs: list[Any], losses: dict[Any, int]) -> list[tuple[int, Any]]:
    return list(dispatch(Losing(losses), jobs))


def test_jobs_finished_at_once_come_in_turn() -> None:
    jobs = list(range(100, 140))
    assert given(jobs, {}) == list(enumerate(jobs))


def test_a_job_whose_worker_is_lost_is_done_again() -> None:
    assert given([5, 6, 7], {6: ATTEMPTS - 1}) == [(0, 5), (2, 7), (1, 6)]
    found = given([5, 6, 7], {6: ATTEMPTS})
    assert found == [(0, 5), (2, 7), (1, Lost(f"its worker was lost {ATTEMPTS} times (killed)"))]


class Raising(Losing):
    """Cannot do the jobs that ``losses`` names."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if args[0] in self.losses:
            future.set_exception(ModuleNotFoundError("No module named 'mine'\nthere"))
        else:
            future.set_result(args[0])
        return future


def test_a_job_that_raises_has_failed_and_costs_no_other() -> None:
    (first, failed), second = dispatch(Raising({5: 1}), [5, 6])  # type: ignore[list-item]
    assert first == 0
    assert not isinstance(failed, Lost)
    assert failed.failure == "ModuleNotFoundError: No module named 'mine'?there"
    assert second == (1, 6)


def test_an_executor_that_takes_no_jobs_ends_it() -> None:
    class Closed(Losing):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            raise RuntimeError("cannot schedule new futures after shutdown")

    with pytest.raises(PruningError, match=r"cannot be trained any more \(cannot schedule .*; start again to go on"):
        list(dispatch(Closed({}), [5]))  # type: ignore[list-item]
