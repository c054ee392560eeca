#!/usr/bin/env python3
"""Whole binary networks at 224x224 in LiteRT with our delegate, against the LCE wheel: one thread.

Usage: .venv/bin/python -m tools.bench.models [--network NAME] [--repeats N] [--around float|int8] [--kernels NAME]
       [--cache DIR] [--json FILE] [--markdown FILE]

Weights are random: time does not depend on them. What surrounds the binary layers (the first convolution, the last
layer) is float, as LCE's converter leaves it, or int8, as it is after conversion with calibration inputs: then LCE's
interpreter refuses ResNet-E18, whose binary layers pad with zeros. Both run the same file in the same process, in turn;
a ratio is the median over rounds of theirs / ours, in thread time. Shares of our time are from one profile.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgebnn import machine
from edgebnn.files import write_bytes
from edgebnn.runtime.interpreter import Interpreter
from edgebnn.runtime.profile import Profile
from edgebnn.runtime.timing import Times, in_turn
from tools.bench.publishing import command_line, publish


def _bireal18() -> Any:
    from edgebnn.models import build

    return build("resnet18", widths=(64, 128, 256, 512), classes=1000, precision="w1a1")


def _resnet_e18() -> Any:
    from tools.bench.resnet_e import resnet_e18

    return resnet_e18()


def _alexnet() -> Any:
    from edgebnn.models import build

    return build("alexnet", widths=(64, 192, 384, 256, 256, 4096, 4096), classes=1000, precision="w1a1")


def _quicknet() -> Any:
    from tools.bench.quicknet import quicknet

    return quicknet()


NETWORKS: Mapping[str, Callable[[], Any]] = {
    "Bi-Real-18": _bireal18,
    "ResNet-E18": _resnet_e18,
    "binary AlexNet": _alexnet,
    "QuickNet-like": _quicknet,
}


_CALIBRATION = 4  # images; ranges do not matter for time


@dataclass(frozen=True)
class Result:
    """Shares are fractions of our time: of quantizing and pooling packed signs, and of binary convolutions with
    the additions that are done with them."""

    network: str
    kernel: str
    ours_ms: float
    lce_ms: float
    ratio: float
    quantize_and_pool_share: float
    convolution_share: float


def content(name: str, cache: Path, around: str = "float") -> bytes:
    """The network as an LCE file, converted once; ``around``: what surrounds the binary layers, float or int8."""
    suffix = "" if around == "float" else f"_{around}"
    path = cache / f"{name.lower().replace(' ', '_')}{suffix}.tflite"
    if not path.is_file():
        from edgebnn.converters.from_keras import convert

        model = NETWORKS[name]()
        images = np.random.default_rng(0).normal(size=(_CALIBRATION, *model.input_shape[1:])).astype(np.float32)
        cache.mkdir(parents=True, exist_ok=True)
        write_bytes(path, convert(model, "lce", [images] if around == "int8" else None))
    return path.read_bytes()


def compare(name: str, model: bytes, repeats: int, kernels: str | None = None) -> Result:
    """One network that takes a float image."""
    from larq_compute_engine.tflite.python.interpreter import Interpreter as LceInterpreter

    ours = Interpreter(model_content=model, num_threads=1, kernels=kernels)
    ours.allocate_tensors()
    image, output_index = ours.get_input_details()[0], ours.get_output_details()[0]["index"]
    x = np.random.default_rng(0).normal(size=image["shape"]).astype(np.float32)
    lce = LceInterpreter(model, num_threads=1, use_xnnpack=True)

    def call() -> Any:
        ours.set_tensor(image["index"], x)
        ours.invoke()
        return ours.get_tensor(output_index)

    own, theirs = in_turn((call, lambda: lce.predict(x)), repeats, clock=time.thread_time)
    return result_of(name, own, theirs, ours.profile(repeats=max(repeats, 5)))


def result_of(name: str, own: Times, theirs: Times, profile: Profile) -> Result:
    """From the times of whole inferences, round by round, and from where ours go."""

    def share(kind: str) -> float:
        return sum(part.share for part in profile.ops if part.op == kind)

    return Result(
        network=name,
        kernel=next(part.kernel for part in profile.ops if part.op == "LceBconv2d"),
        ours_ms=own.median_ms,
        lce_ms=theirs.median_ms,
        ratio=float(np.median(np.divide(theirs.samples_ms, own.samples_ms))),
        quantize_and_pool_share=share("LceQuantize") + share("LceBMaxPool2d"),
        convolution_share=share("LceBconv2d"),
    )


def markdown(results: list[Result], repeats: int, around: str) -> str:
    lines = [
        f"Whole networks at 224x224, {around} around the binary layers, batch 1, one thread, on {machine.describe()}.",
        f"Measured, thread time, {repeats} rounds, interleaved; the ratio is the median of theirs / ours.",
        "",
        "| network | kernel | edgebnn ms | LCE 0.16 ms | ratio | quantize and pool | binary convolutions |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {r.network} | {r.kernel} | {r.ours_ms:.2f} | {r.lce_ms:.1f} | {r.ratio:.1f} "
        f"| {r.quantize_and_pool_share:.1%} | {r.convolution_share:.0%} |"
        for r in results
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--network", choices=NETWORKS, action="append", help="may be repeated (default: all)")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--around", choices=("float", "int8"), default="float", help="what surrounds the binary layers")
    parser.add_argument("--kernels", help="the name of one of our kernels (default: the best for this processor)")
    parser.add_argument("--cache", type=Path, default=Path("build/bench"), help="where converted networks are kept")
    options = parser.parse_args()
    results = []
    for name in options.network or NETWORKS:
        print(f"timing {name}", file=sys.stderr, flush=True)
        results.append(compare(name, content(name, options.cache, options.around), options.repeats, options.kernels))
    found = {"around": options.around, "repeats": options.repeats, "networks": [asdict(result) for result in results]}
    publish(options, markdown(results, options.repeats, options.around), found)


if __name__ == "__main__":
    main()
