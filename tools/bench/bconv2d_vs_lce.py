#!/usr/bin/env python3
"""LceBconv2d in our delegate against the Larq Compute Engine's interpreter: 3x3 layers, the whole op, one thread.

Usage: .venv/bin/python tools/bench/bconv2d_vs_lce.py [--repeats N] [--kernels NAME] [--json FILE] [--markdown FILE]

Both run the same single-op file in the same process, in turn; a ratio is the median over pairs of theirs / ours.
Times are of the processor, so that what else runs on the machine does not count.
Figures hold for this class of machine only, which is printed with them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebnn.converters.write_tflite import to_bytes
from edgebnn.graph.ops.binary import LceBconv2dOptions
from edgebnn.graph.ops.enums import Padding
from edgebnn.graph.types import ABSENT, DType, Graph, Op, Tensor
from edgebnn.runtime.interpreter import Interpreter
from edgebnn.runtime.timing import paired

SHAPES = ((56, 64), (28, 128), (14, 256), (7, 512))
"""Height and width, and channels in and out, of the layers of a ResNet."""

FILTER = 3


@dataclass(frozen=True)
class Result:
    layer: str
    kernel: str
    ours_ms: float
    theirs_ms: float
    ratio: float
    ratio_spread: float
    ours_gmacs: float
    theirs_gmacs: float


def machine_class() -> str:
    """A: AVX2. B: AVX-512 with VPOPCNTDQ. Else the processor's architecture."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        flags = set()
    if "avx512_vpopcntdq" in flags:
        return "B (AVX-512 with VPOPCNTDQ)"
    return "A (AVX2)" if "avx2" in flags else os.uname().machine


def layer(size: int, channels: int) -> Graph:
    """A 3x3 convolution with padding of ones and float output; weights are random."""
    rng = np.random.default_rng(0)
    words = channels // 32
    filters = rng.integers(-(2**31), 2**31, (channels, FILTER, FILTER, words)).astype(np.int32)
    multiplier = rng.random(channels, dtype=np.float32)
    tensors = (
        Tensor("input", (1, size, size, words), DType.INT32),
        Tensor("filter", filters.shape, DType.INT32, data=filters),
        Tensor("multiplier", multiplier.shape, DType.FLOAT32, data=multiplier),
        Tensor("output", (1, size, size, channels), DType.FLOAT32),
    )
    options = LceBconv2dOptions(channels_in=channels, pad_values=1, padding=Padding.SAME)
    op = Op("LceBconv2d", (0, 1, 2, 2, ABSENT), (3,), options)
    return Graph("layer", tensors, (op,), (0,), (3,))


def our_call(content: bytes, x: NDArray[np.int32], kernels: str | None) -> tuple[Callable[[], Any], str]:
    """A call that sets the input, runs and fetches the output, as LCE's ``predict`` does; and the kernel that runs."""
    interpreter = Interpreter(model_content=content, kernels=kernels)
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, x)
    kernel = next(op.kernel for op in interpreter.profile(repeats=1).ops if op.kernel)

    def call() -> Any:
        interpreter.set_tensor(0, x)
        interpreter.invoke()
        return interpreter.get_tensor(3)

    return call, kernel


def compare(size: int, channels: int, repeats: int, kernels: str | None = None) -> Result:
    """One layer. Raises AssertionError if the two do not agree in every bit."""
    from larq_compute_engine.tflite.python.interpreter import Interpreter as LceInterpreter

    content = to_bytes(layer(size, channels))
    x = np.random.default_rng(1).integers(-(2**31), 2**31, (1, size, size, channels // 32)).astype(np.int32)
    ours, kernel = our_call(content, x, kernels)
    lce = LceInterpreter(content, num_threads=1).interpreter
    np.testing.assert_array_equal(ours(), lce.predict([x])[0])
    times = paired(ours, lambda: lce.predict([x]), repeats, clock=time.process_time)
    gigamacs = size * size * channels * channels * FILTER * FILTER / 1e9
    return Result(
        layer=f"{size}x{size}x{channels}",
        kernel=kernel,
        ours_ms=times.ours.median_ms,
        theirs_ms=times.theirs.median_ms,
        ratio=times.ratio,
        ratio_spread=times.ratio_spread,
        ours_gmacs=gigamacs / times.ours.median_ms * 1000,
        theirs_gmacs=gigamacs / times.theirs.median_ms * 1000,
    )


def markdown(results: list[Result], repeats: int) -> str:
    lines = [
        f"3x3 LceBconv2d, whole op, one thread, machine class {machine_class()}.",
        f"Measured, processor time, {repeats} pairs.",
        "",
        "| layer | kernel | edgebnn ms | LCE 0.16 ms | ratio (spread) | edgebnn GMAC/s | LCE GMAC/s |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {r.layer} | {r.kernel} | {r.ours_ms:.3f} | {r.theirs_ms:.3f} | {r.ratio:.2f} ({r.ratio_spread:.2f}) "
        f"| {r.ours_gmacs:.0f} | {r.theirs_gmacs:.0f} |"
        for r in results
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--kernels", help="the name of one of our kernels (default: the best for this processor)")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    results = []
    for size, channels in SHAPES:
        print(f"timing {size}x{size}x{channels}", file=sys.stderr, flush=True)
        results.append(compare(size, channels, options.repeats, options.kernels))
    table = markdown(results, options.repeats)
    print(table, end="")
    if options.markdown:
        options.markdown.write_text(table, encoding="utf-8")
    if options.json:
        fields = {"machine_class": machine_class(), "kind": "measured", "threads": 1, "repeats": options.repeats}
        document = {**fields, "layers": [asdict(result) for result in results]}
        options.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
