#!/usr/bin/env python3
"""Whole networks in LiteRT with our delegate, against the LCE wheel and against int8 networks in XNNPACK: one thread.

Usage: .venv/bin/python -m tools.bench.models [--network NAME]... [--zoo] [--repeats N] [--around float|int8]
       [--kernels NAME] [--before LIBRARY] [--without-amx] [--cache DIR] [--json FILE] [--markdown FILE]

Binary networks at 224x224 run against LCE's interpreter on the same file, and against the int8 network of their
topology in LiteRT without our delegate, which is XNNPACK. W1A8 networks run against the int8 file that they were packed
from. ``--zoo`` measures larq-zoo's networks (see ``zoo.py``). What surrounds binary layers (the first convolution, the
last layer) is float, as LCE's converter leaves it, or int8, as it is after conversion with calibration inputs.
``--before`` names the delegate of another commit to compare with, whose path this prints in a checkout of it:
    PYTHONPATH=. python -c "from edgebnn.runtime.build import library; print(library())"

All run in the same process, in turn; a ratio is the median over rounds of theirs / ours, in thread time. An inference
is setting the input, invoking and fetching the output. XNNPACK's int8 uses AMX where the processor has it, which
``--without-amx`` denies: for a baseline like those of processors that have VNNI alone. Shares of our time are from one
profile. What a second thread is worth on the same networks is measured by ``tools.bench.threads``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgebnn import machine
from edgebnn.errors import EdgebnnError
from edgebnn.runtime.interpreter import Interpreter
from edgebnn.runtime.profile import INTERPRETER, OpProfile, Profile
from edgebnn.runtime.timing import Times, in_turn
from tools.bench import networks
from tools.bench.marked_inference import delegate
from tools.bench.publishing import command_line, publish
from tools.bench.without_amx import deny_amx

LCE, INT8, BEFORE = "LCE 0.16", "int8 in XNNPACK", "before"


@dataclass(frozen=True)
class Baseline:
    """``ratio``: the median of its time / ours."""

    name: str
    ms: float
    ratio: float


@dataclass(frozen=True)
class Result:
    """``shares`` are fractions of our time, in the table's columns; ``ops`` are the profile's entries."""

    network: str
    kernel: str
    ours_ms: float
    baselines: tuple[Baseline, ...]
    shares: Mapping[str, float]
    ops: tuple[OpProfile, ...]

    def against(self, name: str) -> Baseline | None:
        return next((baseline for baseline in self.baselines if baseline.name == name), None)


def compare(
    name: str,
    model: bytes,
    repeats: int,
    kernels: str | None = None,
    *,
    lce: bool = True,
    int8: bytes | None = None,
    before: Path | None = None,
) -> Result:
    """One network, of one input and one output, against LCE, an int8 file and another delegate.

    Args:
        name: of the network.
        model: its file.
        repeats: rounds.
        kernels: the name of one of our kernels; default: the best for this processor.
        lce: whether LCE's interpreter runs ``model`` too.
        int8: the file that LiteRT runs without our delegate.
        before: the other delegate.

    Returns:
        Medians over rounds, and where our time goes.
    """
    from ai_edge_litert.interpreter import Interpreter as LiteRTInterpreter

    ours = Interpreter(model_content=model, num_threads=1, kernels=kernels)
    calls = {"": inference(ours)}
    if lce:
        calls |= _lce(name, model)
    if int8 is not None:
        calls[INT8] = inference(LiteRTInterpreter(model_content=int8, num_threads=1))
    if before is not None:
        other = [delegate(str(before))]
        calls[BEFORE] = inference(LiteRTInterpreter(model_content=model, num_threads=1, experimental_delegates=other))
    times = dict(zip(calls, in_turn(tuple(calls.values()), repeats, clock=time.thread_time), strict=True))
    return result_of(name, times.pop(""), times, ours.profile(repeats=max(repeats, 5)))


def inference(interpreter: Any) -> Callable[[], object]:
    """A call that sets an image, invokes and fetches the output."""
    interpreter.allocate_tensors()
    image, output = interpreter.get_input_details()[0], interpreter.get_output_details()[0]["index"]
    x = _image(image["shape"], image["dtype"])

    def call() -> object:
        interpreter.set_tensor(image["index"], x)
        interpreter.invoke()
        return interpreter.get_tensor(output)

    return call


def _image(shape: Any, dtype: Any) -> Any:
    x = np.random.default_rng(0).normal(size=shape)
    return x.astype(np.float32) if dtype == np.float32 else np.clip(x * 40, -128, 127).astype(dtype)


def _lce(name: str, model: bytes) -> dict[str, Callable[[], object]]:
    """LCE's interpreter on the file; nothing where it refuses the file, which is logged."""
    from larq_compute_engine.tflite.python.interpreter import Interpreter as LceInterpreter

    try:
        lce = LceInterpreter(model, num_threads=1, use_xnnpack=True)
        x = _image(lce.input_shapes[0], lce.input_types[0])
        lce.predict(x)
    except RuntimeError as error:
        print(f"LCE refuses {name}: {str(error).splitlines()[0]}", file=sys.stderr, flush=True)
        return {}
    return {LCE: lambda: lce.predict(x)}


def result_of(name: str, own: Times, baselines: Mapping[str, Times], profile: Profile) -> Result:
    """From the times of whole inferences, round by round, and from where ours go."""
    return Result(
        network=name,
        kernel=next((part.kernel for part in profile.ops if part.op in ("LceBconv2d", "EdgebnnConv2dW1A8")), "-"),
        ours_ms=own.median_ms,
        baselines=tuple(
            Baseline(baseline, times.median_ms, float(np.median(np.divide(times.samples_ms, own.samples_ms))))
            for baseline, times in baselines.items()
        ),
        shares=shares(profile),
        ops=profile.ops,
    )


def shares(profile: Profile) -> dict[str, float]:
    """Fractions of the time: of quantizing and pooling packed signs, of layers with 1-bit weights (and the additions
    that are done with them), of other ops of ours, and of LiteRT (XNNPACK, its own kernels and the interpreter)."""
    found = dict.fromkeys(("quantize and pool", "1-bit layers", "other ops of ours", "in LiteRT"), 0.0)
    for part in profile.ops:
        found[_column(part)] += part.share
    return found


def _column(part: OpProfile) -> str:
    if part.kernel == "litert" or part.op == INTERPRETER:
        return "in LiteRT"
    if part.op in ("LceQuantize", "LceDequantize", "LceBMaxPool2d"):
        return "quantize and pool"
    return "1-bit layers" if part.op.startswith(("LceBconv2d", "Edgebnn")) else "other ops of ours"


def markdown(results: list[Result], repeats: int, around: str, amx: bool = True) -> str:
    columns = list(results[0].shares)
    others = [LCE, INT8] + [BEFORE] * any(r.against(BEFORE) is not None for r in results)
    denied = "" if amx else ", AMX denied"
    lines = [
        f"Whole networks, {around} around binary layers, batch 1, one thread, on {machine.describe()}{denied}.",
        f"Measured, thread time, {repeats} rounds, interleaved; a ratio is the median of theirs / ours.",
        "",
        "| " + " | ".join(["network", "kernel", "edgebnn ms", *(f"{name} ms | x" for name in others), *columns]) + " |",
        "|---|---|---|" + "---|---|" * len(others) + "---|" * len(columns),
    ]
    for r in results:
        baselines = " | ".join(_cells(r.against(name)) for name in others)
        parts = " | ".join(f"{r.shares[column]:.1%}" for column in columns)
        lines.append(f"| {r.network} | {r.kernel} | {r.ours_ms:.3f} | {baselines} | {parts} |")
    return "\n".join(lines) + "\n"


def _cells(baseline: Baseline | None) -> str:
    return "- | -" if baseline is None else f"{baseline.ms:.3f} | {baseline.ratio:.2f}"


def _measured(name: str, options: argparse.Namespace) -> Result:
    print(f"timing {name}", file=sys.stderr, flush=True)
    model, int8 = networks.content(name, options.cache, options.around), networks.int8_content(name, options.cache)
    lce = networks.ALL[name].to == "lce"
    return compare(name, model, options.repeats, options.kernels, lce=lce, int8=int8, before=options.before)


def main() -> None:
    parser = command_line(__doc__)
    networks.add_options(parser)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--kernels", help="the name of one of our kernels (default: the best for this processor)")
    parser.add_argument("--before", type=Path, metavar="LIBRARY", help="another delegate to compare with")
    parser.add_argument("--without-amx", action="store_true", help="XNNPACK's int8 as on processors without AMX")
    options = parser.parse_args()
    try:
        if options.without_amx:
            deny_amx()
        results = [_measured(name, options) for name in networks.chosen(options)]
    except EdgebnnError as error:
        sys.exit(f"models: {error}")
    how = {"around": options.around, "repeats": options.repeats, "without_amx": options.without_amx}
    table = markdown(results, options.repeats, options.around, amx=not options.without_amx)
    publish(options, table, {**how, "networks": [asdict(result) for result in results]})


if __name__ == "__main__":
    main()
