"""The report of a run, put together from what its steps found."""

from __future__ import annotations

import os
import platform
import shlex
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version

from edgebnn import machine
from edgebnn.graph import counts
from edgebnn.graph.types import Graph
from edgebnn.reports.data import (
    Accuracy,
    Agreement,
    Dataflow,
    Fact,
    Layer,
    ModelFacts,
    OnMicrocontroller,
    OnPi,
    Pruning,
    ReportData,
    Reproduce,
    Retraining,
)
from edgebnn.targets.model_file import open_model
from edgebnn.training.recipe import Recipe

from .plan import HARDWARE, Run
from .results import Converted, Timed, Trained, compare_sizes

_PACKAGES = ("edgebnn", "ai-edge-litert", "numpy", "tensorflow", "tf-keras", "larq", "larq-compute-engine")
_PRECISIONS = {"w1a1": "1-bit weights and activations", "float": "float"}
_NAMES = {"mnist": "MNIST", "resnet8": "ResNet-8"}


def report_data(
    run: Run,
    trained: Trained,
    converted: Converted,
    accuracy: Accuracy,
    agreements: Sequence[Agreement],
    timed: Timed,
    retraining: Retraining,
    pruning: Pruning,
    microcontroller: OnMicrocontroller,
    on_pi: OnPi | None,
    planned: Dataflow,
) -> ReportData:
    """Everything the page shows, of this moment.

    Args:
        run: the demo's own arguments and files.
        trained: the network in Keras.
        converted: its files.
        accuracy: of them.
        agreements: between executors.
        timed: what inferences take here.
        retraining: the same with fewer bits.
        pruning: the same with fewer channels.
        planned: what a machine of the dataflow model makes of it.
        microcontroller: what all that takes on a simulated core.
        on_pi: how the pruned one does on an emulated Raspberry Pi; None where there is none.

    Returns:
        The page's data.
    """
    training = run.plan.training
    model, dataset = _NAMES.get(training.model, training.model), _NAMES.get(training.dataset, training.dataset)
    deployed, in_float = open_model(run.deployed), open_model(run.in_float)
    return ReportData(
        title=f"A binarized {model} on {dataset}",
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        model=ModelFacts(
            name=model,
            precision=_PRECISIONS.get(training.precision, training.precision),
            dataset=dataset,
            input_shape=run.dataset.input_shape,
            classes=len(run.dataset.classes),
            parameters=trained.parameters,
        ),
        accuracy=accuracy,
        recipe=_recipe(run, trained),
        epochs=trained.epochs,
        layers=_layers(deployed.graph),
        timing=timed.timing,
        baselines=timed.baselines,
        sizes=compare_sizes(deployed.graph, len(deployed.content), in_float.graph, len(in_float.content)),
        agreements=tuple(agreements),
        lint_subjects=converted.subjects,
        findings=converted.findings,
        reproduce=_reproduce(run),
        retraining=retraining,
        pruning=pruning,
        microcontroller=microcontroller,
        on_pi=on_pi,
        dataflow=planned,
    )


def _layers(graph: Graph) -> tuple[Layer, ...]:
    return tuple(
        Layer(
            index=index,
            op=op.kind,
            name=graph.op_name(index),
            output_shape=graph.tensors[op.outputs[0]].shape,
            output_dtype=graph.tensors[op.outputs[0]].dtype.value,
            macs=counts.op_macs(graph, index),
            weight_bytes=counts.op_weight_bytes(graph, index),
        )
        for index, op in enumerate(graph.ops)
    )


def _recipe(run: Run, trained: Trained) -> tuple[Fact, ...]:
    training, recipe = run.plan.training, run.plan.training.recipe
    images = len(run.dataset.train) - recipe.hold_out if recipe.train_images is None else recipe.train_images
    return (
        Fact("training images", f"{images:,}, {recipe.hold_out:,} more held out"),
        Fact("epochs", str(recipe.epochs)),
        Fact("batch", str(recipe.batch)),
        Fact("optimizer", recipe.optimizer),
        Fact("learning rate", f"{recipe.learning_rate:g}, {recipe.schedule}"),
        Fact("augmentation", recipe.augmentation),
        Fact("channels of the stages", ", ".join(map(str, training.widths))),
        Fact("time", f"{sum(epoch.seconds for epoch in trained.epochs):.0f} s, {machine.timing_kind()}"),
    )


def _reproduce(run: Run) -> Reproduce:
    """The command that made the run, and those that do parts of it again from its trained networks."""
    deployed, trained = shlex.quote(str(run.deployed)), shlex.quote(str(run.trained))
    options = f"{'--fast ' if run.fast else ''}--seed {run.seed} -o {shlex.quote(str(run.folder))}"
    return Reproduce(
        commands=(
            f"edgebnn demo {options}",
            f"edgebnn lint {trained}",
            f"edgebnn convert {trained} --to lce -o {_again(run, 'model.tflite')}",
            f"edgebnn analyze {deployed}",
            f"edgebnn plan {deployed} --hardware {HARDWARE} --html {_again(run, 'plan.html')}",
            f"edgebnn validate {deployed} --target host --layers",
            f"edgebnn profile {deployed} --target host",
            _prune(run),
            f"edgebnn validate {shlex.quote(str(run.pruned))} --target qemu-aarch64",
            _retrain(run),
            f"edgebnn profile {shlex.quote(str(run.retrained))} --target cortex-m4",
            f"edgebnn export {shlex.quote(str(run.retrained))} --target cortex-m4 -o {_again(run, 'firmware')}",
        ),
        seed=run.seed,
        versions=tuple(Fact(name, _version(name)) for name in _PACKAGES),
        machine=(
            Fact("processor", f"{machine.cpu_name()}, {os.cpu_count()} cores"),
            Fact("class", machine.cpu_class()),
            Fact("system", platform.platform()),
            Fact("Python", platform.python_version()),
        ),
    )


def _prune(run: Run) -> str:
    settings, recipe = run.plan.pruning.settings, run.plan.pruning.settings.long_term
    assert recipe is not None
    return " ".join(
        (
            f"edgebnn prune {shlex.quote(str(run.trained))} --data {run.plan.training.dataset} --target host",
            f"--budget {run.plan.pruning.budget} --ratio {settings.ratio} --iterations {settings.iterations}",
            f"--short-term {settings.steps} --hold-out {settings.hold_out} --long-term-epochs {recipe.epochs}",
            *_train_images(recipe),
            f"--seed {run.seed} -o {_again(run, 'pruned.keras')}",
        )
    )


def _retrain(run: Run) -> str:
    recipe = run.plan.retraining.plan.recipe
    return " ".join(
        (
            f"edgebnn retrain {shlex.quote(str(run.parent))} --to w1a8 --data {run.plan.retraining.parent.dataset}",
            f"--epochs {recipe.epochs} --hold-out {recipe.hold_out} --augmentation {recipe.augmentation}",
            *_train_images(recipe),
            f"--seed {run.seed} -o {_again(run, 'w1a8.tflite')}",
        )
    )


def _train_images(recipe: Recipe) -> tuple[str, ...]:
    return () if recipe.train_images is None else (f"--train-images {recipe.train_images}",)


def _again(run: Run, name: str) -> str:
    """Beside what the run has made, which stays."""
    return shlex.quote(str(run.folder / f"again-{name}"))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
