"""How much is done for a figure: options of the command line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])


def effort_options(command: _Command) -> _Command:
    """The fields of :class:`edgebnn.workflows.benchmark.Effort`, as keyword arguments."""
    options = (
        click.option(
            "--repeats",
            type=click.IntRange(4),
            help="So many samples.  [default: until they are precise]",
        ),
        click.option(
            "--precision",
            type=click.FloatRange(0, 1, min_open=True),
            default=0.02,
            show_default=True,
            help="Half of the median's 95 % interval, as a share of it, that is good enough.",
        ),
        click.option(
            "--seconds",
            type=click.FloatRange(0),
            default=10,
            show_default=True,
            help="After which no more samples are taken.",
        ),
        click.option("--pin", metavar="CPUS", callback=_processors, help="Run on these processors alone, as 2,3."),
        click.option("--ops", is_flag=True, help="With the times of the ops in the record, as profile tells them."),
        click.option(
            "--energy",
            "energy_seconds",
            type=click.FloatRange(0),
            default=0,
            metavar="SECONDS",
            help="Run for so long under the board's meter: a Pi 5's, or an INA219.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _processors(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[int, ...]:
    try:
        return () if text is None else tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        raise click.BadParameter(f"{text!r}: give numbers of processors with commas, as in 2,3") from None
