"""The verbs that train: train, retrain, prune and demo. All load TensorFlow, each when it is called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from edgebnn.cli.options import (
    ERR,
    FILE,
    find_targets,
    import_option,
    show,
    status,
    targets_option,
    threads_option,
    unit_options,
    verb,
)
from edgebnn.errors import InputError
from edgebnn.files import check_writable, write_bytes
from edgebnn.training.compute import COMPUTES

if TYPE_CHECKING:
    from edgebnn.runtime.profile import Unit

_Command = TypeVar("_Command", bound=Callable[..., Any])

_data_option = click.option(
    "--data", required=True, help="mnist, cifar10 or an image folder (train/CLASS/*, test/CLASS/*)."
)
_compute_option = click.option(
    "--compute",
    type=click.Choice(COMPUTES),
    default=COMPUTES[0],
    show_default=True,
    help="Numbers that training multiplies in; bfloat16 is faster on processors that have it.",
)
_train_images_option = click.option(
    "--train-images", type=click.IntRange(1), help="Train on only so many images, chosen at random.  [default: all]"
)
_seed_option = click.option("--seed", type=int, default=0, show_default=True)


def _recipe_options(command: _Command) -> _Command:
    """What a training takes besides its model and data; None, where it is not given, leaves it to the recipe."""
    options = (
        click.option("--epochs", type=click.IntRange(1), help="Passes over the data.  [default: as recommended]"),
        click.option("--batch", type=click.IntRange(1), help="Images in a step.  [default: as recommended]"),
        click.option("--learning-rate", type=float, help="The peak.  [default: as recommended]"),
        click.option("--augmentation", help="none, shift or shift_flip.  [default: as recommended]"),
        click.option(
            "--hold-out", type=click.IntRange(0), help="Images on which epochs are judged.  [default: as recommended]"
        ),
        _train_images_option,
        click.option(
            "--image-size", type=click.IntRange(1), help="Resize images of a folder to so many pixels a side."
        ),
        _compute_option,
        _seed_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


@verb("edgebnn train resnet8 --precision w1a1 --data mnist -o resnet8.keras")
@click.argument("model")
@_data_option
@click.option("-o", "--output", type=FILE, required=True, help="The .keras file to write.")
@click.option("--precision", default="w1a1", show_default=True, help="float, w1a8 or w1a1.")
@click.option("--widths", help="Channels by stage or layer, as in 32,64,128.  [default: the model's own]")
@_recipe_options
@click.option("--run-dir", type=FILE, help="Checkpoints and metrics.  [default: OUTPUT without .keras, plus .run]")
def train(
    model: str,
    data: str,
    output: Path,
    precision: str,
    widths: str | None,
    image_size: int | None,
    seed: int,
    run_dir: Path | None,
    as_json: bool,
    **changes: int | float | str | None,
) -> None:
    """Train a named MODEL (resnet8, resnet20, resnet18, alexnet); after a kill, the same command goes on.

    Without options the recipe is the one recommended for the model, precision and data.
    """
    with status("loading TensorFlow"):
        from edgebnn.reports.progress import training_bar
        from edgebnn.training.named import NamedTraining, train_named
    if output.suffix != ".keras":
        raise InputError(f"{output}: a trained model is saved in Keras' own format; give a name that ends in .keras")
    check_writable(output)
    given = {name: value for name, value in changes.items() if value is not None}
    folder = run_dir or output.with_suffix(".run")
    sizes = None if widths is None else parse_widths(widths)
    with training_bar(ERR) as progress:
        history = train_named(NamedTraining(model, data, precision, sizes, image_size, seed, given), folder, progress)
    write_bytes(output, history.model_path.read_bytes())
    value = {
        "model": str(output),
        "test_accuracy": history.test_accuracy,
        "epochs": [asdict(epoch) for epoch in history.epochs],
        "run_dir": str(folder),
    }
    show(as_json, value, f"wrote {output}: test accuracy {history.test_accuracy:.2%} (Keras, whole test set)")


def parse_widths(text: str) -> tuple[int, ...]:
    """ "32,64,128" as numbers. Raises InputError."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--widths {text}: give whole numbers with commas, as in 32,64,128") from None


@verb("edgebnn retrain resnet8.keras --to w1a8 --data mnist -o resnet8.tflite")
@click.argument("model")
@click.option("--to", type=click.Choice(["w1a8", "int8", "w1a1"]), default="w1a8", show_default=True)
@_data_option
@click.option("-o", "--output", type=FILE, required=True, help="The .tflite file to write.")
@click.option("--parent", help="A float Keras model to learn from.  [default: MODEL, where its weights are float]")
@_recipe_options
@click.option("--strict", is_flag=True, help="Exit 1, before any training, if a layer would stay in float.")
@click.option("--run-dir", type=FILE, help="Checkpoints and stages.  [default: OUTPUT with the suffix .run]")
@import_option
def retrain(
    model: str,
    to: Literal["w1a8", "int8", "w1a1"],
    data: str,
    output: Path,
    parent: str | None,
    image_size: int | None,
    strict: bool,
    run_dir: Path | None,
    imports: tuple[str, ...],
    as_json: bool,
    **changes: int | float | str | None,
) -> int:
    """Bring a Keras MODEL to 1-bit weights and 8-bit feature maps (w1a8), or to int8, by training, and deploy it.

    Tells its accuracy on all test images at every stage. After a kill, the same command goes on.
    """
    with status("loading TensorFlow"):
        from edgebnn.reports import tables
        from edgebnn.reports.progress import training_bar
        from edgebnn.workflows.retrain import StaysFloatError
        from edgebnn.workflows.retrain import retrain as run
    try:
        with training_bar(ERR) as progress:
            result = run(
                model,
                data,
                to,
                output=output,
                run_dir=run_dir,
                parent=parent,
                imports=imports,
                image_size=image_size,
                changes={name: value for name, value in changes.items() if value is not None},
                progress=progress,
                tell=lambda stage: ERR.print(f"  {stage.name}: {stage.accuracy:.2%} ({stage.where})", highlight=False),
                strict=strict,
                tell_findings=lambda found: ERR.print("before training:", tables.findings(found)),
            )
    except StaysFloatError as error:
        findings = [asdict(finding) for finding in error.findings]
        show(as_json, {"model": None, "to": to, "findings_before": findings}, f"edgebnn: {error}")
        return 1
    value = {
        "model": str(output),
        "bytes": output.stat().st_size,
        "to": to,
        "stages": [asdict(stage) for stage in result.stages],
        "epochs": [asdict(epoch) for epoch in result.epochs],
        "keras_model": str(result.model),
        "findings_before": [asdict(finding) for finding in result.before],
        "findings": [asdict(finding) for finding in result.after],
    }
    found = [tables.findings(result.after)] if result.after else []
    show(as_json, value, tables.stages(result.stages), *found, f"wrote {output} ({output.stat().st_size:,} bytes)")
    return 1 if strict and any(finding.rule == "stays-float" for finding in result.after) else 0


@verb("edgebnn prune resnet8.keras --data mnist --target host --budget latency=0.6x -o pruned.keras")
@click.argument("model")
@_data_option
@targets_option
@unit_options
@click.option(
    "--budget",
    default="latency=0.6x",
    show_default=True,
    help="RESOURCE=AMOUNT: latency=12ms, macs=454945680, flash=256k, ram=64k; or a share: macs=0.6x, energy=0.7x.",
)
@click.option("--hardware", help="For energy: whose, as plan --hardware takes it.  [default: the target's]")
@click.option("-o", "--output", type=FILE, required=True, help="The .keras file to write.")
@click.option(
    "--ratio",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.025,
    show_default=True,
    help="What the first iteration saves, as a share of the whole.",
)
@click.option("--iterations", type=click.IntRange(1), default=30, show_default=True, help="At most so many.")
@click.option("--selection", type=click.Choice(["accuracy", "ratio"]), default="accuracy", show_default=True)
@click.option("--importance", default="l2", show_default=True, help="Which channels stay: l2, gamma, taylor or random.")
@click.option(
    "--removal",
    type=click.Choice(["cut", "gradual"]),
    default="cut",
    show_default=True,
    help="Channels go before a proposal's training, or one by one during it.",
)
@click.option("--short-term", type=click.IntRange(0), default=10, show_default=True, help="Steps for each proposal.")
@click.option(
    "--recalibration",
    type=click.IntRange(0),
    default=8,
    show_default=True,
    help="Batches that a proposal's batch norms take new averages from.",
)
@click.option(
    "--hold-out", type=click.IntRange(1), default=1024, show_default=True, help="Images that judge proposals."
)
@click.option("--long-term-epochs", type=click.IntRange(0), default=0, show_default=True, help="Training at the end.")
@_train_images_option
@click.option("--workers", type=click.IntRange(1), help="Proposals at once.  [default: by cores and memory]")
@click.option("--cluster", metavar="tcp://HOST:PORT", help="A dask scheduler whose workers train the proposals.")
@click.option("--table", type=FILE, help="A latency table to use and extend.  [default: a new one in the run's folder]")
@threads_option
@_compute_option
@_seed_option
@click.option("--run-dir", type=FILE, help="All that is kept.  [default: OUTPUT without .keras, plus .run]")
@click.option("--resume", is_flag=True, help="Go on with the pruning that the run's folder holds.")
@import_option
def prune(
    model: str,
    data: str,
    targets: tuple[str, ...],
    unit: Unit | None,
    wait_states: int,
    budget: str,
    output: Path,
    long_term_epochs: int,
    train_images: int | None,
    short_term: int,
    workers: int | None,
    cluster: str | None,
    table: Path | None,
    threads: int,
    run_dir: Path | None,
    resume: bool,
    imports: tuple[str, ...],
    hardware: str | None,
    as_json: bool,
    **search: Any,
) -> int:
    """Cut channels out of a trained Keras MODEL until it meets a budget, as the target measures it (NetAdapt).

    Exit 1 if the iterations end above the budget; the model is written all the same.
    """
    with status("loading TensorFlow"):
        from edgebnn.pruning.search.budget import parse
        from edgebnn.pruning.search.run_folder import RunFolder
        from edgebnn.pruning.settings import Settings
        from edgebnn.reports import pruning as reports
        from edgebnn.reports.pruning_view import pruning_view
        from edgebnn.targets.linux.device import DeviceError
        from edgebnn.workflows.prune import PruneOptions, data_for, load_given, long_term, prune_in
    if output.suffix != ".keras":
        raise InputError(f"{output}: a pruned model is saved in Keras' own format; give a name that ends in .keras")
    check_writable(output)
    limit = parse(budget)
    if (unit is not None or wait_states) and limit.resource != "latency":
        raise InputError(
            f"budget {limit}: --unit and --wait-states play no part in it; ask for latency, as latency=0.7x"
        )
    folder = run_dir or output.with_suffix(".run")
    if not resume:
        for path in (output, RunFolder(folder).identity):
            if path.exists():
                raise InputError(f"{path}: exists; give --resume to go on with that pruning, or another name")
    settings = Settings(steps=short_term, **search)
    network = load_given(model, folder, imports)
    if long_term_epochs:
        recipe = replace(long_term(network, data, long_term_epochs, settings), train_images=train_images)
        settings = replace(settings, long_term=recipe)
    dataset = data_for(network, data)
    place = find_targets(targets, unit, wait_states)
    with pruning_view(ERR) as progress:
        options = PruneOptions(settings, table, threads, workers, cluster, imports, hardware, progress)
        try:
            result = prune_in(folder, network, dataset, place, limit, options)
        except DeviceError as error:
            if not (table or folder).exists():
                raise
            again = "the same command with --resume" if RunFolder(folder).identity.exists() else "the same command"
            raise DeviceError(f"{error}; what was measured is kept: {again} goes on") from None
    write_bytes(output, result.model_path.read_bytes())
    value = {**result.history, "model": str(output), "run_dir": str(folder)}
    show(as_json, value, reports.table(value), reports.summary(value), f"wrote {output}; history and charts: {folder}")
    return 0 if result.met else 1


@verb("edgebnn demo --fast")
@click.option("-o", "--output", type=FILE, help="The run's folder.  [default: runs/demo, or runs/demo-fast]")
@click.option("--fast", is_flag=True, help="Under two minutes: less training, fewer images in the slowest comparison.")
@click.option("--fresh", is_flag=True, help="Do every step again, also those whose results are there.")
@_seed_option
def demo(output: Path | None, fast: bool, fresh: bool, seed: int, as_json: bool) -> int:
    """The whole chain on MNIST: train, convert, run every test image, compare, profile, report.

    Exit 1 if the deployed model's accuracy is below the bar. Run again, it keeps what is done.
    """
    with status("loading TensorFlow"):
        from edgebnn.demo.chain import demo as run_chain
    from edgebnn.reports import tables

    result = run_chain(
        output or Path("runs", "demo-fast" if fast else "demo"), fast=fast, seed=seed, fresh=fresh, console=ERR
    )
    show(as_json, asdict(result), tables.demo(result))
    return 0 if result.passed else 1
