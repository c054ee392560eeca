"""`edgebnn export`: a package written to a folder."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from edgebnn.converters.read_tflite import read
from edgebnn.errors import EdgebnnError, InputError
from edgebnn.graph.types import Graph
from edgebnn.kernels.cores import PACKAGES, Core

from .containers import check_container, contain
from .generate import Package, check_name, generate


def core_named(target: str) -> Core:
    """The core that packages are made for under this name.

    Raises:
        InputError: there is none; the message lists those that there are.
    """
    if target not in PACKAGES:
        raise InputError(f"there are no C packages for '{target}'; choose one of {', '.join(PACKAGES)}")
    return PACKAGES[target]


def export(
    model: str | Path | Graph,
    out: str | Path,
    target: str = "cortex-m4",
    *,
    package: str = "plain",
    name: str | None = None,
    force: bool = False,
) -> Package:
    """Write a model as plain C.

    Args:
        model: a .tflite file, or a graph.
        out: the folder to write, which must not exist, or be empty.
        target: what its kernels are chosen for, one of :data:`edgebnn.kernels.cores.PACKAGES`: a core; ``portable``,
            plain kernels for any; or a processor with an operating system, whose kernels are those of the runtime.
        package: the layout, one of :data:`.containers.CONTAINERS`: a library for Arduino, CMake, ...
        name: the prefix of its files and functions. Default: the model file's name.
        force: replace a folder that is there.

    Returns:
        What was written, with the memory that it takes.

    Raises:
        InputError: the folder is there, or the name is no C identifier.
        EdgebnnError: the model cannot be read, or has an op without a C kernel.
    """
    folder, core = Path(out), core_named(target)
    graph = model if isinstance(model, Graph) else read(model)
    chosen = name or (graph.name if isinstance(model, Graph) else Path(model).stem)
    check_name(chosen)
    check_folder(folder, force)
    check_container(package)
    try:
        generated = generate(graph, core, chosen)
    except EdgebnnError as error:
        raise type(error)(f"{graph.name if isinstance(model, Graph) else model}: {error}") from None
    write(contain(generated, package), folder, force)
    return generated


def check_folder(folder: Path, force: bool) -> None:
    """Raises InputError if ``folder`` holds something that would be lost."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; give the name of a folder to write")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise InputError(f"{folder}: is not empty; choose another folder, or replace it with --force")
    if not folder.parent.is_dir():
        raise InputError(f"{folder}: the folder {folder.parent} does not exist; make it first")


def write(files: Mapping[str, str], folder: Path, force: bool) -> None:
    """Write the files to ``folder``, all or none: into a folder beside it, which then takes its place."""
    check_folder(folder, force)
    try:
        beside = Path(tempfile.mkdtemp(prefix=f".{folder.name[:64]}-", dir=folder.parent))
        try:
            made = beside / "made"
            made.mkdir()
            for name, text in files.items():
                path = made / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            _put(made, folder, beside / "replaced")
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror or error})") from None


def _put(made: Path, folder: Path, aside: Path) -> None:
    """Move ``made`` to ``folder``; what was there goes ``aside``, and comes back if that fails."""
    if folder.is_dir():
        folder.rename(aside)
    try:
        made.rename(folder)
    except OSError:
        if aside.exists():
            aside.rename(folder)
        raise
