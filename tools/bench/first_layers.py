#!/usr/bin/env python3
"""First layers (convolutions of at most four input channels) in our delegate against XNNPACK: whole op, one thread.

Usage: .venv/bin/python -m tools.bench.first_layers [--float] [--without-amx] [--repeats N] [--kernels NAME]
       [--json FILE] [--markdown FILE]

Every contender runs a model of this layer, with its max-pooling if it has one, in the same process and in turn; a ratio
is the median over rounds of theirs / ours. "Of peak" is the share of what the instruction of the kernel's inner loop
gives from registers, measured in the same process. Times are of the thread. XNNPACK's int8 uses AMX where the
processor has it, which ``--without-amx`` denies. Figures hold for this class of machine only.
"""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, dataclass

import numpy as np

from edgebnn import machine
from edgebnn.converters.write_tflite import to_bytes
from edgebnn.graph.opdef import op_view
from edgebnn.graph.ops import OPS
from edgebnn.graph.ops.conv import Conv2DOptions
from edgebnn.graph.ops.pool import Pool2DOptions
from edgebnn.graph.types import Array, DType, Graph, Op, Options, Quantization, Tensor
from edgebnn.runtime.interpreter import Interpreter
from edgebnn.runtime.timing import in_turn
from tools.bench.bconv2d import prepared, stock
from tools.bench.peak import loop_call
from tools.bench.publishing import command_line, publish
from tools.bench.without_amx import deny_amx

LOOPS = {"avx512vnni": "vpdpbusd", "avx512": "fmadd"}
"""Loops of bconv2d_peak.c by the kernels whose limit they are."""


@dataclass(frozen=True)
class FirstLayer:
    """A convolution with SAME padding, and where it pools, MAX_POOL_2D of 3x3 with stride 2 behind it."""

    size: tuple[int, int]
    filter: tuple[int, int]
    stride: int
    channels_in: int
    channels_out: int
    pools: bool = False

    @property
    def name(self) -> str:
        (height, width), (rows, columns) = self.size, self.filter
        stride = f"/{self.stride}" if self.stride > 1 else ""
        behind = ", pooled" if self.pools else ""
        return f"{rows}x{columns}{stride} {height}x{width}x{self.channels_in} to {self.channels_out}{behind}"

    @property
    def macs(self) -> int:
        pixels = -(-self.size[0] // self.stride) * -(-self.size[1] // self.stride)
        return pixels * self.channels_out * self.channels_in * self.filter[0] * self.filter[1]


LAYERS = (
    FirstLayer((224, 224), (7, 7), 2, 3, 64),
    FirstLayer((224, 224), (7, 7), 2, 3, 64, pools=True),
    FirstLayer((224, 224), (11, 11), 4, 3, 64),
    FirstLayer((224, 224), (11, 11), 4, 3, 64, pools=True),
    FirstLayer((224, 224), (11, 11), 4, 3, 96),
    FirstLayer((224, 224), (3, 3), 2, 3, 32),
    FirstLayer((32, 32), (3, 3), 1, 3, 16),
    FirstLayer((32, 32), (3, 3), 1, 3, 32),
    FirstLayer((32, 32), (3, 3), 1, 3, 64),
    FirstLayer((96, 96), (3, 3), 2, 3, 8),
    FirstLayer((28, 28), (3, 3), 1, 1, 32),
    FirstLayer((49, 10), (10, 4), 2, 1, 64),
)


@dataclass(frozen=True)
class Result:
    """Of one layer. ``ratio`` is XNNPACK's time / ours; ``peak_gmacs`` None where no loop is known for the kernel."""

    layer: str
    kernel: str
    ms: float
    gmacs: float
    peak_gmacs: float | None
    xnnpack_ms: float
    ratio: float


def graph(layer: FirstLayer, dtype: DType) -> Graph:
    """With random weights; int8 is quantized per channel, as TFLite's converter does it."""
    rng = np.random.default_rng(0)
    shape = (layer.channels_out, *layer.filter, layer.channels_in)
    zeros, is_float = (0,) * layer.channels_out, dtype == DType.FLOAT32
    scales = tuple(float(s) for s in rng.uniform(0.5, 1, layer.channels_out).astype(np.float32) / 128)
    drawn = rng.normal(size=shape) if is_float else rng.integers(-127, 128, shape)
    offsets = rng.normal(size=layer.channels_out) if is_float else rng.integers(-1000, 1000, layer.channels_out)
    weights: Array = drawn.astype(np.float32 if is_float else np.int8)
    bias: Array = offsets.astype(np.float32 if is_float else np.int32)
    ends = [Quantization((2.0**-6,), (-5,)), Quantization((float(np.float32(np.prod(shape[1:]) ** 0.5 / 40)),), (3,))]
    constants = [Quantization(scales, zeros), Quantization(tuple(float(np.float32(s / 64)) for s in scales), zeros)]
    tensors = (
        Tensor("input", (1, *layer.size, layer.channels_in), dtype, None if is_float else ends[0]),
        Tensor("filter", shape, dtype, None if is_float else constants[0], weights),
        Tensor("bias", bias.shape, DType(bias.dtype.name), None if is_float else constants[1], bias),
    )
    strides = Conv2DOptions(stride_w=layer.stride, stride_h=layer.stride)
    made = _with_op(
        Graph("layer", tensors, (), (0,), (2,)), "CONV_2D", (0, 1, 2), strides, None if is_float else ends[1]
    )
    if not layer.pools:
        return made
    pool = Pool2DOptions(stride_w=2, stride_h=2, filter_width=3, filter_height=3)
    return _with_op(made, "MAX_POOL_2D", made.outputs, pool, None if is_float else ends[1])


def _with_op(
    before: Graph, kind: str, inputs: tuple[int, ...], options: Options, quantization: Quantization | None
) -> Graph:
    last = len(before.tensors)
    ops = (*before.ops, Op(kind, inputs, (last,), options))
    dtype = before.tensors[0].dtype
    partial = Graph("layer", (*before.tensors, Tensor(kind, (), dtype, quantization)), ops, (0,), (last,))
    (shape,) = OPS[kind].infer(op_view(partial, len(ops) - 1))
    return Graph("layer", (*before.tensors, Tensor(kind, shape, dtype, quantization)), ops, (0,), (last,))


def compare(layer: FirstLayer, dtype: DType, repeats: int, kernels: str | None = None) -> Result:
    content = to_bytes(graph(layer, dtype))
    ours = prepared(Interpreter(model_content=content, num_threads=1, kernels=kernels, few_channels="all"))
    kernel = next(op.kernel for op in ours.profile(repeats=1).ops if op.kernel)
    calls = [ours.invoke, stock(content)]
    macs_of_loop = 0.0
    if kernel in LOOPS:
        loop, macs_of_loop = loop_call(LOOPS[kernel])
        calls.append(loop)
    own, theirs, *limit = in_turn(calls, repeats, clock=time.thread_time)
    return Result(
        layer=layer.name,
        kernel=kernel,
        ms=own.median_ms,
        gmacs=layer.macs / own.median_ms / 1e6,
        peak_gmacs=macs_of_loop / limit[0].median_ms / 1e6 if limit else None,
        xnnpack_ms=theirs.median_ms,
        ratio=float(np.median(np.divide(theirs.samples_ms, own.samples_ms))),
    )


def markdown(results: list[Result], dtype: DType, repeats: int, amx: bool) -> str:
    denied = "" if amx else ", AMX denied"
    lines = [
        f"First layers of {dtype.value} against XNNPACK, whole op, one thread, on {machine.describe()} "
        f"(class {machine.cpu_class()}){denied}.",
        f"Measured, thread time, {repeats} rounds, interleaved; ratios are medians of theirs / ours.",
        "",
        "| layer | kernel | ms | GMAC/s | of peak | XNNPACK ms | ratio |",
        "|---|---|---|---|---|---|---|",
    ]
    for r in results:
        share = "-" if r.peak_gmacs is None else f"{r.gmacs / r.peak_gmacs:.0%} of {r.peak_gmacs:.0f}"
        lines.append(
            f"| {r.layer} | {r.kernel} | {r.ms:.4f} | {r.gmacs:.0f} | {share} | {r.xnnpack_ms:.4f} | {r.ratio:.2f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--float", action="store_true", help="of float32, not of int8")
    parser.add_argument("--without-amx", action="store_true", help="XNNPACK's int8 as on processors without AMX")
    parser.add_argument("--repeats", type=int, default=21)
    parser.add_argument("--kernels", help="the name of one of our kernels (default: the best for this processor)")
    options = parser.parse_args()
    dtype = DType.FLOAT32 if options.float else DType.INT8
    if options.without_amx:
        deny_amx()
    results = []
    for layer in LAYERS:
        print(f"timing {layer.name}", file=sys.stderr, flush=True)
        results.append(compare(layer, dtype, options.repeats, options.kernels))
    found = {
        "repeats": options.repeats,
        "without_amx": options.without_amx,
        "type": dtype.value,
        "layers": [asdict(result) for result in results],
    }
    publish(options, markdown(results, dtype, options.repeats, amx=not options.without_amx), found)


if __name__ == "__main__":
    main()
