"""The state of a training on disk: replaced as a whole, so that a kill at any moment leaves the last or the new one.

A run folder holds ``run.json`` (what is trained how, on what), ``checkpoint.npz``, ``metrics.jsonl`` and, at the end,
``model.keras``.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from edgebnn._tensorflow import keras
from edgebnn.errors import InputError
from edgebnn.files import atomic_path, write_text
from edgebnn.training.history import EpochMetrics
from edgebnn.training.recipe import Recipe
from edgebnn.training.splits import Dataset, Split

IDENTITY, CHECKPOINT, METRICS, MODEL = "run.json", "checkpoint.npz", "metrics.jsonl", "model.keras"


@dataclass(frozen=True)
class State:
    """How far a training is: finished epochs, and the sums over the ``step`` steps done of the one under way."""

    finished: tuple[EpochMetrics, ...] = ()
    step: int = 0
    loss_sum: float = 0.0
    correct: int = 0
    seconds: float = 0.0


def claim(
    run_dir: Path, model: keras.Model, dataset: Dataset, recipe: Recipe, method: Mapping[str, Any] | None = None
) -> None:
    """Make a folder this training's own, or find that it is already; clear away what a kill left half written.

    Args:
        run_dir: the folder.
        model: what is trained.
        dataset: on what.
        recipe: how.
        method: the identity of a training method, left out of the folder's where it is the plain one.

    Raises:
        InputError: it holds another training, naming what differs, or cannot be written.
    """
    identity = _identity(model, dataset, recipe)
    claim_folder(
        run_dir, "training", {**identity, "method": method} if method else identity, (CHECKPOINT, METRICS, MODEL)
    )
    for name in map(Path, (IDENTITY, CHECKPOINT, METRICS, MODEL)):
        for leftover in run_dir.glob(f".{name.stem}-*{name.suffix}"):
            leftover.unlink(missing_ok=True)


def claim_folder(
    run_dir: Path, kind: str, identity: Mapping[str, Mapping[str, Any]], writes: Collection[str] = ()
) -> None:
    """Make ``run_dir`` the folder of the run that ``identity`` tells from others, or find that it is already.

    Args:
        run_dir: the folder, made if it is not there.
        kind: of run, for messages.
        identity: what tells the run from others, as JSON can hold it.
        writes: the names that the run will write there besides ``run.json``.

    Raises:
        InputError: as :func:`check_folder`, or if the folder cannot be written.
    """
    if check_folder(run_dir, kind, identity, writes):
        return
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{run_dir}: cannot be used as a run folder ({error.strerror})") from None
    write_text(run_dir / IDENTITY, json.dumps(identity, indent=1))


def check_folder(
    run_dir: Path, kind: str, identity: Mapping[str, Mapping[str, Any]], writes: Collection[str] = ()
) -> bool:
    """Whether ``run_dir`` is the run's already; nothing is written. Arguments are those of :func:`claim_folder`.

    Raises:
        InputError: if it holds another run, naming what differs, one of another kind, or no run but files that this one
            would overwrite.
    """
    mine = json.loads(json.dumps(identity))
    path = run_dir / IDENTITY
    try:
        theirs = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
        found = [name for name in writes if (run_dir / name).exists()]
    except OSError as error:
        raise InputError(f"{run_dir}: cannot be used as a run folder ({error.strerror})") from None
    except ValueError:
        raise InputError(f"{path}: is damaged; delete the folder or choose another") from None
    if theirs is None and found:
        raise InputError(f"{run_dir}: holds {found[0]}, which no {kind} here has written; choose another folder")
    if theirs is not None and (not isinstance(theirs, dict) or theirs.keys() != mine.keys()):
        raise InputError(
            f"{run_dir}: holds a run of another kind than this {kind}, or of another version of edgebnn; "
            "choose another folder (run_dir, --run-dir) or delete it"
        )
    if theirs is not None and theirs != mine:
        what = "; ".join(_differences(theirs, mine))
        raise InputError(f"{run_dir}: holds another {kind} ({what}); choose another folder or delete it")
    return theirs is not None


def describe_data(dataset: Dataset) -> dict[str, str]:
    """What tells a data set from others."""
    return {"name": dataset.name, "train": _digest(dataset.train), "test": _digest(dataset.test)}


def describe_model(model: keras.Model) -> dict[str, str]:
    """What tells a model from others, weights aside."""
    layers = [
        (layer.name, type(layer).__name__, [list(weight.shape) for weight in layer.weights]) for layer in model.layers
    ]
    return {"name": model.name, "layers": hashlib.sha256(json.dumps(layers).encode()).hexdigest()[:16]}


def _identity(model: keras.Model, dataset: Dataset, recipe: Recipe) -> dict[str, dict[str, Any]]:
    return {"model": describe_model(model), "data": describe_data(dataset), "recipe": asdict(recipe)}


def _digest(split: Split) -> str:
    checksum = zlib.crc32(split.labels.tobytes(), zlib.crc32(split.images.tobytes()))
    return f"{len(split)} images, {checksum:08x}"


def _differences(theirs: Any, mine: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [
        f"{part} {key}: {theirs[part].get(key)} there, {value} here"
        for part, values in mine.items()
        for key, value in values.items()
        if theirs[part].get(key) != value
    ] or ["of another version of edgebnn"]


def save(run_dir: Path, variables: Sequence[Any], state: State) -> None:
    """Replace the checkpoint by the values of ``variables`` and the state."""
    arrays = {f"variable{index}": variable.numpy() for index, variable in enumerate(variables)}
    with atomic_path(run_dir / CHECKPOINT) as temporary:
        np.savez(temporary, state=np.array(json.dumps(asdict(state))), **arrays)


def restore(run_dir: Path, variables: Sequence[Any]) -> State:
    """Assign the checkpoint's values to ``variables`` and return its state; a fresh state if there is no checkpoint.

    Raises :class:`InputError` if the checkpoint is damaged; no variable is changed then.
    """
    path = run_dir / CHECKPOINT
    if not path.exists():
        return State()
    try:
        with np.load(path, allow_pickle=False) as content:
            fields = json.loads(str(content["state"]))
            arrays = [content[f"variable{index}"] for index in range(len(variables))]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise InputError(f"{path}: is damaged ({error}); delete the folder to start again") from None
    if [array.shape for array in arrays] != [tuple(variable.shape) for variable in variables]:
        raise InputError(f"{path}: does not fit the model; delete the folder to start again")
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
    return State(**{**fields, "finished": tuple(EpochMetrics(**epoch) for epoch in fields["finished"])})
