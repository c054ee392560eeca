"""Tables for the terminal. Every number is labelled with its unit, and with its source if it was not counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from . import format
from .table_parts import new_table, plain

if TYPE_CHECKING:  # only some installations have the training room, and what runs models needs LiteRT
    from edgebnn.converters.c_package.package import Package
    from edgebnn.converters.findings import Finding
    from edgebnn.graph.analysis import Analysis
    from edgebnn.graph.metadata import Metadata
    from edgebnn.graph.opdef import Macs
    from edgebnn.reports.comparison import Comparison
    from edgebnn.reports.data import Benchmark, DemoResult, OnCore
    from edgebnn.runtime.images import Prediction
    from edgebnn.runtime.profile import Profile
    from edgebnn.targets import TargetFacts
    from edgebnn.targets.doctor import Check
    from edgebnn.targets.footprint import Footprint
    from edgebnn.targets.op_support import OpSupport, TypeSupport
    from edgebnn.targets.validate import LayerCheck, Validation
    from edgebnn.training.retraining import Stage

_BAR = 16
_FUNCTIONS = 5
"""Of a microcontroller's code that are named."""
_SOME = 10
"""Labels that are shown of many."""
_LEVEL_STYLES = {"error": "bold red", "warning": "yellow", "info": "dim"}


def analysis(result: Analysis) -> Table:
    """Per layer: multiply-accumulates by precision, bytes of constants and of outputs."""
    used = [name for name, _ in format.macs(result.totals.macs)]
    table = new_table("#", "op", "layer")
    for title in (*(f"{name} MACs" for name in used), "constants", "output"):
        table.add_column(title, justify="right", no_wrap=True)
    for op in result.ops:
        table.add_row(
            str(op.index),
            plain(op.op),
            plain(format.layer(op.name)),
            *_macs(op.macs, used),
            format.size(op.weight_bytes) if op.weight_bytes else "",
            format.size(op.output_bytes),
        )
    totals = result.totals
    table.add_section()
    table.add_row("", "total", "", *_macs(totals.macs, used), format.size(totals.weight_bytes), "", style="bold")
    table.caption = (
        f"file {format.size(totals.file_bytes)}; activations {format.size(totals.peak_arena_bytes)} as planned "
        f"(no plan can do with less than {format.size(totals.arena_lower_bound_bytes)})"
    )
    return table


def metadata(facts: Metadata) -> Table:
    """What a model says of itself."""
    table = new_table("metadata", "")
    for name in ("name", "description", "version", "author", "license"):
        if getattr(facts, name):
            table.add_row(name, plain(getattr(facts, name)))
    if facts.image is not None:
        order = facts.image.channel_order or "of unknown channel order"
        low, high = facts.image.range or (None, None)
        scale = "of unknown range" if low is None else f"pixels 0 to 255 as {low:.4g} to {high:.4g}"
        size = "" if facts.image.size is None else f"{facts.image.size[0]} x {facts.image.size[1]}, "
        table.add_row("image", f"{size}{order}, {scale}")
    if facts.labels:
        some = ", ".join(facts.labels[:_SOME])
        table.add_row("labels", plain(f"{len(facts.labels)}: {some}{', ...' if len(facts.labels) > _SOME else ''}"))
    return table


def predictions(found: Sequence[tuple[str, Sequence[Prediction]]]) -> Table:
    """The classes of pictures, best first."""
    table = new_table("picture", "class")
    table.add_column("score", justify="right", no_wrap=True)
    for name, classes in found:
        for place, one in enumerate(classes):
            table.add_row(plain("" if place else name), plain(one.label or str(one.index)), f"{one.score:.4f}")
        table.add_section()
    return table


def footprint(result: Footprint) -> Group:
    """Layer by layer what a network takes of a microcontroller's memory, in all, and what to change."""
    table = new_table("#", "op", "layer", "kernel")
    for title in ("flash", "RAM in use"):
        table.add_column(title, justify="right", no_wrap=True)
    for layer in result.layers:
        kernel, name = layer.kernel, plain(format.layer(layer.name))
        constants = f"{layer.flash_bytes:,}" if layer.flash_bytes else ""
        table.add_row(str(layer.index), plain(layer.op), name, kernel, constants, f"{layer.ram_bytes:,}")
    flash, ram = result.flash, result.ram
    lines = [
        f"flash: {flash.total:,} bytes{_of(flash.limit)}: code {flash.code:,}, constants {flash.constants:,}",
        f"RAM: {ram.total:,} bytes{_of(ram.limit)}: arena {ram.arena:,} (no plan can do with less than "
        f"{ram.arena_lower_bound:,}), inputs and outputs {ram.inputs_and_outputs:,}, stack {ram.stack:,} as simulated",
        f"the largest functions: {', '.join(f'{one.name} {one.bytes:,}' for one in result.functions[:_FUNCTIONS])}",
        f"{'fits' if result.fits else 'DOES NOT FIT'} {result.target}",
    ]
    return Group(table, *(plain(line) for line in (*lines, *result.remedies)))


def _of(limit: int | None) -> str:
    return "" if limit is None else f" of {limit:,}"


def package(result: Package, folder: str) -> Table:
    """Layer by layer what a C package calls, and what it holds of constants and needs of scratch."""
    table = new_table("#", "op", "layer", "kernel")
    for title in ("constants", "scratch"):
        table.add_column(title, justify="right", no_wrap=True)
    for index, layer in enumerate(result.layers):
        table.add_row(
            str(index),
            plain(layer.kind),
            plain(format.layer(layer.name)),
            layer.function,
            format.size(layer.weight_bytes) if layer.weight_bytes else "",
            format.size(layer.scratch_bytes) if layer.scratch_bytes else "",
        )
    table.caption = Text(
        f"wrote {len(result.files)} files to {folder} for {result.core.title}: constants "
        f"{format.size(result.constant_bytes)} in flash; arena {result.arena_bytes:,} bytes of RAM "
        f"(most live at once: {result.arena_lower_bound:,}), beside the inputs and outputs"
    )
    return table


def stages(result: Sequence[Stage]) -> Table:
    """Accuracy at each stage of a retraining, and what computed it."""
    table = new_table("stage", "accuracy", "of")
    table.columns[1].justify = "right"
    for stage in result:
        table.add_row(stage.name, format.percent(stage.accuracy), stage.where)
    table.caption = f"measured on all {format.grouped(result[0].samples)} test images"
    return table


def profile(result: Profile, target: str, device: str) -> Table:
    """Per op or stretch: its cost and its share of the whole inference."""
    table = new_table("#", "op", "layer")
    table.add_column(format.aligned_unit(result.total, result.unit), justify="right", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for op in result.ops:
        table.add_row(
            str(op.index) if op.index >= 0 else "",
            plain(op.label),
            plain(format.layer(op.name)),
            format.aligned(op.value, result.total, result.unit),
            format.percent(op.share, 1),
            Text(_bar(op.share), style="cyan"),
        )
    table.add_section()
    whole = format.aligned(result.total, result.total, result.unit)
    table.add_row("", "whole inference", "", whole, "", "", style="bold")
    table.caption = plain(f"{result.kind} on {device} ({target})")
    return table


def benchmark(result: Benchmark) -> Table:
    """What one inference takes, the median of times, and of what it was compared with."""
    table = new_table("model")
    timed = result.spread_ms is not None
    for title in ("median" if timed else result.unit, *(["interquartile range"] if timed else []), "theirs / ours"):
        table.add_column(title, justify="right", no_wrap=True)
    spread = [] if result.spread_ms is None else [format.cost(result.spread_ms, "ms")]
    table.add_row(plain(result.model), _benchmarked(result.value, result), *spread, "", style="bold")
    if result.against is not None:
        other = result.against
        table.add_row(
            plain(other.name), _benchmarked(other.value, result), *([""] if timed else []), f"{other.ratio:.2f}"
        )
    turns = f"{result.repeats} repeats{', in turn' if result.against else ''}, " if timed else ""
    told = [f"{result.kind} on {result.device} ({result.target}); {turns}threads: {result.threads}"]
    if result.interval_ms is not None:
        low, high = (format.cost(end, "ms") for end in result.interval_ms)
        told.append(f"the median lies between {low} and {high} with 95 % confidence")
    if result.energy is not None:
        used = result.energy
        told.append(
            f"{used.millijoules:.3g} mJ an inference at {used.watts:.3g} W, {used.above_idle_millijoules:.3g} mJ of "
            f"them above idle ({used.meter}, {used.readings} readings)"
        )
    table.caption = _lines([*told, *(f"! {flag}" for flag in result.flags)])
    return table


def _lines(lines: Sequence[str]) -> Text:
    return Text("\n").join(map(plain, lines))


def comparison(result: Comparison) -> Table:
    """What changed between two records."""
    table = new_table("", result.first, result.second)
    for change in result.changes:
        table.add_row(plain(change.field), plain(change.first or "-"), plain(change.second or "-"))
    table.add_section()
    exact = result.unit != "ms"
    first, second = (f"{value:,.0f} {result.unit}" if exact else format.cost(value, "ms") for value in result.values)
    table.add_row("total" if exact else "median", first, second, style="bold")
    (low, high), verdict = result.interval, str(result.verdict)
    if verdict == "same":
        verdict = "the same within the noise" if result.tolerance else "the same"
    told = f"{result.kind}: the second is {verdict}: {result.ratio:.3f} times the first"
    if low != high:
        told += f" ({low:.3f} to {high:.3f} with both medians' 95 % intervals)"
    table.caption = _lines([told, *(f"! {flag}" for flag in result.flags)])
    return table


def _benchmarked(value: float, result: Benchmark) -> str:
    return format.cost(value, "ms") if result.unit == "ms" else f"{value:,.0f}"


def targets(found: Sequence[TargetFacts]) -> Table:
    """Where models can be run and measured from here, and what the others need."""
    table = new_table("target", "figures", "runs on")
    for one in found:
        figures = f"{one.kind} {one.unit}" if one.available else ""
        table.add_row(plain(one.name), figures, plain(one.detail, "" if one.available else "yellow"))
    return table


def ops(found: Sequence[OpSupport]) -> Table:
    """What each op supports where."""
    table = new_table("op", "element types", "kernels on the host", "in C packages")
    for one in found:
        inexact = [t for t in one.types if not t.exact]
        missing = [t for t in one.types if not t.c]
        host = one.types[0].host + (f"; no exact one of {_types(inexact)}" if inexact else "")
        packaged = "all" if not missing else f"all but {_types(missing)}" if len(missing) < len(one.types) else "none"
        table.add_row(one.op, _types(one.types), host, packaged)
    return table


def _types(pairs: Sequence[TypeSupport]) -> str:
    """Pairs of element types, those of the same outputs together."""
    if all(pair.input == pair.output for pair in pairs):
        return ", ".join(pair.input for pair in pairs)
    outputs: dict[str, list[str]] = {}
    for pair in pairs:
        outputs.setdefault(pair.input, []).append(pair.output)
    inputs: dict[str, list[str]] = {}
    for source, results in outputs.items():
        inputs.setdefault(", ".join(results), []).append(source)
    return "; ".join(f"{', '.join(sources)} to {results}" for results, sources in inputs.items())


def doctor(checks: Sequence[Check]) -> Table:
    """What is there, what is missing, and how to mend it."""
    table = new_table("", "what", "found")
    for check in checks:
        mark = Text("ok", "green") if check.ok else Text("missing", "bold red" if check.required else "yellow")
        table.add_row(mark, plain(check.name), Text.assemble(plain(check.detail), " ", plain(check.remedy, "dim")))
    return table


def demo(result: DemoResult) -> Table:
    """The outcome of the demo in a few lines."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    reached = result.accuracy >= result.required
    verdict = f"{'reaches' if reached else 'MISSES'} the {format.percent(result.required, 1)} requested"
    table.add_row(
        "accuracy, deployed",
        Text(f"{format.percent(result.accuracy)} of {format.grouped(result.samples)} test images, {verdict}"),
        style="bold" if reached else "bold red",
    )
    table.add_row("accuracy in Keras", format.percent(result.keras_accuracy))
    for found in result.agreements:
        same, samples = format.grouped(found.same_class), format.grouped(found.samples)
        table.add_row(f"as {found.reference}", f"{same} of {samples} predictions are the same")
    table.add_row("file", f"{format.size(result.file_bytes)}, {format.size(result.float_file_bytes)} in float")
    table.add_row(
        "latency, one thread", f"{format.cost(result.latency_ms, 'ms')}, {result.latency_kind} on this machine"
    )
    planned = result.dataflow
    table.add_row(
        "energy, one image",
        plain(
            f"{format.count(round(planned.total_energy))} {planned.unit}, at least "
            f"{format.cost(planned.latency_ms, 'ms')}, {planned.kind} for {planned.hardware}"
        ),
    )
    pruned = result.pruning
    table.add_row(
        f"pruned to {format.percent(pruned.budget / pruned.initial, 0)} of its {pruned.resource}",
        f"{format.percent(pruned.deployed)} deployed, {format.significant(pruned.timing.ratio)} times as fast; "
        f"{'reaches' if pruned.passed else 'MISSES'} the budget and the {format.percent(pruned.required, 1)} requested",
        style="" if pruned.passed else "bold red",
    )
    retrained = result.retraining
    float_one, *_, deployed = retrained.stages
    table.add_row(
        "retrained to W1A8",
        f"{format.percent(deployed.accuracy)} deployed, {format.percent(float_one.accuracy)} in float; "
        f"{'reaches' if retrained.passed else 'MISSES'} the {format.percent(retrained.required, 1)} requested",
        style="" if retrained.passed else "bold red",
    )
    on_core = result.microcontroller
    for network in on_core.networks:
        table.add_row(
            f"{network.precision} on a {on_core.core}",
            f"{format.grouped(network.instructions)} instructions, {on_core.kind}; "
            f"{format.size(network.flash_bytes)} of flash, "
            f"{format.size(network.arena_bytes)} of RAM; {_agreement(network)}",
            style="bold red" if network.mismatches else "",
        )
    if (on_pi := result.on_pi) is not None:
        agreement = "bit for bit the reference" if on_pi.bit_exact else "the reference within the tolerance of floats"
        table.add_row(
            "pruned, on a Pi",
            plain(f"{agreement if on_pi.passed else 'NOT the reference'} on {on_pi.samples} images; {on_pi.device}"),
            style="" if on_pi.passed else "bold red",
        )
    table.add_row("took", f"{result.seconds:.0f} s")
    table.add_row("report", plain(result.report))
    return table


def _agreement(network: OnCore) -> str:
    if network.mismatches:
        return f"{network.mismatches} mismatches"
    return "bit for bit the reference" if network.bit_exact else "the reference within the tolerance of floats"


def findings(found: Sequence[Finding]) -> Table:
    """What lint found, worst first as it came."""
    table = new_table("level", "rule", "layer", "finding and remedy")
    for finding in found:
        table.add_row(
            Text(finding.level, style=_LEVEL_STYLES.get(finding.level, "")),
            plain(finding.rule),
            plain(format.layer(finding.layer)),
            Text.assemble(plain(finding.message), "\n", plain(finding.remedy, "dim")),
        )
    return table


def validation(result: Validation) -> RenderableType:
    """The outcome, below the table of layers where they were compared."""
    outcome = plain(f"{'passed' if result.passed else 'FAILED'} on {result.target}: {_outcome(result)}")
    if result.layers is None:
        return outcome
    table = new_table("#", "op", "layer")
    table.add_column("largest difference", justify="right", no_wrap=True)
    table.add_column("agrees", no_wrap=True)
    for layer in result.layers:
        table.add_row(
            str(layer.index),
            plain(layer.op),
            plain(format.layer(layer.name)),
            format.small(layer.max_abs_diff),
            _verdict(layer),
        )
    return Group(table, outcome)


def _outcome(result: Validation) -> str:
    samples = f"{result.samples} sample{'' if result.samples == 1 else 's'}"
    if result.bit_exact:
        return f"{samples}, every output bit equals the reference's{_others(result)}"
    largest = f"largest difference {result.max_abs_diff:.2e}"
    if result.passed and not result.mismatches:
        return f"{samples}, all outputs within the tolerance, {largest}{_others(result)}"
    if result.explained_by_rounding:
        return (
            f"{samples}, {result.mismatches} outputs beyond the tolerance, {largest}, though every op agrees on its "
            f"own inputs: float rounding that signs or cancelling terms amplified{_others(result)}"
        )
    at = result.first_departure
    fault = "" if at is None else f"; first at fault: layer {at.index}, {at.op} '{at.name}'"
    return f"{samples}, {result.mismatches} outputs beyond the tolerance, {largest}{fault}{_others(result)}"


def _others(result: Validation) -> str:
    """The ops that ran on other kernels than the reference's."""
    if not result.inexact:
        return ""
    return f"; not on LiteRT's reference kernels, which lack them: {', '.join(result.inexact)}"


def _verdict(layer: LayerCheck) -> Text:
    if layer.departs:
        return Text("no", style="bold red")
    return Text("bit for bit" if layer.bit_exact else "within tolerance", style="green" if layer.bit_exact else "")


def _macs(value: Macs, names: Sequence[str]) -> list[str]:
    return [format.count(getattr(value, name)) if getattr(value, name) else "" for name in names]


def _bar(share: float) -> str:
    """A bar of up to ``_BAR`` characters, in eighths of one."""
    eighths = round(max(0.0, min(share, 1.0)) * _BAR * 8)
    return "█" * (eighths // 8) + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[eighths % 8]
