"""Which schedule a model is to follow: one that the user names, or the one that lies beside the model."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

from edgebnn.errors import InputError

from . import schedules
from .schedules import Schedule


@dataclass(frozen=True)
class GivenSchedule:
    """A schedule of a model, and where it comes from.

    path:  the file, for messages.
    asked: whether it was named, and must be followed; else it lay beside the model, for one machine.
    """

    path: str
    schedule: Schedule
    asked: bool

    def holds_on(self, hardware: str) -> bool:
        """Whether it is to be followed on ``hardware``: not if it only lay there, for another machine."""
        return self.asked or self.schedule.hardware == hardware


def beside(model: Path) -> Path:
    """Where the schedule of a model lies that is taken without being named."""
    return model.with_suffix(".schedule.json")


def given_schedule(model: Path, content: bytes, schedule: Path | None = None) -> GivenSchedule | None:
    """The schedule that a model is to follow.

    Args:
        model: its .tflite file.
        content: its bytes.
        schedule: the file that was named; None: the one beside the model, which must be of these bytes.

    Returns:
        The schedule; None if there is none, or one of another model lies there, which is warned of.

    Raises:
        InputError: the file cannot be read, is no schedule, or is one of another model although it was named.
    """
    path = beside(model) if schedule is None else schedule
    if schedule is None and not path.is_file():
        return None
    found = schedules.read(path)
    try:
        schedules.check_model(found, content, str(path))
    except InputError as error:
        if schedule is not None:
            raise
        warnings.warn(f"not followed: {error}", stacklevel=2)
        return None
    return GivenSchedule(str(path), found, schedule is not None)
