"""Which layers of a standard int8 file run with packed weights here, and what is known of this processor's costs."""

from __future__ import annotations

from edgebnn import machine
from edgebnn.converters.write_tflite import to_bytes
from edgebnn.graph.types import Graph
from edgebnn.runtime import build
from edgebnn.runtime.interpreter import Interpreter
from edgebnn.runtime.kernel_choice import read_table
from edgebnn.runtime.w1a8_costs import Cost, read_costs


def ran_packed(graph: Graph, pack_int8: str) -> list[str]:
    """Kernels of the layers that ran packed."""
    interpreter = Interpreter(model_content=to_bytes(graph), pack_int8=pack_int8)  # type: ignore[arg-type]
    interpreter.allocate_tensors()
    return [op.kernel for op in interpreter.profile(repeats=1).ops if op.op.endswith("(packed)")]


def here() -> tuple[Cost, ...]:
    """The lines of this processor."""
    kernels = read_table(build.library(), "w1a8").runnable
    flags = machine.cpu_flags()
    vnni = len({"avx512_vnni", "avx_vnni"} & set(flags))
    widening = "WIDENING_WIDE" if "avx512bw" in flags else "WIDENING"
    int8 = "DOT" if "asimddp" in flags else (widening, "VNNI", "VNNI_WIDE")[vnni]
    if {"avx512_vnni", "amx_int8"} <= flags:
        int8 = "AMX"
    return tuple(cost for cost in read_costs() if cost.kernel in kernels and cost.int8 == int8)
