"""Jobs given to an executor: the order of their results, and workers that are lost."""

from __future__ import annotations

from concurrent.futures import BrokenExecutor, Executor, Future
from typing import Any

import pytest

from edgebnn.pruning.search.algorithm import PruningError
from edgebnn.pruning.workers.dispatch import ATTEMPTS, dispatch


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
    with pytest.raises(PruningError, match=rf"lost {ATTEMPTS} times \(killed\)"):
        given([5, 6, 7], {6: ATTEMPTS})
