"""Tables for the terminal. Every number is labelled with its unit, and with where it comes from if it was not counted.

Names come from model files: they are put into :class:`rich.text.Text`, so that none is taken for markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from . import format

if TYPE_CHECKING:  # only some installations have the training room, and what runs models needs LiteRT
    from edgebnn.converters.c_package.lowering.choices import Candidate
    from edgebnn.converters.c_package.package import Package
    from edgebnn.converters.c_package.picks import Pick
    from edgebnn.converters.findings import Finding
    from edgebnn.dataflow.estimate import Estimate
    from edgebnn.dataflow.plan import LayerPlan, Plan
    from edgebnn.dataflow.schedule_picks import Pick as LinuxPick
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
    table = _table("#", "op", "layer")
    for title in (*(f"{name} MACs" for name in used), "constants", "output"):
        table.add_column(title, justify="right", no_wrap=True)
    for op in result.ops:
        table.add_row(
            str(op.index),
            _plain(op.op),
            _plain(format.layer(op.name)),
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


def estimate(result: Estimate) -> RenderableType:
    """Time and energy of each layer that multiplies and accumulates, or why there are none."""
    if result.plan is None:
        return _plain(f"time and energy are not estimated: {result.reason}")
    found = result.plan
    table, energy = _table("#", "layer"), found.total_energy or 1.0  # a file of one's own may give none
    for title in ("ms", "share", "bound by", f"energy, {found.hardware.unit}", "share"):
        table.add_column(title, justify="right", no_wrap=True)
    latency = sum(layer.latency_ms for layer in found.layers)
    for layer in found.layers:
        table.add_row(
            str(layer.op),
            _plain(format.layer(layer.name)),
            format.significant(layer.latency_ms),
            format.percent(layer.latency_ms / latency, 1),
            _plain(layer.bound_by),
            format.count(round(sum(layer.energy.values()))),
            format.percent(sum(layer.energy.values()) / energy, 1),
        )
    table.add_section()
    whole = (format.significant(latency), "", "", format.count(round(found.total_energy)), "")
    table.add_row("", "total", *whole, style="bold")
    left = f"; not of {', '.join(op.name for op in found.unplanned)}" if found.unplanned else ""
    table.caption = _plain(
        f"estimated for {found.hardware.name} by the dataflow model (edgebnn plan), one sample, of what multiplies and "
        f"accumulates{left}"
    )
    return table


def metadata(facts: Metadata) -> Table:
    """What a model says of itself."""
    table = _table("metadata", "")
    for name in ("name", "description", "version", "author", "license"):
        if getattr(facts, name):
            table.add_row(name, _plain(getattr(facts, name)))
    if facts.image is not None:
        order = facts.image.channel_order or "of unknown channel order"
        low, high = facts.image.range or (None, None)
        scale = "of unknown range" if low is None else f"pixels 0 to 255 as {low:.4g} to {high:.4g}"
        size = "" if facts.image.size is None else f"{facts.image.size[0]} x {facts.image.size[1]}, "
        table.add_row("image", f"{size}{order}, {scale}")
    if facts.labels:
        some = ", ".join(facts.labels[:_SOME])
        table.add_row("labels", _plain(f"{len(facts.labels)}: {some}{', ...' if len(facts.labels) > _SOME else ''}"))
    return table


def predictions(found: Sequence[tuple[str, Sequence[Prediction]]]) -> Table:
    """The classes of pictures, best first."""
    table = _table("picture", "class")
    table.add_column("score", justify="right", no_wrap=True)
    for name, classes in found:
        for place, one in enumerate(classes):
            table.add_row(_plain("" if place else name), _plain(one.label or str(one.index)), f"{one.score:.4f}")
        table.add_section()
    return table


def footprint(result: Footprint) -> Group:
    """Layer by layer what a network takes of a microcontroller's memory, in all, and what to change."""
    table = _table("#", "op", "layer", "kernel")
    for title in ("flash", "RAM in use"):
        table.add_column(title, justify="right", no_wrap=True)
    for layer in result.layers:
        kernel, name = layer.kernel, _plain(format.layer(layer.name))
        constants = f"{layer.flash_bytes:,}" if layer.flash_bytes else ""
        table.add_row(str(layer.index), _plain(layer.op), name, kernel, constants, f"{layer.ram_bytes:,}")
    flash, ram = result.flash, result.ram
    lines = [
        f"flash: {flash.total:,} bytes{_of(flash.limit)}: code {flash.code:,}, constants {flash.constants:,}",
        f"RAM: {ram.total:,} bytes{_of(ram.limit)}: arena {ram.arena:,} (no plan can do with less than "
        f"{ram.arena_lower_bound:,}), inputs and outputs {ram.inputs_and_outputs:,}, stack {ram.stack:,} as simulated",
        f"the largest functions: {', '.join(f'{one.name} {one.bytes:,}' for one in result.functions[:_FUNCTIONS])}",
        f"{'fits' if result.fits else 'DOES NOT FIT'} {result.target}",
    ]
    return Group(table, *(_plain(line) for line in (*lines, *result.remedies)))


def _of(limit: int | None) -> str:
    return "" if limit is None else f" of {limit:,}"


def package(result: Package, folder: str) -> Table:
    """Layer by layer what a C package calls, and what it holds of constants and needs of scratch."""
    table = _table("#", "op", "layer", "kernel")
    for title in ("constants", "scratch"):
        table.add_column(title, justify="right", no_wrap=True)
    for index, layer in enumerate(result.layers):
        table.add_row(
            str(index),
            _plain(layer.kind),
            _plain(format.layer(layer.name)),
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


def plan(result: Plan) -> tuple[RenderableType, ...]:
    """The table of the layers, and the loop nest of every mapping."""
    return _planned(result), *(_mapping(layer) for layer in result.layers)


def _planned(result: Plan) -> Table:
    levels = [level.name for level in result.hardware.levels]
    table = _table("layer")
    for title in ("MACs", "PEs", "use", "ms", "bound by", *levels, "energy"):
        table.add_column(title, justify="right", overflow="fold")
    for layer in result.layers:
        table.add_row(
            _plain(format.layer(layer.name)),
            format.count(layer.macs),
            str(layer.active_pes),
            format.percent(layer.utilization, 1),
            format.significant(layer.latency_ms),
            layer.bound_by,
            *(format.count(layer.accesses[level]) for level in levels),
            format.count(round(sum(layer.energy.values()))),
        )
    totals = result.totals
    table.add_section()
    table.add_row(
        "total",
        format.count(totals["macs"]),
        f"{totals['active_pes']:.0f}",
        format.percent(totals["utilization"], 1),
        format.significant(totals["latency_ms"]),
        "",
        *(format.count(totals["accesses"][level]) for level in levels),
        format.count(round(sum(totals["energy"].values()))),
        style="bold",
    )
    energy = result.total_energy or 1.0
    shares = ", ".join(f"{name} {format.percent(value / energy, 1)}" for name, value in totals["energy"].items())
    left = f"; not planned: {', '.join(op.name for op in result.unplanned)}" if result.unplanned else ""
    where = f"{result.hardware.name}, batch {result.batch}, estimated; accesses by memory"
    table.caption = _plain(f"{where}; energy in {result.hardware.unit}: {shares}{left}")
    return table


def picks(found: Sequence[Pick]) -> Table:
    """The kernel, loop order and tiles of each layer, what they cost, and the best of another kernel."""
    table = _table("#", "layer", "picked")
    for title in ("instructions", "scratch", "runner-up", "instructions", "scratch"):
        table.add_column(title, justify="left" if title == "runner-up" else "right", overflow="fold")
    for pick in found:
        table.add_row(
            str(pick.op),
            _plain(format.layer(pick.name)),
            *_candidate(pick.picked),
            *(("", "", "") if pick.runner_up is None else _candidate(pick.runner_up)),
        )
    table.caption = (
        "Kernels, loop orders (rs row, ws weight, os output stationary) and tiles; instructions are estimated, scratch "
        "is exact, and a KiB of it must save 0.5 % of a layer."
    )
    return table


def _candidate(candidate: Candidate) -> tuple[str, str, str]:
    schedule = candidate.schedule
    tiles = "".join(f", {name} {size}" for name, size in schedule.tiles.items())
    named = f"{schedule.kernel} {schedule.dataflow}{tiles}"
    return named, format.count(candidate.instructions), format.size(candidate.scratch_bytes)


def picks_on_linux(found: Sequence[LinuxPick]) -> Table:
    """The kernel, loop order and tiles of each layer, what they cost, and the best of another kernel or order."""
    unit = found[0].unit
    table = _table("#", "layer", "picked")
    for title in (unit, "runner-up", unit):
        table.add_column(title, justify="left" if title == "runner-up" else "right", overflow="fold")
    for pick in found:
        other, cost = pick.runner_up if pick.runner_up is not None else ("", None)
        table.add_row(
            str(pick.schedule.op),
            _plain(format.layer(pick.schedule.name)),
            str(pick.schedule),
            format.count(round(pick.cost)),
            str(other),
            "" if cost is None else format.count(round(cost)),
        )
    table.caption = f"Kernels, loop orders and tiles; {unit} are estimated."
    return table


def _mapping(layer: LayerPlan) -> Group:
    parameters = layer.mapping.get("parameters", {})
    title = Text.assemble((format.layer(layer.name), "bold"), " ", layer.mapping["dataflow"])
    written = ", ".join(f"{name} {value}" for name, value in parameters.items())
    return Group(title, *([Text(written)] if written else []), Text("\n".join(layer.mapping["loops"]) + "\n"))


def stages(result: Sequence[Stage]) -> Table:
    """Accuracy at each stage of a retraining, and what computed it."""
    table = _table("stage", "accuracy", "of")
    table.columns[1].justify = "right"
    for stage in result:
        table.add_row(stage.name, format.percent(stage.accuracy), stage.where)
    table.caption = f"measured on all {format.grouped(result[0].samples)} test images"
    return table


def profile(result: Profile, target: str, device: str) -> Table:
    """Per op or stretch: its cost and its share of the whole inference."""
    table = _table("#", "op", "layer")
    table.add_column(format.aligned_unit(result.total, result.unit), justify="right", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for op in result.ops:
        table.add_row(
            str(op.index) if op.index >= 0 else "",
            _plain(op.label),
            _plain(format.layer(op.name)),
            format.aligned(op.value, result.total, result.unit),
            format.percent(op.share, 1),
            Text(_bar(op.share), style="cyan"),
        )
    table.add_section()
    whole = format.aligned(result.total, result.total, result.unit)
    table.add_row("", "whole inference", "", whole, "", "", style="bold")
    table.caption = _plain(f"{result.kind} on {device} ({target})")
    return table


def benchmark(result: Benchmark) -> Table:
    """What one inference takes, the median of times, and of what it was compared with."""
    table = _table("model")
    timed = result.spread_ms is not None
    for title in ("median" if timed else result.unit, *(["interquartile range"] if timed else []), "theirs / ours"):
        table.add_column(title, justify="right", no_wrap=True)
    spread = [] if result.spread_ms is None else [format.cost(result.spread_ms, "ms")]
    table.add_row(_plain(result.model), _benchmarked(result.value, result), *spread, "", style="bold")
    if result.against is not None:
        other = result.against
        table.add_row(
            _plain(other.name), _benchmarked(other.value, result), *([""] if timed else []), f"{other.ratio:.2f}"
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
    return Text("\n").join(map(_plain, lines))


def comparison(result: Comparison) -> Table:
    """What changed between two records."""
    table = _table("", result.first, result.second)
    for change in result.changes:
        table.add_row(_plain(change.field), _plain(change.first or "-"), _plain(change.second or "-"))
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
    table = _table("target", "figures", "runs on")
    for one in found:
        figures = f"{one.kind} {one.unit}" if one.available else ""
        table.add_row(_plain(one.name), figures, _plain(one.detail, "" if one.available else "yellow"))
    return table


def ops(found: Sequence[OpSupport]) -> Table:
    """What each op supports where."""
    table = _table("op", "element types", "kernels on the host", "in C packages")
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
    table = _table("", "what", "found")
    for check in checks:
        mark = Text("ok", "green") if check.ok else Text("missing", "bold red" if check.required else "yellow")
        table.add_row(mark, _plain(check.name), Text.assemble(_plain(check.detail), " ", _plain(check.remedy, "dim")))
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
        _plain(
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
    table.add_row("took", f"{result.seconds:.0f} s")
    table.add_row("report", _plain(result.report))
    return table


def _agreement(network: OnCore) -> str:
    if network.mismatches:
        return f"{network.mismatches} mismatches"
    return "bit for bit the reference" if network.bit_exact else "the reference within the tolerance of floats"


def findings(found: Sequence[Finding]) -> Table:
    """What lint found, worst first as it came."""
    table = _table("level", "rule", "layer", "finding and remedy")
    for finding in found:
        table.add_row(
            Text(finding.level, style=_LEVEL_STYLES.get(finding.level, "")),
            _plain(finding.rule),
            _plain(format.layer(finding.layer)),
            Text.assemble(_plain(finding.message), "\n", _plain(finding.remedy, "dim")),
        )
    return table


def validation(result: Validation) -> RenderableType:
    """The outcome, below the table of layers where they were compared."""
    outcome = _plain(f"{'passed' if result.passed else 'FAILED'} on {result.target}: {_outcome(result)}")
    if result.layers is None:
        return outcome
    table = _table("#", "op", "layer")
    table.add_column("largest difference", justify="right", no_wrap=True)
    table.add_column("agrees", no_wrap=True)
    for layer in result.layers:
        table.add_row(
            str(layer.index),
            _plain(layer.op),
            _plain(format.layer(layer.name)),
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


def _table(*columns: str) -> Table:
    """A table with the columns that name things; the rest are the caller's."""
    table = Table(box=SIMPLE_HEAD, caption_justify="left", pad_edge=False)
    for column in columns:
        short = column in ("#", "level")
        table.add_column(column, justify="right" if column == "#" else "left", no_wrap=short, overflow="fold")
    return table


def _plain(name: str, style: str = "") -> Text:
    """Text without markup or control characters, which a hostile file could send to the terminal."""
    return Text("".join(c if c.isprintable() else "\ufffd" for c in name), style)


def _macs(value: Macs, names: Sequence[str]) -> list[str]:
    return [format.count(getattr(value, name)) if getattr(value, name) else "" for name in names]


def _bar(share: float) -> str:
    """A bar of up to ``_BAR`` characters, in eighths of one."""
    eighths = round(max(0.0, min(share, 1.0)) * _BAR * 8)
    return "█" * (eighths // 8) + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[eighths % 8]
