"""`edgebnn.export`: C packages for all that there are kernels for, and for boards, which must have room for them."""

from __future__ import annotations

from pathlib import Path

from edgebnn.converters.c_package import folder as c_package
from edgebnn.converters.c_package.containers import contain
from edgebnn.converters.c_package.generate import generate
from edgebnn.converters.c_package.package import Package
from edgebnn.errors import EdgebnnError, InputError
from edgebnn.graph.shapes import require_sizes
from edgebnn.graph.types import Array, Graph
from edgebnn.kernels.cores import CORES, PACKAGES, Core

from . import TARGETS
from .inputs import samples
from .model_file import ModelFile, open_model

_BOARDS = tuple(name for name, (module, _) in TARGETS.items() if "cortex_m" in module and name not in CORES)


def export(
    model: str | Path | Graph,
    out: str | Path,
    target: str = "cortex-m4",
    *images: Array,
    package: str = "plain",
    name: str | None = None,
    force: bool = False,
    schedule: str | Path | None = None,
) -> Package:
    """Write a model as plain C.

    Args:
        model: a .tflite file, or a graph.
        out: the folder to write, which must not exist, or be empty.
        target: what its kernels are chosen for: a core; ``portable``, plain kernels for any; a processor with an
            operating system (:data:`edgebnn.kernels.cores.PACKAGES`); or a board, which it must fit.
        images: for each input an array [N, ...] of the size that is meant, for a model that leaves it open.
        package: the layout: a library for Arduino, CMake, ...
        name: the prefix of its files and functions. Default: the model file's name.
        force: replace a folder that is there.
        schedule: a file of schedules that the kernels follow (``edgebnn plan --save-schedule``); by default the one
            beside the model, if it was made for this core.

    Returns:
        What was written, with the memory that it takes.

    Raises:
        InputError: the folder is there, the name is no C identifier, a size is open, the board is too small, or a
            schedule is none of this model, or asks for what no kernel does.
        EdgebnnError: the model cannot be read, or has an op without a C kernel.
    """
    if target not in PACKAGES and target not in _BOARDS:
        raise InputError(f"there are no C packages for '{target}'; choose one of {', '.join((*PACKAGES, *_BOARDS))}")
    named = model.name if isinstance(model, Graph) else str(model)
    chosen = name or (named if isinstance(model, Graph) else Path(named).stem)
    c_package.check(Path(out), package, chosen, force)
    if isinstance(model, Graph) and schedule is not None:
        raise InputError(f"{schedule}: a schedule belongs to a .tflite file, not to a graph")
    if isinstance(model, Graph) and not images:
        file, graph = ModelFile(named, b"", model), model
    else:
        file = open_model(model, schedule=None if schedule is None else Path(schedule))
        graph = file.graph_for(next(samples(file, images, 1))) if images else file.graph
    require_sizes(graph, named)
    core = PACKAGES[target] if target in PACKAGES else _core_with_room(file, graph, target)
    try:
        made = generate(graph, core, chosen, file.schedules_on(core.name))
    except EdgebnnError as error:
        raise type(error)(f"{named}: {error}") from None
    c_package.write(contain(made, package), Path(out), force)
    return made


def _core_with_room(file: ModelFile, graph: Graph, target: str) -> Core:
    """The core of a board. Raises InputError if the network does not fit."""
    from .cortex_m.target import CortexMTarget

    board = CortexMTarget(target)
    board.fitting(file, graph)
    return board.core
