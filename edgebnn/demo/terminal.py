"""What the user of a long run sees, on standard error: a line a step, and a bar where a step takes its time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


class Update(Protocol):
    """Told how much more is done and, where it changes, what to write beside the bar."""

    def __call__(self, done: int, text: str | None = None) -> None: ...


@dataclass(frozen=True)
class Terminal:
    """Says things on ``console``."""

    console: Console

    def say(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator[Update]:
        """A bar for ``total`` units of work, gone when they are done; shown only where someone watches."""
        columns = (TextColumn("  {task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        watched = self.console.is_terminal
        with Progress(*columns, console=self.console, transient=True, disable=not watched) as progress:
            task = progress.add_task(title, total=total)

            def update(done: int, text: str | None = None) -> None:
                progress.update(task, advance=done, description=text)

            yield update
