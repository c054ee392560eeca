"""The verbs that make and examine files, before anything runs: each thin: parse, call the room, print.

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
from edgebnn.cli.options import (
    FILE,
    import_option,
    number_of_bytes,
    show,
    status,
    verb,
)
from edgebnn.errors import InputError, InputWarning, ModelFormatError
from edgebnn.files import check_writable

if TYPE_CHECKING:
    from edgebnn.converters.calibration import Calibration
    from edgebnn.graph.metadata import Metadata
    from edgebnn.graph.types import Graph


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
    from edgebnn.reports import dataflow_tables, tables
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
    shown = [tables.analysis(result), *([] if estimated is None else [dataflow_tables.estimate(estimated)])]
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
    from edgebnn.reports import dataflow_tables, tables
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
    picked = [dataflow_tables.picks(found)] if found else [dataflow_tables.picks_on_linux(on_linux)] if on_linux else []
    show(as_json, value, *noticed, *dataflow_tables.plan(result), *picked)


def parse_shares(text: str | None) -> tuple[float, ...]:
    """ "0,0.4,0.7" as numbers. Raises InputError."""
    try:
        return () if text is None else tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--zeros {text}: give shares with commas, as in 0,0.4,0.7") from None
