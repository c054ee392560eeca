"""The schedule that kernels here follow, found fit for this model and this processor before anything runs."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

from edgebnn.errors import InputError
from edgebnn.graph.layer_shapes import layers
from edgebnn.graph.tflite import parse
from edgebnn.graph.types import Graph
from edgebnn.kernels import OPERATIONS, schedules
from edgebnn.kernels.given_schedules import GivenSchedule
from edgebnn.kernels.schedules import KernelSpace, Schedule
from edgebnn.kernels.spaces import spaces

from .kernel_choice import read_table
from .library import find

HERE = "host"
"""What schedules call the machine that this runs on."""


def runnable() -> Mapping[str, tuple[str, ...]]:
    """By operation, the kernels that this processor runs. Raises BuildError."""
    path = find().path
    return {operation: read_table(path, operation).runnable for operation in OPERATIONS}


def spaces_here(graph: Graph) -> dict[int, tuple[KernelSpace, ...]]:
    """What the kernels that this processor runs can do, for each op that takes a schedule. Raises BuildError."""
    names = runnable()
    return {layer.op: spaces(layer.shape, names[layer.shape.operation]) for layer in layers(graph)}


def followed(given: GivenSchedule | None, content: bytes, name: str) -> Schedule | None:
    """The schedule to follow.

    Args:
        given: what there is, if anything.
        content: the .tflite file.
        name: what messages call it.

    Returns:
        The schedule; None if there is none for this machine, or one that only lay there cannot be followed, which is
        warned of.

    Raises:
        InputError: the one that was named cannot be followed: the message says by layer what can.
        UnsupportedOpError, ModelFormatError: the IR does not hold the file.
    """
    if given is None or not given.holds_on(HERE):
        return None
    try:
        schedules.check(given.schedule, spaces_here(parse(content, name)), given.path)
    except InputError as error:
        if given.asked:
            raise
        warnings.warn(f"not followed: {error}", stacklevel=2)
        return None
    return given.schedule
