"""The command line: one function per verb, each thin: parse, call the room, print.

Exit codes: 0 done, 1 the check that was asked for failed, 2 bad input or use. With ``--json`` one object goes to
standard output and nothing else; progress and messages go to standard error.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar

import click
from rich.console import Console

import edgebnn
from edgebnn.errors import EdgebnnError, InputError
from edgebnn.files import check_writable, write_bytes

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgebnn.graph.types import Array

# The rooms are imported inside the verbs: `edgebnn --help` must not load LiteRT, and only `train`, `demo` and the
# conversion of Keras models may load TensorFlow.

Command = TypeVar("Command", bound=Callable[..., Any])
T = TypeVar("T")

OUT = Console()
ERR = Console(stderr=True)
FILE = click.Path(path_type=Path)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The ``edgebnn`` command: every foreseen error is one line on standard error and exit code 2."""
    try:
        code = cli.main(args=None if arguments is None else list(arguments), prog_name="edgebnn", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("edgebnn: interrupted; what was finished is kept", err=True)
        code = 130
    except EdgebnnError as error:
        click.echo(f"edgebnn: {' '.join(str(error).split())}", err=True)
        code = 2
    sys.exit(code or 0)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(edgebnn.__version__)
def cli() -> None:
    """From a Larq/Keras model to a measured 1-bit model."""


def verb(example: str) -> Callable[[Command], Command]:
    """Register a verb: its help ends with ``example``, and it takes ``--json``."""

    def decorate(function: Command) -> Command:
        epilog = f"Example: {example}"
        option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
        cli.command(name=function.__name__.rstrip("_"), epilog=epilog)(option(function))
        return function

    return decorate


def show(as_json: bool, value: dict[str, Any], *shown: RenderableType) -> None:
    """Print ``value`` as JSON, or what a person reads."""
    if as_json:
        click.echo(json.dumps(value, indent=2))
    else:
        for item in shown:
            OUT.print(item)


def status(message: str) -> AbstractContextManager[object]:
    """A spinner on standard error while one thing is done that cannot tell how far it is."""
    return ERR.status(message) if ERR.is_terminal else nullcontext()


target_option = click.option("--target", default="host", show_default=True, help="Where to run.")
threads_option = click.option("--threads", type=click.IntRange(1, 256), default=1, show_default=True)
repeats_option = click.option("--repeats", type=click.IntRange(4), default=30, show_default=True)
input_option = click.option(
    "--input", "input_path", type=FILE, help="An .npy of inputs [N, ...], .npz for several; without it: noise."
)


@verb("edgebnn train resnet8 --precision w1a1 --data mnist -o resnet8.keras")
@click.argument("model")
@click.option("--data", required=True, help="mnist, cifar10 or an image folder (train/CLASS/*, test/CLASS/*).")
@click.option("-o", "--output", type=FILE, required=True, help="The .keras file to write.")
@click.option("--precision", default="w1a1", show_default=True, help="float, w1a8 or w1a1.")
@click.option("--widths", help="Channels by stage or layer, as in 32,64,128.  [default: the model's own]")
@click.option("--epochs", type=click.IntRange(1), help="Passes over the data.  [default: the recipe's]")
@click.option("--batch", type=click.IntRange(1), help="Images in a step.  [default: the recipe's]")
@click.option("--learning-rate", type=float, help="The peak.  [default: the recipe's]")
@click.option("--augmentation", help="none, shift or shift_flip.  [default: the recipe's]")
@click.option("--image-size", type=click.IntRange(1), help="Resize the images of a folder to so many pixels a side.")
@click.option("--seed", type=int, default=0, show_default=True)
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
        from edgebnn.training.named import train_named
    if output.suffix != ".keras":
        raise InputError(f"{output}: a trained model is saved in Keras' own format; give a name that ends in .keras")
    check_writable(output)
    given = {name: value for name, value in changes.items() if value is not None}
    folder = run_dir or output.with_suffix(".run")
    sizes = None if widths is None else parse_widths(widths)
    with training_bar(ERR) as progress:
        history = train_named(
            model,
            data,
            folder,
            precision=precision,
            widths=sizes,
            image_size=image_size,
            seed=seed,
            changes=given,
            progress=progress,
        )
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
@click.option("--data", required=True, help="mnist, cifar10 or an image folder (train/CLASS/*, test/CLASS/*).")
@click.option("-o", "--output", type=FILE, required=True, help="The .tflite file to write.")
@click.option("--parent", help="A float Keras model to learn from.  [default: MODEL, where its weights are float]")
@click.option("--epochs", type=click.IntRange(1), help="Passes over the data.  [default: the plan's]")
@click.option("--batch", type=click.IntRange(1), help="Images in a step.  [default: the plan's]")
@click.option("--learning-rate", type=float, help="The peak.  [default: the plan's]")
@click.option("--augmentation", help="none, shift or shift_flip.  [default: the plan's]")
@click.option("--image-size", type=click.IntRange(1), help="Resize the images of a folder to so many pixels a side.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--run-dir", type=FILE, help="Checkpoints and stages.  [default: OUTPUT with the suffix .run]")
def retrain(
    model: str,
    to: Literal["w1a8", "int8", "w1a1"],
    data: str,
    output: Path,
    parent: str | None,
    image_size: int | None,
    run_dir: Path | None,
    as_json: bool,
    **changes: int | float | str | None,
) -> None:
    """Bring a Keras MODEL to 1-bit weights and 8-bit feature maps (w1a8), or to int8, by training, and deploy it.

    Tells its accuracy on all test images at every stage. After a kill, the same command goes on.
    """
    with status("loading TensorFlow"):
        from edgebnn.door.retrain import retrain as run
        from edgebnn.reports import tables
        from edgebnn.reports.progress import training_bar
    with training_bar(ERR) as progress:
        result = run(
            model,
            data,
            to,
            output=output,
            run_dir=run_dir,
            parent=parent,
            image_size=image_size,
            changes={name: value for name, value in changes.items() if value is not None},
            progress=progress,
            tell=lambda stage: ERR.print(f"  {stage.name}: {stage.accuracy:.2%} ({stage.where})", highlight=False),
        )
    value = {
        "model": str(output),
        "bytes": output.stat().st_size,
        "to": to,
        "stages": [asdict(stage) for stage in result.stages],
        "epochs": [asdict(epoch) for epoch in result.epochs],
        "keras_model": str(result.model),
    }
    show(as_json, value, tables.stages(result.stages), f"wrote {output} ({output.stat().st_size:,} bytes)")


@verb("edgebnn prune resnet8.keras --data mnist --target host --budget latency=0.6x -o pruned.keras")
@click.argument("model")
@click.option("--data", required=True, help="mnist, cifar10 or an image folder (train/CLASS/*, test/CLASS/*).")
@target_option
@click.option(
    "--budget",
    default="latency=0.6x",
    show_default=True,
    help="RESOURCE=AMOUNT: latency=12ms, macs=454945680, flash=256k, ram=64k; or a share, as in macs=0.6x.",
)
@click.option("-o", "--output", type=FILE, required=True, help="The .keras file to write.")
@click.option("--iterations", type=click.IntRange(1), default=30, show_default=True, help="At most so many.")
@click.option("--selection", type=click.Choice(["accuracy", "ratio"]), default="accuracy", show_default=True)
@click.option("--importance", default="l2", show_default=True, help="Which channels stay: l2, gamma, taylor or random.")
@click.option("--short-term", type=click.IntRange(0), default=10, show_default=True, help="Steps for each proposal.")
@click.option(
    "--hold-out", type=click.IntRange(1), default=1024, show_default=True, help="Images that judge proposals."
)
@click.option("--long-term-epochs", type=click.IntRange(0), default=0, show_default=True, help="Training at the end.")
@click.option("--workers", type=click.IntRange(1), help="Proposals at once.  [default: by cores and memory]")
@click.option("--cluster", metavar="tcp://HOST:PORT", help="A dask scheduler whose workers train the proposals.")
@click.option("--table", type=FILE, help="A latency table to use and extend.  [default: a new one in the run's folder]")
@threads_option
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--run-dir", type=FILE, help="All that is kept.  [default: OUTPUT without .keras, plus .run]")
@click.option("--resume", is_flag=True, help="Go on with the pruning that the run's folder holds.")
def prune(
    model: str,
    data: str,
    target: str,
    budget: str,
    output: Path,
    long_term_epochs: int,
    short_term: int,
    workers: int | None,
    cluster: str | None,
    table: Path | None,
    threads: int,
    run_dir: Path | None,
    resume: bool,
    as_json: bool,
    **search: Any,
) -> int:
    """Cut channels out of a trained Keras MODEL until it meets a budget, as the target measures it (NetAdapt).

    Exit 1 if the iterations end above the budget; the model is written all the same.
    """
    with status("loading TensorFlow"):
        from edgebnn.converters.from_keras import load_model
        from edgebnn.door.adapting import long_term, prune_in
        from edgebnn.pruning.settings import Settings
        from edgebnn.reports import pruning as reports
        from edgebnn.reports.pruning_view import pruning_view
    if output.suffix != ".keras":
        raise InputError(f"{output}: a pruned model is saved in Keras' own format; give a name that ends in .keras")
    check_writable(output)
    folder = run_dir or output.with_suffix(".run")
    if not resume:
        for path in (output, folder / "run.json"):
            if path.exists():
                raise InputError(f"{path}: exists; give --resume to go on with that pruning, or another name")
    settings = Settings(steps=short_term, **search)
    network = load_model(model)
    if long_term_epochs:
        settings = replace(settings, long_term=long_term(network, data, long_term_epochs, settings))
    with pruning_view(ERR) as progress:
        result = prune_in(
            folder,
            network,
            data,
            target,
            budget,
            settings=settings,
            table=table,
            threads=threads,
            workers=workers,
            cluster=cluster,
            progress=progress,
        )
    write_bytes(output, result.model_path.read_bytes())
    value = {**result.history, "model": str(output), "run_dir": str(folder)}
    show(as_json, value, reports.table(value), reports.summary(value), f"wrote {output}; history and charts: {folder}")
    return 0 if result.met else 1


@verb("edgebnn convert resnet8.h5 --to int8 --calibration mnist -o resnet8.tflite")
@click.argument("model")
@click.option("--to", type=click.Choice(["lce", "int8", "w1a8", "float"]), default="lce", show_default=True)
@click.option(
    "--calibration", metavar="DATA", help="For int8, w1a8: mnist, cifar10, an image folder, or an .npy of inputs."
)
@click.option(
    "--portable", is_flag=True, help="For w1a8: leave a standard int8 file, whose weights edgebnn packs in memory."
)
@click.option("-o", "--output", type=FILE, required=True, help="The .tflite file to write.")
def convert(
    model: str,
    to: Literal["lce", "int8", "w1a8", "float"],
    calibration: str | None,
    portable: bool,
    output: Path,
    as_json: bool,
) -> None:
    """Convert a Keras MODEL (a saved model, or package.module:function that returns one) to .tflite.

    w1a8 is int8 with binary weights packed to 1 bit each, the outputs being the same; for it MODEL may also be an
    int8 .tflite file. What fell back to float, and why, is told before and after.
    """
    from edgebnn.reports import tables

    check_writable(output)
    with status(f"converting {model} to {to}"):
        inputs = None if calibration is None else calibration_inputs(calibration)
        result = edgebnn.convert(model, output, to=to, calibration=inputs, portable=portable)
    value = {"model": str(output), "bytes": result.bytes, "findings": [asdict(f) for f in result.findings]}
    wrote = f"wrote {output} ({result.bytes:,} bytes)"
    show(as_json, value, *([tables.findings(result.findings)] if result.findings else []), wrote)


CALIBRATION_SAMPLES = 256


def calibration_inputs(spec: str) -> tuple[Array, ...]:
    """An array for each input: those of an .npy or .npz file, or training images, preprocessed as in training."""
    if spec.endswith((".npy", ".npz")):
        from edgebnn.targets.inputs import read_named_arrays

        return tuple(read_named_arrays(Path(spec)).values())
    from edgebnn.preprocessing import preprocess
    from edgebnn.training import datasets

    images = datasets.load(spec).train.images
    return (preprocess(images[:: max(1, len(images) // CALIBRATION_SAMPLES)][:CALIBRATION_SAMPLES]),)


@verb("edgebnn lint resnet8.tflite")
@click.argument("model")
@click.option(
    "--to", type=click.Choice(["lce", "int8", "w1a8", "float"]), default="lce", help="What a Keras model is meant for."
)
def lint(model: str, to: str, as_json: bool) -> int:
    """Say what would silently be slow or wrong in MODEL, a .tflite file or a Keras model; exit 1 on errors."""
    from edgebnn.converters.lint import lint_graph, lint_keras
    from edgebnn.reports import tables

    if model.endswith(".tflite"):
        findings = lint_graph(edgebnn.read(model))
    else:
        with status(f"loading {model}"):
            from edgebnn.converters.from_keras import load_model

            findings = lint_keras(load_model(model), to)
    value = {"model": model, "findings": [asdict(finding) for finding in findings]}
    show(as_json, value, tables.findings(findings) if findings else f"{model}: nothing to report")
    return 1 if any(finding.level == "error" for finding in findings) else 0


@verb("edgebnn analyze resnet8.tflite")
@click.argument("model", type=FILE)
def analyze(model: Path, as_json: bool) -> None:
    """Count a .tflite file, layer by layer: MACs by precision, bytes of weights and activations, memory."""
    from edgebnn.graph.analysis import analyze as count
    from edgebnn.reports import tables
    from edgebnn.targets.model_file import open_model

    file = open_model(model)
    result = count(file.graph, len(file.content))
    show(as_json, {"model": file.name, **asdict(result)}, tables.analysis(result))


@verb("edgebnn run resnet8.tflite --input x.npy --output y.npy")
@click.argument("model", type=FILE)
@click.option("--input", "input_path", type=FILE, required=True, help="An .npy of inputs [N, ...]; .npz for several.")
@click.option("--output", "output_path", type=FILE, required=True, help="The .npy to write; .npz for several outputs.")
@click.option("--backend", type=click.Choice(["litert", "reference"]), default="litert", show_default=True)
@threads_option
def run(model: Path, input_path: Path, output_path: Path, backend: str, threads: int, as_json: bool) -> None:
    """Run a .tflite file on an array of inputs; outputs are real numbers, also those of int8 models."""
    from edgebnn.targets.inputs import read_arrays, run_reference, write_arrays
    from edgebnn.targets.model_file import open_model

    file = open_model(model)
    arrays = read_arrays(input_path, file)
    check_writable(output_path)
    if backend == "reference":
        outputs = run_reference(file, arrays, threads)
    else:
        result = edgebnn.load(model, num_threads=threads)(*arrays)
        outputs = result if isinstance(result, tuple) else (result,)
    write_arrays(output_path, file, outputs)
    shapes = [list(output.shape) for output in outputs]
    value = {"model": file.name, "backend": backend, "output": str(output_path), "shapes": shapes}
    show(as_json, value, f"wrote {output_path}: {', '.join(map(str, shapes))}")


@verb("edgebnn validate resnet8.tflite --layers")
@click.argument("model", type=FILE)
@target_option
@input_option
@click.option("--samples", "count", type=click.IntRange(1), default=10, show_default=True, help="At most so many.")
@click.option(
    "--tolerance", type=click.FloatRange(0), default=1e-5, show_default=True, help="Of a float output's range."
)
@click.option("--layers", is_flag=True, help="Compare every layer, and say where the target first departs.")
@threads_option
def validate(
    model: Path,
    target: str,
    input_path: Path | None,
    count: int,
    tolerance: float,
    layers: bool,
    threads: int,
    as_json: bool,
) -> int:
    """Run a .tflite file on a target and compare with the reference executor; exit 1 if they disagree."""
    from edgebnn.reports import tables
    from edgebnn.targets.inputs import read_arrays
    from edgebnn.targets.model_file import open_model

    file = open_model(model)
    arrays = () if input_path is None else read_arrays(input_path, file)
    with status(f"validating on {target}"):
        result = edgebnn.target(target).validate(
            file, *arrays, count=count, tolerance=tolerance, layers=layers, threads=threads
        )
    value = {name: field for name, field in asdict(result).items() if name != "layers" or layers}
    show(as_json, value, tables.validation(result))
    return 0 if result.passed else 1


@verb("edgebnn profile resnet8.tflite")
@click.argument("model", type=FILE)
@target_option
@input_option
@repeats_option
@threads_option
def profile(model: Path, target: str, input_path: Path | None, repeats: int, threads: int, as_json: bool) -> None:
    """Measure each op of ours, and each stretch that LiteRT runs, on a target."""
    from edgebnn.reports import tables
    from edgebnn.targets.inputs import read_arrays
    from edgebnn.targets.model_file import open_model

    file = open_model(model)
    where = edgebnn.target(target)
    arrays = () if input_path is None else read_arrays(input_path, file)
    with status(f"profiling on {target}"):
        result = where.profile(file, *arrays, threads=threads, repeats=repeats)
    value = {"target": where.name, "device": where.device, "threads": threads, **asdict(result)}
    show(as_json, value, tables.profile(result, where.name, where.device))


@verb("edgebnn benchmark resnet8.tflite --against lce")
@click.argument("model", type=FILE)
@target_option
@click.option("--against", metavar="WHAT", help="lce, litert, or another .tflite file: timed in turn with MODEL.")
@repeats_option
@threads_option
def benchmark(model: Path, target: str, against: str | None, repeats: int, threads: int, as_json: bool) -> None:
    """Time a whole inference on noise, alone or in turn with another; ratio = theirs / ours."""
    from edgebnn.reports import tables
    from edgebnn.reports.benchmark import benchmark as measure
    from edgebnn.targets.model_file import open_model

    file = open_model(model)
    where = edgebnn.target(target)
    with status(f"timing on {target}"):
        result = measure(where, file, against=against, threads=threads, repeats=repeats)
    show(as_json, asdict(result), tables.benchmark(result))


@verb("edgebnn doctor")
def doctor(as_json: bool) -> int:
    """Say what is there and what is missing on this machine, and how to mend it; exit 1 if nothing can run."""
    from edgebnn.reports import tables
    from edgebnn.targets.doctor import examine

    checks = examine()
    value = {"checks": [asdict(check) for check in checks], "passed": all(c.ok for c in checks if c.required)}
    show(as_json, value, tables.doctor(checks))
    return 0 if value["passed"] else 1


@verb("edgebnn demo --fast")
@click.option("-o", "--output", type=FILE, help="The run's folder.  [default: runs/demo, or runs/demo-fast]")
@click.option("--fast", is_flag=True, help="Under two minutes: less training, fewer images in the slowest comparison.")
@click.option("--fresh", is_flag=True, help="Do every step again, also those whose results are there.")
@click.option("--seed", type=int, default=0, show_default=True)
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
