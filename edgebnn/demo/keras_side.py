"""What the demo does with TensorFlow: training, converting, and Keras' own answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from edgebnn._tensorflow import keras
from edgebnn.converters.convert import convert
from edgebnn.converters.findings import Finding as Found
from edgebnn.converters.from_keras import load_model
from edgebnn.converters.lint import lint_keras
from edgebnn.files import write_bytes
from edgebnn.graph.types import Array
from edgebnn.models import build
from edgebnn.reports.data import Epoch, Finding, Pruning, Retraining, Stage, Width
from edgebnn.reports.progress import bar, training_bar
from edgebnn.reports.pruning import STAGES
from edgebnn.reports.pruning_view import pruning_view
from edgebnn.targets import target
from edgebnn.targets.model_file import open_model
from edgebnn.training.evaluation import inference
from edgebnn.training.loop import train
from edgebnn.training.recipes import Training
from edgebnn.training.retraining import RetrainingTask, retrain
from edgebnn.training.splits import Dataset
from edgebnn.workflows.deploying import calibration_samples
from edgebnn.workflows.prune import PruneOptions, prune_in
from edgebnn.workflows.retrain import deployment

from .device_side import baseline, deployed_outputs
from .plan import Pruning as AskedPruning
from .plan import Retraining as Asked
from .results import Converted, Trained, accuracy


def train_model(plan: Training, dataset: Dataset, folder: Path, console: Console) -> Trained:
    """Train in ``folder``, or go on where it was left, up to ``folder/model.keras``."""
    keras.utils.set_random_seed(plan.recipe.seed)
    model = _build(plan, dataset, plan.precision)
    with training_bar(console) as progress:
        history = train(model, dataset, plan.recipe, folder, progress)
    return Trained(
        parameters=int(model.count_params()),
        epochs=tuple(
            Epoch(e.epoch, e.loss, e.accuracy, e.validation_loss, e.validation_accuracy, e.seconds)
            for e in history.epochs
        ),
    )


def convert_models(
    plan: Training, dataset: Dataset, trained: Path, deployed: Path, in_int8: Path, in_float: Path
) -> Converted:
    """Write the trained model's files.

    Args:
        plan: how it was trained.
        dataset: gives the images for calibration.
        trained: the Keras model.
        deployed: its file.
        in_int8: another, with int8 around its binary layers.
        in_float: that of the same architecture in float, not trained: size and speed do not depend on its weights.

    Returns:
        Sizes and findings.
    """
    model = load_model(str(trained))
    before = lint_keras(model)
    # From the saved model, which knows its labels and the range of its images.
    found = convert(trained, deployed).findings
    convert(trained, in_int8, calibration=calibration_samples(dataset.train.images))
    convert(_build(plan, dataset, "float"), in_float, to="float")
    subjects = (f"the Keras model {model.name}", f"the file {deployed.name}")
    return Converted(subjects, tuple(_finding(subjects[f not in before], f) for f in found))


def prune_model(
    asked: AskedPruning, dataset: Dataset, trained: Path, folder: Path, before: Path, file: Path, console: Console
) -> Pruning:
    """Prune a network, or go on where it was left, and deploy it.

    Args:
        asked: the budget and how.
        dataset: the data set.
        trained: the Keras model.
        folder: of the run.
        before: the network's own file, with which the pruned one is timed in turn.
        file: of the pruned network.
        console: for progress.

    Returns:
        What came of it.
    """
    host, test = target("host"), dataset.test
    with pruning_view(console) as progress:
        options = PruneOptions(asked.settings, progress=progress)
        result = prune_in(folder, trained, dataset, host, asked.budget, options)
    convert(result.model_path, file)
    with bar(console, "images", len(test)) as update:
        deployed = accuracy(deployed_outputs(file, test.images, update), test.labels)
    history = result.history
    stages = [
        Stage(words, history["accuracy"][stage], len(test), "Keras")
        for stage, words in STAGES.items()
        if history["accuracy"][stage] is not None
    ]
    widths = result.iterations[-1].widths if result.iterations else history["initial_widths"]
    return Pruning(
        resource=history["resource"],
        unit=history["unit"],
        initial=result.initial,
        budget=result.budget,
        predicted=result.predicted,
        met=result.met,
        iterations=len(result.iterations),
        widths=tuple(Width(name, full, widths[name]) for name, full in history["initial_widths"].items()),
        required=asked.required,
        stages=(*stages, Stage("deployed", deployed, len(test), "the file, in the runtime")),
        timing=baseline(host, open_model(file), str(before), "the network before pruning, deployed"),
        bytes_before=before.stat().st_size,
        bytes_after=file.stat().st_size,
        folder=folder.name,
    )


def retrain_model(
    asked: Asked, dataset: Dataset, parent: Path, folder: Path, file: Path, console: Console
) -> Retraining:
    """Retrain a float network, or go on where it was left, and deploy it.

    Args:
        asked: the precision and how.
        dataset: the data set.
        parent: the Keras model.
        folder: of the run.
        file: of the retrained network.
        console: for progress.

    Returns:
        The accuracy at every stage, and sizes.
    """

    def tell(stage: Any) -> None:
        console.print(f"  {stage.name}: {stage.accuracy:.2%}, {stage.where}", highlight=False)

    to = asked.plan.to
    with training_bar(console) as progress:
        task = RetrainingTask(load_model(str(parent)), dataset, asked.plan)
        result = retrain(task, folder, deployment(dataset, to), progress=progress, tell=tell)
    write_bytes(file, result.file.read_bytes())
    int8 = convert(result.model, folder / "int8.tflite", to="w1a8", portable=True)
    return Retraining(
        network=f"{asked.parent.model}, {', '.join(map(str, asked.parent.widths))} channels",
        required=asked.required,
        within=asked.within,
        stages=tuple(Stage(stage.name, stage.accuracy, stage.samples, stage.where) for stage in result.stages),
        epochs=len(result.epochs),
        seconds=sum(epoch.seconds for epoch in result.epochs),
        packed_bytes=file.stat().st_size,
        int8_bytes=int8.bytes,
    )


def keras_outputs(trained: Path, images: Array) -> Array:
    """Keras' own outputs [N, classes] for uint8 ``images`` [N, H, W, C]."""
    return inference(load_model(str(trained)))(images)


def _build(plan: Training, dataset: Dataset, precision: str) -> Any:
    return build(
        plan.model,
        widths=plan.widths,
        classes=len(dataset.classes),
        precision=precision,
        input_shape=dataset.input_shape,
    )


def _finding(stage: str, found: Found) -> Finding:
    return Finding(stage, found.level, found.rule, found.layer, found.message, found.remedy)
