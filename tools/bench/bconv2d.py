#!/usr/bin/env python3
"""LceBconv2d in our delegate, layer by layer, against the LCE wheel, XNNPACK and the machine's own limit: one thread.

Usage: .venv/bin/python -m tools.bench.bconv2d [--layers bars|unseen|all] [--repeats N] [--kernels NAME]
       [--output float32|int8|packed] [--json FILE] [--markdown FILE]

Every contender runs a model of this one op, in the same process and in turn; a ratio is the median over rounds of
theirs / ours. Times are of the thread, so that what else runs on the machine counts little. A whole op is meant: what
`invoke()` takes; against LCE, whose interpreter does all at once, also setting the input and fetching the output.
Figures hold for this class of machine only, which is printed with them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgebnn import machine
from edgebnn.converters.write_tflite import to_bytes
from edgebnn.graph.types import DType
from edgebnn.runtime.interpreter import Interpreter
from edgebnn.runtime.timing import Times, in_turn
from tools.bench.layers import Layer, binary, float32, int8, packed_input
from tools.bench.peak import peak_call
from tools.bench.publishing import command_line, publish

RESNET = tuple(Layer(size, channels, channels) for size, channels in ((56, 64), (28, 128), (14, 256), (7, 512)))
OTHERS = (Layer(28, 256, 256, filter=1), Layer(14, 512, 512, filter=1), Layer(56, 64, 128, stride=2))
UNSEEN = (
    *(Layer(27, 96, 256, filter=5), Layer(13, 384, 256), Layer(20, 160, 160), Layer(10, 224, 320), Layer(112, 32, 32)),
    *(Layer(56, 64, 256, filter=1), Layer(28, 128, 256, filter=1, stride=2), Layer(32, 16, 16), Layer(9, 100, 72)),
)
LAYERS = {"bars": RESNET + OTHERS, "unseen": UNSEEN, "all": RESNET + OTHERS + UNSEEN}
OUTPUTS = {"float32": DType.FLOAT32, "int8": DType.INT8, "packed": DType.INT32}


@dataclass(frozen=True)
class Bars:
    """What must be reached: ratios, and shares of the peak (of 3x3 layers of a ResNet, and of the others)."""

    lce: float
    float32: float
    int8: float
    peak: float
    others_peak: float


BARS = {"avx2": Bars(10, 4, 2.5, 0.65, 0.45), "avx512": Bars(45, 12, 3, 0.62, 0.40)}


@dataclass(frozen=True)
class Result:
    """Of one layer. Ratios are theirs / ours; ``peak_share`` is a fraction; ``missed`` names the bars not reached."""

    layer: str
    kernel: str
    ms: float
    gmacs: float
    peak_gmacs: float
    peak_share: float
    lce_ratio: float
    float32_ratio: float
    int8_ratio: float
    lce_gmacs: float
    float32_gmacs: float
    int8_gmacs: float
    missed: tuple[str, ...]


def prepared(interpreter: Any) -> Any:
    """Allocated, and with an input that is no special case."""
    interpreter.allocate_tensors()
    detail = interpreter.get_input_details()[0]
    x = np.random.default_rng(1).integers(-100, 100, detail["shape"]).astype(detail["dtype"])
    interpreter.set_tensor(detail["index"], x)
    return interpreter


def stock(content: bytes) -> Callable[[], None]:
    """LiteRT without our delegate: XNNPACK, one thread."""
    from ai_edge_litert.interpreter import Interpreter as LiteRTInterpreter

    invoke: Callable[[], None] = prepared(LiteRTInterpreter(model_content=content, num_threads=1)).invoke
    return invoke


def compare(layer: Layer, repeats: int, output: DType = DType.FLOAT32, kernels: str | None = None) -> Result:
    """Raises AssertionError if LCE's output is not ours, bit for bit."""
    from larq_compute_engine.tflite.python.interpreter import Interpreter as LceInterpreter

    content = to_bytes(binary(layer, output))
    x = packed_input(layer)
    ours = prepared(Interpreter(model_content=content, num_threads=1, kernels=kernels))
    kernel = next(op.kernel for op in ours.profile(repeats=1).ops if op.kernel)
    lce = LceInterpreter(content, num_threads=1).interpreter
    y = ours.get_output_details()[0]["index"]

    def whole() -> Any:
        ours.set_tensor(0, x)
        ours.invoke()
        return ours.get_tensor(y)

    np.testing.assert_array_equal(whole(), lce.predict([x])[0])
    peak, peak_macs = peak_call(kernel)
    calls = (ours.invoke, peak, stock(to_bytes(float32(layer))), stock(to_bytes(int8(layer))), whole)
    times = in_turn((*calls, lambda: lce.predict([x])), repeats, clock=time.thread_time)
    return result_of(layer, kernel, peak_macs, times)


def result_of(layer: Layer, kernel: str, peak_macs: float, times: tuple[Times, ...]) -> Result:
    ours, peak, floats, ints, whole, lce = times

    def ratio(theirs: Times, own: Times) -> float:
        return float(np.median(np.divide(theirs.samples_ms, own.samples_ms)))

    def gmacs(of: Times) -> float:
        return layer.macs / of.median_ms / 1e6

    share = ratio(peak, ours) * layer.macs / peak_macs
    ratios = {"LCE": ratio(lce, whole), "float32": ratio(floats, ours), "int8": ratio(ints, ours)}
    return Result(
        layer=layer.name,
        kernel=kernel,
        ms=ours.median_ms,
        gmacs=gmacs(ours),
        peak_gmacs=peak_macs / peak.median_ms / 1e6,
        peak_share=share,
        lce_ratio=ratios["LCE"],
        float32_ratio=ratios["float32"],
        int8_ratio=ratios["int8"],
        lce_gmacs=gmacs(lce),
        float32_gmacs=gmacs(floats),
        int8_gmacs=gmacs(ints),
        missed=missed(layer, BARS.get(kernel), ratios, share),
    )


def missed(layer: Layer, bars: Bars | None, ratios: dict[str, float], share: float) -> tuple[str, ...]:
    if bars is None or layer not in LAYERS["bars"]:
        return ()
    if layer in OTHERS:
        return ("peak",) if share < bars.others_peak else ()
    wanted = {"LCE": bars.lce, "float32": bars.float32, "int8": bars.int8}
    if bars is BARS["avx2"] and "avx512_vnni" in machine.cpu_flags():
        del wanted["int8"]  # that bar is for machines where XNNPACK has no VNNI either
    below = [name for name, bar in wanted.items() if ratios[name] < bar]
    return (*below, *(("peak",) if share < bars.peak else ()))


def markdown(results: list[Result], output: str, repeats: int) -> str:
    lines = [
        f"LceBconv2d with {output} output, whole op, one thread, on {machine.describe()}.",
        f"Measured, thread time, {repeats} rounds, interleaved; ratios are medians of theirs / ours.",
        "",
        "| layer | kernel | ms | GMAC/s | of peak | x LCE 0.16 | x XNNPACK float32 | x XNNPACK int8 | missed bars |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {r.layer} | {r.kernel} | {r.ms:.3f} | {r.gmacs:.0f} | {r.peak_share:.0%} of {r.peak_gmacs:.0f} "
        f"| {r.lce_ratio:.1f} | {r.float32_ratio:.1f} | {r.int8_ratio:.1f} | {', '.join(r.missed) or '-'} |"
        for r in results
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--layers", choices=LAYERS, default="bars")
    parser.add_argument("--repeats", type=int, default=21)
    parser.add_argument("--output", choices=OUTPUTS, default="float32")
    parser.add_argument("--kernels", help="the name of one of our kernels (default: the best for this processor)")
    options = parser.parse_args()
    results = []
    for layer in LAYERS[options.layers]:
        print(f"timing {layer.name}", file=sys.stderr, flush=True)
        results.append(compare(layer, options.repeats, OUTPUTS[options.output], options.kernels))
    found = {"output": options.output, "repeats": options.repeats, "layers": [asdict(result) for result in results]}
    publish(options, markdown(results, options.output, options.repeats), found)


if __name__ == "__main__":
    main()
