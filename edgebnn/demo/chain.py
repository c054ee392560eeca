"""The whole chain on real data: train, convert, run on every test image, compare, time, report."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np
from rich.console import Console

from edgebnn import machine
from edgebnn.dataflow import hardware
from edgebnn.dataflow import plan as planning
from edgebnn.files import atomic_path
from edgebnn.graph.batches import run_all
from edgebnn.graph.types import Array
from edgebnn.preprocessing import preprocess
from edgebnn.reports import format, html
from edgebnn.reports.data import Accuracy, Dataflow, DemoResult, OnMicrocontroller, OnPi, Pruning, Retraining
from edgebnn.reports.dataflow_view import dataflow
from edgebnn.reports.progress import bar
from edgebnn.targets import target
from edgebnn.targets.model_file import open_model
from edgebnn.training.datasets import load
from edgebnn.training.recipes import Training

from . import page, pi_side
from .device_side import deployed_outputs, time_inference
from .plan import HARDWARE, Run, chosen, folder_for
from .results import Answers, Compared, Converted, Timed, Trained, accuracy, agreement
from .steps import Steps, code_digest, file_digest

CORE = "cortex-m4"
"""The target that stands for microcontrollers."""
PI = "qemu-aarch64"
"""The one that stands for a Raspberry Pi."""


def demo(
    out: Path, *, fast: bool = False, seed: int = 0, fresh: bool = False, console: Console | None = None
) -> DemoResult:
    """Run the chain in the folder ``out`` and write ``out/report.html``.

    Steps finished before with the same inputs are kept, an interrupted training goes on; ``fresh`` starts all over.
    Progress goes to ``console``, by default standard error. Raises EdgebnnError for a folder that cannot be written
    or a missing part of the installation.
    """
    started = time.monotonic()
    console = console or Console(stderr=True)
    plan = chosen(fast, seed)
    steps = Steps(folder_for(out), fresh, console)
    run = Run(plan, load(plan.training.dataset), steps, console, fast, seed)
    trained = _train(run)
    converted = _convert(run)
    planned = _plan(run)
    answers = _answer(run)
    compared = _compare(run)
    timed = _time(run)
    pruning = _prune(run)
    _train_parent(run)
    retraining = _retrain(run)
    on_core = _run_on_core(run)
    on_pi = _check_on_pi(run)
    agreements = (answers.agreement, compared.reference)
    outcome = Accuracy(answers.deployed, answers.keras, answers.agreement.samples, plan.required)
    report = page.report_data(
        run, trained, converted, outcome, agreements, timed, retraining, pruning, on_core, on_pi, planned
    )
    html.write(report, run.report, run.report_data)
    steps.log(f"12/12 Report: {run.report}")
    return DemoResult(
        passed=outcome.passed
        and pruning.passed
        and retraining.passed
        and on_core.passed
        and (on_pi is None or on_pi.passed),
        accuracy=outcome.deployed,
        required=plan.required,
        keras_accuracy=outcome.keras,
        samples=outcome.samples,
        agreements=agreements,
        latency_ms=timed.timing.total,
        latency_kind=timed.timing.kind,
        file_bytes=run.deployed.stat().st_size,
        float_file_bytes=run.in_float.stat().st_size,
        retraining=retraining,
        pruning=pruning,
        microcontroller=on_core,
        on_pi=on_pi,
        dataflow=planned,
        seconds=time.monotonic() - started,
        model=str(run.deployed),
        pruned_model=str(run.pruned),
        retrained_model=str(run.retrained),
        report=str(run.report),
        report_data=str(run.report_data),
    )


def _train(run: Run) -> Trained:
    training = run.plan.training
    title = f"1/12 Train {training.model} {training.precision} on {training.dataset}"
    return _trained(run, "train", title, training, run.trained)


def _train_parent(run: Run) -> Trained:
    training = run.plan.retraining.parent
    title = f"8/12 Train {training.model} {training.precision}, to be retrained"
    return _trained(run, "train-parent", title, training, run.parent)


def _trained(run: Run, name: str, title: str, training: Training, model: Path) -> Trained:
    def make() -> Trained:
        from .keras_side import train_model

        if run.steps.fresh:
            shutil.rmtree(model.parent, ignore_errors=True)
        return train_model(training, run.dataset, model.parent, run.console)

    return run.steps.do(name, title, [run.key(training)], Trained, make, [_name(run, model)])


def _prune(run: Run) -> Pruning:
    asked, folder = run.plan.pruning, run.pruning_folder

    def make() -> Pruning:
        from .keras_side import prune_model

        if run.steps.fresh:
            shutil.rmtree(folder, ignore_errors=True)
        return prune_model(asked, run.dataset, run.trained, folder, run.deployed, run.pruned, run.console)

    title = f"7/12 Prune it to {asked.budget}, train it on, convert it again"
    inputs = [file_digest(run.trained), repr(asked), target("host").device, _everything()]
    return run.steps.do("prune", title, inputs, Pruning, make, [_name(run, run.pruned)])


def _retrain(run: Run) -> Retraining:
    asked, folder = run.plan.retraining, run.retraining_folder

    def make() -> Retraining:
        from .keras_side import retrain_model

        if run.steps.fresh:
            shutil.rmtree(folder, ignore_errors=True)
        return retrain_model(asked, run.dataset, run.parent, folder, run.retrained, run.console)

    title = f"9/12 Retrain it to {asked.plan.to}: 1-bit weights, 8-bit feature maps"
    inputs = [file_digest(run.parent), run.key(asked), _everything()]
    return run.steps.do("retrain", title, inputs, Retraining, make, [_name(run, run.retrained)])


def _run_on_core(run: Run) -> OnMicrocontroller:
    networks = (
        ("W1A8", run.retrained),
        ("the same in int8", run.retraining_folder / "int8.tflite"),
        ("W1A1, int8 around", run.in_int8),
    )

    def make() -> OnMicrocontroller:
        from .microcontroller_side import run_on_core

        with bar(run.console, "networks", len(networks)) as update:
            return run_on_core(CORE, networks, run.dataset.test.images, update)

    title = f"10/12 Run it as C on a simulated {CORE}, beside int8 and W1A1"
    inputs = [CORE, *(file_digest(path) for _, path in networks), _everything()]
    return run.steps.do("microcontroller", title, inputs, OnMicrocontroller, make)


def _check_on_pi(run: Run) -> OnPi | None:
    def make() -> OnPi:
        return pi_side.validate_on(PI, run.pruned, run.dataset.test.images)

    title = f"11/12 Validate the pruned network on an emulated Raspberry Pi ({PI})"
    try:
        return run.steps.do("pi", title, [PI, file_digest(run.pruned), _everything()], OnPi, make)
    except pi_side.NoPiError as error:
        run.steps.log(f"      left out: {error}")
        return None


def _convert(run: Run) -> Converted:
    def make() -> Converted:
        from .keras_side import convert_models

        return convert_models(run.plan.training, run.dataset, run.trained, run.deployed, run.in_int8, run.in_float)

    inputs = [file_digest(run.trained), code_digest("edgebnn.models", "edgebnn.converters", "edgebnn.graph")]
    files = [_name(run, path) for path in (run.deployed, run.in_int8, run.in_float)]
    return run.steps.do("convert", "2/12 Convert to LCE and, to compare, to float", inputs, Converted, make, files)


def _plan(run: Run) -> Dataflow:
    chip = hardware.load(HARDWARE)

    def make() -> Dataflow:
        return dataflow(planning.plan(open_model(run.deployed).graph, chip))

    title = f"3/12 Estimate where its data move, and at what energy, on {chip.name}"
    inputs = [
        file_digest(run.deployed),
        chip.digest,
        code_digest("edgebnn.dataflow", "edgebnn.graph", "edgebnn.reports"),
    ]
    return run.steps.do("plan", title, inputs, Dataflow, make)


def _answer(run: Run) -> Answers:
    images, labels = run.dataset.test.images, run.dataset.test.labels

    def make() -> Answers:
        from .keras_side import keras_outputs

        with bar(run.console, "images", len(images)) as update:
            ours = deployed_outputs(run.deployed, images, update)
        theirs = keras_outputs(run.trained, images)
        with atomic_path(run.outputs) as temporary:
            np.save(temporary, ours)
        return Answers(
            accuracy(ours, labels),
            accuracy(theirs, labels),
            agreement("Keras", ours, theirs, "the trained model in TensorFlow, which sums floats in another order"),
        )

    title = f"4/12 Run all {format.grouped(len(images))} test images through the delegate, and through Keras"
    inputs = [file_digest(run.trained), file_digest(run.deployed), _everything()]
    return run.steps.do("answer", title, inputs, Answers, make, [_name(run, run.outputs)])


def _compare(run: Run) -> Compared:
    count = min(run.plan.reference_images, len(run.dataset.test))

    def make() -> Compared:
        values = preprocess(run.dataset.test.images[:count])
        graph = open_model(run.deployed).graph
        with bar(run.console, "images", count) as update:
            (reference,) = run_all(graph, [values], threads=machine.cores(), advance=update)
        ours: Array = np.load(run.outputs)[:count]
        note = "NumPy: exact in its integers, its floats rounded in another order than XNNPACK's"
        return Compared(agreement("the reference executor", ours, reference, note))

    title = f"5/12 Compare with the reference executor on {format.grouped(count)} images"
    inputs = [file_digest(run.deployed), file_digest(run.outputs), count, _everything()]
    return run.steps.do("compare", title, inputs, Compared, make)


def _time(run: Run) -> Timed:
    host = target("host")

    def make() -> Timed:
        model = open_model(run.deployed)
        baselines = [
            (str(run.in_float), "the same architecture in float, same LiteRT (XNNPACK)"),
            ("lce", "LCE's own interpreter"),
        ]
        return time_inference(host, model, run.dataset.test.images[:1], baselines)

    inputs = [file_digest(run.deployed), file_digest(run.in_float), host.device, _everything()]
    return run.steps.do("time", "6/12 Time it, op by op and against others", inputs, Timed, make)


def _everything() -> str:
    """Of all code that runs, compares or times a deployed model."""
    return code_digest("edgebnn", "edgebnn.converters", "edgebnn.targets")


def _name(run: Run, path: Path) -> str:
    return str(path.relative_to(run.folder))
