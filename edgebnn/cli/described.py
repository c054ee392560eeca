"""What the command line lets a user say of a model: the options, and the metadata that they make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from edgebnn.cli.options import FILE
from edgebnn.errors import InputError
from edgebnn.files import read_bytes

if TYPE_CHECKING:
    from edgebnn.graph.metadata import Metadata

_Command = TypeVar("_Command", bound=Callable[..., Any])


def metadata_options(command: _Command) -> _Command:
    """What a converted file is to say of the model: keyword arguments for :func:`stated`."""
    options = (
        click.option("--labels", type=FILE, help="A text file with the names of the classes, one a line."),
        click.option(
            "--image-range", type=float, nargs=2, metavar="LOW HIGH", help="What pixels 0 to 255 become, as -1 1."
        ),
        click.option("--mean", metavar="NUMBERS", help="Taken off each pixel: one, or one a channel with commas."),
        click.option("--std", metavar="NUMBERS", help="By which that is divided."),
        click.option("--channel-order", type=click.Choice(["rgb", "bgr", "grey"]), help="Of the image input."),
        click.option("--description", metavar="TEXT", help="What the model does."),
        click.option("--author", metavar="TEXT"),
        click.option("--license", metavar="TEXT", help="Of the model, as Apache-2.0."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def stated(
    labels: Path | None,
    image_range: tuple[float, float] | None,
    mean: str | None,
    std: str | None,
    channel_order: Any,
    **texts: Any,
) -> Metadata | None:
    """The metadata that options of :func:`metadata_options` make.

    Args:
        labels: a file of a label a line.
        image_range: the least and the largest value of a pixel.
        mean: of the pixels, in place of a range: numbers with commas.
        std: likewise.
        channel_order: of the image.
        texts: the other fields.

    Returns:
        The metadata; None where no option is given.

    Raises:
        InputError: the options contradict each other, or the file cannot be read.
    """
    from edgebnn.graph.metadata import ImageFormat, Metadata

    if (mean is None) != (std is None) or (mean is not None and image_range is not None):
        raise InputError("give --image-range, or --mean and --std together")
    image = None
    if image_range is not None:
        image = ImageFormat.of_range(*image_range)
    elif mean is not None and std is not None:
        image = ImageFormat(_numbers("--mean", mean), _numbers("--std", std))
    if channel_order is not None:
        image = replace(image or ImageFormat(), channel_order=channel_order)
    given = {name: text for name, text in texts.items() if text}
    facts = Metadata(image=image, labels=() if labels is None else _labels(labels), **given)
    return None if facts == Metadata() else facts


def _numbers(option: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"{option} {text}: give one number, or one a channel, as in 123.7,116.3,103.5") from None


def _labels(path: Path) -> tuple[str, ...]:
    from edgebnn.graph.metadata import lines

    content = read_bytes(path)
    try:
        found = lines(content)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None
    if not found or not all(found):
        line = found.index("") + 1 if found else 1
        raise InputError(f"{path}: line {line} is empty; a file of labels has the name of a class in each line")
    return found
