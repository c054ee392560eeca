"""The machine's own limit: bconv2d_peak.c, compiled for it and called from Python."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from edgebnn.runtime import build
from edgebnn.runtime.kernel_choice import read_table

_SOURCE = Path(__file__).with_name("bconv2d_peak.c")

LOOPS = {"avx512": "vpopcntd", "avx2": "nibbles", "neon64": "uadalp"}
"""The loop with the instructions that a kernel may use, by the kernel's name. Other kernels are compared with the best
loop that the processor runs, "words" if it has none of these."""


def peak_call(kernel: str) -> tuple[Callable[[], float], float]:
    """A call that runs the loop for a kernel's class, and the multiply-accumulates of one call."""
    best = read_table(build.library()).runnable[0]
    return loop_call(LOOPS.get(kernel, LOOPS.get(best, "words")))


def loop_call(name: str) -> tuple[Callable[[], float], float]:
    """A call that runs the loop of this name, and the multiply-accumulates of one call."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "libpeak.so"
        flags = ("-std=c11", "-O3", "-fPIC", "-fvisibility=hidden")
        build.compile(path, [build.Source(_SOURCE)], build.find_compiler(), flags=flags)
        run = ctypes.CDLL(str(path)).edgebnn_peak
    run.argtypes = [ctypes.c_char_p]
    run.restype = ctypes.c_double

    def call() -> float:
        return float(run(name.encode()))

    return call, call()
