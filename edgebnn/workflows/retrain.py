"""Retraining with deployment: a network brought to fewer bits, its accuracy measured at every stage, in one call."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from edgebnn import machine
from edgebnn.converters.convert import Target as FileKind
from edgebnn.converters.convert import check_output, convert
from edgebnn.converters.findings import Finding
from edgebnn.errors import EdgebnnError
from edgebnn.files import write_bytes
from edgebnn.graph.types import Array
from edgebnn.preprocessing import preprocess
from edgebnn.runtime.model import load
from edgebnn.training.retraining import Retrained

from .deploying import calibration_samples

if TYPE_CHECKING:
    from edgebnn.training.history import ProgressCallback
    from edgebnn.training.plans import Plan
    from edgebnn.training.retraining import Deployment, Stage
    from edgebnn.training.splits import Dataset


class StaysFloatError(EdgebnnError):
    """Layers would stay in float, where none is to: ``findings`` says which."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        names = ", ".join(f"'{finding.layer}'" for finding in findings)
        super().__init__(f"{names} would stay in float; nothing was trained")
        self.findings = findings


@dataclass(frozen=True)
class DeployedRetraining(Retrained):
    """The outcome, and what is wrong with the file, slow in it or in float: ``before``, as foreseen, and ``after``."""

    before: tuple[Finding, ...] = ()
    after: tuple[Finding, ...] = ()


_FILES: Mapping[str, FileKind] = {"w1a8": "w1a8", "int8": "int8", "w1a1": "lce"}
_BATCH = 250


@dataclass(frozen=True)
class RetrainOptions:
    """How a network is retrained, besides what it is and what it becomes.

    Attributes:
        parent: a float model to learn from. Default: the model itself where that is float.
        imports: modules that define what ``model`` and ``parent`` are made of beside Keras' and Larq's layers; for
            networks in memory they are found by themselves.
        image_size: to which the images of a folder are resized.
        plan: how. Default: :func:`edgebnn.training.recipes.retraining`. ``changes`` are to its recipe's fields.
        strict: raise StaysFloatError, before anything is trained, if a layer would stay in float.
        progress: told after each step.
        tell: told each stage.
        tell_findings: told before the training what :func:`.convert` finds wrong with the file that is foreseen.
    """

    parent: str | Path | Any | None = None
    imports: Sequence[str] = ()
    image_size: int | None = None
    plan: Plan | None = None
    changes: Mapping[str, Any] | None = None
    strict: bool = False
    progress: ProgressCallback | None = None
    tell: Callable[[Stage], None] | None = None
    tell_findings: Callable[[tuple[Finding, ...]], None] | None = None


def retrain(
    model: str | Path | Any,
    data: str | Path | Dataset,
    to: Literal["w1a8", "int8", "w1a1"] = "w1a8",
    *,
    output: str | Path,
    run_dir: str | Path | None = None,
    **options: Any,
) -> DeployedRetraining:
    """Retrain a Keras model to ``to`` and write ``output``, a .tflite file; goes on where ``run_dir`` was left.

    Args:
        model: a Keras model of any widths, or what :func:`.from_keras.load_model` takes.
        data: a data set, or what :func:`edgebnn.training.datasets.load` takes.
        to: ``"w1a8"`` or ``"int8"`` from float weights (a W1A8 model is trained on); ``"w1a1"`` from a W1A1 model.
        output: the file.
        run_dir: for checkpoints and stages. Default: ``output`` with the suffix ``.run``.
        options: those of :class:`RetrainOptions`.

    Returns:
        The accuracy at every stage, and what is wrong with the file.

    Raises:
        EdgebnnError: for input that cannot be read, does not fit, or cannot be written, and as
            :func:`edgebnn.training.retraining.retrain` does.
    """
    from edgebnn.converters.from_keras import load_model
    from edgebnn.models import saving
    from edgebnn.training import datasets, recipes
    from edgebnn.training.retraining import RetrainingTask
    from edgebnn.training.retraining import retrain as run

    chosen = RetrainOptions(**options)
    path = Path(output)
    check_output(path)
    folder = path.with_suffix(".run") if run_dir is None else Path(run_dir)
    size = None if chosen.image_size is None else (chosen.image_size, chosen.image_size)
    dataset = datasets.load(data, size) if isinstance(data, str | Path) else data
    network = load_model(str(model), chosen.imports) if isinstance(model, str | Path) else model
    parent = chosen.parent
    teacher = load_model(str(parent), chosen.imports) if isinstance(parent, str | Path) else parent
    plan = chosen.plan or recipes.retraining(to, dataset.name)
    plan = replace(plan, to=to, recipe=replace(plan.recipe, **(chosen.changes or {})))
    before: list[Finding] = []

    def check(untrained: Any) -> None:
        with tempfile.TemporaryDirectory(prefix="edgebnn-") as place:
            saving.check_comes_back(
                untrained, saving.code(untrained, chosen.imports)
            )  # what cannot be kept is not trained
            before.extend(_convert(untrained, Path(place, "model.tflite"), to))
        if chosen.tell_findings is not None and before:
            chosen.tell_findings(tuple(before))
        floats = tuple(finding for finding in before if finding.rule == "stays-float")
        if chosen.strict and floats:
            raise StaysFloatError(floats)

    bench = replace(deployment(dataset, to), check=check)
    task = RetrainingTask(network, dataset, plan, teacher)
    result = run(task, folder, bench, progress=chosen.progress, tell=chosen.tell)
    with tempfile.TemporaryDirectory(prefix="edgebnn-") as place:
        kept = load_model(str(result.model), chosen.imports)
        after = _convert(kept, Path(place, "model.tflite"), to)
    write_bytes(path, result.file.read_bytes())
    return DeployedRetraining(
        **{one.name: getattr(result, one.name) for one in fields(result) if one.name != "file"},
        file=path,
        before=tuple(before),
        after=after,
    )


def _convert(model: Any, path: Path, to: Literal["w1a8", "int8", "w1a1"]) -> tuple[Finding, ...]:
    """Write the file of a network trained for it; what is wrong with it, slow or in float."""
    return tuple(finding for finding in convert(model, path, _FILES[to]).findings if finding.level != "info")


def deployment(dataset: Dataset, to: Literal["w1a8", "int8", "w1a1"]) -> Deployment:
    """Conversion and accuracy on this machine, for :func:`edgebnn.training.retraining.retrain`.

    Args:
        dataset: images for calibration, and the test set.
        to: the precision.

    Returns:
        What retraining needs to know of deployment.
    """
    from edgebnn.training.described import described
    from edgebnn.training.retraining import Deployment

    def write(model: Any, path: Path) -> None:
        _, height, width, _ = model.input_shape
        inputs = None if to == "w1a1" else calibration_samples(dataset.train.images, (height, width))
        convert(model, path, _FILES[to], inputs, metadata=described(dataset))

    def accuracy(path: Path, exact: bool) -> float:
        return file_accuracy(path, dataset.test.images, dataset.test.labels, exact)

    return Deployment(write, accuracy)


def file_accuracy(path: Path, images: Array, labels: Array, exact: bool = False) -> float:
    """The accuracy of a .tflite file, on all cores.

    Args:
        path: the file.
        images: uint8 [N, H, W, C].
        labels: the class of each image, [N].
        exact: on kernels that are bit-exact with the reference executor (see :func:`edgebnn.load`), and slow.

    Returns:
        The share of right answers.
    """
    cores = machine.cores()
    starts = range(0, len(images), _BATCH)

    def right(worker: int) -> int:
        run = load(path, exact=exact)
        _, height, width, _ = run.inputs[0].shape
        count = 0
        for start in starts[worker::cores]:
            part = slice(start, start + _BATCH)
            outputs = run(preprocess(images[part], (height, width)))
            count += int(np.count_nonzero(np.argmax(outputs, axis=1) == labels[part]))
        return count

    with ThreadPoolExecutor(cores) as pool:
        return sum(pool.map(right, range(cores))) / len(images)
