"""The verbs that run models and measure them: each thin: parse, call the room, print.

The rooms are imported inside the verbs: ``edgebnn --help`` must not load LiteRT, and only the conversion of Keras
models may load TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import edgebnn
from edgebnn.cli.effort import effort_options
from edgebnn.cli.options import (
    FILE,
    find_target,
    input_option,
    repeats_option,
    schedule_option,
    show,
    signature_option,
    status,
    target_in_unit,
    target_option,
    threads_option,
    unit_options,
    verb,
)
from edgebnn.files import check_writable, write_text

if TYPE_CHECKING:
    from edgebnn.graph.types import Array
    from edgebnn.runtime.model import Model
    from edgebnn.runtime.profile import Unit
    from edgebnn.targets.model_file import ModelFile, Session


@verb("edgebnn run resnet8.tflite --image cat.jpg --target ssh://pi@raspberrypi.local")
@click.argument("model", type=FILE)
@target_option
@click.option("--input", "input_path", type=FILE, help="An .npy of inputs [N, ...]; .npz for several.")
@click.option("--output", "output_path", type=FILE, help="The .npy to write; .npz for several outputs.")
@click.option("--image", "images", type=FILE, multiple=True, help="A picture to classify; may be given several times.")
@click.option("--top", type=click.IntRange(1), default=5, show_default=True, help="Classes told of each picture.")
@click.option(
    "--backend",
    type=click.Choice(["litert", "reference", "c"]),
    default="litert",
    show_default=True,
    help="What runs it on the host.",
)
@schedule_option
@signature_option
@threads_option
def run(
    model: Path,
    input_path: Path | None,
    output_path: Path | None,
    images: tuple[Path, ...],
    target: str,
    top: int,
    backend: str,
    schedule: Path | None,
    signature: str | None,
    threads: int,
    as_json: bool,
) -> None:
    """Run a .tflite file on an array of inputs, or classify pictures with it.

    Outputs are real numbers, also those of int8 models. For pictures the file has to say what it takes: edgebnn convert
    records it.
    Every file that LiteRT runs can be run on the host; other targets, the reference executor, and c, which is the
    network's C package compiled for this machine, know fewer ops.
    """
    from edgebnn.targets.inputs import read_arrays, run_reference, write_arrays
    from edgebnn.targets.model_file import open_model
    from edgebnn.targets.running import run_on

    if schedule is not None and backend != "litert":
        raise click.UsageError(f"--schedule: the kernels of {backend} follow none here; leave it out, or use litert")
    if backend != "litert" and target != "host":
        raise click.UsageError(f"--backend {backend} runs on the host alone; leave it out for --target {target}")
    if images:
        if input_path or output_path or backend != "litert":
            raise click.UsageError("--image runs in litert and prints classes: no --input, --output or --backend")
        if target == "host":
            here = edgebnn.load(model, num_threads=threads, signature=signature, schedule=schedule)
            _classify(here, images, top, as_json)
        else:
            here = edgebnn.load(model, signature=signature)
            for image in images:  # wrong ones are told of before anybody logs in
                here.prepare(image)
            file, there = _opened(target, open_model(model, signature, schedule), threads)
            _classify(here, images, top, as_json, lambda pixels: run_on(there, file, (pixels,)))
        return
    if input_path is None or output_path is None:
        raise click.UsageError("give --input and --output, or --image")
    file = open_model(model, signature, schedule)
    arrays = read_arrays(input_path, file)
    check_writable(output_path)
    if target != "host":
        with status(f"running on {target}"):
            file, there = _opened(target, file, threads)
            outputs = run_on(there, file, arrays)
    elif backend == "reference":
        outputs = run_reference(file, arrays, threads)
    elif backend == "c":
        from edgebnn.targets.native import run_native

        with status(f"compiling {model}"):
            outputs = run_native(file, arrays)
    else:
        result = edgebnn.load(model, num_threads=threads, signature=signature, schedule=schedule)(*arrays)
        outputs = result if isinstance(result, tuple) else (result,)
    write_arrays(output_path, file, outputs)
    shapes = [list(output.shape) for output in outputs]
    which = "" if signature is None else f" (signature {signature})"
    value = {
        "model": file.name,
        "signature": signature,
        "target": target,
        "backend": backend if target == "host" else None,
        "output": str(output_path),
        "shapes": shapes,
    }
    show(as_json, value, f"wrote {output_path}{which}: {', '.join(map(str, shapes))}")


def _opened(target: str, model: ModelFile, threads: int) -> tuple[ModelFile, Session]:
    """The model on a target."""
    where = find_target(target)
    file = where.with_schedule(model)
    return file, where.open(file, threads=threads)


def _classify(
    model: Model,
    images: tuple[Path, ...],
    top: int,
    as_json: bool,
    run: Callable[[Array], Sequence[Array]] | None = None,
) -> None:
    from edgebnn.reports import tables

    found = list(zip(map(str, images), model.classify_all(images, top, run), strict=True))
    listed = [{"image": name, "classes": [asdict(one) for one in classes]} for name, classes in found]
    show(as_json, {"model": model.name, "images": listed}, tables.predictions(found))


@verb("edgebnn validate resnet8.tflite --layers")
@click.argument("model", type=FILE)
@target_option
@input_option
@click.option("--samples", "count", type=click.IntRange(1), default=10, show_default=True, help="At most so many.")
@click.option(
    "--tolerance", type=click.FloatRange(0), default=1e-5, show_default=True, help="Of a float output's range."
)
@click.option("--layers", is_flag=True, help="Compare every layer, and say where the target first departs.")
@schedule_option
@signature_option
@threads_option
def validate(
    model: Path,
    target: str,
    input_path: Path | None,
    count: int,
    tolerance: float,
    layers: bool,
    schedule: Path | None,
    signature: str | None,
    threads: int,
    as_json: bool,
) -> int:
    """Run a .tflite file on a target and compare with the reference executor; exit 1 if they disagree."""
    from edgebnn.reports import tables
    from edgebnn.targets.inputs import read_arrays
    from edgebnn.targets.model_file import open_model
    from edgebnn.workflows.provenance import provenance

    file = open_model(model, signature, schedule)
    arrays = () if input_path is None else read_arrays(input_path, file)
    where = find_target(target)
    file = where.with_schedule(file)
    with status(f"validating on {target}"):
        result = where.validate(file, *arrays, count=count, tolerance=tolerance, layers=layers, threads=threads)
    value = {name: field for name, field in asdict(result).items() if name != "layers" or layers}
    value |= {"schedule": file.schedule_path, **asdict(provenance(where, file))}
    show(as_json, value, *_following(file), tables.validation(result))
    return 0 if result.passed else 1


def _following(file: ModelFile) -> list[str]:
    """What to print of the schedule that a model follows."""
    return [] if file.schedule_path is None else [f"following {file.schedule_path}"]


@verb("edgebnn profile resnet8.tflite")
@click.argument("model", type=FILE)
@target_option
@unit_options
@input_option
@repeats_option
@schedule_option
@signature_option
@threads_option
def profile(
    model: Path,
    target: str,
    unit: Unit | None,
    wait_states: int,
    input_path: Path | None,
    repeats: int,
    schedule: Path | None,
    signature: str | None,
    threads: int,
    as_json: bool,
) -> None:
    """Measure each op of ours, and each stretch that LiteRT runs, on a target."""
    from edgebnn.reports import tables
    from edgebnn.targets.inputs import read_arrays
    from edgebnn.targets.model_file import open_model
    from edgebnn.workflows.provenance import provenance

    file = open_model(model, signature, schedule)
    arrays = () if input_path is None else read_arrays(input_path, file)
    where = target_in_unit(target, unit, wait_states)
    file = where.with_schedule(file)
    with status(f"profiling on {target}"):
        result = where.profile(file, *arrays, threads=threads, repeats=repeats)
    value = {"target": where.name, "device": where.device, "threads": threads, **asdict(result)}
    value |= {"schedule": file.schedule_path, **asdict(provenance(where, file))}
    show(as_json, value, *_following(file), tables.profile(result, where.name, where.device))


@verb("edgebnn benchmark resnet8.tflite --against lce")
@click.argument("model", type=FILE, required=False)
@target_option
@unit_options
@input_option
@click.option("--against", metavar="WHAT", help="lce, litert, or another .tflite file: timed in turn with MODEL.")
@effort_options
@signature_option
@threads_option
@schedule_option
@click.option("-o", "--output", "record", type=FILE, help="Write the record to a file, as --json prints it.")
@click.option(
    "--compare",
    type=FILE,
    nargs=2,
    metavar="A.json B.json",
    help="Measure nothing: say what changed between two records; exit 1 if B is slower.",
)
def benchmark(
    model: Path | None,
    target: str,
    unit: Unit | None,
    wait_states: int,
    input_path: Path | None,
    against: str | None,
    signature: str | None,
    threads: int,
    schedule: Path | None,
    record: Path | None,
    compare: tuple[Path, Path] | None,
    as_json: bool,
    **effort: Any,
) -> int:
    """Time a whole inference, alone or in turn with another; ratio = theirs / ours.

    Samples are taken until the median is known well enough. With --json it is a record, with all samples, the device
    and its state, the model's hash and versions, which --compare reads.
    """
    from edgebnn.reports import comparison, tables
    from edgebnn.reports.codec import to_json
    from edgebnn.targets.inputs import read_arrays
    from edgebnn.targets.model_file import open_model
    from edgebnn.workflows.benchmark import Effort
    from edgebnn.workflows.benchmark import benchmark as measure

    if compare is not None:
        if model is not None or record is not None:
            raise click.UsageError("--compare takes two records, and neither MODEL nor --output")
        changed = comparison.compare(*compare)
        show(as_json, asdict(changed), tables.comparison(changed))
        return 1 if changed.verdict == "slower" else 0
    if model is None:
        raise click.UsageError("Missing argument 'MODEL'.")
    if record is not None:
        check_writable(record)
    file = open_model(model, signature, schedule)
    arrays = () if input_path is None else read_arrays(input_path, file)
    if against is not None and against not in ("lce", "litert"):
        open_model(against)
    where = target_in_unit(target, unit, wait_states)
    file = where.with_schedule(file)
    with status(f"timing on {target}"):
        result = measure(where, file, *arrays, against=against, threads=threads, effort=Effort(**effort))
    if record is not None:
        write_text(record, to_json(result))
    show(as_json, asdict(result), *_following(file), tables.benchmark(result))
    return 0


@verb("edgebnn export resnet8.tflite --target cortex-m4 -o firmware/resnet8")
@click.argument("model", type=FILE)
@click.option(
    "--target", default="cortex-m4", show_default=True, help="A core; a board, which it must fit; linux-x86_64, ..."
)
@input_option
@click.option(
    "--as",
    "package",
    type=click.Choice(["plain", "cmake", "arduino", "platformio", "zephyr", "esp-idf", "cmsis-pack"]),
    default="plain",
    show_default=True,
    help="The layout: for which tool.",
)
@schedule_option
@click.option("--name", help="The prefix of files and functions, a C identifier; by default the file's name.")
@click.option("--force", is_flag=True, help="Replace the folder if it is there.")
@click.option("-o", "--output", type=FILE, required=True, help="The folder to write.")
def export(
    model: Path,
    target: str,
    input_path: Path | None,
    package: str,
    schedule: Path | None,
    name: str | None,
    force: bool,
    output: Path,
    as_json: bool,
) -> None:
    """Write MODEL as plain C for a microcontroller: the network, and the kernels that it needs.

    An input of the size that is meant is needed where the file leaves that open, and only its size is read.
    """
    from edgebnn.reports import tables
    from edgebnn.targets.inputs import read_arrays
    from edgebnn.targets.model_file import open_model

    arrays = () if input_path is None else read_arrays(input_path, open_model(model))
    with status(f"exporting {model} for {target}"):
        made = edgebnn.export(
            model, output, target, *arrays, package=package, name=name, force=force, schedule=schedule
        )
    value = {
        "model": str(model),
        "target": target,
        "folder": str(output),
        "name": made.name,
        "files": list(made.files),
        "arena_bytes": made.arena_bytes,
        "arena_lower_bound_bytes": made.arena_lower_bound,
        "constant_bytes": made.constant_bytes,
        "layers": [
            {"op": layer.kind, "name": layer.name, "function": layer.function, "weight_bytes": layer.weight_bytes}
            for layer in made.layers
        ],
    }
    show(as_json, value, tables.package(made, str(output)))


@verb("edgebnn report pruned.run --with pruned.tflite --with pi5.json")
@click.argument("folder", type=FILE)
@click.option(
    "--with", "more", type=FILE, multiple=True, help="A .tflite file or a record of benchmark that lies elsewhere."
)
@click.option("-o", "--output", type=FILE, help="The page to write.  [default: report.html in FOLDER]")
def report(folder: Path, more: tuple[Path, ...], output: Path | None, as_json: bool) -> None:
    """Write one HTML page, which needs no network, of the models, records, pruning and training in a FOLDER."""
    from edgebnn.reports import run_report

    page = output or folder / run_report.PAGE
    run_report.check_folder(folder)
    check_writable(page)
    run_report.write(folder, more, page)
    show(as_json, {"folder": str(folder), "page": str(page)}, f"wrote {page}")


@verb("edgebnn targets")
def targets(as_json: bool) -> None:
    """List where models can be run and measured, and what their figures are."""
    from edgebnn.reports import tables
    from edgebnn.targets import targets as examine

    found = examine()
    show(as_json, {"targets": [asdict(one) for one in found]}, tables.targets(found))


@verb("edgebnn ops")
def ops(as_json: bool) -> None:
    """List the ops that edgebnn knows, and with which element types the host and C packages run them.

    Files with others run on the host all the same, where LiteRT has them; they cannot be validated or exported.
    """
    from edgebnn.reports import tables
    from edgebnn.targets.op_support import op_support

    found = op_support()
    show(as_json, {"ops": [asdict(one) for one in found]}, tables.ops(found))


@verb("edgebnn doctor")
def doctor(as_json: bool) -> int:
    """Say what is there and what is missing on this machine, and how to mend it; exit 1 if nothing can run."""
    from edgebnn.reports import tables
    from edgebnn.targets.doctor import examine

    checks = examine()
    value = {"checks": [asdict(check) for check in checks], "passed": all(c.ok for c in checks if c.required)}
    show(as_json, value, tables.doctor(checks))
    return 0 if value["passed"] else 1
