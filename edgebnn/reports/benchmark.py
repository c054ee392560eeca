"""A model's whole inference timed on a target, alone or in turn with another runtime or model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgebnn.errors import EdgebnnError, InputError
from edgebnn.graph.ops import OPS
from edgebnn.runtime import timing
from edgebnn.runtime.litert import Interpreter as StockInterpreter
from edgebnn.targets.inputs import Sample, noise
from edgebnn.targets.interface import Target
from edgebnn.targets.model_file import ModelFile, open_model


@dataclass(frozen=True)
class Rival:
    """What the model was timed against. ``ratio`` is the median of theirs / ours, pair by pair."""

    name: str
    median_ms: float
    ratio: float
    ratio_spread: float


@dataclass(frozen=True)
class Benchmark:
    """Field names are the JSON's. ``spread_ms`` is the interquartile range."""

    model: str
    target: str
    device: str
    kind: str
    threads: int
    repeats: int
    median_ms: float
    spread_ms: float
    against: Rival | None


def benchmark(
    target: Target, model: ModelFile, *, against: str | None = None, threads: int = 1, repeats: int = 30
) -> Benchmark:
    """Time ``model`` on one sample of noise.

    ``against`` is "lce" (LCE's own interpreter, where its wheel is installed), "litert" (the stock interpreter, for
    files without custom ops) or the path of another .tflite file, run as ``model`` is. Raises EdgebnnError where that
    cannot be run.
    """
    session, sample = target.open(model, threads=threads), next(noise(model.graph, 1))

    def ours() -> object:
        return session.run(sample)

    rival = None
    if against is None:
        times = timing.measure(ours, repeats)
    else:
        pairs = timing.paired(ours, _rival(target, model, against, threads, sample), repeats)
        times = pairs.ours
        rival = Rival(against, pairs.theirs.median_ms, pairs.ratio, pairs.ratio_spread)
    return Benchmark(
        model=model.name,
        target=target.name,
        device=target.device,
        kind="measured",
        threads=threads,
        repeats=repeats,
        median_ms=times.median_ms,
        spread_ms=times.spread_ms,
        against=rival,
    )


def _rival(target: Target, model: ModelFile, against: str, threads: int, sample: Sample) -> Callable[[], object]:
    if against in ("lce", "litert") and target.name != "host":
        raise InputError(f"--against {against} runs on the target host only, not on {target.name}")
    if against == "lce":
        return _lce(model, threads, sample)
    if against == "litert":
        return _stock(model, threads, sample)
    other = open_model(against)
    session, inputs = target.open(other, threads=threads), next(noise(other.graph, 1))
    return lambda: session.run(inputs)


def _lce(model: ModelFile, threads: int, sample: Sample) -> Callable[[], object]:
    import edgebnn._tensorflow  # noqa: F401  quietens TensorFlow, which LCE's package loads

    try:
        from larq_compute_engine.tflite.python.interpreter import Interpreter
    except ImportError as error:
        raise EdgebnnError(f"LCE's interpreter is missing ({error}): pip install 'edgebnn[train]'") from None
    if sample[0].shape[0] != 1:
        raise InputError(f"{model.name}: LCE's interpreter runs models with batch size 1 only")
    interpreter = Interpreter(model.content, num_threads=threads)
    given = list(sample) if len(sample) > 1 else sample[0]
    return lambda: interpreter.predict(given)


def _stock(model: ModelFile, threads: int, sample: Sample) -> Callable[[], object]:
    custom = next((op.kind for op in model.graph.ops if OPS[op.kind].custom), None)
    if custom is not None:
        raise InputError(f"{model.name}: stock LiteRT does not run {custom}; name another file, or lce")
    interpreter = StockInterpreter(model_content=model.content, num_threads=threads)
    interpreter.allocate_tensors()

    def run() -> list[object]:
        for index, value in zip(model.graph.inputs, sample, strict=True):
            interpreter.set_tensor(index, value)
        interpreter.invoke()
        return [interpreter.get_tensor(index) for index in model.graph.outputs]

    return run
