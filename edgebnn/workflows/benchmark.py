"""A model's whole inference timed on a target, alone or in turn with another runtime or model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgebnn.errors import EdgebnnError, InputError, one_line
from edgebnn.graph import consistency
from edgebnn.graph.types import Array
from edgebnn.reports.data import Baseline, Benchmark
from edgebnn.runtime import timing
from edgebnn.runtime.entries import choose, entries
from edgebnn.runtime.litert import Interpreter as StockInterpreter
from edgebnn.targets.inputs import samples
from edgebnn.targets.interface import Target
from edgebnn.targets.model_file import ModelFile, open_model
from edgebnn.targets.noise import Sample


def benchmark(
    target: Target,
    model: ModelFile,
    *arrays: Array,
    against: str | None = None,
    threads: int = 1,
    repeats: int = 30,
) -> Benchmark:
    """Time ``model``.

    Args:
        target: where.
        model: what.
        arrays: one for each input, [N, ...], of which the first sample is taken; noise if none are given.
        against: timed in turn with it: "lce" (LCE's own interpreter, where its wheel is installed), "litert" (the stock
            interpreter, for files without custom ops) or the path of another .tflite file, run as ``model`` is.
        threads: of every op.
        repeats: samples of the time of one inference.

    Returns:
        The median times in milliseconds; where the target counts instead, what one inference takes.

    Raises:
        EdgebnnError: one of them cannot be run on the target, or the arrays do not fit.
    """
    sample = next(samples(model, arrays, 1))
    if target.kind in ("simulated", "estimated"):
        return _counted(target, model, against, threads, sample, arrays)
    session = target.open(model, threads=threads)
    session.run(sample)
    baseline = None
    if against is None:
        times = session.times(sample, repeats)
    else:
        if against in ("lce", "litert"):
            theirs_once = _other_runtime(target, model, against, threads, sample)
            pairs = timing.paired(lambda: session.repeat(sample), theirs_once, repeats)
        else:
            other = open_model(against)
            inputs = next(samples(other, arrays, 1))
            second = target.open(other, threads=threads)
            second.run(inputs)
            pairs = session.times_against(sample, second, inputs, repeats)
        times = pairs.ours
        theirs = pairs.theirs.median_ms
        baseline = Baseline(against, theirs, pairs.ratio, pairs.ratio_spread, theirs)
    return Benchmark(
        model=model.name,
        target=target.name,
        device=target.device,
        kind=target.kind,
        threads=threads,
        repeats=repeats,
        median_ms=times.median_ms,
        spread_ms=times.spread_ms,
        against=baseline,
        unit="ms",
        value=times.median_ms,
    )


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
