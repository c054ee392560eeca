"""A model's whole inference timed on a target, alone or in turn with another runtime or model."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from edgebnn.errors import EdgebnnError, InputError, one_line
from edgebnn.graph import consistency
from edgebnn.graph.types import Array
from edgebnn.reports.data import Baseline, Benchmark
from edgebnn.runtime import timing
from edgebnn.runtime.conditions import Conditions, slowed
from edgebnn.runtime.entries import choose, entries
from edgebnn.runtime.litert import Interpreter as StockInterpreter
from edgebnn.runtime.profile import is_counted
from edgebnn.runtime.timing import PairedTimes, Times
from edgebnn.targets.inputs import samples
from edgebnn.targets.interface import Target
from edgebnn.targets.model_file import ModelFile, Session, open_model
from edgebnn.targets.noise import Sample

from .provenance import provenance


@dataclass(frozen=True)
class Effort:
    """How much is done for a figure.

    Attributes:
        repeats: samples of the time of one inference; None: until ``precision`` is reached, or ``seconds`` are over.
        precision: half of the median's 95 % interval, as a share of the median, that is good enough.
        seconds: after which no more samples are taken.
        pin: the processors that it runs on; any, if none are named.
        ops: profile the ops, too.
        energy_seconds: for so long inferences run under the board's meter, if there is one; 0: not at all.
        cool_seconds: what a board that was throttled is given to cool down before it is measured again, once.
    """

    repeats: int | None = None
    precision: float = 0.02
    seconds: float = 10.0
    pin: tuple[int, ...] = ()
    ops: bool = False
    energy_seconds: float = 0.0
    cool_seconds: float = 30.0


def benchmark(
    target: Target,
    model: ModelFile,
    *arrays: Array,
    against: str | None = None,
    threads: int = 1,
    effort: Effort = Effort(),
) -> Benchmark:
    """Time ``model``.

    A board that says it was throttled is left to cool down and measured again; if it is throttled then, too, the
    figures are flagged. So are those that drift.

    Args:
        target: where.
        model: what.
        arrays: one for each input, [N, ...], of which the first sample is taken; noise if none are given.
        against: timed in turn with it: "lce" (LCE's own interpreter, where its wheel is installed), "litert" (the stock
            interpreter, for files without custom ops) or the path of another .tflite file, run as ``model`` is.
        threads: of every op.
        effort: how many samples, and what besides them.

    Returns:
        The median times in milliseconds; where the target counts instead, what one inference takes.

    Raises:
        EdgebnnError: one of them cannot be run on the target, or the arrays do not fit.
    """
    sample = next(samples(model, arrays, 1))
    if is_counted(target.kind, target.unit):
        return _of(target, model, _counted(target, model, against, threads, sample, arrays))
    with target.pinned(effort.pin):
        session = target.open(model, threads=threads)
        session.run(sample)
        take = _taking(target, model, session, sample, arrays, against=against, threads=threads)
        found = _under_conditions(target, effort, lambda: _samples(take, effort))
        energy = session.energy(sample, effort.energy_seconds) if effort.energy_seconds else None
        ops = target.measure(model, sample, threads=threads, repeats=OPS_REPEATS).ops if effort.ops else ()
    if effort.energy_seconds and energy is None:
        found = replace(found, flags=(*found.flags, "no energy: there is no meter that edgebnn knows"))
    times, baseline = found.times, None
    if isinstance(times, PairedTimes):
        theirs = times.theirs.median_ms
        baseline = Baseline(str(against), theirs, times.ratio, times.ratio_spread, theirs)
        times = times.ours
    result = Benchmark(
        model=model.name,
        target=target.name,
        device=target.device,
        kind=target.kind,
        threads=threads,
        repeats=len(times.samples_ms),
        median_ms=times.median_ms,
        spread_ms=times.spread_ms,
        against=baseline,
        unit="ms",
        value=times.median_ms,
        interval_ms=times.interval_ms,
        samples_ms=times.samples_ms,
        flags=found.flags,
        pinned=effort.pin,
        before=found.before,
        after=found.after,
        energy=energy,
        ops=ops,
    )
    return _of(target, model, result)


OPS_REPEATS = 30
DRIFT = 0.1
"""Between the median of the first third of the samples and that of the last."""

Timed = Times | PairedTimes


@dataclass(frozen=True)
class _Found:
    times: Timed
    flags: tuple[str, ...]
    before: Conditions | None
    after: Conditions | None


def _of(target: Target, model: ModelFile, result: Benchmark) -> Benchmark:
    """The result with what it is of."""
    return replace(result, schedule=model.schedule_path, **vars(provenance(target, model)))


def _taking(
    target: Target,
    model: ModelFile,
    session: Session,
    sample: Sample,
    arrays: Sequence[Array],
    *,
    against: str | None,
    threads: int,
) -> Callable[[int], Any]:
    """What gives so many samples: always times, or always pairs."""
    if against is None:
        return lambda repeats: session.times(sample, repeats)
    if against in ("lce", "litert"):
        theirs_once = _other_runtime(target, model, against, threads, sample)
        return lambda repeats: timing.paired(lambda: session.repeat(sample), theirs_once, repeats)
    other = open_model(against)
    inputs = next(samples(other, arrays, 1))
    second = target.open(other, threads=threads)
    second.run(inputs)
    return lambda repeats: session.times_against(sample, second, inputs, repeats)


def _samples(take: Callable[[int], Any], effort: Effort) -> Timed:
    if effort.repeats is None:
        take_more: Callable[[int], Times] = take  # or pairs, throughout
        return timing.until_precise(take_more, effort.precision, effort.seconds)
    found: Timed = take(effort.repeats)
    return found


def _under_conditions(target: Target, effort: Effort, measure: Callable[[], Timed]) -> _Found:
    """The samples, taken again after a rest where the board was slowed down meanwhile."""
    found = _once(target, measure)
    if found.flags and effort.cool_seconds:
        time.sleep(effort.cool_seconds)
        found = _once(target, measure)
    ours = found.times.ours if isinstance(found.times, PairedTimes) else found.times
    flags = found.flags
    flags = (*flags, *_busy(found.before))
    if abs(drift := _drift(ours)) > DRIFT:
        flags = (*flags, f"drift: the last third of the samples took {1 + drift:.2f} times as long as the first")
    if effort.repeats is None and found.times.precision > effort.precision:
        flags = (*flags, f"imprecise: the median is known to {found.times.precision:.1%} after {effort.seconds:g} s")
    return replace(found, flags=flags)


def _busy(conditions: Conditions | None) -> tuple[str, ...]:
    if conditions is None or conditions.load is None or conditions.load <= len(conditions.affinity):
        return ()
    return (f"busy: {conditions.load:.1f} processes wanted {len(conditions.affinity)} processors",)


def _once(target: Target, measure: Callable[[], Timed]) -> _Found:
    before = target.conditions()
    times = measure()
    after = target.conditions()
    reasons = slowed(before, after) if before is not None and after is not None else ()
    return _Found(times, tuple(f"slowed down: {reason}" for reason in reasons), before, after)


def _drift(times: Times) -> float:
    third = len(times.samples_ms) // 3
    first, last = times.samples_ms[:third], times.samples_ms[-third:]
    return Times(last).median_ms / Times(first).median_ms - 1 if third else 0.0


def _counted(
    target: Target,
    model: ModelFile,
    against: str | None,
    threads: int,
    sample: Sample,
    arrays: Sequence[Array],
) -> Benchmark:
    """On a target whose figures are the same every time: one inference of each."""
    ours = target.measure(model, sample, threads=threads).total
    baseline = None
    if against is not None:
        if against in ("lce", "litert"):
            raise InputError(f"--against {against} runs on the target host only, not on {target.name}")
        other = open_model(against)
        theirs = target.measure(other, next(samples(other, arrays, 1)), threads=threads).total
        baseline = Baseline(against, None, theirs / ours, 0.0, theirs)
    return Benchmark(
        model=model.name,
        target=target.name,
        device=target.device,
        kind=target.kind,
        threads=threads,
        repeats=1,
        median_ms=ours if target.unit == "ms" else None,
        spread_ms=None,
        against=baseline,
        unit=target.unit,
        value=ours,
    )


def _other_runtime(
    target: Target, model: ModelFile, against: str, threads: int, sample: Sample
) -> Callable[[], object]:
    if target.name != "host":
        raise InputError(f"--against {against} runs on the target host only, not on {target.name}")
    if choose(entries(model.content), model.signature, model.name).subgraph:
        raise InputError(
            f"{model.name}: --against {against} runs the first graph of a file only, not another signature"
        )
    if against == "lce":
        return _lce(model, threads, sample)
    return _stock(model, threads, sample)


def _lce(model: ModelFile, threads: int, sample: Sample) -> Callable[[], object]:
    import edgebnn._tensorflow  # noqa: F401  quietens TensorFlow, which LCE's package loads

    try:
        from larq_compute_engine.tflite.python.interpreter import Interpreter
    except ImportError as error:
        raise EdgebnnError(f"LCE's interpreter is missing ({error}): pip install 'edgebnn[train]'") from None
    if not sample or any(values.shape[:1] != (1,) for values in sample):
        raise InputError(f"{model.name}: LCE's interpreter runs models with batch size 1 only")
    try:
        interpreter = Interpreter(model.content, num_threads=threads)
        given = list(sample) if len(sample) > 1 else sample[0]
        interpreter.predict(given)
    except (RuntimeError, ValueError) as error:
        raise InputError(one_line(f"{model.name}: LCE's interpreter cannot run it: {error}")) from None
    return lambda: interpreter.predict(given)


def _stock(model: ModelFile, threads: int, sample: Sample) -> Callable[[], object]:
    custom = consistency.check(model.content, model.name)
    if custom:
        raise InputError(f"{model.name}: stock LiteRT does not run {custom[0][0]}; name another file, or lce")
    interpreter = StockInterpreter(model_content=model.content, num_threads=threads)
    inputs = [int(detail["index"]) for detail in interpreter.get_input_details()]
    outputs = [int(detail["index"]) for detail in interpreter.get_output_details()]
    for index, value in zip(inputs, sample, strict=True):
        interpreter.resize_tensor_input(index, value.shape)
    interpreter.allocate_tensors()

    def run() -> list[object]:
        for index, value in zip(inputs, sample, strict=True):
            interpreter.set_tensor(index, value)
        interpreter.invoke()
        return [interpreter.get_tensor(index) for index in outputs]

    return run
