"""What the user of a pruning sees while it runs: a bar where someone watches, and a line for each iteration."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from . import format

if TYPE_CHECKING:
    from edgebnn.pruning.progress import Progress as PruningProgress
    from edgebnn.pruning.progress import ProgressCallback


@contextmanager
def pruning_view(console: Console) -> Iterator[ProgressCallback]:
    """A callback for :func:`edgebnn.pruning.search.netadapt.adapt`; the bar counts the proposals of the iteration."""
    columns = (TextColumn("  {task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[left]}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task("pruning", total=None, left="")
        is_measuring = False

        def update(at: PruningProgress) -> None:
            nonlocal is_measuring
            if at.stage == "note":
                console.print(f"  {escape(at.message)}", highlight=False, soft_wrap=True)
                return
            if at.stage == "accepted":
                rest = "" if console.is_terminal or not at.seconds_left else f", {_left(at)}"  # a bar shows it
                console.print(f"  {escape(_accepted(at))}{rest}", highlight=False, soft_wrap=True)
            left = _left(at)
            if at.stage == "table" and not is_measuring:
                console.print(
                    f"  measuring {at.total} layers or so for the latency table, {left}",
                    highlight=False,
                    soft_wrap=True,
                )
            is_measuring = at.stage == "table"
            bars.update(task, description=escape(_title(at)), completed=at.done, total=at.total or None, left=left)

        yield update


def _left(at: PruningProgress) -> str:
    return "" if at.seconds_left is None else f"about {timedelta(seconds=round(at.seconds_left))} left"


def _accepted(at: PruningProgress) -> str:
    now, budget = format.amount(at.predicted, at.unit), format.amount(at.budget, at.unit)
    return (
        f"iteration {at.iteration} of about {at.iterations}: cut {at.layer}, now {now} {at.unit} "
        f"(budget {budget}), {_judged(at)}"
    )


def _title(at: PruningProgress) -> str:
    if at.stage == "table":
        return f"measuring layers for the latency table, {at.layer}"
    if at.stage == "long_term":
        return f"long-term training, {_judged(at, 'training images')}"
    tried = f", {at.layer}: {_judged(at)}" if at.layer and at.stage == "search" else ""
    return f"iteration {at.iteration}, {format.amount(at.predicted, at.unit)} {at.unit}{tried}"


def _judged(at: PruningProgress, images: str = "images held out") -> str:
    return "failed" if at.accuracy is None else f"{format.percent(at.accuracy)} on {images}"
