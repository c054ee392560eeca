#!/usr/bin/env python3
"""Peak memory of a process that runs a whole binary network: our interpreter against LCE's.

Usage: .venv/bin/python -m tools.bench.memory [--network NAME]... [--zoo] [--around float|int8] [--rounds N]
       [--cache DIR] [--json FILE] [--markdown FILE]

Each interpreter runs in a fresh process: it imports what it needs, runs a network of one layer, so that all code is
loaded, and notes its resident memory; then it reads the file, makes the interpreter and infers three times. The growth
is the highest resident memory in that time less what it was before. Linux only (/proc).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np

from edgebnn import machine
from tools.bench import networks
from tools.bench.publishing import command_line, publish

BAR = 1.2
_RESET_PEAK = "5"  # proc(5), clear_refs


@dataclass(frozen=True)
class Result:
    """MiB of growth, medians over rounds; ``ratio`` is ours / theirs. None: LCE's interpreter refuses the file."""

    network: str
    file_mib: float
    ours_mib: float
    lce_mib: float | None

    @property
    def ratio(self) -> float | None:
        return self.lce_mib and self.ours_mib / self.lce_mib


def compare(name: str, model: bytes, rounds: int) -> Result:
    """Raises CalledProcessError if our process fails; what LCE says of a file that it refuses is logged."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.tflite"
        path.write_bytes(model)
        ours = [_in_fresh_process("edgebnn", path) for _ in range(rounds)]
        theirs: list[float] = []
        try:
            theirs += [_in_fresh_process("lce", path) for _ in range(rounds)]
        except subprocess.CalledProcessError as error:
            print(
                f"LCE refuses {name}: {(error.stderr.strip() or str(error)).splitlines()[-1]}",
                file=sys.stderr,
                flush=True,
            )
    return Result(name, len(model) / 2**20, median(ours), median(theirs) if theirs else None)


def _in_fresh_process(interpreter: str, path: Path) -> float:
    command = (sys.executable, "-m", "tools.bench.memory", "--child", interpreter, str(path))
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    return float(done.stdout.split()[-1])


def _ours() -> Callable[[bytes], None]:
    from edgebnn.runtime.interpreter import Interpreter

    def run(model: bytes) -> None:
        interpreter = Interpreter(model_content=model, num_threads=1)
        interpreter.allocate_tensors()
        image, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
        for _ in range(3):
            interpreter.set_tensor(image["index"], np.zeros(image["shape"], image["dtype"]))
            interpreter.invoke()
            interpreter.get_tensor(result["index"])

    return run


def _lce() -> Callable[[bytes], None]:
    from larq_compute_engine.tflite.python.interpreter import Interpreter

    def run(model: bytes) -> None:
        interpreter = Interpreter(model, num_threads=1, use_xnnpack=True)
        shape, dtype = interpreter.input_shapes[0], interpreter.input_types[0]
        for _ in range(3):
            interpreter.predict(np.zeros(shape, dtype))

    return run


def growth_mib(run: Callable[[bytes], None], path: Path) -> float:
    """In this process, which should be fresh."""
    from edgebnn.converters.write_tflite import to_bytes
    from tools.bench.layers import Layer, binary

    run(to_bytes(binary(Layer(4, 32, 32))))
    Path("/proc/self/clear_refs").write_text(_RESET_PEAK, encoding="ascii")
    before = _status_mib("VmRSS")
    run(path.read_bytes())
    return _status_mib("VmHWM") - before


def _status_mib(field: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) / 1024


def markdown(results: list[Result], rounds: int) -> str:
    lines = [
        f"Growth of the peak resident memory, one thread, on {machine.describe()}.",
        f"Measured, each in a fresh process, medians of {rounds} rounds; the bar is {BAR}.",
        "",
        "| network | file MiB | edgebnn MiB | LCE 0.16 MiB | ratio |",
        "|---|---|---|---|---|",
    ]
    for r in results:
        theirs = "- | -" if r.lce_mib is None else f"{r.lce_mib:.1f} | {r.ratio:.2f}"
        lines.append(f"| {r.network} | {r.file_mib:.1f} | {r.ours_mib:.1f} | {theirs} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = command_line(__doc__)
    networks.add_options(parser)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", nargs=2, metavar=("INTERPRETER", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        run = {"edgebnn": _ours, "lce": _lce}[options.child[0]]()
        print(growth_mib(run, Path(options.child[1])))
        return
    names = [name for name in networks.chosen(options) if networks.ALL[name].to == "lce"]  # what LCE runs
    results = [compare(name, networks.content(name, options.cache, options.around), options.rounds) for name in names]
    found = {
        "bar": BAR,
        "rounds": options.rounds,
        "networks": [{**asdict(result), "ratio": result.ratio} for result in results],
    }
    publish(options, markdown(results, options.rounds), found)


if __name__ == "__main__":
    main()
