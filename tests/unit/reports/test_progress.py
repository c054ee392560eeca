"""A log gets a line for each epoch and no bars; a training that goes on says so."""

from __future__ import annotations

import io

from rich.console import Console

from edgebnn.reports.progress import bar, training_bar
from edgebnn.training.history import EpochMetrics, Progress


def event(epoch: int, step: int, held_out: float | None = 0.97, finished: bool = False) -> Progress:
    metrics = EpochMetrics(epoch, 0.1, 0.96, 0.1, held_out, None, None, 0.005, 41.6, "a computer")
    return Progress(epoch, 3, step, 10, 0.1, 0.96, 0.005, finished=metrics if finished else None)


def log_of(*events: Progress) -> list[str]:
    console = Console(file=io.StringIO(), width=120)
    with training_bar(console) as progress:
        for each in events:
            progress(each)
    assert isinstance(console.file, io.StringIO)
    return [line for line in console.file.getvalue().splitlines() if line.strip()]


def test_each_finished_epoch_is_a_line() -> None:
    steps = [event(epoch, step) for epoch in (1, 2) for step in range(1, 11)]
    lines = log_of(*steps[:10], event(1, 10, finished=True), *steps[10:], event(2, 10, None, finished=True))
    assert lines == [
        "  epoch 1 of 3, loss 0.100, accuracy 96.0 %, 97.00 % on images held out (42 s)",
        "  epoch 2 of 3, loss 0.100, accuracy 96.0 % (42 s)",
    ]


def test_a_training_that_goes_on_says_where() -> None:
    assert log_of(event(2, 1), event(2, 2)) == ["  goes on in epoch 2 of 3"]


def test_a_bar_shows_only_where_someone_watches() -> None:
    for watched in (False, True):
        console = Console(file=io.StringIO(), width=80, force_terminal=watched)
        with bar(console, "images", 4) as update:
            update(2)
            update(2, "more")
        assert isinstance(console.file, io.StringIO)
        assert ("more" in console.file.getvalue()) == watched
