#!/usr/bin/env python3
"""What a second thread is worth: one process with two threads against two processes with one each, in turn.

Usage: .venv/bin/python -m tools.bench.threads [--network NAME]... [--zoo] [--around float|int8] [--rounds N]
       [--seconds S] [--cache DIR] [--json FILE] [--markdown FILE]

Two cores are not always twice one (shared caches, shared cores, other processes), so two copies of the single-threaded
run, at work at once, say what there is to be had. A ratio is inferences a second with two threads / those of both
copies together, the median over rounds. The measurements of a round follow each other, in alternating order. Wall time
counts, so nothing else should run: how much more two copies do than one is printed, 2.0 if both cores were free. Where
others use the cores, root can take them for a moment: run it as `chrt -f 10 .venv/bin/python -m tools.bench.threads`.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection

import numpy as np

from edgebnn import machine
from edgebnn.converters.write_tflite import to_bytes
from edgebnn.runtime.interpreter import Interpreter
from tools.bench import networks
from tools.bench.bconv2d import RESNET, prepared
from tools.bench.layers import binary
from tools.bench.publishing import command_line, publish

BAR = 0.85
_LEAD = 0.02  # seconds from an order to its beginning, so that both copies begin at once


@dataclass(frozen=True)
class Result:
    """Inferences a second, medians over rounds; ``ratio`` is the median of the rounds' two threads / two copies, and
    ``cores`` that of two copies / one."""

    model: str
    two_threads: float
    two_copies: float
    ratio: float
    cores: float


def _serve(orders: Connection, model: bytes) -> None:
    """A copy: infers with the threads, from the moment and for the seconds that each order names."""
    interpreters = {threads: prepared(Interpreter(model_content=model, num_threads=threads)) for threads in (1, 2)}
    for interpreter in interpreters.values():
        interpreter.invoke()
    orders.send(0.0)
    while (order := orders.recv()) is not None:
        threads, begin, seconds = order
        orders.send(_rate(interpreters[threads], begin, seconds))


def _rate(interpreter: Interpreter, begin: float, seconds: float) -> float:
    time.sleep(max(0.0, begin - time.monotonic()))
    begin = now = time.monotonic()
    count = 0
    while now - begin < seconds:
        interpreter.invoke()
        count += 1
        now = time.monotonic()
    return count / (now - begin)


@contextmanager
def _copies(model: bytes) -> Iterator[list[Connection]]:
    """Two processes, ready for orders."""
    context = multiprocessing.get_context("spawn")
    ends, processes = [], []
    for _ in range(2):
        ours, theirs = context.Pipe()
        processes.append(context.Process(target=_serve, args=(theirs, model), daemon=True))
        processes[-1].start()
        theirs.close()
        ends.append(ours)
    try:
        for end in ends:
            end.recv()
        yield ends
        for end in ends:
            end.send(None)
    finally:
        for process in processes:
            process.join(timeout=5)
            process.terminate()


def _measure(copies: list[Connection], threads: int, seconds: float) -> float:
    """Inferences a second of all copies given, together."""
    begin = time.monotonic() + _LEAD
    for copy in copies:
        copy.send((threads, begin, seconds))
    return sum(float(copy.recv()) for copy in copies)


def compare(name: str, model: bytes, rounds: int, seconds: float) -> Result:
    """Raises EOFError if a copy dies."""
    taken: list[tuple[float, float, float]] = []
    with _copies(model) as copies:
        parts = ((copies[:1], 2), (copies, 1), (copies[:1], 1))
        for number in range(rounds):
            rates = [0.0] * len(parts)
            for turn in range(len(parts)):
                index = (number + turn) % len(parts)
                rates[index] = _measure(*parts[index], seconds)
            taken.append((rates[0], rates[1], rates[2]))
    return result_of(name, taken)


def result_of(name: str, rounds: list[tuple[float, float, float]]) -> Result:
    """From each round's inferences a second: with two threads, of both copies, of one copy."""
    threads, both, one = (np.array(column) for column in zip(*rounds, strict=True))
    medians = (np.median(values) for values in (threads, both, threads / both, both / one))
    return Result(name, *map(float, medians))


def markdown(results: list[Result], rounds: int, load: float) -> str:
    lines = [
        f"Two threads against two copies of the single-threaded run, on {machine.describe()}.",
        f"Measured, wall time, {rounds} rounds in turn, load average {load:.1f} at the beginning; the bar is {BAR}.",
        "",
        "| model | two threads, 1/s | two copies, 1/s | ratio | two copies / one |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {r.model} | {r.two_threads:.0f} | {r.two_copies:.0f} | {r.ratio:.2f} | {r.cores:.2f} |" for r in results
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = command_line(__doc__)
    networks.add_options(parser)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each measurement")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    models = {layer.name: to_bytes(binary(layer)) for layer in RESNET}
    names = networks.chosen(options)
    models |= {name: networks.content(name, options.cache, options.around) for name in names}
    results = [compare(name, model, options.rounds, options.seconds) for name, model in models.items()]
    measured = {"bar": BAR, "around": options.around, "load": load, "rounds": options.rounds}
    found = {**measured, "models": [asdict(result) for result in results]}
    publish(options, markdown(results, options.rounds, load), found, threads=2)


if __name__ == "__main__":
    main()
