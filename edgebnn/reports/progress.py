"""What the user of a long run sees: a bar where someone watches, and a line for each epoch of a training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from . import format

if TYPE_CHECKING:
    from edgebnn.training.history import Progress as TrainingProgress
    from edgebnn.training.history import ProgressCallback


class Update(Protocol):
    """Told how much more is done and, where it changes, what to write beside the bar."""

    def __call__(self, done: int, text: str | None = None) -> None: ...


@contextmanager
def bar(console: Console, title: str, total: int) -> Iterator[Update]:
    """A bar for ``total`` units of work, gone when they are done; shown only on a terminal."""
    with _bars(console) as bars:
        task = bars.add_task(title, total=total)

        def update(done: int, text: str | None = None) -> None:
            bars.update(task, advance=done, description=text)

        yield update


@contextmanager
def training_bar(console: Console) -> Iterator[ProgressCallback]:
    """A bar for the steps of a whole training, and a line where it goes on and for each finished epoch."""
    with _bars(console) as bars:
        task = bars.add_task("training", total=None)
        begun = False

        def update(at: TrainingProgress) -> None:
            nonlocal begun
            position = (at.epoch - 1) * at.steps + at.step
            if not begun and position > 1:
                console.print(f"  goes on in epoch {at.epoch} of {at.epochs}", highlight=False)
            begun = True
            title = f"epoch {at.epoch} of {at.epochs}, loss {at.loss:.3f}, accuracy {format.percent(at.accuracy, 1)}"
            bars.update(task, description=title, completed=position, total=at.epochs * at.steps)
            if at.finished is not None:
                held = at.finished.validation_accuracy
                judged = "" if held is None else f", {format.percent(held)} on images held out"
                console.print(f"  {title}{judged} ({at.finished.seconds:.0f} s)", highlight=False)

        yield update


def _bars(console: Console) -> Progress:
    """Bars that leave nothing behind, and do not show in a log."""
    columns = (TextColumn("  {task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
