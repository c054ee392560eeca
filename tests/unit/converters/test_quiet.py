"""Silencing the converters leaves standard output where it was."""

from __future__ import annotations

import os
import threading

from edgebnn.converters.quiet import captured


def test_threads_that_overlap_give_standard_output_back() -> None:
    before = os.fstat(1).st_ino
    first_is_in, first_may_go, first_is_out = (threading.Event() for _ in range(3))

    def first() -> None:
        with captured():
            first_is_in.set()
            first_may_go.wait(10)
        first_is_out.set()

    def second() -> None:
        with captured():
            first_is_out.wait(10)

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert first_is_in.wait(10)
    threads[1].start()
    threads[1].join(0.2)  # it would be in by now
    first_may_go.set()
    for thread in threads:
        thread.join(10)
    assert os.fstat(1).st_ino == before
