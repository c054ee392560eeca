"""What `edgebnn plan` says of the kernels that follow schedules on a machine, and the file that it writes of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgebnn.converters.c_package.picks import Pick
from edgebnn.converters.c_package.picks import picks as picks_on_core
from edgebnn.dataflow import schedule_picks
from edgebnn.errors import BuildError, InputError
from edgebnn.files import digest
from edgebnn.kernels import schedules
from edgebnn.kernels.cores import CORES
from edgebnn.kernels.schedules import Schedule
from edgebnn.runtime.followed import HERE, runnable
from edgebnn.targets.model_file import ModelFile


def picks(hardware: str, file: ModelFile) -> tuple[Pick, ...]:
    """What is picked for each layer that has a choice.

    Args:
        hardware: as ``plan --hardware`` takes it.
        file: the model.

    Returns:
        The picks in the order of the file; none on machines whose kernels follow no schedules.
    """
    return picks_on_core(file.graph, CORES[hardware]) if hardware in CORES else ()


def picks_on_linux(hardware: str, file: ModelFile) -> tuple[schedule_picks.Pick, ...]:
    """The same for a machine that runs Linux; of the host, what its very processor runs.

    Returns:
        The picks in the order of the file; none on machines whose kernels' costs are not known, or on a host on which
        nothing can be run.
    """
    try:
        return schedule_picks.picks(file.graph, hardware, runnable() if hardware == HERE else None)
    except BuildError:
        return ()


def save(hardware: str, file: ModelFile, found: Sequence[Pick | schedule_picks.Pick], path: Path) -> None:
    """Write the picks as a schedule of the model.

    Raises:
        InputError: there are none, the model is no .tflite file yet, or the file cannot be written.
    """
    if file.made_from is not None:
        raise InputError(f"{file.name}: a schedule belongs to a .tflite file; convert the model first")
    if not found:
        lacking = "follows a schedule, or has kernels whose costs are known,"
        raise InputError(f"{file.name}: no layer of it {lacking} on {hardware}; leave --save-schedule out")
    layers = tuple(pick.schedule for pick in found)
    schedules.write(Schedule(digest(file.content), hardware, layers), path)
