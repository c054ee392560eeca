#!/usr/bin/env python3
"""Binary dense layers at batch 1 against what LCE's converter makes of them, and XNNPACK int8: one thread.

Usage: .venv/bin/python -m tools.bench.dense [--repeats N] [--json FILE] [--markdown FILE]

LCE's file unpacks the signs and multiplies them in float, in XNNPACK; ours is the same file rewritten. Every contender
runs in the same process and in turn, in thread time; a ratio is the median over rounds of theirs / ours. The weights of
one binary layer stay in the caches, those of the others do not. In a network, where other weights are read in between,
the ratio comes nearer to that of the sizes, 32 and 8.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass

import numpy as np

from edgebnn import machine
from edgebnn.arithmetic.packing import packed_channels
from edgebnn.converters.binary_dense import to_binary_dense
from edgebnn.converters.write_tflite import to_bytes
from edgebnn.graph.ops.binary import LceDequantizeOptions, LceQuantizeOptions
from edgebnn.graph.ops.dense import FullyConnectedOptions
from edgebnn.graph.types import DType, Graph, Op, Tensor
from edgebnn.runtime.interpreter import Interpreter
from edgebnn.runtime.timing import in_turn
from tools.bench.bconv2d import prepared, stock
from tools.bench.publishing import command_line, publish
from tools.bench.w1a8_vs_xnnpack import Dense, pair

LAYERS = (Dense(9216, 4096), Dense(4096, 4096), Dense(2048, 1000), Dense(1024, 512))


@dataclass(frozen=True)
class Result:
    """Milliseconds, and ratios theirs / ours."""

    layer: str
    ms: float
    float32_ms: float
    int8_ms: float
    float32_ratio: float
    int8_ratio: float


def as_lce_converts(layer: Dense) -> Graph:
    """LceQuantize, LceDequantize and a float FULLY_CONNECTED with weights of -1 and 1."""
    rng = np.random.default_rng(0)
    weights = rng.choice(np.array([-1, 1], np.float32), (layer.channels_out, layer.channels_in))
    tensors = (
        Tensor("input", (1, layer.channels_in), DType.FLOAT32),
        Tensor("packed", (1, packed_channels(layer.channels_in)), DType.INT32),
        Tensor("signs", (1, layer.channels_in), DType.FLOAT32),
        Tensor("weights", weights.shape, DType.FLOAT32, data=weights),
        Tensor("bias", (layer.channels_out,), DType.FLOAT32, data=np.zeros(layer.channels_out, np.float32)),
        Tensor("output", (1, layer.channels_out), DType.FLOAT32),
    )
    ops = (
        Op("LceQuantize", (0,), (1,), LceQuantizeOptions()),
        Op("LceDequantize", (1,), (2,), LceDequantizeOptions()),
        Op("FULLY_CONNECTED", (2, 3, 4), (5,), FullyConnectedOptions()),
    )
    return Graph("dense", tensors, ops, (0,), (5,))


def compare(layer: Dense, repeats: int) -> Result:
    float32 = as_lce_converts(layer)
    calls = (
        prepared(Interpreter(model_content=to_bytes(to_binary_dense(float32)), num_threads=1)).invoke,
        prepared(Interpreter(model_content=to_bytes(float32), num_threads=1)).invoke,
        stock(to_bytes(pair(layer)[0])),
    )
    ours, *theirs = in_turn(calls, repeats, clock=time.thread_time)
    ratios = [float(np.median(np.divide(other.samples_ms, ours.samples_ms))) for other in theirs]
    return Result(layer.name, ours.median_ms, *(other.median_ms for other in theirs), *ratios)


def markdown(results: list[Result], repeats: int) -> str:
    lines = [
        f"Binary dense layers, batch 1, one thread, on {machine.describe()}.",
        f"Measured, thread time, {repeats} rounds, interleaved; ratios are medians of theirs / ours.",
        "",
        "| layer | edgebnn ms | as LCE converts it ms | x | XNNPACK int8 ms | x |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {r.layer} | {r.ms:.4f} | {r.float32_ms:.3f} | {r.float32_ratio:.0f} "
        f"| {r.int8_ms:.3f} | {r.int8_ratio:.1f} |"
        for r in results
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    results = [compare(layer, options.repeats) for layer in LAYERS]
    found = {"repeats": options.repeats, "layers": [asdict(result) for result in results]}
    publish(options, markdown(results, options.repeats), found)


if __name__ == "__main__":
    main()
