"""The verbs of deployment: each thin: parse, call the room, print.

The rooms are imported inside the verbs: ``edgebnn --help`` must not load LiteRT, and only the conversion of Keras
models may load TensorFlow.
"""

from __future__ import annotations

import warnings
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

import edgebnn
from edgebnn.cli.described import metadata_options, stated
from edgebnn.cli.effort import effort_options
from edgebnn.cli.options import (
    FILE,
    find_target,
    import_option,
    input_option,
    number_of_bytes,
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
from edgebnn.errors import InputError, InputWarning, ModelFormatError
from edgebnn.files import check_writable, write_text

if TYPE_CHECKING:
    from edgebnn.converters.calibration import Calibration
    from edgebnn.graph.metadata import Metadata
    from edgebnn.graph.types import Graph
    from edgebnn.runtime.model import Model
    from edgebnn.runtime.profile import Unit
    from edgebnn.targets.model_file import ModelFile


@verb("edgebnn convert resnet8.h5 --to int8 --calibration mnist -o resnet8.tflite")
@click.argument("model")
@click.option("--to", type=click.Choice(["lce", "int8", "w1a8", "float"]), default="lce", show_default=True)
@click.option(
    "--calibration",
    metavar="DATA",
    help="For int8, w1a8: mnist, cifar10, an image folder, an .npy of inputs, or an .npz of several by name.",
)
@click.option(
    "--portable", is_flag=True, help="For w1a8: leave a standard int8 file, whose weights edgebnn packs in memory."
)
@metadata_options
@import_option
@click.option("-o", "--output", type=FILE, required=True, help="The .tflite file to write.")
def convert(
    model: str,
    to: Literal["lce", "int8", "w1a8", "float"],
    calibration: str | None,
    portable: bool,
    imports: tuple[str, ...],
    output: Path,
    as_json: bool,
    **facts: Any,
) -> None:
    """Convert a Keras MODEL (a saved model, or package.module:function that returns one) to .tflite.

    w1a8 is int8 with binary weights packed to 1 bit each, the outputs being the same; for it MODEL may also be an
    int8 .tflite file. What fell back to float, and why, is told before and after. The file has the model's inputs and
    outputs in Keras' order and by Keras' names.

    It says what images it takes and what its classes are called, in TFLite's own metadata format: what the options say,
    and of networks that edgebnn trained what it knows. MODEL may be a .tflite file to which that is to be added.
    """
    from edgebnn.converters.convert import check_output
    from edgebnn.reports import tables

    check_output(output)
    metadata = stated(**facts)
    with status(f"converting {model} to {to}"):
        inputs = None if calibration is None else calibration_inputs(calibration)
        result = edgebnn.convert(
            model, output, to=to, calibration=inputs, portable=portable, imports=imports, metadata=metadata
        )
    value = {"model": str(output), "bytes": result.bytes, "findings": [asdict(f) for f in result.findings]}
    wrote = f"wrote {output} ({result.bytes:,} bytes)"
    show(as_json, value, *([tables.findings(result.findings)] if result.findings else []), wrote)


def calibration_inputs(spec: str) -> Calibration:
    """The arrays of an .npz file by name, that of an .npy file, or training images, preprocessed as in training."""
    if spec.endswith((".npy", ".npz")):
        from edgebnn.targets.inputs import read_named_arrays

        named = read_named_arrays(Path(spec))
        return named[""] if list(named) == [""] else named
    from edgebnn.training import datasets
    from edgebnn.workflows.deploying import calibration_samples

    return (calibration_samples(datasets.load(spec).train.images),)


@verb("edgebnn lint resnet8.tflite")
@click.argument("model")
@click.option(
    "--to", type=click.Choice(["lce", "int8", "w1a8", "float"]), default="lce", help="What a Keras model is meant for."
)
@import_option
def lint(model: str, to: str, imports: tuple[str, ...], as_json: bool) -> int:
    """Say what would silently be slow or wrong in MODEL, a .tflite file or a Keras model; exit 1 on errors."""
    from edgebnn.converters.convert import is_tflite
    from edgebnn.converters.lint import lint_graph, lint_keras
    from edgebnn.reports import tables

    if is_tflite(model):
        findings = lint_graph(edgebnn.read(model))
    else:
        with status(f"loading {model}"):
            from edgebnn.converters.from_keras import load_model

            findings = lint_keras(load_model(model, imports), to)
    value = {"model": model, "findings": [asdict(finding) for finding in findings]}
    show(as_json, value, tables.findings(findings) if findings else f"{model}: nothing to report")
    return 1 if any(finding.level == "error" for finding in findings) else 0


@verb("edgebnn analyze resnet8.tflite --target cortex-m4 --flash 512k --ram 96k")
@click.argument("model", type=FILE)
@click.option(
    "--input", "input_path", type=FILE, help="An .npy of the size that is meant, where the file leaves it open."
)
@click.option("--target", help="Where it is to run; of a microcontroller also flash and RAM, by layer.")
@click.option("--hardware", help="Time and energy on that machine, as plan takes it.  [default: the target's]")
@click.option(
    "--flash", type=number_of_bytes, metavar="BYTES", help="How much flash there is; a board's own by default."
)
@click.option("--ram", type=number_of_bytes, metavar="BYTES", help="How much RAM it has.")
def analyze(
    model: Path,
    input_path: Path | None,
    target: str | None,
    hardware: str | None,
    flash: int | None,
    ram: int | None,
    as_json: bool,
) -> int:
    """Count a .tflite file, layer by layer: MACs by precision, bytes of weights and activations, memory.

    With --hardware or --target, the time and energy of each layer there, estimated by the dataflow model (see plan).
    For a microcontroller also what it takes of its memory, and what to change where it does not fit; exit 1 then.
    """
    from edgebnn.dataflow.estimate import estimate
    from edgebnn.graph.analysis import analyze as count
    from edgebnn.reports import tables
    from edgebnn.targets.footprint import Limits
    from edgebnn.targets.inputs import read_arrays, samples
    from edgebnn.targets.model_file import open_model

    if target is None and (flash or ram):
        raise click.UsageError("--flash and --ram are of a microcontroller: name one with --target")
    file = open_model(model)
    arrays = () if input_path is None else read_arrays(input_path, file)
    graph = file.graph if input_path is None else file.graph_for(next(samples(file, arrays, 1)))
    place = None if target is None else edgebnn.target(target)
    named = replace(graph, name=file.name)
    result = count(named, len(file.content))
    with status("estimating time and energy"):
        estimated = estimate(named, hardware, target)
    facts = _facts(graph, file.name)
    value = {"model": file.name, **asdict(result), "metadata": None if facts is None else asdict(facts)}
    if estimated is not None:
        value["ops"] = [{**op, **estimated.json_of(op["index"])} for op in value["ops"]]
        value["estimate"] = estimated.json()
    shown = [tables.analysis(result), *([] if estimated is None else [tables.estimate(estimated)])]
    if place is None or not (place.is_microcontroller or flash or ram):
        show(as_json, value, *shown, *([] if facts is None else [tables.metadata(facts)]))
        return 0
    with status(f"compiling for {target}"):
        found = place.footprint(file, next(samples(file, arrays, 1)), Limits(flash, ram))
    show(as_json, {**value, "footprint": asdict(found)}, *shown, tables.footprint(found))
    return 0 if found.fits else 1


def _facts(graph: Graph, name: str) -> Metadata | None:
    from edgebnn.graph import metadata

    try:
        return metadata.parse(graph.metadata, graph.attachment, name)
    except ModelFormatError as error:
        warnings.warn(str(error), InputWarning, stacklevel=2)
        return None


@verb("edgebnn plan alexnet.tflite --hardware eyeriss --batch 4")
@click.argument("model")
@click.option(
    "--to", type=click.Choice(["lce", "int8", "w1a8", "float"]), help="What a Keras MODEL becomes.  [default: lce]"
)
@click.option("--calibration", metavar="DATA", help="For a Keras MODEL in int8 or w1a8, as convert takes it.")
@import_option
@click.option("--hardware", default="eyeriss", show_default=True, help="A machine's name, or FILE.toml.")
@click.option("--batch", type=click.IntRange(1, 65536), default=1, show_default=True, help="Samples that run together.")
@click.option(
    "--dataflow",
    "dataflows",
    type=click.Choice(["rs", "ws", "os", "os-soc-mop", "os-moc-mop", "os-moc-sop", "nlr"]),
    multiple=True,
    help="Row, weight or output stationary, or no local reuse.  [default: what the machine can]",
)
@click.option(
    "--objective", type=click.Choice(["energy", "latency", "edp"]), help="What is least.  [default: the machine's own]"
)
@click.option("--zeros", metavar="SHARES", help="Of zeros in each layer's input, as in 0,0.4,0.7: they are compressed.")
@click.option("--save-schedule", "saved", type=FILE, help="Write the kernels, loop orders and tiles that are picked.")
@click.option("--html", "page", type=FILE, help="Write charts and loop nests to an HTML file.")
def plan(
    model: str,
    to: Literal["lce", "int8", "w1a8", "float"] | None,
    calibration: str | None,
    imports: tuple[str, ...],
    hardware: str,
    batch: int,
    dataflows: tuple[str, ...],
    objective: str | None,
    zeros: str | None,
    saved: Path | None,
    page: Path | None,
    as_json: bool,
) -> None:
    """Map each layer of MODEL onto a machine's memories: loops, accesses, energy and time, all estimated.

    MODEL is a .tflite file, or a Keras model (a saved model, or package.module:function that returns one), which is
    planned as converting it would leave it.
    """
    from edgebnn.dataflow import hardware as machines
    from edgebnn.dataflow import plan as planning
    from edgebnn.reports import tables
    from edgebnn.workflows import scheduling
    from edgebnn.workflows.deploying import file_of

    machine = machines.load(hardware)
    for written in (page, saved):
        if written is not None:
            check_writable(written)
    with status(f"reading {model}"):
        file, findings = file_of(model, to, None if calibration is None else calibration_inputs(calibration), imports)
    with status(f"planning for {machine.name}"):
        result = planning.plan(
            replace(file.graph, name=file.name),
            machine,
            batch,
            dataflows=dataflows,
            objective=objective or "",
            zeros=parse_shares(zeros),
        )
    if page is not None:
        from edgebnn.reports import dataflow_page

        dataflow_page.write(result, file.name, page)
    found, on_linux = scheduling.picks(hardware, file), scheduling.picks_on_linux(hardware, file)
    if saved is not None:
        scheduling.save(hardware, file, [*found, *on_linux], saved)
    described = [*(pick.json() for pick in found), *(pick.json() for pick in on_linux)]
    value = {"model": file.name, **result.json(), "schedules": described}
    value["findings"] = [asdict(finding) for finding in findings]
    noticed = [tables.findings(findings)] if findings else []
    picked = [tables.picks(found)] if found else [tables.picks_on_linux(on_linux)] if on_linux else []
    show(as_json, value, *noticed, *tables.plan(result), *picked)


def parse_shares(text: str | None) -> tuple[float, ...]:
    """ "0,0.4,0.7" as numbers. Raises InputError."""
    try:
        return () if text is None else tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--zeros {text}: give shares with commas, as in 0,0.4,0.7") from None


@verb("edgebnn run resnet8.tflite --image cat.jpg")
@click.argument("model", type=FILE)
@click.option("--input", "input_path", type=FILE, help="An .npy of inputs [N, ...]; .npz for several.")
@click.option("--output", "output_path", type=FILE, help="The .npy to write; .npz for several outputs.")
@click.option("--image", "images", type=FILE, multiple=True, help="A picture to classify; may be given several times.")
@click.option("--top", type=click.IntRange(1), default=5, show_default=True, help="Classes told of each picture.")
@click.option("--backend", type=click.Choice(["litert", "reference", "c"]), default="litert", show_default=True)
@schedule_option
@signature_option
@threads_option
def run(
    model: Path,
    input_path: Path | None,
    output_path: Path | None,
    images: tuple[Path, ...],
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
    Every file that LiteRT runs can be run; the reference executor, and c, which is the network's C package compiled for
    this machine, know fewer ops.
    """
    from edgebnn.targets.inputs import read_arrays, run_reference, write_arrays
    from edgebnn.targets.model_file import open_model

    if schedule is not None and backend != "litert":
        raise click.UsageError(f"--schedule: the kernels of {backend} follow none here; leave it out, or use litert")
    if images:
        if input_path or output_path or backend != "litert":
            raise click.UsageError("--image runs in litert and prints classes: no --input, --output or --backend")
        _classify(
            edgebnn.load(model, num_threads=threads, signature=signature, schedule=schedule), images, top, as_json
        )
        return
    if input_path is None or output_path is None:
        raise click.UsageError("give --input and --output, or --image")
    file = open_model(model, signature)
    arrays = read_arrays(input_path, file)
    check_writable(output_path)
    if backend == "reference":
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
        "backend": backend,
        "output": str(output_path),
        "shapes": shapes,
    }
    show(as_json, value, f"wrote {output_path}{which}: {', '.join(map(str, shapes))}")


def _classify(model: Model, images: tuple[Path, ...], top: int, as_json: bool) -> None:
    from edgebnn.reports import tables

    found = list(zip(map(str, images), model.classify_all(images, top), strict=True))
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

    where = find_target(target)
    file = where.with_schedule(open_model(model, signature, schedule))
    arrays = () if input_path is None else read_arrays(input_path, file)
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

    where = target_in_unit(target, unit, wait_states)
    file = where.with_schedule(open_model(model, signature, schedule))
    arrays = () if input_path is None else read_arrays(input_path, file)
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
    where = target_in_unit(target, unit, wait_states)
    file = where.with_schedule(file)
    arrays = () if input_path is None else read_arrays(input_path, file)
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
