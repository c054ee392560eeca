"""Processor time of calls that another executor's processes do."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any


def timed(fn: Callable[..., Any], *args: Any) -> tuple[Any, float]:
    """What ``fn`` returns, and the seconds of processor time that this process took for it."""
    started = time.process_time()
    return fn(*args), time.process_time() - started


class Timed(Executor):
    """``pool``, whose processes do one call at a time; ``seconds`` are those of every finished call."""

    def __init__(self, pool: Executor) -> None:
        self._pool, self.seconds = pool, list[float]()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        outcome: Future[Any] = Future()
        outcome.set_running_or_notify_cancel()

        def pass_on(done: Future[tuple[Any, float]]) -> None:
            if done.cancelled():
                outcome.set_exception(RuntimeError("the call was cancelled"))
            elif error := done.exception():
                outcome.set_exception(error)
            else:
                result, seconds = done.result()
                self.seconds.append(seconds)
                outcome.set_result(result)

        self._pool.submit(timed, fn, *args).add_done_callback(pass_on)
        return outcome
