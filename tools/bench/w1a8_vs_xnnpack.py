#!/usr/bin/env python3
"""W1A8 layers in our delegate against XNNPACK's int8 of the same shape: whole op, one thread.

Usage: .venv/bin/python -m tools.bench.w1a8_vs_xnnpack [--grid] [--size N]... [--cold] [--repeats N] [--kernels NAME]
       [--json FILE] [--markdown FILE]

``--cold`` reads 96 MiB of something else before each call, so that weights come from memory where
caches are smaller. ``--grid`` measures many small layers, of few channels and many, 1x1 and 3x3, stride 1 and 2,
instead of the large ones.

Every contender runs a model of this one op, in the same process and in turn; a ratio is the median over rounds of
theirs / ours. Times are of the thread, so that what else runs on the machine counts little. Figures hold for this class
of machine only, which is printed with them. XNNPACK cannot be kept from using VNNI where the processor has it, so the
bar for AVX2 against an XNNPACK without VNNI can only be tried on a machine without it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from edgebnn import machine
from edgebnn.arithmetic.packing import pack
from edgebnn.converters.write_tflite import to_bytes
from edgebnn.graph.ops.conv import Conv2DOptions
from edgebnn.graph.ops.dense import FullyConnectedOptions
from edgebnn.graph.ops.w1a8 import EdgebnnConv2dW1A8Options, EdgebnnDenseW1A8Options
from edgebnn.graph.types import Array, DType, Graph, Op, Options, Quantization, Shape, Tensor
from edgebnn.runtime.interpreter import Interpreter
from edgebnn.runtime.timing import Times, in_turn
from tools.bench.bconv2d import RESNET, prepared, stock
from tools.bench.layers import Layer
from tools.bench.publishing import command_line, publish

INPUT, OUTPUT = Quantization((2.0**-6,), (-5,)), Quantization((0.5,), (3,))


@dataclass(frozen=True)
class Dense:
    """A dense layer on one row."""

    channels_in: int
    channels_out: int

    @property
    def name(self) -> str:
        return f"dense {self.channels_in}x{self.channels_out}, batch 1"

    @property
    def macs(self) -> int:
        return self.channels_in * self.channels_out


LAYERS: tuple[Layer | Dense, ...] = (*RESNET, Dense(9216, 4096), Dense(4096, 4096))
SIZES, CHANNELS, KINDS = (4, 7, 14, 28, 56), (16, 24, 32, 48, 64, 128), ((3, 1), (3, 2), (1, 1), (1, 2))
"""Of the grid; kinds are (filter, stride)."""

_OTHERS = 96 << 20  # bytes


@dataclass(frozen=True)
class Result:
    """Of one layer. ``ratio`` is XNNPACK's time / ours; ``bar`` what it must reach here, None where none is set."""

    layer: str
    kernel: str
    ms: float
    gmacs: float
    xnnpack_ms: float
    xnnpack_gmacs: float
    ratio: float
    bar: float | None


def bar(layer: Layer | Dense, kernel: str, flags: frozenset[str]) -> float | None:
    """What must be reached on a processor with these flags."""
    if isinstance(layer, Dense):
        return 4.0 if layer.channels_in == 9216 else 2.5
    if not flags & {"avx512_vnni", "avx_vnni"}:
        return 1.8
    if kernel == "avx512":
        return 1.2 if layer.channels_in >= 128 and "avx512vbmi" in flags else 1.0
    return None


def _constant(name: str, data: Array, quantization: Quantization | None = None) -> Tensor:
    return Tensor(name, data.shape, DType(data.dtype.name), quantization, data)


def _graph(shapes: tuple[Shape, Shape], constants: tuple[Tensor, ...], kind: str, options: Options) -> Graph:
    ends = (Tensor("input", shapes[0], DType.INT8, INPUT), Tensor("output", shapes[1], DType.INT8, OUTPUT))
    last = len(constants) + 1
    op = Op(kind, tuple(range(last)), (last,), options)
    return Graph("layer", (ends[0], *constants, ends[1]), (op,), (0,), (last,))


def pair(layer: Layer | Dense) -> tuple[Graph, Graph]:
    """The layer with weights of -127 and 127, as the int8 op and as the W1A8 op."""
    rng = np.random.default_rng(0)
    shapes: tuple[Shape, Shape]
    weights: Shape
    if isinstance(layer, Dense):
        shapes, weights = ((1, layer.channels_in), (1, layer.channels_out)), (layer.channels_out, layer.channels_in)
    else:
        shapes = (layer._input_shape, layer._output_shape)
        weights = layer._filter_shape
    outputs = layer.channels_out
    minus = rng.random(weights) < 0.5
    scale = np.full(outputs, 2.0**-10, np.float32)
    bias = rng.integers(-1000, 1000, outputs).astype(np.int32)
    scales = (2.0**-10,) if isinstance(layer, Dense) else (2.0**-10,) * outputs
    zeros = (0,) * len(scales)
    int8 = (
        _constant("filter", np.where(minus, -127, 127).astype(np.int8), Quantization(scales, zeros)),
        _constant("bias", bias, Quantization(tuple(s * 2.0**-6 for s in scales), zeros)),
    )
    packed = (
        _constant("filter", pack(minus)),
        _constant("scale", scale),
        _constant("magnitude", np.full(outputs, 127, np.int8)),
        _constant("bias", bias),
    )
    if isinstance(layer, Dense):
        dense = EdgebnnDenseW1A8Options(channels_in=layer.channels_in)
        return (
            _graph(shapes, int8, "FULLY_CONNECTED", FullyConnectedOptions()),
            _graph(shapes, packed, "EdgebnnDenseW1A8", dense),
        )
    conv = EdgebnnConv2dW1A8Options(
        channels_in=layer.channels_in, stride_height=layer.stride, stride_width=layer.stride
    )
    strides = Conv2DOptions(stride_w=layer.stride, stride_h=layer.stride)
    return _graph(shapes, int8, "CONV_2D", strides), _graph(shapes, packed, "EdgebnnConv2dW1A8", conv)


def cold_in_turn(calls: Sequence[Callable[[], object]], repeats: int) -> tuple[Times, ...]:
    """As :func:`in_turn`, in thread time: of single calls, all that they read being out of the caches."""
    others = np.ones(_OTHERS // 8)  # written: zeros would all be one page
    samples: list[list[float]] = [[] for _ in calls]
    for _ in range(repeats):
        for call, taken in zip(calls, samples, strict=True):
            others.sum()
            begin = time.thread_time()
            call()
            taken.append(1000 * (time.thread_time() - begin))
    return tuple(Times(tuple(taken)) for taken in samples)


def compare(layer: Layer | Dense, repeats: int, kernels: str | None = None, cold: bool = False) -> Result:
    int8, packed = pair(layer)
    ours = prepared(Interpreter(model_content=to_bytes(packed), num_threads=1, kernels=kernels))
    kernel = next(op.kernel for op in ours.profile(repeats=1).ops if op.kernel)
    calls = (ours.invoke, stock(to_bytes(int8)))
    own, theirs = cold_in_turn(calls, repeats) if cold else in_turn(calls, repeats, clock=time.thread_time)
    return Result(
        layer=layer.name,
        kernel=kernel,
        ms=own.median_ms,
        gmacs=layer.macs / own.median_ms / 1e6,
        xnnpack_ms=theirs.median_ms,
        xnnpack_gmacs=layer.macs / theirs.median_ms / 1e6,
        ratio=float(np.median(np.divide(theirs.samples_ms, own.samples_ms))),
        bar=bar(layer, kernel, frozenset(machine.cpu_flags())),
    )


def markdown(results: list[Result], repeats: int, cold: bool) -> str:
    from_memory = ", weights from memory" if cold else ""
    lines = [
        f"W1A8 against XNNPACK int8, whole op, one thread, on {machine.describe()} (class {machine.cpu_class()}).",
        f"Measured, thread time, {repeats} rounds, interleaved{from_memory}; ratios are medians of theirs / ours.",
        "",
        "| layer | kernel | ms | GMAC/s | XNNPACK int8 ms | GMAC/s | ratio | bar |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for r in results:
        wanted = "-" if r.bar is None else f"{r.bar:.1f} {'reached' if r.ratio >= r.bar else 'missed'}"
        lines.append(
            f"| {r.layer} | {r.kernel} | {r.ms:.3f} | {r.gmacs:.0f} | {r.xnnpack_ms:.3f} | {r.xnnpack_gmacs:.0f} "
            f"| {r.ratio:.2f} | {wanted} |"
        )
    return "\n".join(lines) + "\n"


def grid(sizes: Sequence[int]) -> tuple[Layer, ...]:
    """As many channels out as in."""
    kinds = [(size, filter, stride) for filter, stride in KINDS for size in sizes]
    return tuple(Layer(size, c, c, filter, stride) for size, filter, stride in kinds for c in CHANNELS)


def grid_markdown(results: list[Result], repeats: int, cold: bool) -> str:
    """Ratios alone, a column for each number of channels."""
    from_memory = ", weights from memory" if cold else ""
    lines = [
        f"W1A8 against XNNPACK int8, whole op, one thread, on {machine.describe()} (class {machine.cpu_class()}).",
        f"Measured, thread time, {repeats} rounds, interleaved{from_memory}; medians of theirs / ours.",
        "",
        f"| layer | {' | '.join(map(str, CHANNELS))} |",
        "|---|" + "---|" * len(CHANNELS),
    ]
    for row in range(0, len(results), len(CHANNELS)):
        these = results[row : row + len(CHANNELS)]
        kind = these[0].layer.rpartition("x")[0]
        lines.append(f"| {kind} | {' | '.join(f'{r.ratio:.2f}' for r in these)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--grid", action="store_true", help="many small layers instead of the large ones")
    parser.add_argument("--size", type=int, action="append", help="of the grid's maps; may be repeated (default: all)")
    parser.add_argument("--cold", action="store_true", help="weights come from memory")
    parser.add_argument("--repeats", type=int, default=21)
    parser.add_argument("--kernels", help="the name of one of our kernels (default: the best for this processor)")
    options = parser.parse_args()
    results = []
    for layer in grid(options.size or SIZES) if options.grid else LAYERS:
        print(f"timing {layer.name}", file=sys.stderr, flush=True)
        results.append(compare(layer, options.repeats, options.kernels, options.cold))
    found = {"repeats": options.repeats, "cold": options.cold, "layers": [asdict(result) for result in results]}
    table = (grid_markdown if options.grid else markdown)(results, options.repeats, options.cold)
    publish(options, table, found)


if __name__ == "__main__":
    main()
